package inplace

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/extract"
)

// Restore takes the tools out of the root: every file that they replaced comes
// back as it was, and what was made for them goes. Paths at which the root has
// another file by now, or none, are left as they are and returned, sorted.
func Restore(ctx context.Context, root, state *os.Root) (replaced []string, err error) {
	r, err := load(state, laidName)
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, fault.New(fault.NotFound, "", "there are no native tools in the root")
	}
	if err := extract.CheckMounts(root); err != nil {
		return nil, fault.Wrap(fault.KindOf(err), err, "take the native tools out of the root", "")
	}
	r.Phase, r.Dirs = restoring, timesNow(root, r)
	if err := r.save(state, journalName); err != nil {
		return nil, writeError(err)
	}
	replaced, err = (&restorer{ctx: ctx, root: root, state: state, record: r}).run()
	return replaced, writeError(err)
}

// Recover undoes a Lay that was interrupted and ends a Restore that was; there is
// nothing to do when none was. undone is of the first.
func Recover(ctx context.Context, root, state *os.Root) (undone bool, replaced []string, err error) {
	r, err := load(state, journalName)
	if err != nil || r == nil {
		return false, nil, err
	}
	if err := extract.CheckMounts(root); err != nil {
		return false, nil, fault.Wrap(fault.KindOf(err), err, "undo what was interrupted", "")
	}
	undone = r.Phase == laying
	replaced, err = (&restorer{ctx: ctx, root: root, state: state, record: r, all: undone}).run()
	return undone, replaced, writeError(err)
}

// timesNow are the times of the directories in which a Restore changes
// something: what others did there since is not hidden.
func timesNow(root *os.Root, r *record) []dirTime {
	dirs := map[string]bool{}
	for _, f := range r.Files {
		dirs[path.Dir(f.Path)] = true
	}
	for _, d := range r.Made {
		dirs[path.Dir(d)] = true
	}
	var times []dirTime
	for dir := range dirs {
		if folder(root, dir) != nil {
			continue
		}
		if t, err := timesOf(root, dir); err == nil {
			times = append(times, t)
		}
	}
	slices.SortFunc(times, func(a, b dirTime) int { return compare(a.Path, b.Path) })
	return times
}

// restorer takes files out of the root.
type restorer struct {
	ctx         context.Context
	root, state *os.Root
	record      *record
	// all: whatever is at the paths is the tools', since nobody else was there.
	all bool
}

// run can be interrupted and run again.
func (r *restorer) run() (replaced []string, err error) {
	for i := range r.record.Files {
		f := &r.record.Files[i]
		if err := r.ctx.Err(); err != nil {
			return nil, fault.Wrap(fault.Interrupted, err, "take native tools out of the root", "the next command goes on with it")
		}
		drifted, err := r.restore(f)
		if err != nil {
			return nil, fmt.Errorf("restore /%s: %w", f.Path, err)
		}
		if drifted {
			replaced = append(replaced, "/"+f.Path)
		}
	}
	for _, dir := range slices.Backward(r.record.Made) {
		if folder(r.root, dir) == nil {
			_ = r.root.Remove(dir) // what others have put there stays
		}
	}
	if err := setTimes(r.root, r.record.Dirs); err != nil {
		return nil, err
	}
	return replaced, r.forget()
}

// forget removes what is kept, when the root has all of it on the disk.
func (r *restorer) forget() error {
	top, err := r.root.Open(".")
	if err != nil {
		return err
	}
	_ = flush(top) // a file system may not know how to
	if err := top.Close(); err != nil {
		return err
	}
	for _, name := range []string{laidName, keptDir, journalName} {
		if err := r.state.RemoveAll(name); err != nil {
			return err
		}
	}
	return nil
}

// restore puts one file back. drifted: there is another file now, which stays.
func (r *restorer) restore(f *file) (drifted bool, err error) {
	if err := folder(r.root, path.Dir(f.Path)); errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNoFolder) {
		// Of a Lay: the directory was not made yet.
		return !r.all, nil
	} else if err != nil {
		return false, err // nothing that was kept goes for a disk's error
	}
	if err := absent(r.root.Remove(temporary(f.Path))); err != nil {
		return false, err
	}
	st, err := r.root.Lstat(f.Path)
	if absent(err) != nil {
		return false, err
	}
	switch here := err == nil; {
	case here && r.back(f, st):
		return false, nil
	case here && !r.all && !r.ours(f, st), !here && !r.all:
		return f.Was != nil || here, nil
	case f.Was == nil && here:
		return false, r.root.Remove(f.Path)
	case f.Was == nil:
		return false, nil
	}
	return false, r.bring(f)
}

