package hook

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/extract"
	"github.com/xjail/xjail/jail/xtools/nxb"
)

// differs tells how /nxb-bin of ref differs from that of stored; "" when it does
// not. Types, permissions, sizes, times and the targets of links are compared, as
// a clone has them all; reading hundreds of megabytes at every start would not
// tell more.
func differs(stored, ref *os.Root) (why string, err error) {
	if _, err := ref.Lstat(nxb.Dir); errors.Is(err, fs.ErrNotExist) {
		return "the reference has none", nil
	}
	n, err := compare(stored, ref, &why)
	if err != nil || why != "" {
		return why, err
	}
	back, err := compare(ref, ref, &why)
	if err == nil && back != n {
		why = "the reference has other files"
	}
	return why, err
}

// compare looks for every file below /nxb-bin of a in b, and counts them.
func compare(a, b *os.Root, why *string) (n int, err error) {
	err = fs.WalkDir(a.FS(), nxb.Dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		n++
		one, err := d.Info()
		if err != nil {
			return err
		}
		two, err := b.Lstat(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			*why = name + " is not there"
		case err != nil:
			return err
		case one.Mode().Type() != two.Mode().Type(), another(one, two):
			*why = name + " is another file"
		case one.Mode().Type() == fs.ModeSymlink:
			to, err1 := a.Readlink(name)
			too, err2 := b.Readlink(name)
			if err := errors.Join(err1, err2); err != nil {
				return err
			}
			if to != too {
				*why = name + " leads elsewhere"
			}
		}
		if *why != "" {
			return fs.SkipAll
		}
		return nil
	})
	return n, err
}

// another tells whether a file or a directory is no clone of one. A link's times
// and permissions say nothing: not everything that clones keeps them.
func another(one, two fs.FileInfo) bool {
	switch {
	case one.Mode().Type() == fs.ModeSymlink:
		return false
	case one.Mode() != two.Mode():
		return true
	}
	return !one.IsDir() && (one.Size() != two.Size() || one.ModTime().Unix() != two.ModTime().Unix())
}

// The names beside /nxb-bin while it is made, and while the old one goes.
const (
	toolsPart = "." + nxb.Dir + ".xjail-part"
	toolsOld  = "." + nxb.Dir + ".xjail-old"
)

// copyTools puts the tools of stored in the place of those of ref, all or nothing.
func copyTools(ctx context.Context, stored, ref *os.Root) error {
	defer syscall.Umask(syscall.Umask(0))
	if err := dropTools(ctx, ref); err != nil {
		return err
	}
	c := &copier{ctx: ctx, from: stored, to: ref, seen: map[fileKey]string{}}
	err := fs.WalkDir(stored.FS(), nxb.Dir, c.copy)
	if err == nil {
		err = exchange(ref)
	}
	return errors.Join(err, dropTools(context.WithoutCancel(ctx), ref))
}

// exchange gives the new tools their name. What was there goes back when they do
// not get it.
func exchange(ref *os.Root) error {
	if err := ref.Rename(nxb.Dir, toolsOld); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	err := ref.Rename(toolsPart, nxb.Dir)
	if err != nil {
		_ = ref.Rename(toolsOld, nxb.Dir) // there may have been none
	}
	return err
}

// dropTools removes what is under the names beside /nxb-bin. Nothing that is
// mounted there is touched.
func dropTools(ctx context.Context, ref *os.Root) error {
	for _, name := range []string{toolsPart, toolsOld} {
		st, err := ref.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil && st.IsDir() {
			err = clearDir(ctx, ref, name)
		}
		if err == nil {
			err = ref.Remove(name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func clearDir(ctx context.Context, root *os.Root, name string) error {
	dir, err := root.OpenRoot(name)
	if err != nil {
		return err
	}
	defer dir.Close()
	return extract.Clear(ctx, dir)
}

// fileKey tells whether two names are one file.
type fileKey struct{ dev, ino uint64 }

// copier copies a tree with its hard links.
type copier struct {
	ctx      context.Context
	from, to *os.Root
	seen     map[fileKey]string
}

func (c *copier) copy(name string, d fs.DirEntry, err error) error {
	if err = errors.Join(err, c.ctx.Err()); err != nil {
		return err
	}
	info, err := c.from.Lstat(name)
	if err != nil {
		return err
	}
	target := path.Join(toolsPart, name[len(nxb.Dir):])
	switch {
	case info.IsDir():
		err = c.to.Mkdir(target, info.Mode().Perm())
		return errors.Join(err, c.owner(target, info))
	case info.Mode().Type() == fs.ModeSymlink:
		to, err := c.from.Readlink(name)
		if err != nil {
			return err
		}
		return c.to.Symlink(to, target)
	case !info.Mode().IsRegular():
		return fault.New(fault.Unsafe, "", "%s is no file", name)
	}
	key, linked := keyOf(info)
	if first := c.seen[key]; linked && first != "" {
		return c.to.Link(first, target)
	}
	c.seen[key] = target
	return c.file(name, target, info)
}

// file copies one file. Within a file system that knows how, no data are moved.
func (c *copier) file(name, target string, info fs.FileInfo) error {
	in, err := c.from.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer in.Close()
	// It may have been replaced since it was looked at.
	if now, err := in.Stat(); err != nil || !os.SameFile(now, info) {
		return fault.New(fault.Mismatch, "", "%s changed while it was copied", name)
	}
	out, err := c.to.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_EXCL, info.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	if err := c.owner(target, info); err != nil {
		return err
	}
	return c.to.Chtimes(target, info.ModTime(), info.ModTime())
}

// owner gives a copy the owner of what it is a copy of.
func (c *copier) owner(name string, info fs.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 {
		return nil
	}
	return c.to.Lchown(name, int(st.Uid), int(st.Gid))
}

// keyOf identifies a file; linked says that it has further names.
func keyOf(info fs.FileInfo) (key fileKey, linked bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fileKey{}, false
	}
	return fileKey{st.Dev, st.Ino}, st.Nlink > 1
}
