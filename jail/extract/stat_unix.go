//go:build linux || freebsd

package extract

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

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
