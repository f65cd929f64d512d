package jail

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
	"unicode/utf8"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/source"
	"github.com/xjail/xjail/qemu"
)

// Request is what a user asks of create.
type Request struct {
	Name   string
	Arch   string // any name of the catalog; "" means Name
	From   string // a source; "" lets xjail choose
	SHA256 string // of the archive
	// Guest is the system whose programs the root has, linux or freebsd; "" lets
	// xjail find out.
	Guest string
	// Sets are the sets of a FreeBSD release, or of its packages; nil for the
	// usual ones.
	Sets []string
	// ManifestSHA256 is the digest that the MANIFEST of a release must have.
	ManifestSHA256 string
	Emulator       string // path; "" lets xjail choose
	Path           string // where the root goes; "" is the state directory
	Global         bool   // register with the machine instead of privately
	// SkipDevices leaves device nodes of the source out and writes them down.
	SkipDevices bool
	// Tools is the source of native tools: twin, or none; "" is the twin where
	// there is one.
	Tools string
	// Materialize writes the native tools into the root.
	Materialize bool
	// Allow are parameters allow.* of jail(8), without that prefix; on FreeBSD.
	Allow []string

	host *source.Host // nil is this machine
}

// Plan is everything that create will do, decided before anything is done.
type Plan struct {
	Name       string             `json:"name"`
	Arch       string             `json:"arch"`
	Guest      string             `json:"guest_os"` // whose programs are in the root: linux or freebsd
	Root       string             `json:"root"`
	Outside    bool               `json:"outside_state,omitempty"`
	Source     SourcePlan         `json:"source"`
	Emulator   *EmulatorPlan      `json:"emulator,omitempty"`
	Activators []PlannedActivator `json:"activators,omitempty"`
	Global     bool               `json:"global"`
	// Tools are the native tools that the jail gets; nil for none.
	Tools *ToolsPlan `json:"tools,omitempty"`
	// SkipDevices and Allow are the request's.
	SkipDevices bool          `json:"skip_devices,omitempty"`
	Allow       []string      `json:"allow,omitempty"`
	Env         []string      `json:"env,omitempty"`
	Steps       []PlannedStep `json:"steps"`
	// NotRun is why no program of the root will be run; "" when one will.
	NotRun string `json:"not_run,omitempty"`

	arch  *arch.Arch
	host  source.Host
	stall time.Duration // of downloads; 0 is the usual
	emu   *qemu.Emulator
	cfg   *Config
	// served: the machine's activator, when somebody else made it and it will do.
	served *activators.Entry
	// registers: the machine's activator is not there yet, or another jail's.
	registers bool
}

// SourcePlan is where the root will come from.
type SourcePlan struct {
	source.Spec
	Why    string `json:"why,omitempty"` // when xjail chose it
	SHA256 string `json:"sha256,omitempty"`
	Size   int64  `json:"size,omitempty"` // of a local archive, bytes
	Mirror string `json:"mirror,omitempty"`
	// Release, of a FreeBSD release, says which addresses are asked.
	Release *source.FreeBSDRelease `json:"release,omitempty"`
	// Packages are what pkg(8) will install.
	Packages []string `json:"packages,omitempty"`

	pkgBase *source.PkgBaseRoot
	tree    *source.BuiltTree
}

// EmulatorPlan is the emulator that was chosen, and those that were not.
type EmulatorPlan struct {
	*qemu.Emulator
	InRoot     string           `json:"in_root"`
	PassedOver []qemu.Candidate `json:"passed_over,omitempty"`
}

// PlannedActivator is an entry and the line that registers it on Linux.
type PlannedActivator struct {
	activators.Entry
	Line string `json:"line"`
}

// PlannedStep is one step, for people.
type PlannedStep struct {
	Name string `json:"name"`
	What string `json:"what"`
}

// NewPlan decides how a jail is made. It looks at the machine and changes
// nothing.
func (s Store) NewPlan(ctx context.Context, cfg *Config, req Request) (*Plan, error) {
	if err := CheckName(req.Name); err != nil {
		return nil, err
	}
	name := req.Arch
	if name == "" {
		name = req.Name
	}
	a, err := arch.Lookup(name)
	if err != nil {
		if req.Arch == "" {
			return nil, fault.Wrap(fault.KindOf(err), err, "create "+req.Name+" without --arch", "")
		}
		return nil, err
	}
	p := &Plan{Name: req.Name, Arch: a.Name, Global: req.Global, SkipDevices: req.SkipDevices, arch: a, cfg: cfg, host: source.ThisHost()}
	if req.host != nil {
		p.host = *req.host
	}
	// FreeBSD has one table, the machine's.
	p.Global = p.Global || p.host.OS == "freebsd"
	if p.Allow, err = checkAllow(p.host.OS, req.Allow); err != nil {
		return nil, err
	}
	if err := s.planRoot(p, req); err != nil {
		return nil, err
	}
	if err := p.planSource(req); err != nil {
		return nil, err
	}
	if err := s.planEmulator(ctx, p, req); err != nil {
		return nil, err
	}
	if err := s.planActivators(p); err != nil {
		return nil, err
	}
	if err := s.planTools(p, req); err != nil {
		return nil, err
	}
	p.Steps = planSteps(p)
	return p, nil
}

// planRoot chooses the place, which must be free.
func (s Store) planRoot(p *Plan, req Request) error {
	if _, err := os.Stat(s.record(req.Name)); err == nil {
		return fault.New(fault.Exists, "xjail destroy "+req.Name+", or another name with --arch "+p.Arch, "jail %s exists", req.Name)
	}
	if !utf8.ValidString(req.Path) || !utf8.ValidString(s.Dir) {
		return fault.New(fault.Usage, "name a place in UTF-8 with --path or --state", "a record cannot hold the path %q", req.Path+s.Dir)
	}
	p.Root = filepath.Join(s.dir(req.Name), "root")
	if req.Path == "" {
		return nil
	}
	root, err := filepath.Abs(req.Path)
	if err != nil {
		return err
	}
	if left, _ := s.readJournal(req.Name); len(outside(left)) > 0 {
		// An earlier create was interrupted; what it left there goes first.
		p.Root, p.Outside = root, true
		return nil
	}
	if _, err := os.Lstat(root); !errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.Exists, "name a directory that does not exist yet", "--path %s exists", root)
	}
	p.Root, p.Outside = root, true
	return nil
}

// planSteps names the steps in their order, as the journal does.
func planSteps(p *Plan) []PlannedStep {
	var steps []PlannedStep
	for _, st := range createSteps(p) {
		steps = append(steps, PlannedStep{st.name, st.what})
	}
	return steps
}
