package extract

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"slices"

	"github.com/xjail/xjail/internal/fault"
)

// Tree copies the directory tree src into dst, which must be empty, with
// everything that Archive keeps; holes stay holes, and blocks are shared where
// the file system can (reflink). On failure dst is emptied again.
//
// It never leaves the file system it starts on: a mount point becomes an empty
// directory or file and Report.Skipped names it, as it names sockets and, when
// dst lies within src, dst itself.
func Tree(ctx context.Context, src, dst *os.Root, opts Options) (*Report, error) {
	return fill(ctx, dst, opts, func(s *sink) error {
		s.report.Format = "dir"
		t := &tree{sink: s, src: &folders{top: src, open: map[string]*folder{}}, links: map[inode]string{}}
		err := t.copy()
		return errors.Join(err, t.src.forget())
	})
}

type inode struct{ dev, ino uint64 }

// tree is one run of Tree.
type tree struct {
	*sink
	src     *folders
	links   map[inode]string // first name of each file with more than one
	self    inode            // the destination
	mount   uint64
	noClone bool
}

func (t *tree) copy() error {
	top, err := t.src.at(".")
	if err != nil {
		return t.unreadable(".", err)
	}
	to, err := t.folders.at(".")
	if err != nil {
		return err
	}
	self, err := statAt(to.file, ".")
	if err != nil {
		return err
	}
	t.self = inode{self.dev, self.ino}
	if t.mount, err = mountOf(top.file, "."); err != nil {
		return t.unreadable(".", err)
	}
	st, err := statAt(top.file, ".")
	if err != nil {
		return t.unreadable(".", err)
	}
	if (inode{st.dev, st.ino}) == t.self {
		return fault.New(fault.Usage, "", "%s cannot be copied into itself", t.src.top.Name())
	}
	st.path = "."
	if err := t.directory(st); err != nil {
		return err
	}
	err = t.children(".")
	slices.SortFunc(t.report.Skipped, func(a, b Skipped) int { return cmp.Compare(a.Path, b.Path) })
	return err
}

// unreadable is an error of the source.
func (t *tree) unreadable(path string, err error) error {
	return unreadable(t.src.top, path, err)
}

// unreadable is an error of reading a tree.
func unreadable(top *os.Root, path string, err error) error {
	what := "reading " + top.Name() + "/" + path
	kind, hint := fault.Failed, ""
	if errors.Is(err, os.ErrPermission) {
		kind, hint = fault.Permission, "run it as the owner of its files or as root"
	}
	var perr *os.PathError
	if errors.As(err, &perr) {
		err = perr.Err
	}
	return fault.Wrap(kind, err, what, hint)
}

// children copies what is in a directory. Its folder may be closed and opened
// again on the way, so that depth costs no file descriptors.
func (t *tree) children(dir string) error {
	f, err := t.src.at(dir)
	if err != nil {
		return t.unreadable(dir, err)
	}
	names, err := f.file.Readdirnames(-1)
	if err != nil {
		return t.unreadable(dir, err)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := t.child(dir, name); err != nil {
			return err
		}
	}
	return nil
}

func (t *tree) child(dir, name string) error {
	path, err := cleanName(join(dir, name))
	if err != nil {
		return err
	}
	f, err := t.src.at(dir)
	if err != nil {
		return t.unreadable(dir, err)
	}
	st, err := statAt(f.file, name)
	if err != nil {
		return t.unreadable(path, err)
	}
	mount, err := mountOf(f.file, name)
	if err != nil {
		return t.unreadable(path, err)
	}
	st.path = path
	switch {
	case (inode{st.dev, st.ino}) == t.self:
		t.skip(path, "destination")
		return nil
	case st.socket:
		t.skip(path, "socket")
		return nil
	case mount != t.mount:
		t.skip(path, "mount point")
		return t.mountPoint(st)
	}
	return t.one(f, name, st)
}

func (t *tree) skip(path, why string) {
	t.report.Skipped = append(t.report.Skipped, Skipped{path, why})
}

// mountPoint makes what a mount needs to be mounted on again.
func (t *tree) mountPoint(st *fileStat) error {
	switch st.kind {
	case directory:
		return t.put(&st.entry, nil)
	case regular:
		st.size = 0
	default: // a device of the host, bound on a file
		st.kind, st.size = regular, 0
	}
	return t.put(&st.entry, func(*os.File) error { return nil })
}

func (t *tree) one(f *folder, name string, st *fileStat) error {
	if st.kind != directory && st.links > 1 {
		id := inode{st.dev, st.ino}
		if first, ok := t.links[id]; ok {
			st.kind, st.target = hardlink, first
			return t.put(&st.entry, nil)
		}
		t.links[id] = st.path
	}
	switch st.kind {
	case directory:
		if err := t.directory(st); err != nil {
			return err
		}
		return t.children(st.path)
	case symlink:
		target, err := f.root.Readlink(name)
		if err != nil {
			return t.unreadable(st.path, err)
		}
		st.target = target
	case regular:
		return t.file(f, name, st)
	}
	return t.put(&st.entry, nil)
}

func (t *tree) directory(st *fileStat) error {
	f, err := t.src.at(st.path)
	if err != nil {
		return t.unreadable(st.path, err)
	}
	if st.xattrs, err = ownXattrs(f.file); err != nil {
		return t.unreadable(st.path, err)
	}
	return t.put(&st.entry, nil)
}

// ownXattrs are the extended attributes without the label that the host's
// SELinux put on everything: it is no property of the tree.
func ownXattrs(f *os.File) (map[string][]byte, error) {
	all, err := listXattrs(f)
	delete(all, "security.selinux")
	return all, err
}

func (t *tree) file(f *folder, name string, st *fileStat) error {
	src, err := f.root.OpenFile(name, os.O_RDONLY|openNoFollow, 0)
	if err != nil {
		return t.unreadable(st.path, err)
	}
	err = t.openFile(src, st)
	return errors.Join(err, src.Close())
}

func (t *tree) openFile(src *os.File, st *fileStat) error {
	info, err := src.Stat()
	if err != nil {
		return t.unreadable(st.path, err)
	}
	if !info.Mode().IsRegular() {
		return t.changed(st.path)
	}
	if st.xattrs, err = ownXattrs(src); err != nil {
		return t.unreadable(st.path, err)
	}
	st.size = info.Size()
	err = t.put(&st.entry, func(dst *os.File) error { return t.contents(dst, src, st.size) })
	var read *sourceError
	if errors.As(err, &read) {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return t.changed(st.path)
		}
		return t.unreadable(st.path, read.err)
	}
	return err
}

func (t *tree) changed(path string) error {
	return fault.New(fault.Failed, "stop what writes there, then copy again", "%s/%s changed while it was copied", t.src.top.Name(), path)
}

// contents copies a file, by reference if possible and else its data only.
func (t *tree) contents(dst, src *os.File, size int64) error {
	if !t.noClone && size > 0 {
		if clone(dst, src) == nil {
			t.wrote(size)
			return nil
		}
		t.noClone = true
	}
	w := &holeWriter{file: dst}
	for off := int64(0); off < size; {
		start, end := nextData(src, off, size)
		w.skip(start - off)
		t.wrote(start - off)
		if _, err := src.Seek(start, io.SeekStart); err != nil {
			return &sourceError{err}
		}
		if err := t.copyRange(w, src, end-start); err != nil {
			return err
		}
		off = end
	}
	// A file that has become shorter looks like one with a hole at its end.
	if info, err := src.Stat(); err != nil || info.Size() < size {
		return &sourceError{errors.Join(err, io.ErrUnexpectedEOF)}
	}
	return w.end()
}