// back tells whether the file is the one that was there before: by its inode, or
// by a copy or a hard link that an interrupted run has put back.
func (r *restorer) back(f *file, st fs.FileInfo) bool {
	if f.Was == nil || !f.Was.like(st) {
		return false
	}
	if wide(sysStat(st).Ino) == f.Was.Inode && wide(sysStat(st).Dev) == f.Was.Dev {
		return true
	}
	if !f.Copied {
		return false
	}
	sum, err := digest(r.root, f.Path)
	return err == nil && sum == f.Was.SHA256
}

// ours tells whether a file is the tool that was written.
func (r *restorer) ours(f *file, st fs.FileInfo) bool {
	if !f.written(st) {
		return false
	}
	sum, err := digest(r.root, f.Path)
	return err == nil && sum == f.SHA256
}

// written tells whether a file is the tool, as far as that shows without reading
// it.
func (f *file) written(st fs.FileInfo) bool {
	return st.Mode().IsRegular() && st.Size() == f.Size && st.ModTime().Equal(f.MTime)
}

// bring brings back what was kept.
func (r *restorer) bring(f *file) error {
	if _, err := r.state.Lstat(path.Join(keptDir, f.Kept)); errors.Is(err, fs.ErrNotExist) {
		if r.all {
			return nil // nothing was replaced yet
		}
		return fault.New(fault.Damaged, "reinstall the package in the jail that /"+f.Path+" belongs to", "what was there before is not kept any more")
	}
	if !f.Copied {
		return putBack(r.root, r.state, f)
	}
	temp := temporary(f.Path)
	if other := r.sameFile(f); other != "" {
		if err := r.root.Link(other, temp); err != nil {
			return err
		}
		return r.root.Rename(temp, f.Path)
	}
	kept := path.Join(keptDir, f.Kept)
	err := copyFile(r.state, kept, r.root, f.Path)
	if noSpace(err) && r.all {
		// The tool itself may be in the way.
		if err := absent(r.root.Remove(f.Path)); err != nil {
			return err
		}
		err = copyFile(r.state, kept, r.root, f.Path)
	}
	return err
}

// sameFile is another name in the root of a file of which a copy was kept.
func (r *restorer) sameFile(f *file) string {
	if f.Other != "" && folder(r.root, path.Dir(f.Other)) == nil {
		st, err := r.root.Lstat(f.Other)
		if err == nil && f.Was.like(st) && wide(sysStat(st).Ino) == f.Was.Inode {
			return f.Other
		}
	}
	for i := range r.record.Files {
		o := &r.record.Files[i]
		if o.Path == f.Path || o.Was == nil || o.Was.Inode != f.Was.Inode || o.Was.Dev != f.Was.Dev || folder(r.root, path.Dir(o.Path)) != nil {
			continue
		}
		if st, err := r.root.Lstat(o.Path); err == nil && r.back(o, st) {
			return o.Path
		}
	}
	return ""
}

// Finding is a file of the root that is not the tool any more.
type Finding struct {
	Path string // absolute
	Why  string
}

// Verify compares the files in the root with what was written, and reads them
// when deep is set.
func Verify(root, state *os.Root, deep bool) ([]Finding, error) {
	rec, err := load(state, laidName)
	if err != nil || rec == nil {
		return nil, err
	}
	r := &restorer{root: root, state: state, record: rec}
	var found []Finding
	for i := range rec.Files {
		f := &rec.Files[i]
		st, err := root.Lstat(f.Path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			found = append(found, Finding{"/" + f.Path, "it was removed from the root"})
		case err != nil:
			return nil, err
		case !f.written(st), deep && !r.ours(f, st):
			found = append(found, Finding{"/" + f.Path, "it was replaced after the native tools were written into the root"})
		}
	}
	return found, nil
}
