package xtools

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/xjail/xjail/internal/fault"
)

// ManifestVersion is written into every manifest; another one is not read.
const ManifestVersion = 1

// Manifest says what is laid over a root, and what is not.
type Manifest struct {
	Version int       `json:"version"`
	Source  string    `json:"source"`  // twin, host, nxb, pack
	Release string    `json:"release"` // what the tools are of: debian:bookworm
	Host    string    `json:"host"`    // architecture of the tools, as the catalog names it
	Target  string    `json:"target"`  // architecture of the root
	Made    time.Time `json:"made"`
	// Layout is where the tools are.
	Layout Layout `json:"layout,omitempty"`
	// Farm is the directory with the files, below the state directory. Each is
	// there at File.Source.
	Farm string `json:"farm"`
	// Files are laid over the root's.
	Files []File `json:"files"`
	// Trees are directories, laid over directories that the root does not have.
	Trees []Tree `json:"trees,omitempty"`
	// Interpreters are programs of the root that stay emulated, but for the scripts
	// among Files: those are run by Source, which is where their first lines say. A
	// script is not laid over when Original is not what it was, or one of Modules.
	Interpreters []File `json:"interpreters,omitempty"`
	// Beside are programs in the farm that choosers run: native ones, and copies of
	// the root's own.
	Beside []File `json:"beside,omitempty"`
	// Modules are directories with compiled modules for Interpreters. Native ones
	// stand in for those that were there.
	Modules []Directory `json:"modules,omitempty"`
	// Points are the files and directories that were made in the root, so that
	// something can be laid over them, the outermost first. They are empty.
	Points []string `json:"points,omitempty"`
	// Env is what programs of the jail get besides, NAME=VALUE: native programs
	// that tell the architecture of their build take it from there.
	Env []string `json:"env,omitempty"`
	// Left are the programs that stay emulated.
	Left []Left `json:"left"`
	// Packages are those whose programs are native, with their versions.
	Packages []PackagePair `json:"packages"`
	// Only are the programs that were chosen (Choose); nil where all are taken.
	Only []string `json:"only,omitempty"`
	// Untried is there while the tools are tried: left by a command that was killed.
	Untried bool `json:"untried,omitempty"`
	// Notes are for people: differences that do no harm.
	Notes []string `json:"notes,omitempty"`
}

// File is one file that is laid over another.
type File struct {
	Path    string `json:"path"`   // in the root, absolute, without a symlink in it
	Source  string `json:"source"` // below the farm
	Kind    Kind   `json:"kind"`
	Package string `json:"package,omitempty"`
	Version string `json:"version,omitempty"` // of the native package
	SHA256  string `json:"sha256"`
	Size    int64  `json:"size"` // bytes
	Pays    bool   `json:"pays,omitempty"`
	Why     string `json:"why,omitempty"` // a script may be native, or what a chooser chooses by
	// Original is the root's own file; nil where the root has none.
	Original *Original `json:"original,omitempty"`
}

// Kind sorts files that are laid over.
type Kind string

// The kinds of files.
const (
	Program Kind = "program"
	Plugin  Kind = "plugin" // what native programs load by themselves
	Loader  Kind = "loader" // PT_INTERP of the native programs
	Script  Kind = "script" // runs by a native interpreter
	// Interpreter is one that runs scripts and is not laid over.
	Interpreter Kind = "interpreter"
	// Chooser is a script that runs a native compiler or the root's own.
	Chooser Kind = "chooser"
	// Own is a copy of the root's own program, for a chooser.
	Own Kind = "own"
)

// Original is a file of the root over which another is laid.
type Original struct {
	SHA256 string      `json:"sha256"`
	Size   int64       `json:"size"` // bytes
	Mode   fs.FileMode `json:"mode"`
	Links  uint64      `json:"links"`
	MTime  time.Time   `json:"mtime"`
	// Package and Version are the root's own.
	Package string `json:"package,omitempty"`
	Version string `json:"version,omitempty"`
}

// Same tells whether a file is still the one that was there when the tools were
// installed, as far as that shows without reading it.
func (o *Original) Same(st fs.FileInfo) bool {
	return st.Mode().IsRegular() && st.Size() == o.Size && st.ModTime().Equal(o.MTime)
}

// Directory is one of the root as it was when the tools were installed.
type Directory struct {
	Path string `json:"path"`
	// MTime changes when something is put into it or taken away; nil of one that
	// was not there.
	MTime *time.Time `json:"mtime,omitempty"`
}

