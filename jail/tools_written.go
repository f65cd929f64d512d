package jail

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/xtools"
	"github.com/xjail/xjail/jail/xtools/inplace"
)

// writtenDir is where what written tools have replaced in the root is kept.
func (s Store) writtenDir(name string) string { return filepath.Join(s.toolsDir(name), "root") }

// openWritten makes and opens it.
func (s Store) openWritten(name string) (*os.Root, error) {
	if err := os.MkdirAll(s.writtenDir(name), 0o700); err != nil {
		return nil, writeError(err)
	}
	return os.OpenRoot(s.writtenDir(name))
}

// recoverTools undoes a writing of tools into the root that was interrupted, and
// ends a removal that was. The jail is locked for the caller alone.
func (s Store) recoverTools(r *Record) error {
	if err := s.recoverNxb(r); err != nil {
		return err
	}
	if !inplace.Unfinished(s.writtenDir(r.Name)) {
		return nil
	}
	root, err := os.OpenRoot(r.Root)
	if err != nil {
		return fault.Wrap(fault.NotFound, err, "root of jail "+r.Name, "xjail destroy "+r.Name)
	}
	defer root.Close()
	state, err := s.openWritten(r.Name)
	if err != nil {
		return err
	}
	defer state.Close()
	if _, _, err := inplace.Recover(context.Background(), root, state); err != nil {
		return fault.Wrap(fault.KindOf(err), err, "jail "+r.Name+": undo what was interrupted", "")
	}
	s.tidyTools(r.Name)
	return nil
}

// unfinishedTools tells whether recoverTools has something to do.
func (s Store) unfinishedTools(name string) bool {
	return inplace.Unfinished(s.writtenDir(name)) || s.unfinishedNxb(name)
}

// recoverFirst is recoverTools for a command that shares the jail with others.
func (s Store) recoverFirst(name string) error {
	if !s.unfinishedTools(name) && !s.unfinishedUpdate(name) {
		return nil
	}
	_, l, err := s.take(name)
	if err != nil {
		return err
	}
	l.release()
	return nil
}

// tidyTools removes directories of the tools that have become empty.
func (s Store) tidyTools(name string) {
	_ = os.Remove(s.writtenDir(name))
	_ = os.Remove(s.toolsDir(name))
}

// loadWritten is the manifest of tools that are in the root; nil for none.
func (s Store) loadWritten(name string) (*xtools.Manifest, error) {
	text, err := inplace.Laid(s.writtenDir(name))
	if err != nil || text == nil {
		return nil, err
	}
	return xtools.ParseManifest(text)
}

// writtenPaths are the paths below the root of tools that are in it.
func (s Store) writtenPaths(name string) map[string]bool {
	m, err := s.loadWritten(name)
	if err != nil || m == nil {
		return nil
	}
	paths := map[string]bool{}
	for _, f := range m.Files {
		paths[f.Path[1:]] = true
	}
	return paths
}

// writeTools writes the tools into the root, in place of those that were laid
// over it before.
func (s Store) writeTools(ctx context.Context, r *Record, root *os.Root, m *xtools.Manifest) error {
	if err := placeMounts(root, m); err != nil {
		return err
	}
	old, err := s.LoadTools(r.Name)
	if err == nil && old != nil {
		removePoints(root, old.Points) // entering makes them again, if that comes to it
	}
	m.Points, m.Layout = nil, xtools.Written
	if err := s.layTools(ctx, r, root, m); err != nil {
		return err
	}
	return absentError(os.Remove(s.toolsManifest(r.Name)))
}

// layTools writes what a manifest has.
func (s Store) layTools(ctx context.Context, r *Record, root *os.Root, m *xtools.Manifest) error {
	farm, err := os.OpenRoot(filepath.Join(s.Dir, m.Farm))
	if err != nil {
		return fault.Wrap(fault.NotFound, err, "native tools of jail "+r.Name, "xjail tools install "+r.Name+" gets them again")
	}
	defer farm.Close()
	wants, err := xtools.Wants(farm, m)
	if err != nil {
		return err
	}
	state, err := s.openWritten(r.Name)
	if err != nil {
		return err
	}
	defer state.Close()
	list := make([]inplace.Want, 0, len(wants))
	for _, w := range wants {
		list = append(list, inplace.Want(w))
	}
	if err := inplace.Lay(ctx, root, farm, state, list, m); err != nil {
		s.tidyTools(r.Name)
		return err
	}
	return nil
}

