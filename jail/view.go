package jail

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/vfsopt"
)

// kernel is what FreeBSD's does for a view. The calls are in kernel_freebsd.go.
type kernel interface {
	// Mount mounts on name below the directory dir, of which it is "." or a
	// file.
	Mount(dir int, name string, o vfsopt.Options) error
	// Covering is the file system that a descriptor is in.
	Covering(fd int) (mountPoint, error)
	Mounts() ([]mountPoint, error)
	Unmount(id string, force bool) error
	// Confine gives a devfs, by its root, the ruleset of jails.
	Confine(dev int) error
	// Prisons are the jails(2) of the machine, by number, with their paths.
	Prisons() (map[int]string, error)
	// RemovePrison kills what is in a jail(2) and removes it.
	RemovePrison(jid int) error
	// Pause waits for a moment.
	Pause()
}

// view is a root as one command sees it: the root mounted once more by nullfs
// in a directory of the jail's state, with /dev and binds upon it. FreeBSD's
// mounts are the machine's; so each command has a view of its own, commands
// that run at the same time do not see each other's binds, and the root itself
// has nothing mounted in it.
//
// A view is locked by the process that made it. One that is not locked was left
// by a process that was killed, and whoever comes next takes it off.
type view struct {
	k    kernel
	id   string
	root string // the mount point, a path without symlinks
	lock *lock
}

// viewLock is the end of the name of a view's lock.
const viewLock = ".lock"

// openView makes a directory for a view in dir, and locks it.
func openView(k kernel, dir string) (*view, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, writeError(err)
	}
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, err
	}
	if err := sweepViews(k, dir); err != nil {
		return nil, err
	}
	for n := 1; ; n++ {
		v := &view{k: k, id: fmt.Sprintf("%d-%d", os.Getpid(), n)}
		v.root = filepath.Join(dir, v.id)
		v.lock, err = tryLock(v.root+viewLock, unix.LOCK_EX)
		if errors.Is(err, unix.EWOULDBLOCK) {
			continue // another command of this process
		}
		if err != nil {
			return nil, writeError(err)
		}
		if v.lock == nil {
			continue
		}
		if err := os.Mkdir(v.root, 0o700); err != nil {
			return nil, errors.Join(writeError(err), v.close())
		}
		return v, nil
	}
}

// sweepViews takes off the views in dir that nobody has locked.
func sweepViews(k kernel, dir string) error {
	dir, err := filepath.EvalSymlinks(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		id, ok := strings.CutSuffix(e.Name(), viewLock)
		if !ok || !e.Type().IsRegular() {
			continue
		}
		l, err := tryLock(filepath.Join(dir, e.Name()), unix.LOCK_EX)
		if err != nil || l == nil {
			continue // in use, or gone
		}
		if err := (&view{k: k, id: id, root: filepath.Join(dir, id), lock: l}).close(); err != nil {
			return err
		}
	}
	return nil
}

// close ends what runs in a view, takes its mounts off, and removes its
// directory, which is empty then.
func (v *view) close() error {
	err := v.endPrisons()
	if err == nil {
		err = takeOff(v.k, v.root)
	}
	if err == nil {
		if err = os.Remove(v.root); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	if err != nil {
		v.lock.release() // the next one tries again
		return err
	}
	v.lock.remove()
	return nil
}

// endPrisons removes every jail(2) in the view, so also that of a process that
// was killed before it could let go of it.
func (v *view) endPrisons() error {
	all, err := v.k.Prisons()
	if err != nil {
		return fault.Wrap(fault.Failed, err, "list jails", "jls")
	}
	for jid, path := range all {
		if !below(path, v.root) {
			continue
		}
		if err := v.k.RemovePrison(jid); err != nil && !errors.Is(err, unix.EINVAL) {
			return fault.Wrap(fault.Failed, err, fmt.Sprintf("remove the jail %d", jid), fmt.Sprintf("jail -r %d", jid))
		}
	}
	return nil
}

// build mounts all that a command sees.
func (v *view) build(steps []mountStep, osreldate int) error {
	for _, s := range steps {
		if err := v.mount(s); err != nil {
			return err
		}
	}
	return v.showResolv(osreldate)
}

// mount mounts one step and looks that it is where it should be.
func (v *view) mount(s mountStep) error {
	root, err := unix.Open(v.root, openDirFlags, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: v.root, Err: err}
	}
	defer unix.Close(root)
	dir, name, err := openTarget(root, s, true)
	if err != nil {
		return err
	}
	before, err := v.k.Mounts()
	if err == nil {
		err = v.k.Mount(dir, name, s.options(name))
	}
	unix.Close(dir)
	if err != nil {
		return mountError(s, err)
	}
	if err := v.check(s); err != nil {
		return errors.Join(err, takeOffAstray(v.k, s, before))
	}
	return nil
}

// openTarget opens what a step is mounted on: a directory as itself, a file as
// a name in its directory.
func openTarget(root int, s mountStep, create bool) (dir int, name string, err error) {
	if s.File {
		return descendToFile(root, s.Target, create)
	}
	dir, err = descend(root, s.Target, create)
	return dir, ".", err
}

// check opens what was mounted anew, by its name in the view, and finishes a
// devfs.
func (v *view) check(s mountStep) error {
	root, err := unix.Open(v.root, openDirFlags, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: v.root, Err: err}
	}
	defer unix.Close(root)
	dir, name, err := openTarget(root, s, false)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return fault.Wrap(fault.Failed, err, "open "+s.Target+" of the jail", "")
	}
	defer unix.Close(fd)
	m, err := v.k.Covering(fd)
	if err != nil {
		return fault.Wrap(fault.Failed, err, "look at the mount on "+s.Target+" of the jail", "")
	}
	if want := path.Join(v.root, s.Target); m.On != want || m.Type != s.Type {
		return fault.New(fault.Unsafe, "end what runs in the jail, and try again", "the %s on %s of the jail is not there: %s is on %s", s.Type, s.Target, m.Type, m.On)
	}
	if s.Type == "devfs" {
		return fault.Wrap(fault.Failed, v.k.Confine(fd), "hide the devices of the host in /dev of the jail", "")
	}
	return nil
}

// mountError explains what nmount(2) says.
func mountError(s mountStep, err error) error {
	kind, hint := fault.Failed, ""
	switch {
	case errors.Is(err, unix.ENODEV):
		kind, hint = fault.Unsupported, "kldload "+s.Type+"; where the securelevel forbids it, at boot: sysrc kld_list+="+s.Type
	case errors.Is(err, unix.EPERM):
		kind, hint = fault.Permission, "jails are entered by root of the machine, not from within a jail"
	}
	return fault.Wrap(kind, err, "mount "+s.Type+" on "+s.Target+" of the jail", hint)
}

// showResolv lets the jail resolve names as the host does.
func (v *view) showResolv(osreldate int) error {
	if st, err := os.Stat(hostResolv); err != nil || !st.Mode().IsRegular() {
		return nil //nolint:nilerr // a host without it resolves no names either
	}
	root, err := os.OpenRoot(v.root)
	if err != nil {
		return err
	}
	defer root.Close()
	if osreldate < fileMounts {
		text, err := os.ReadFile(hostResolv)
		if err != nil {
			return fmt.Errorf("read the host's resolver configuration: %w", err)
		}
		return copyResolv(root, text)
	}
	target, _ := resolvTarget(root)
	if target == "" {
		return nil
	}
	return v.mount(mountStep{Type: "nullfs", Source: hostResolv, Target: target, File: true, ReadOnly: true})
}
