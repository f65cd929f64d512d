package extract

import (
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// maxTarget is the longest symbolic link in bytes: PATH_MAX of FreeBSD without the
// NUL.
const maxTarget = 1023

// mknod makes a special file in dir; name is a name and not a path. A fifo with
// the number 0 takes no privilege (sys/kern/vfs_syscalls.c, kern_mknodat).
func mknod(dir *os.File, name string, e *entry) error {
	var dev uint64
	if e.kind != fifo {
		dev = unix.Mkdev(uint32(e.major), uint32(e.minor))
	}
	return unix.Mknodat(int(dir.Fd()), name, nodeMode(e.kind)|0o600, dev)
}

// setXattr knows the user namespace only; extattr(9) has no other that Linux
// has too.
func setXattr(f *os.File, name string, value []byte) error {
	plain, ok := strings.CutPrefix(name, "user.")
	if !ok {
		return unix.EOPNOTSUPP
	}
	return unix.Fsetxattr(int(f.Fd()), "user."+plain, value, 0)
}

// xattrNames lists the user namespace, the one that setXattr knows.
func xattrNames(fd int) ([]string, error) {
	list := make([]byte, maxXattrs)
	n, err := unix.FlistxattrNS(fd, unix.EXTATTR_NAMESPACE_USER, list)
	if err != nil {
		return nil, err
	}
	return parseExtattrs(list[:n], "user."), nil
}

// xattrTooBig: UFS has two blocks for all attributes of a file and gives ENOSPC
// for more (sys/ufs/ffs/ffs_vnops.c, ffs_setextattr).
func xattrTooBig(err error) bool { return errors.Is(err, unix.ENOSPC) }

// setFlags sets the flags that chflags(1) calls by these words.
func setFlags(root *os.Root, path, words string) error {
	flags, ok := ParseFlags(words)
	if !ok {
		return errors.ErrUnsupported
	}
	// Flags of a symbolic link are recorded and never come here.
	f, err := root.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	return errors.Join(unix.Fchflags(int(f.Fd()), int(flags)), f.Close())
}

// mountOf tells the mount that the file name of dir is on. Each mount has an
// st_dev of its own, nullfs included (sys/fs/nullfs/null_vnops.c, null_getattr).
func mountOf(dir *os.File, name string) (uint64, error) {
	var st unix.Stat_t
	err := unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW)
	return st.Dev, err
}

// clearFlags takes the flags that forbid a change from a file or a directory.
func clearFlags(f *os.File) error { return unix.Fchflags(int(f.Fd()), 0) }

// statFlags gives the flags of a file in chflags(1)'s words.
func statFlags(st *unix.Stat_t) string { return FormatFlags(st.Flags) }

// clone: FreeBSD clones blocks in copy_file_range(2) only, which x/sys lacks.
func clone(dst, src *os.File) error { return errors.ErrUnsupported }
