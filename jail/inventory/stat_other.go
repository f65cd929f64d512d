//go:build !linux

package inventory

import (
	"slices"

	"golang.org/x/sys/unix"
)

// wide makes one type of a field that differs between systems and machines.
func wide[T uint16 | uint32 | uint64 | int32](field T) uint64 { return uint64(field) }

// look is fstat(2). Each mount has a device number of its own, nullfs too.
func look(fd int) (stat, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return stat{}, err
	}
	return statOf(&st), nil
}

// lookAt is look for a name in a directory; no link is followed.
func lookAt(dir int, name string) (stat, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return stat{}, err
	}
	return statOf(&st), nil
}

func statOf(st *unix.Stat_t) stat {
	dev := wide(st.Dev)
	return stat{mode: uint32(wide(st.Mode)), size: st.Size, links: wide(st.Nlink), dev: dev, ino: wide(st.Ino), mount: dev}
}

// pseudo names the file system of an open directory when the kernel makes its
// files up: reading them may block, or mean something; "" for all others.
func pseudo(fd int) string {
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil {
		return ""
	}
	name := unix.ByteSliceToString(st.Fstypename[:])
	if slices.Contains([]string{"procfs", "linprocfs", "linsysfs", "devfs", "fdescfs", "autofs", "mqueuefs"}, name) {
		return name
	}
	return ""
}
