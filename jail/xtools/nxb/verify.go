package nxb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/extract"
)

// State is how a file differs from its manifest.
type State string

// The states.
const (
	Missing State = "missing" // it is gone
	Drifted State = "drifted" // it is another file than was written
	Extra   State = "extra"   // the manifest does not know it
)

// Finding is a file below /nxb-bin that is not as the manifest says.
type Finding struct {
	Path  string `json:"path"` // below /nxb-bin
	State State  `json:"state"`
	Why   string `json:"why,omitempty"`
}

func (f Finding) String() string {
	if f.Why == "" {
		return fmt.Sprintf("%s: %s", f.Path, f.State)
	}
	return fmt.Sprintf("%s: %s: %s", f.Path, f.State, f.Why)
}

// Verify compares /nxb-bin below root with its manifest: contents, permissions,
// and which names are the same file. It follows no link. The findings are sorted
// by path; there are none when all is well.
func Verify(ctx context.Context, root *os.Root, m *Manifest) ([]Finding, error) {
	return verifyAt(ctx, root, Dir, m)
}

// verifyAt is Verify of a layout by another name.
func verifyAt(ctx context.Context, root *os.Root, dir string, m *Manifest) ([]Finding, error) {
	v := &verifier{ctx: ctx, m: m, seen: map[string]fs.FileInfo{}, known: map[string]*File{}}
	for i := range m.Files {
		v.known[m.Files[i].Path] = &m.Files[i]
	}
	st, err := root.Lstat(dir)
	switch {
	case err == nil && !st.IsDir():
		v.find("", Drifted, "it is no directory")
	case err == nil:
		err = v.walk(root, dir)
	}
	if err := absent(err); err != nil {
		return nil, about(err, "verifying /"+dir+" of "+root.Name())
	}
	v.links()
	slices.SortFunc(v.findings, func(a, b Finding) int { return strings.Compare(a.Path, b.Path) })
	return v.findings, nil
}

type verifier struct {
	ctx      context.Context
	m        *Manifest
	known    map[string]*File
	seen     map[string]fs.FileInfo // regular files
	findings []Finding
}

func (v *verifier) find(path string, state State, format string, args ...any) {
	v.findings = append(v.findings, Finding{path, state, fmt.Sprintf(format, args...)})
}

// walk looks at everything that is there.
func (v *verifier) walk(root *os.Root, name string) error {
	dir, err := root.OpenRoot(name)
	if err != nil {
		return err
	}
	defer dir.Close()
	return fs.WalkDir(dir.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil {
			err = v.ctx.Err()
		}
		switch {
		case err != nil:
			return err
		case d.IsDir():
			if !v.holds(name) {
				v.find(name, Extra, "")
				return fs.SkipDir
			}
			return nil
		case v.known[name] == nil:
			v.find(name, Extra, "")
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return v.file(dir, name, info)
	})
}

// holds tells whether a file of the manifest is in a directory.
func (v *verifier) holds(dir string) bool {
	return dir == "." || slices.ContainsFunc(v.m.Files, func(f File) bool { return strings.HasPrefix(f.Path, dir+"/") })
}

// file compares one file.
func (v *verifier) file(dir *os.Root, name string, info fs.FileInfo) error {
	f := v.known[name]
	v.seen[name] = info
	switch {
	case !info.Mode().IsRegular():
		v.find(name, Drifted, "it is %s", info.Mode().Type())
		return nil
	case info.Mode().Perm()|info.Mode()&setID != f.Mode:
		v.find(name, Drifted, "its mode is %v, not %v", info.Mode(), f.Mode)
		return nil
	case info.Size() != f.Size:
		v.find(name, Drifted, "it has %d bytes, not %d", info.Size(), f.Size)
		return nil
	case f.Kind == Link:
		return nil // the file that it is a link to tells
	}
	r, err := dir.Open(name)
	if err != nil {
		return err
	}
	defer r.Close()
	sum, err := digest(v.ctx, r)
	if err == nil && sum != f.After {
		v.find(name, Drifted, "its contents changed")
	}
	return err
}

// links finds what is missing, and names that are no longer the same file.
func (v *verifier) links() {
	for _, f := range v.m.Files {
		info := v.seen[f.Path]
		if info == nil {
			v.find(f.Path, Missing, "")
			continue
		}
		if to := v.seen[f.Link]; f.Kind == Link && info.Mode().IsRegular() && (to == nil || !os.SameFile(info, to)) {
			v.find(f.Path, Drifted, "it is no longer the same file as %s", f.Link)
		}
	}
}

// Remove takes /nxb-bin away. It refuses, with the kind Unsafe, when something in
// it is not as the manifest says: then somebody else's work is there. What is
// mounted in it stops it as well. There is nothing to do when it is gone already.
func Remove(ctx context.Context, root *os.Root, m *Manifest) error {
	if err := removable(ctx, root, m); err != nil {
		return err
	}
	err := discard(ctx, root, asideName)
	if err == nil {
		err = absent(root.Rename(Dir, asideName))
	}
	if err == nil {
		err = discard(context.WithoutCancel(ctx), root, asideName)
	}
	return writeError(err, "removing "+prefix+" of "+root.Name())
}

// removable fails when /nxb-bin has what the manifest does not know. Files that
// are missing are no hindrance.
func removable(ctx context.Context, root *os.Root, m *Manifest) error {
	found, err := Verify(ctx, root, m)
	if err != nil {
		return err
	}
	found = slices.DeleteFunc(found, func(f Finding) bool { return f.State == Missing })
	if len(found) > 0 {
		return fault.New(fault.Unsafe, "move away what is not xjail's, or remove "+prefix+" by hand",
			"not removing %s of %s: %d files are not as xjail wrote them: %s", prefix, root.Name(), len(found), found[0])
	}
	dir, err := root.OpenRoot(Dir)
	if err != nil {
		return absent(err)
	}
	return errors.Join(extract.CheckMounts(dir), dir.Close())
}
