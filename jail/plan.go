package jail

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"unicode/utf8"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/source"
	"github.com/xjail/xjail/qemu"
)

// Request is what a user asks of create.
type Request struct {
	Name     string
	Arch     string // any name of the catalog; "" means Name
	From     string // a source; "" lets xjail choose
	SHA256   string // of the archive
	Emulator string // path; "" lets xjail choose
	Path     string // where the root goes; "" is the state directory
	Global   bool   // register with the machine instead of privately
	// SkipDevices leaves device nodes of the source out and writes them down.
	SkipDevices bool
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
	// SkipDevices is the request's.
	SkipDevices bool          `json:"skip_devices,omitempty"`
	Env         []string      `json:"env,omitempty"`
	Steps       []PlannedStep `json:"steps"`

	arch *arch.Arch
	emu  *qemu.Emulator
	cfg  *Config
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
	// FreeBSD has one table, the machine's.
	everybody := req.Global || runtime.GOOS == "freebsd"
	p := &Plan{Name: req.Name, Arch: a.Name, Global: everybody, SkipDevices: req.SkipDevices, arch: a, cfg: cfg}
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

// planSource takes what was asked for, or Debian's current stable when Debian
// has the architecture, or the mini root when Go can build for it.
func (p *Plan) planSource(req Request) error {
	spec, why := source.Spec{}, ""
	var err error
	if req.From != "" {
		spec, err = source.Parse(req.From)
	} else {
		spec, why, err = source.Default(p.arch)
	}
	if err != nil {
		return err
	}
	p.Source = SourcePlan{Spec: spec, Why: why, SHA256: req.SHA256}
	if p.Guest = spec.Guest(); p.Guest == "" {
		p.Guest = runtime.GOOS
	}
	if req.SHA256 != "" && spec.Kind != source.Archive {
		return fault.New(fault.Usage, "--sha256 goes with --from archive:...", "source %s has no digest", spec)
	}
	return p.checkSource()
}

// checkSource finds out early what the source needs.
func (p *Plan) checkSource() error {
	src := &p.Source
	switch {
	case src.Kind == source.Debian:
		return p.checkDebian()
	case src.Kind == source.Archive && !src.IsURL():
		st, err := os.Stat(src.Value)
		if err != nil {
			return sourceError(src.Value, err)
		}
		if !st.Mode().IsRegular() {
			return fault.New(fault.Damaged, "use dir: for a directory", "source %s is not a file", src.Value)
		}
		src.Size = st.Size()
	case src.Kind == source.Dir:
		st, err := os.Stat(src.Value)
		if err != nil {
			return sourceError(src.Value, err)
		}
		if !st.IsDir() {
			return fault.New(fault.Damaged, "use archive: for a file", "source %s is not a directory", src.Value)
		}
	case src.Kind == source.Miniroot && p.arch.GoArch == "":
		return fault.New(fault.Unsupported, "use --from archive:FILE or --from dir:DIRECTORY", "Go has no port to %s, so there is no mini root for it", p.Arch)
	}
	return nil
}

// sourceError says that a local source cannot be looked at.
func sourceError(name string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fault.Wrap(fault.Permission, err, "source", "let this user read "+name+", or run as one who can")
	}
	return fault.Wrap(fault.NotFound, err, "source", "check the path; it is taken from the directory in which xjail runs")
}

// checkDebian is the part of checkSource for Debian. A mirror that the
// configuration names may have what Debian's own suites have not, such as
// Debian Ports.
func (p *Plan) checkDebian() error {
	src := &p.Source
	src.Mirror = p.cfg.Mirror
	if src.Mirror == "" {
		if err := source.CheckDebian(p.arch, src.Value); err != nil {
			return err
		}
		src.Mirror = source.DebianMirror("/etc/apt")
	}
	if p.arch.Debian == "" {
		return fault.New(fault.NotFound, "xjail arch show "+p.Arch, "Debian has no name for %s", p.Arch)
	}
	if _, err := source.FindDebianTool(); err != nil {
		return err
	}
	return enoughIDs()
}

// planSteps names the steps in their order, as the journal does.
func planSteps(p *Plan) []PlannedStep {
	var steps []PlannedStep
	for _, st := range createSteps(p) {
		steps = append(steps, PlannedStep{st.name, st.what})
	}
	return steps
}
