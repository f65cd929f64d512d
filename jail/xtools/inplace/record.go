package inplace

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path"
	"time"

	"github.com/xjail/xjail/internal/fault"
)

// Names in the state.
const (
	journalName = "journal.json" // a record of what is under way
	laidName    = "laid.json"    // a record of what is in the root
	keptDir     = "kept"         // what was in the root before
)

// recordVersion is of the record's form.
const recordVersion = 1

// What a journal is of.
const (
	laying    = "laying"
	restoring = "restoring"
)

// record is all that is needed to take the tools out of the root again.
type record struct {
	Version int    `json:"version"`
	Phase   string `json:"phase"` // of a journal
	// Data is the caller's.
	Data  json.RawMessage `json:"data"`
	Files []file          `json:"files"`
	// Made are directories that were made in the root, the outermost first.
	Made []string `json:"made,omitempty"`
	// Dirs are those in which something changes, with their times before.
	Dirs []dirTime `json:"dirs,omitempty"`
}

// file is one file that was written into the root. Paths are below the root.
type file struct {
	Path string `json:"path"`
	// SHA256, Size, Mode and MTime are of what was written.
	SHA256 string      `json:"sha256"`
	Size   int64       `json:"size"`
	Mode   fs.FileMode `json:"mode"`
	MTime  time.Time   `json:"mtime"`
	// Was is the file before; nil where there was none.
	Was *was `json:"was,omitempty"`
	// Kept is its name in the state.
	Kept string `json:"kept,omitempty"`
	// Copied: what is kept is a copy. Other is then another name that the file
	// has in the root, over which nothing is laid.
	Copied bool   `json:"copied,omitempty"`
	Other  string `json:"other,omitempty"`
}

// was is what a file was that was replaced.
type was struct {
	Dev   uint64      `json:"dev"`
	Inode uint64      `json:"inode"`
	Links uint64      `json:"links"`
	UID   int         `json:"uid"`
	GID   int         `json:"gid"`
	Mode  fs.FileMode `json:"mode"`
	Size  int64       `json:"size"`
	MTime time.Time   `json:"mtime"`
	// SHA256 is of one of which a copy is kept.
	SHA256 string `json:"sha256,omitempty"`
}

// like tells whether a file is the one that was, or a copy of it.
func (w *was) like(st fs.FileInfo) bool {
	return st.Mode().IsRegular() && st.Size() == w.Size && st.ModTime().Equal(w.MTime)
}

type dirTime struct {
	Path  string    `json:"path"`
	ATime time.Time `json:"atime"`
	MTime time.Time `json:"mtime"`
}

// Laid is the caller's data of what is in the root; nil when nothing is. dir is
// the directory of the state.
func Laid(dir string) (json.RawMessage, error) {
	text, err := os.ReadFile(path.Join(dir, laidName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "record of the native tools in the root", "")
	}
	r, err := parseRecord(text)
	if err != nil {
		return nil, err
	}
	return r.Data, nil
}

// Unfinished tells whether a Lay or a Restore was interrupted.
func Unfinished(dir string) bool {
	_, err := os.Lstat(path.Join(dir, journalName))
	return err == nil
}

func parseRecord(text []byte) (*record, error) {
	r := &record{}
	hint := "xjail destroy, and make the jail again"
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fault.Wrap(fault.Damaged, err, "record of the native tools in the root", hint)
	}
	if r.Version != recordVersion {
		return nil, fault.New(fault.Damaged, "use the xjail that wrote it", "record of the native tools in the root: version %d, want %d", r.Version, recordVersion)
	}
	names := append([]string{}, r.Made...)
	for _, f := range r.Files {
		names = append(names, f.Path)
		if f.Was != nil && (!fs.ValidPath(f.Kept) || path.Base(f.Kept) != f.Kept || f.Kept == ".") {
			return nil, fault.New(fault.Damaged, hint, "record of the native tools in the root: %q cannot be the name of what is kept", f.Kept)
		}
		if f.Other != "" {
			names = append(names, f.Other)
		}
	}
	for _, d := range r.Dirs {
		if !fs.ValidPath(d.Path) {
			names = append(names, d.Path)
		}
	}
	for _, name := range names {
		if !fs.ValidPath(name) || name == "." {
			return nil, fault.New(fault.Damaged, hint, "record of the native tools in the root: %q cannot be a path in it", name)
		}
	}
	return r, nil
}

// load reads a record of the state; nil when there is none.
func load(state *os.Root, name string) (*record, error) {
	text, err := state.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "record of the native tools in the root", "")
	}
	return parseRecord(text)
}

// save writes a record whole or not at all, and to the disk: what is done next
// must not get there before.
func (r *record) save(state *os.Root, name string) error {
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	temp := name + ".new"
	f, err := state.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = state.Rename(temp, name)
	}
	if err == nil {
		return syncDir(state)
	}
	return errors.Join(err, absent(state.Remove(temp)))
}

// syncDir makes the names in a directory survive a power cut, where the file
// system can.
func syncDir(dir *os.Root) error {
	d, err := dir.Open(".")
	if err != nil {
		return err
	}
	_ = d.Sync() // some file systems cannot
	return d.Close()
}

// absent takes "there is no such file" for no error.
func absent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
