//go:build linux || freebsd

package extract

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// noSpace: the disk, the quota or the inodes are used up.
func noSpace(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
}

// notAllowed: root in the first user namespace could do it.
func notAllowed(err error) bool {
	return errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES)
}

// invalid: for chown(2), a number that the user namespace does not map.
func invalid(err error) bool { return errors.Is(err, unix.EINVAL) }

// notSupported: this file system or system does not have it.
func notSupported(err error) bool {
	return errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) || errors.Is(err, errors.ErrUnsupported)
}

// setTimes sets the times of the file name in dir, never those of what it links
// to.
func setTimes(dir *os.File, name string, atime, mtime time.Time) error {
	var ts [2]unix.Timespec
	for i, t := range []time.Time{atime, mtime} {
		var err error
		if ts[i], err = unix.TimeToTimespec(t); err != nil {
			return err
		}
	}
	return unix.UtimesNanoAt(int(dir.Fd()), name, ts[:], unix.AT_SYMLINK_NOFOLLOW)
}

// nodeMode is the type in a mode for mknod(2).
func nodeMode(k kind) uint32 {
	switch k {
	case charDevice:
		return unix.S_IFCHR
	case blockDevice:
		return unix.S_IFBLK
	}
	return unix.S_IFIFO
}

// stuck: a flag of the file or of its directory may forbid to remove it.
func stuck(err error) bool { return notAllowed(err) }

// openNoFollow neither follows a link nor waits for a fifo.
const openNoFollow = unix.O_NOFOLLOW | unix.O_NONBLOCK

// busy: something is mounted there.
func busy(err error) bool { return errors.Is(err, unix.EBUSY) }
