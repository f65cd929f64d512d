//go:build linux || freebsd

package extract

import (
	"bytes"
	"errors"
	"os"
	"strings"
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

// fileStat is what stat(2) tells about a file of a tree.
type fileStat struct {
	entry
	dev, ino uint64
	links    uint64
	socket   bool
}

// wide makes one type of a field that differs between systems and machines.
func wide[T uint16 | uint32 | uint64](field T) uint64 { return uint64(field) }

// statKinds are the types of files by S_IFMT.
var statKinds = map[uint32]kind{
	unix.S_IFREG: regular, unix.S_IFDIR: directory, unix.S_IFLNK: symlink,
	unix.S_IFCHR: charDevice, unix.S_IFBLK: blockDevice, unix.S_IFIFO: fifo,
}

// statAt looks at the file name of dir, not at what it links to.
func statAt(dir *os.File, name string) (*fileStat, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return nil, err
	}
	f := &fileStat{dev: wide(st.Dev), ino: st.Ino, links: wide(st.Nlink)}
	mode := uint32(wide(st.Mode))
	k, ok := statKinds[mode&unix.S_IFMT]
	f.kind, f.socket = k, !ok
	f.size = st.Size
	f.major, f.minor = int64(unix.Major(st.Rdev)), int64(unix.Minor(st.Rdev))
	f.attrs = attrs{
		mode: mode & modeBits, uid: int(st.Uid), gid: int(st.Gid), flags: statFlags(&st),
		atime: time.Unix(st.Atim.Unix()), mtime: time.Unix(st.Mtim.Unix()),
	}
	return f, nil
}

// listXattrs reads the extended attributes of an open file; none where the file
// system has none.
func listXattrs(f *os.File) (map[string][]byte, error) {
	fd := int(f.Fd())
	list := make([]byte, maxXattrs)
	n, err := unix.Flistxattr(fd, list)
	if err != nil || n == 0 {
		if notSupported(err) {
			err = nil
		}
		return nil, err
	}
	out := map[string][]byte{}
	for _, name := range strings.Split(strings.TrimSuffix(string(list[:n]), "\x00"), "\x00") {
		value := make([]byte, maxXattrs)
		n, err := unix.Fgetxattr(fd, name, value)
		if err != nil {
			continue // taken away in between, or not for this user
		}
		out[name] = bytes.Clone(value[:n])
	}
	return out, nil
}

// nextData gives the first run of data at or after off; a file system that knows
// no holes gives all of the file. Data and Hole are the whence of lseek(2).
func nextData(f *os.File, off, size int64) (start, end int64) {
	start, err := f.Seek(off, unix.SEEK_DATA)
	if errors.Is(err, unix.ENXIO) {
		return size, size
	}
	if err != nil {
		return off, size
	}
	if end, err = f.Seek(start, unix.SEEK_HOLE); err != nil {
		end = size
	}
	return min(start, size), min(end, size)
}
