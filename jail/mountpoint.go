package jail

import (
	"errors"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
)

// openDirFlags open a directory that is not reached through a symlink. A
// descriptor of the host that a jail inherits would be a way out.
const openDirFlags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC

// descend opens a directory below root, each part through its opened parent.
// A symlink on the way is refused: a root could lead us out with it. With
// create, what is missing is made.
func descend(root int, name string, create bool) (int, error) {
	dir, err := unix.Openat(root, ".", openDirFlags, 0)
	if err != nil {
		return -1, err
	}
	done := ""
	for part := range strings.SplitSeq(strings.Trim(path.Clean("/"+name), "/"), "/") {
		if part == "" {
			continue
		}
		done += "/" + part
		next, err := openPart(dir, part, done, create)
		unix.Close(dir)
		if err != nil {
			return -1, err
		}
		dir = next
	}
	return dir, nil
}

func openPart(dir int, part, whole string, create bool) (int, error) {
	fd, err := unix.Openat(dir, part, openDirFlags, 0)
	if errors.Is(err, unix.ENOENT) && create {
		if err := unix.Mkdirat(dir, part, 0o755); err != nil && !errors.Is(err, unix.EEXIST) {
			return -1, fault.Wrap(fault.Failed, err, "make "+whole+" in the jail", "")
		}
		fd, err = unix.Openat(dir, part, openDirFlags, 0)
	}
	if err == nil {
		return fd, nil
	}
	var st unix.Stat_t
	if unix.Fstatat(dir, part, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && st.Mode&unix.S_IFMT == unix.S_IFLNK {
		return -1, fault.New(fault.Unsafe, "replace it by a directory", "%s of the jail is a symlink", whole)
	}
	if errors.Is(err, unix.ENOTDIR) {
		return -1, fault.New(fault.Unsafe, "replace it by a directory", "%s of the jail is not a directory", whole)
	}
	return -1, fault.Wrap(fault.Failed, err, "open "+whole+" of the jail", "")
}

// descendToFile opens the directory that a file below root is in. With create,
// a file that is missing is made empty. What is there must be a plain file.
func descendToFile(root int, name string, create bool) (dir int, base string, err error) {
	base = path.Base(name)
	if dir, err = descend(root, path.Dir(name), create); err != nil {
		return -1, "", err
	}
	if create {
		fd, err := unix.Openat(dir, base, unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_WRONLY, 0o644)
		if err == nil {
			unix.Close(fd)
		} else if !errors.Is(err, unix.EEXIST) {
			unix.Close(dir)
			return -1, "", fault.Wrap(fault.Failed, err, "make "+name+" in the jail", "")
		}
	}
	var st unix.Stat_t
	err = unix.Fstatat(dir, base, &st, unix.AT_SYMLINK_NOFOLLOW)
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
		err = fault.New(fault.Unsafe, "replace it by a file", "%s of the jail is not a plain file", name)
	}
	if err != nil {
		unix.Close(dir)
		return -1, "", err
	}
	return dir, base, nil
}