// Same tells whether the directory is still as it was. st is nil of one that is not
// there.
func (d Directory) Same(st fs.FileInfo) bool {
	if d.MTime == nil || st == nil {
		return d.MTime == nil && st == nil
	}
	return st.IsDir() && st.ModTime().Equal(*d.MTime)
}

// ChangedInterpreter names what of a root is not any more what native scripts
// depend on: the interpreter, or a directory of its modules. It is "" when all is.
func (m *Manifest) ChangedInterpreter(root *os.Root) string {
	for _, f := range m.Interpreters {
		if st, err := root.Lstat(trimSlash(f.Path)); err != nil || !f.Original.Same(st) {
			return f.Path
		}
	}
	for _, d := range m.Modules {
		st, err := root.Lstat(trimSlash(d.Path))
		if err != nil && !errors.Is(err, fs.ErrNotExist) || !d.Same(st) {
			return d.Path
		}
	}
	return ""
}

// InTree tells whether a path of the root is in one of the trees, and so laid over
// with it.
func (m *Manifest) InTree(name string) bool {
	return slices.ContainsFunc(m.Trees, func(t Tree) bool { return strings.HasPrefix(name, t.Path+"/") })
}

// InFarm are all files of the farm that the manifest has a digest of.
func (m *Manifest) InFarm() []File { return slices.Concat(m.Files, m.Interpreters, m.Beside) }

// IsNative tells whether the file in the farm is a program or a part of one for
// the host, and no script or copy of the root's own.
func (f *File) IsNative() bool { return f.Kind != Script && f.Kind != Chooser && f.Kind != Own }

// Tree is a directory of the farm.
type Tree struct {
	Path   string `json:"path"`
	Source string `json:"source"`
	// Files and Bytes are how much is in it.
	Files int   `json:"files"`
	Bytes int64 `json:"bytes"`
}

// State sorts programs of a root.
type State string

// The states of a program.
const (
	Native   State = "native"
	Excluded State = "excluded" // by the policy
	Missing  State = "missing"  // the source has no such program
	Drifted  State = "drifted"  // the source has it in another version
	Emulated State = "emulated" // for another reason
)

// Left is a program that stays emulated.
type Left struct {
	Path    string `json:"path"`
	State   State  `json:"state"`
	Why     string `json:"why"`
	Package string `json:"package,omitempty"`
	Pays    bool   `json:"pays,omitempty"`
	Script  bool   `json:"script,omitempty"`
}

// PackagePair are the two builds of one package.
type PackagePair struct {
	Name    string `json:"name"`
	Version string `json:"version"` // the root's
	Twin    string `json:"twin"`    // name of the native package
	TwinVer string `json:"twin_version"`
	SHA256  string `json:"sha256,omitempty"` // of the native package's file
}

// ParseManifest reads what Marshal wrote.
func ParseManifest(text []byte) (*Manifest, error) {
	m := &Manifest{}
	if err := json.Unmarshal(text, m); err != nil {
		return nil, fault.Wrap(fault.Damaged, err, "manifest of the tools", "xjail tools install makes it anew")
	}
	if m.Version != ManifestVersion {
		return nil, fault.New(fault.Damaged, "xjail tools install makes it anew", "manifest of the tools: version %d, want %d", m.Version, ManifestVersion)
	}
	return m, m.check()
}

// check refuses paths that no manifest of ours has: who can write one must not
// be able to lay anything else.
func (m *Manifest) check() error {
	var names []string
	for _, f := range m.InFarm() {
		names = append(names, f.Source, trimSlash(f.Path))
	}
	for _, f := range m.Interpreters {
		if f.Original == nil {
			return fault.New(fault.Damaged, "xjail tools install makes it anew", "manifest of the tools: nothing is known of the root's own %s", f.Path)
		}
	}
	for _, t := range m.Trees {
		names = append(names, t.Source, trimSlash(t.Path))
	}
	for _, d := range m.Modules {
		names = append(names, trimSlash(d.Path))
	}
	for _, p := range m.Points {
		names = append(names, trimSlash(p))
	}
	for _, name := range append(names, m.Farm) {
		if !fs.ValidPath(name) || name == "." {
			return fault.New(fault.Damaged, "xjail tools install makes it anew", "manifest of the tools: %q cannot be a path in it", name)
		}
	}
	return nil
}

func trimSlash(name string) string {
	if name != "" && name[0] == '/' {
		return name[1:]
	}
	return "" // not absolute: refused
}

// Marshal is the text of the manifest.
func (m *Manifest) Marshal() ([]byte, error) {
	text, err := json.MarshalIndent(m, "", " ")
	return append(text, '\n'), err
}