// liftTools takes written tools out of the root, so that others can be found for
// what it has itself. again writes them once more, when there are no others.
func (s Store) liftTools(ctx context.Context, r *Record) (again func() error, err error) {
	m, err := s.loadWritten(r.Name)
	if err != nil || m == nil {
		return func() error { return nil }, err
	}
	root, err := os.OpenRoot(r.Root)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	replaced, err := s.restoreTools(ctx, r.Name, root)
	if err != nil {
		return nil, err
	}
	m.Files = slices.DeleteFunc(m.Files, func(f xtools.File) bool { return slices.Contains(replaced, f.Path) })
	return func() error {
		root, err := os.OpenRoot(r.Root)
		if err != nil {
			return err
		}
		defer root.Close()
		return s.layTools(context.WithoutCancel(ctx), r, root, m)
	}, nil
}

// restoreTools takes written tools out of the root. The paths are of files that
// others have put there since, and that stay.
func (s Store) restoreTools(ctx context.Context, name string, root *os.Root) (replaced []string, err error) {
	state, err := s.openWritten(name)
	if err != nil {
		return nil, err
	}
	defer state.Close()
	return inplace.Restore(ctx, root, state)
}

// changed are the files of a jail's native tools that are not what they were
// when these were installed, by path, with what became of each. deep reads those
// in the root.
func (s Store) changed(ctx context.Context, name string, root *os.Root, m *xtools.Manifest, deep bool) (map[string]string, error) {
	const replaced = "it was replaced after the native tools were installed"
	list := map[string]string{}
	switch m.Layout {
	case xtools.NxbBin:
		return s.changedNxb(ctx, name, root)
	case xtools.Written:
		state, err := s.openWritten(name)
		if err != nil {
			return nil, err
		}
		defer state.Close()
		found, err := inplace.Verify(root, state, deep)
		for _, f := range found {
			list[f.Path] = f.Why
		}
		addScripts(list, root, m)
		return list, err
	}
	for _, f := range m.Files {
		if f.Original == nil {
			continue
		}
		if st, err := root.Lstat(f.Path[1:]); err != nil || !f.Original.Same(st) {
			list[f.Path] = replaced
		}
	}
	addScripts(list, root, m)
	return list, nil
}

// addScripts adds the scripts to a list, when what runs them is not what it was.
func addScripts(list map[string]string, root *os.Root, m *xtools.Manifest) {
	changed := m.ChangedInterpreter(root)
	for _, f := range m.Files {
		if changed != "" && f.Kind == xtools.Script && list[f.Path] == "" {
			list[f.Path] = changed + " was changed after the native tools were installed"
		}
	}
}

// keepTimes runs do, which makes or removes the points, and leaves the
// directories that they are in their times.
func keepTimes(root *os.Root, points []string, do func() error) error {
	var dirs []string
	for _, p := range points {
		if dir := path.Dir(p); !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return inplace.KeepTimes(root, dirs, do)
}

// absentError takes "there is no such file" for no error.
func absentError(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return writeError(err)
}

// takeLocked is take for a record that is loaded: the jail, locked.
func (s Store) takeLocked(name string) (*Record, *lock, error) {
	l, err := s.lock(name, unix.LOCK_EX)
	if err != nil {
		return nil, nil, err
	}
	r, err := s.Load(name)
	if err == nil {
		r, err = s.recoverUpdate(r)
	}
	if err == nil {
		err = s.recoverTools(r)
	}
	if err != nil {
		l.release()
		return nil, nil, err
	}
	return r, l, nil
}

// isPath tells a source that names a file from the others: nxb:PATH, pack:FILE.
func isPath(from, kind string) (file string, ok bool) {
	return strings.CutPrefix(from, kind+":")
}
