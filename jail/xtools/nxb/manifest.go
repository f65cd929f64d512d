package nxb

import "io/fs"

// Kind is what a file of the layout is.
type Kind string

// The kinds of files.
const (
	Static    Kind = "static"    // a program as it was
	Relocated Kind = "relocated" // a program with another interpreter
	Library   Kind = "library"   // a shared library as it was
	Linker    Kind = "rtld"      // the run-time linker, with its strings replaced
	Config    Kind = "config"    // a configuration file of clang; see Text
	Launcher  Kind = "launcher"  // a shell script that tells clang its target; see Text
	Data      Kind = "data"      // a header or an archive of the compiler, as it was
	Link      Kind = "link"      // a hard link to another file of the layout
)

// File is a file of the layout.
type File struct {
	// Path is below /nxb-bin, with slashes and none at its ends.
	Path string `json:"path"`
	Kind Kind   `json:"kind"`
	// Source is the path in the tree that the file is from, without symbolic
	// links; "" for what xjail wrote.
	Source string `json:"source,omitempty"`
	// Link is the Path of the file that this is a hard link to.
	Link string      `json:"link,omitempty"`
	Mode fs.FileMode `json:"mode"` // permissions
	Size int64       `json:"size"` // bytes
	// Before and After are the SHA-256 of the file in the tree and below
	// /nxb-bin, in hexadecimal digits. They differ by the edits alone.
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
	Edits  []Edit `json:"edits,omitempty"`
	Text   string `json:"text,omitempty"`
}

// Omission is a program that the tree has and the layout does not.
type Omission struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

// Compiler is what is known of the compiler of the layout.
type Compiler struct {
	Path    string `json:"path"`              // below /nxb-bin
	Version string `json:"version,omitempty"` // that of its resource directory
	// Triple is what it compiles for without being told otherwise.
	Triple string `json:"triple,omitempty"`
	// By says how that is known: by its configuration files, a launcher, or the
	// default in the program; "" when it is not, and running it must tell.
	By string `json:"by,omitempty"`
}

// The values of Compiler.By.
const (
	ByConfig   = "config"
	ByLauncher = "launcher"
	ByDefault  = "default"
)

// Source is which kind of tree a layout is from.
type Source string

// The sources.
const (
	Twin         Source = "twin"
	NativeXTools Source = "native-xtools"
)

// Manifest is what is below /nxb-bin and where it is from. It is data: JSON
// keeps all of it.
type Manifest struct {
	Format   int        `json:"format"` // 1
	Source   Source     `json:"source"`
	Host     string     `json:"host"`    // catalog name of the tools' own architecture
	Target   string     `json:"target"`  // catalog name of the jail's
	Release  Release    `json:"release"` // of the tools
	Compiler *Compiler  `json:"compiler,omitempty"`
	Files    []File     `json:"files"` // sorted by path
	Omitted  []Omission `json:"omitted,omitempty"`
	// Unproved is what files alone cannot tell and a run on the host must.
	Unproved []string `json:"unproved,omitempty"`
}

// format is the version of the manifest.
const format = 1

// Size is how many bytes the files take; links take none.
func (m *Manifest) Size() int64 {
	var n int64
	for _, f := range m.Files {
		if f.Kind != Link {
			n += f.Size
		}
	}
	return n
}

// Lookup is the file with a path below /nxb-bin; nil when there is none.
func (m *Manifest) Lookup(path string) *File {
	for i := range m.Files {
		if m.Files[i].Path == path {
			return &m.Files[i]
		}
	}
	return nil
}
