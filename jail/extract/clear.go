package extract

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/xjail/xjail/internal/fault"
)

// clearDepth is how many directories are open at a time. A tree may be deeper
// than there are file descriptors.
const clearDepth = 64

// clearBatch is how many names are read before they are removed.
const clearBatch = 1024

// Clear removes everything below root and leaves root itself. It follows no
// symbolic link and touches nothing that is mounted below root: when there is a
// mount it fails with fault.Unsafe, names it, and has removed nothing as far as
// the mount table tells. Directories that are not writable and files with flags
// that forbid removal (FreeBSD's schg, Linux's immutable) are no hindrance where
// the user may change them.
func Clear(ctx context.Context, root *os.Root) error {
	dir, err := root.Open(".")
	if err != nil {
		return err
	}
	c := &clearer{ctx: ctx, top: root}
	err = c.start(dir)
	if err == nil {
		err = c.empty(root, dir, ".", 0)
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		err = fault.Wrap(fault.Interrupted, err, "removing "+root.Name(), "")
	}
	return errors.Join(err, dir.Close())
}

// CheckMounts fails as Clear would when something is mounted below root, and
// removes nothing.
func CheckMounts(root *os.Root) error {
	dir, err := root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join((&clearer{top: root}).start(dir), dir.Close())
}

// clearer is one run of Clear.
type clearer struct {
	ctx   context.Context
	top   *os.Root
	mount uint64
	moved int
}

// start looks for mounts before anything is removed.
func (c *clearer) start(dir *os.File) error {
	below, err := mountsBelow(dir)
	if err != nil {
		return err
	}
	if len(below) > 0 {
		return mounted(strings.Join(below, ", "), below[0])
	}
	c.mount, err = mountOf(dir, ".")
	return err
}

func mounted(points, first string) error {
	return fault.New(fault.Unsafe, "umount "+first, "not removing what is mounted on %s", points)
}

// empty removes what is in a directory. Names are read again until there are
// none, since removing may hide some from readdir(3).
func (c *clearer) empty(root *os.Root, dir *os.File, path string, depth int) error {
	for {
		entries, err := dir.ReadDir(clearBatch)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if len(entries) == 0 {
			return nil
		}
		for _, e := range entries {
			if err := c.ctx.Err(); err != nil {
				return err
			}
			if err := c.remove(root, dir, path, e, depth); err != nil {
				return err
			}
		}
		if _, err := dir.Seek(0, io.SeekStart); err != nil {
			return err
		}
	}
}

func (c *clearer) remove(root *os.Root, dir *os.File, path string, e os.DirEntry, depth int) error {
	name := e.Name()
	if e.IsDir() {
		done, err := c.removeTree(root, dir, join(path, name), name, depth)
		if err != nil || done {
			return err
		}
	}
	err := root.Remove(name)
	if err != nil && stuck(err) {
		ferr := c.free(root, dir, name)
		if err = root.Remove(name); err != nil {
			err = errors.Join(err, ferr)
		}
	}
	if busy(err) {
		full := c.top.Name() + "/" + join(path, name)
		return mounted(full, full)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return held(fmt.Errorf("removing %s: %w", join(path, name), err))
	}
	return nil
}

// held gives the error of a file that cannot be removed its kind, and says what
// may hold it: not everybody may clear flags, and schg of chflags(1) nobody above
// securelevel 0.
func held(err error) error {
	if !stuck(err) {
		return err
	}
	hint := "lsattr -d FILE tells its flags; run as a user who may clear them"
	if runtime.GOOS == "freebsd" {
		hint = "ls -lod FILE tells its flags; schg and its like are cleared at securelevel 0, as in single-user mode"
	}
	return fault.Wrap(fault.Permission, err, "", hint)
}

// removeTree empties a directory, or moves it out of the depth, in which case it
// is done with.
func (c *clearer) removeTree(root *os.Root, dir *os.File, path, name string, depth int) (done bool, err error) {
	mount, err := mountOf(dir, name)
	if errors.Is(err, os.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	if mount != c.mount {
		full := c.top.Name() + "/" + path
		return false, mounted(full, full)
	}
	sub, file, err := openDir(root, name)
	if errors.Is(err, os.ErrPermission) {
		if err = root.Chmod(name, workMode); err == nil {
			sub, file, err = openDir(root, name)
		}
	}
	if err != nil {
		return false, err
	}
	if depth >= clearDepth {
		err = c.lift(sub, file, path)
		done = true
	} else {
		err = c.empty(sub, file, path, depth+1)
	}
	return done, errors.Join(err, file.Close(), sub.Close())
}

// openDir opens a directory twice: for its names and for what is in it.
func openDir(root *os.Root, name string) (*os.Root, *os.File, error) {
	sub, err := root.OpenRoot(name)
	if err != nil {
		return nil, nil, err
	}
	file, err := sub.Open(".")
	if err != nil {
		return nil, nil, errors.Join(err, sub.Close())
	}
	return sub, file, nil
}

// lift moves a deep directory to the top, where its turn comes again, so that
// the depth of a tree costs neither file descriptors nor stack.
func (c *clearer) lift(sub *os.Root, file *os.File, path string) error {
	// Moving a directory writes its "..".
	if err := sub.Chmod(".", workMode); err != nil {
		return err
	}
	for {
		c.moved++
		name := ".xjail-clear-" + strconv.Itoa(c.moved)
		if _, err := c.top.Lstat(name); err == nil {
			continue
		}
		err := c.top.Rename(path, name)
		if err != nil && stuck(err) {
			up, _ := split(path)
			err = errors.Join(clearFlags(file), c.unlock(up), c.top.Rename(path, name))
		}
		return err
	}
}

// unlock clears the flags and the mode of a directory by its path.
func (c *clearer) unlock(path string) error {
	dir, err := c.top.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(unlock(dir), dir.Close())
}

func unlock(dir *os.File) error {
	// A file system without flags, or a user who may not change them, leaves
	// the mode as the only hope.
	_ = clearFlags(dir)
	return dir.Chmod(workMode)
}

// free takes away what forbids to remove name: the mode and the flags of its
// directory, then its own flags. That it was not enough shows in the next try.
func (c *clearer) free(root *os.Root, dir *os.File, name string) error {
	if err := unlock(dir); err != nil {
		return err
	}
	info, err := root.Lstat(name)
	if err != nil || !info.IsDir() && !info.Mode().IsRegular() {
		return err
	}
	file, err := root.OpenFile(name, os.O_RDONLY|openNoFollow, 0)
	if err != nil {
		return nil // not readable; flags on it are out of reach
	}
	_ = clearFlags(file)
	return file.Close()
}
