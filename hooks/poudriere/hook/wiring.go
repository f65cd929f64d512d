package hook

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/xjail/xjail/jail/xtools/nxb"
)

// wiring lays native tools over the programs of the reference that poudriere left
// emulated, as poudriere does it: by hard links. Unlike poudriere it makes no
// program that was not there, and keeps what was until the tools were tried.
type wiring struct {
	*job
	root     *os.Root
	manifest *nxb.Manifest // nil when xjail did not make the tools
	done     []wired
}

// wired is a file that was replaced, or made.
type wired struct {
	name string
	kept string // where the old file is; "" when there was none
}

// wiringDir is where the old files are meanwhile.
const wiringDir = ".xjail-replaced"

// link lays the tools over.
func (w *wiring) link(ctx context.Context) error {
	if _, err := w.root.Lstat(nxb.Dir); err != nil {
		return nil //nolint:nilerr // no tools, no links
	}
	_, w.manifest, _ = w.Store.NxbOf(w.jail.Mnt)
	if err := w.sweep(ctx); err != nil {
		return err
	}
	if err := w.root.Mkdir(wiringDir, 0o700); err != nil {
		return err
	}
	var failed error
	for _, dir := range toolDirs {
		entries, err := w.list(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = err
		}
		for _, e := range entries {
			name := path.Join(dir, e.Name())
			err := w.tool(name)
			if errors.Is(err, syscall.EXDEV) || errors.Is(err, syscall.EROFS) {
				failed = fmt.Errorf("/%s is mounted from elsewhere (IMMUTABLE_BASE=nullfs)", dir)
				break
			}
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				failed = err
			}
		}
	}
	return failed
}

func (w *wiring) list(dir string) ([]fs.DirEntry, error) {
	f, err := w.root.Open(path.Join(nxb.Dir, dir))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, err
}

// wanted is the policy: what xjail put into /nxb-bin by its own, and of another
// native-xtools what that policy would take, but no compilers and linkers, which
// by the name of the jail's own may look for the host's files. What poudriere
// links, or leaves on purpose (sh on mips, sysctl), is poudriere's.
func (w *wiring) wanted(name string) bool {
	if slices.Contains(nxb.Linked(), name) || name == "sbin/sysctl" || w.left(name) {
		return false
	}
	if w.manifest != nil {
		f := w.manifest.Lookup(name)
		return f != nil && f.Kind != nxb.Config && f.Kind != nxb.Data
	}
	take, _ := nxb.Default(name)
	return take && !slices.Contains(compilers, path.Base(name))
}

// compilers are programs that look for files by where they are.
var compilers = strings.Fields("cc c++ cpp clang clang++ clang-cpp ld ld.lld as")

// tool lays one tool over the program of its name, if there is one.
func (w *wiring) tool(name string) error {
	if !w.wanted(name) {
		return nil
	}
	old, err := w.root.Lstat(name)
	if err != nil {
		return err
	}
	now, err := w.root.Lstat(path.Join(nxb.Dir, name))
	if err != nil || !now.Mode().IsRegular() || os.SameFile(old, now) {
		return err
	}
	if old.Mode()&(fs.ModeSetuid|fs.ModeSetgid) != 0 || !old.Mode().IsRegular() && old.Mode().Type() != fs.ModeSymlink {
		return nil // it is more than its content
	}
	if err := w.badTool(w.root, name); err != nil {
		return err
	}
	if err := w.besides(name); err != nil {
		return err
	}
	return w.replace(name)
}

// besides links the files that must be where a tool is, all of them or none.
func (w *wiring) besides(name string) error {
	if w.manifest == nil {
		return nil
	}
	list := w.manifest.Beside(name)
	for _, beside := range list {
		if err := w.mayBeside(beside); err != nil {
			return err
		}
	}
	for _, beside := range list {
		if err := w.beside(beside); err != nil {
			return err
		}
	}
	return nil
}

// mayBeside looks whether there is such a file, and room for it: the jail's own
// wins, and then the tool stays as it is.
func (w *wiring) mayBeside(name string) error {
	tool, err := w.root.Lstat(path.Join(nxb.Dir, name))
	if err != nil {
		return err
	}
	if st, err := w.root.Lstat(name); err == nil && !os.SameFile(st, tool) {
		return fmt.Errorf("the jail has a /%s of its own", name)
	}
	return nil
}

func (w *wiring) beside(name string) error {
	if _, err := w.root.Lstat(name); err == nil {
		return nil
	}
	if err := w.root.Link(path.Join(nxb.Dir, name), name); err != nil {
		return err
	}
	w.done = append(w.done, wired{name: name})
	return nil
}

// replace puts the tool in the place of the program, at no moment of which there
// is none, and keeps the program.
func (w *wiring) replace(name string) error {
	kept := path.Join(wiringDir, fmt.Sprint(len(w.done)))
	if err := w.root.Link(name, kept); err != nil {
		return err
	}
	tmp := path.Join(path.Dir(name), ".xjail-"+path.Base(name))
	_ = w.root.Remove(tmp) // of one that was killed
	err := w.root.Link(path.Join(nxb.Dir, name), tmp)
	if err == nil {
		err = w.root.Rename(tmp, name)
	}
	if err != nil {
		_ = w.root.Remove(tmp)
		return errors.Join(err, w.root.Remove(kept))
	}
	w.done = append(w.done, wired{name, kept})
	return nil
}

// names are what was laid over.
func (w *wiring) names() []string {
	var list []string
	for _, d := range w.done {
		if d.kept != "" {
			list = append(list, path.Base(d.name))
		}
	}
	return list
}

// undo puts everything back, the last first.
func (w *wiring) undo(ctx context.Context) error {
	var failed error
	for _, d := range slices.Backward(w.done) {
		if d.kept == "" {
			failed = errors.Join(failed, w.root.Remove(d.name))
			continue
		}
		failed = errors.Join(failed, w.root.Rename(d.kept, d.name))
	}
	if failed != nil {
		return failed // the old files are still there
	}
	return w.sweep(ctx)
}

// sweep removes the old files.
func (w *wiring) sweep(ctx context.Context) error {
	st, err := w.root.Lstat(wiringDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && st.IsDir() {
		err = clearDir(context.WithoutCancel(ctx), w.root, wiringDir)
	}
	if err == nil {
		err = w.root.Remove(wiringDir)
	}
	return err
}
