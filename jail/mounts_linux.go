package jail

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/activators/binfmt"
	"github.com/xjail/xjail/internal/fault"
)

// binfmtDir is where a jail sees its own instance of binfmt_misc.
const binfmtDir = "/proc/sys/fs/binfmt_misc"

// safeDevices are the nodes of the host that a jail gets. None of them reaches
// hardware or another process.
var safeDevices = []string{"null", "zero", "full", "random", "urandom", "tty"}

// makeRoot builds the jail's mount namespace and makes it this process's root.
// It goes when the last process of the jail ends.
func (e *entrance) makeRoot() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fault.Wrap(fault.Unsupported, err, "make the mounts private", "")
	}
	if e.Host {
		return e.activateOnHost()
	}
	root, err := e.openRoot()
	if err != nil {
		return err
	}
	defer unix.Close(root)
	for _, step := range []func(int) error{e.mountProc, e.mountDev, e.mountFarm, e.mountBinds, bindResolvConf} {
		if err := step(root); err != nil {
			return err
		}
	}
	if err := pivotTo(root); err != nil {
		return err
	}
	if err := e.protectProc(); err != nil {
		return err
	}
	return e.activate()
}

// openRoot binds the root onto itself, which makes it a mount point that can
// become the root, without device nodes of its own.
func (e *entrance) openRoot() (int, error) {
	if err := unix.Mount(e.Root, e.Root, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return -1, fault.Wrap(fault.Failed, err, "mount "+e.Root, "xjail verify "+e.Name)
	}
	fd, err := unix.Open(e.Root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open %s: %w", e.Root, err)
	}
	// A device node in the root would be the host's device to a jail whose
	// root is the host's.
	err = unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NODEV})
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("mount %s nodev: %w", e.Root, err)
	}
	return fd, nil
}

// beneath opens name in the root as a mount point. A symlink on the way is
// refused: a root could lead us out with it.
func beneath(root int, name string, flags uint64) (int, error) {
	fd, err := unix.Openat2(root, path.Join(".", name), &unix.OpenHow{
		Flags:   flags | unix.O_PATH | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
	})
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.EXDEV) {
		return -1, fault.New(fault.Unsafe, "replace it by a directory", "%s of the jail is reached through a symlink: %w", name, err)
	}
	if err != nil {
		return -1, fault.Wrap(fault.Failed, err, "open "+name+" of the jail", "")
	}
	return fd, nil
}

func fdPath(fd int) string { return fmt.Sprintf("/proc/self/fd/%d", fd) }

// mountAt mounts on a name in the root, which is made when it is missing.
func mountAt(root int, source, name, fstype string, flags uintptr, data string) error {
	dir, err := openDir(root, name)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	if err := unix.Mount(source, fdPath(dir), fstype, flags, data); err != nil {
		return fault.Wrap(fault.Failed, err, "mount "+fstype+" on "+name+" of the jail", "")
	}
	return nil
}

func openDir(root int, name string) (int, error) {
	dir, err := beneath(root, name, unix.O_DIRECTORY)
	if !errors.Is(err, unix.ENOENT) {
		return dir, err
	}
	if err := mkdirAll(root, name); err != nil {
		return -1, err
	}
	return beneath(root, name, unix.O_DIRECTORY)
}

// mkdirAll makes the directories of name, each through its opened parent.
func mkdirAll(root int, name string) error {
	done := ""
	for part := range strings.SplitSeq(strings.Trim(path.Clean(name), "/"), "/") {
		parent := root
		if done != "" {
			fd, err := beneath(root, done, unix.O_DIRECTORY)
			if err != nil {
				return err
			}
			parent = fd
		}
		err := unix.Mkdirat(parent, part, 0o755)
		if parent != root {
			unix.Close(parent)
		}
		done = path.Join(done, part)
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return fault.Wrap(fault.Failed, err, "make /"+done+" in the jail", "")
		}
	}
	return nil
}

func (e *entrance) mountProc(root int) error {
	err := mountAt(root, "proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	if errors.Is(err, unix.EPERM) {
		return fault.Wrap(fault.Unsupported, err, "proc for the jail", "this container hides parts of /proc: start it with an unmasked /proc (docker: --security-opt systempaths=unconfined)")
	}
	return err
}

