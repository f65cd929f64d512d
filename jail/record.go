package jail

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"time"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/source"
)

// recordVersion is written into every record; a newer one is not read.
const recordVersion = 1

// Record is jail.json: what was done to make a jail, with digests. verify,
// exec and destroy go by it.
type Record struct {
	Version    int                `json:"version"`
	Name       string             `json:"name"`
	Arch       string             `json:"arch"`
	Guest      string             `json:"guest_os,omitempty"` // linux or freebsd
	Created    time.Time          `json:"created"`
	Updated    time.Time          `json:"updated,omitzero"`
	Root       string             `json:"root"`
	Outside    bool               `json:"outside_state,omitempty"` // made with --path
	Source     SourceRecord       `json:"source"`
	Emulator   *EmulatorRecord    `json:"emulator,omitempty"` // nil: the host runs it natively
	Activators []activators.Entry `json:"activators,omitempty"`
	Global     bool               `json:"global,omitempty"` // activators are the machine's
	// Registered: they were made for jails, and go with the last one.
	Registered bool     `json:"registered,omitempty"`
	Env        []string `json:"env,omitempty"`
	// Allow are what its programs may do on FreeBSD beyond what jails do (jail(8),
	// allow.*): raw_sockets, mlock.
	Allow []string `json:"allow,omitempty"`
	Probe Probe    `json:"probe"`
	// NotRun is why no program of the root was run when it was made, and none
	// can be; "" when one was.
	NotRun string `json:"not_run,omitempty"`
}

// registered are the machine's activators that go with the last jail.
func (r *Record) registered() []string {
	var names []string
	for _, e := range r.Activators {
		if r.Registered {
			names = append(names, e.Name)
		}
	}
	return names
}

// SourceRecord says where the root came from.
type SourceRecord struct {
	Kind    string `json:"kind"`
	Spec    string `json:"spec"`
	Why     string `json:"why,omitempty"`
	SHA256  string `json:"sha256,omitempty"`
	Entries int64  `json:"entries,omitempty"`
	Bytes   int64  `json:"bytes,omitempty"`
	Kept    int    `json:"kept_aside,omitempty"` // facts in metadata.json that the host could not hold
	// Manifest is what a FreeBSD release consisted of, and why it was believed.
	Manifest *source.Manifest `json:"manifest,omitempty"`
}

// EmulatorRecord says which emulator a jail has, and where it came from.
type EmulatorRecord struct {
	Path    string `json:"path"`   // in the root, which is the activator's interpreter
	Origin  string `json:"origin"` // on the host when the jail was made
	Version string `json:"version"`
	Family  string `json:"family"`
	Target  string `json:"target"`
	SHA256  string `json:"sha256"`
	Size    int64  `json:"size"`
}

// EmulatorHint is how a jail in which nothing could be run gets an emulator.
func (r *Record) EmulatorHint() string {
	return "install an emulator that runs programs of " + r.Guest + " for " + r.Arch + " here; then xjail update " + r.Name + " takes it"
}

// Probe is the foreign program whose run ended the creation.
type Probe struct {
	Argv   []string `json:"argv"`
	Output string   `json:"output"`
}

// Store is a state directory: jails/NAME/ for each jail, with its record, its
// root and what is under way; jails/NAME.lock beside it; emulators/ that were
// fetched; cache/, sets of FreeBSD's releases; activators.json, the entries that were registered with the machine.
type Store struct{ Dir string }

// nameMax is the longest name: the kernel's limit for a host name.
const nameMax = 64

func validName(name string) bool {
	const alnum = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	return name != "" && len(name) <= nameMax && strings.Trim(name, alnum+"._-") == "" &&
		strings.IndexByte(alnum, name[0]) >= 0 && !strings.HasSuffix(name, ".lock")
}

// CheckName refuses what cannot be a directory, a host name and an argument.
func CheckName(name string) error {
	if validName(name) {
		return nil
	}
	return fault.New(fault.Usage, "use letters, digits, '.', '_' and '-', 64 at most, and begin with a letter or digit", "%q cannot be the name of a jail", name)
}

func (s Store) jails() string              { return filepath.Join(s.Dir, "jails") }
func (s Store) dir(name string) string     { return filepath.Join(s.jails(), name) }
func (s Store) record(name string) string  { return filepath.Join(s.dir(name), "jail.json") }
func (s Store) journal(name string) string { return filepath.Join(s.dir(name), "journal") }
func (s Store) views(name string) string   { return filepath.Join(s.dir(name), "enter") }

// Cache is what the jails share of what was downloaded.
func (s Store) Cache() source.Cache { return source.Cache{Dir: filepath.Join(s.Dir, "cache", "sets")} }

// EmulatorDir is where xjail emulator fetch puts emulators.
func (s Store) EmulatorDir() string { return filepath.Join(s.Dir, "emulators") }

// Load reads the record of a jail.
func (s Store) Load(name string) (*Record, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(s.record(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, s.noJail(name)
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil, fault.Wrap(fault.Permission, err, "jail "+name, "jails of root need root")
	}
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "record of jail "+name, "")
	}
	r := &Record{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fault.Wrap(fault.Damaged, err, s.record(name), "xjail destroy "+name)
	}
	if r.Version != recordVersion || r.Name != name {
		return nil, fault.New(fault.Damaged, "use the xjail that made it, or xjail destroy "+name, "%s: version %d of jail %q, want version %d of %q", s.record(name), r.Version, r.Name, recordVersion, name)
	}
	return r, nil
}

func (s Store) noJail(name string) error {
	hint := "xjail create " + name
	if err := mayEnter(runtime.GOOS, os.Geteuid()); err != nil {
		hint = "jails are root's on FreeBSD: run it as root"
	} else if _, err := os.Stat(s.dir(name)); err == nil {
		hint = "its creation was interrupted: xjail create " + name + ", or xjail destroy " + name
	} else if all, _ := s.Names(); len(all) > 0 {
		hint += "; there are: " + strings.Join(all, " ")
	}
	return fault.New(fault.NotFound, hint, "there is no jail %q in %s", name, s.Dir)
}

// Names lists the jails, complete or not.
func (s Store) Names() ([]string, error) {
	entries, err := os.ReadDir(s.jails())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Wrap(fault.Permission, err, "list jails", "jails of root need root; --state DIR names another place")
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && validName(e.Name()) {
			names = append(names, e.Name())
		}
	}
	sort.Strings(names)
	return names, nil
}

// save writes the record whole or not at all.
func (s Store) save(r *Record) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(s.record(r.Name), append(text, '\n'))
}

// writeFile replaces a file in one step and flushes it, so that a power cut
// leaves the old one or the new one.
func writeFile(name string, text []byte) error {
	tmp := name + ".new"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return writeError(err)
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp, name)
	}
	if err != nil {
		_ = os.Remove(tmp)
	}
	return writeError(err)
}