// mountDev gives the jail a /dev of its own in memory, with the safe nodes.
func (e *entrance) mountDev(root int) error {
	if err := mountAt(root, "tmpfs", "/dev", "tmpfs", unix.MS_NOSUID|unix.MS_NOEXEC, "mode=755,size=1m"); err != nil {
		return err
	}
	dev, err := beneath(root, "/dev", unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer unix.Close(dev)
	for _, name := range safeDevices {
		if err := bindFile(dev, "/dev/"+name, name); err != nil {
			return err
		}
	}
	for _, l := range [][2]string{{"/proc/self/fd", "fd"}, {"fd/0", "stdin"}, {"fd/1", "stdout"}, {"fd/2", "stderr"}, {"pts/ptmx", "ptmx"}} {
		if err := unix.Symlinkat(l[0], dev, l[1]); err != nil {
			return fmt.Errorf("make /dev/%s: %w", l[1], err)
		}
	}
	if err := mountAt(dev, "tmpfs", "/shm", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=1777"); err != nil {
		return err
	}
	// gid 5 is tty in every Debian and FreeBSD; it is not mapped for a user
	// who has only one id.
	err = mountAt(dev, "devpts", "/pts", "devpts", unix.MS_NOSUID|unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5")
	if errors.Is(err, unix.EINVAL) {
		err = mountAt(dev, "devpts", "/pts", "devpts", unix.MS_NOSUID|unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620")
	}
	return err
}

// bindFile binds a file of the host on name below dir, which is made when it
// is missing.
func bindFile(dir int, source, name string) error {
	fd, err := unix.Openat(dir, name, unix.O_CREAT|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_WRONLY, 0o644)
	if err == nil {
		unix.Close(fd)
	}
	target, err := beneath(dir, name, unix.O_NOFOLLOW)
	if err != nil {
		return err
	}
	defer unix.Close(target)
	if err := unix.Mount(source, fdPath(target), "", unix.MS_BIND, ""); err != nil {
		return fault.Wrap(fault.Failed, err, "bind "+source, "")
	}
	// A device can be written on a read-only mount, but its mode and owner,
	// which are the host's, cannot be changed.
	return readOnly(dir, name)
}

// readOnly makes what is mounted on name below dir read-only, with all that is
// mounted below it.
func readOnly(dir int, name string) error {
	over, err := beneath(dir, name, 0)
	if err != nil {
		return err
	}
	defer unix.Close(over)
	err = unix.MountSetattr(over, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
	return fault.Wrap(fault.Failed, err, "make "+name+" of the jail read-only", "")
}

func (e *entrance) mountBinds(root int) error {
	for _, b := range e.Binds {
		if err := mountBind(root, b); err != nil {
			return err
		}
	}
	return nil
}

func mountBind(root int, b Bind) error {
	st, err := os.Stat(b.Source)
	if err != nil {
		return fault.Wrap(fault.NotFound, err, "bind "+b.Source, "the first path of --bind is one of this machine, and must exist")
	}
	var target int
	if st.IsDir() {
		target, err = openDir(root, b.Target)
	} else {
		target, err = openFile(root, b.Target)
	}
	if err != nil {
		return err
	}
	defer unix.Close(target)
	if err := unix.Mount(b.Source, fdPath(target), "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fault.Wrap(fault.Failed, err, "bind "+b.Source+" on "+b.Target, "")
	}
	if !b.ReadOnly {
		return nil
	}
	return readOnly(root, b.Target)
}

// openFile opens a file in the root, made empty when it is missing.
func openFile(root int, name string) (int, error) {
	fd, err := beneath(root, name, 0)
	if !errors.Is(err, unix.ENOENT) {
		return fd, err
	}
	dir, err := openDir(root, path.Dir(name))
	if err != nil {
		return -1, err
	}
	defer unix.Close(dir)
	made, err := unix.Openat(dir, path.Base(name), unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_WRONLY, 0o644)
	if err != nil {
		return -1, fault.Wrap(fault.Failed, err, "make "+name+" in the jail", "")
	}
	unix.Close(made)
	return beneath(root, name, 0)
}

// bindResolvConf lets the jail resolve names as the host does. A root that has
// no such file, or has a symlink there, keeps what it has: the symlink's
// target inside the root is used when there is one.
func bindResolvConf(root int) error {
	const name = "etc/resolv.conf"
	if st, err := os.Stat("/" + name); err != nil || !st.Mode().IsRegular() {
		return nil
	}
	fd, err := unix.Openat2(root, name, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT})
	if err != nil {
		return nil //nolint:nilerr // a root without it works, only without names
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil
	}
	if err := unix.Mount("/"+name, fdPath(fd), "", unix.MS_BIND, ""); err != nil {
		return fault.Wrap(fault.Failed, err, "bind /"+name, "")
	}
	// The file is the host's. What is on top is found by its name again.
	over, err := unix.Openat2(root, name, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT})
	if err != nil {
		return fmt.Errorf("open %s of the jail: %w", name, err)
	}
	defer unix.Close(over)
	err = unix.MountSetattr(over, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
	return fault.Wrap(fault.Failed, err, "make "+name+" of the jail read-only", "")
}

// pivotTo makes root the root of this mount namespace and lets go of the old
// one, so that nothing of the host can be reached by a path.
func pivotTo(root int) error {
	if err := unix.Fchdir(root); err != nil {
		return fmt.Errorf("enter the root: %w", err)
	}
	// pivot_root(".", ".") stacks the old root over the new one, from where it
	// is taken off: no directory has to be made for it. pivot_root(2), NOTES.
	if err := unix.PivotRoot(".", "."); err != nil {
		return fault.Wrap(fault.Failed, err, "pivot_root", "")
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("let go of the host's root: %w", err)
	}
	return unix.Chdir("/")
}

// activateOnHost mounts a private instance over the host's in this mount
// namespace, for the program that builds a root.
func (e *entrance) activateOnHost() error {
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fault.Wrap(fault.Unsupported, err, "mount proc", "")
	}
	return e.activate()
}

// activate mounts the jail's own binfmt_misc and registers its activators.
// They live as long as this mount namespace: the kernel drops them with the
// last mount of the instance.
func (e *entrance) activate() error {
	if !e.Private {
		return nil
	}
	if err := unix.Mount("binfmt_misc", binfmtDir, "binfmt_misc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return binfmtError(err)
	}
	table := binfmt.New(binfmtDir)
	for _, entry := range e.Activators {
		if err := table.Add(entry); err != nil {
			return err
		}
	}
	return nil
}

func binfmtError(err error) error {
	hint := "a private binfmt_misc needs Linux 6.7; on this kernel: sudo xjail create NAME --global"
	if errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENOENT) {
		hint = "sudo modprobe binfmt_misc"
	}
	return fault.Wrap(fault.Unsupported, err, "mount a private binfmt_misc", hint)
}
