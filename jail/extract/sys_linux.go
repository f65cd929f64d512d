package extract

import (
	"bufio"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// maxTarget is the longest symbolic link in bytes: PATH_MAX of Linux without the
// NUL.
const maxTarget = 4095

// mknod makes a special file in dir; name is a name and not a path.
func mknod(dir *os.File, name string, e *entry) error {
	dev := 0
	if e.kind != fifo {
		dev = int(unix.Mkdev(uint32(e.major), uint32(e.minor)))
	}
	return unix.Mknodat(int(dir.Fd()), name, nodeMode(e.kind)|0o600, dev)
}

func setXattr(f *os.File, name string, value []byte) error {
	return unix.Fsetxattr(int(f.Fd()), name, value, 0)
}

// xattrNames lists the attributes, each name ended by a NUL (listxattr(2)).
func xattrNames(fd int) ([]string, error) {
	list := make([]byte, maxXattrs)
	n, err := unix.Flistxattr(fd, list)
	if err != nil || n == 0 {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(string(list[:n]), "\x00"), "\x00"), nil
}

// xattrTooBig tells whether an error that also means a full disk may come from
// one value being larger than the file system stores: ext4 has one block for all
// attributes of a file and gives ENOSPC.
func xattrTooBig(err error) bool { return errors.Is(err, unix.ENOSPC) }

// setFlags has nothing to do here: the flags of chflags(2) have no equal on
// Linux that would mean the same to a FreeBSD program.
func setFlags(*os.Root, string, string) error { return errors.ErrUnsupported }

// mountOf tells the mount that the file name of dir is on. Bind mounts of one
// file system differ in the number of the mount only (statx(2), Linux 5.8);
// older kernels give the device.
func mountOf(dir *os.File, name string) (uint64, error) {
	var st unix.Statx_t
	err := unix.Statx(int(dir.Fd()), name, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, unix.STATX_MNT_ID, &st)
	if err != nil {
		return 0, err
	}
	if st.Mask&unix.STATX_MNT_ID != 0 {
		return st.Mnt_id, nil
	}
	return unix.Mkdev(st.Dev_major, st.Dev_minor), nil
}

// mountsBelow names the mount points below a directory, of files too, as far as
// this mount namespace has them. Without /proc it names none; then mountOf and
// EBUSY guard what is mounted.
func mountsBelow(root *os.File) ([]string, error) {
	path, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(int(root.Fd())))
	if err != nil {
		return nil, nil
	}
	table, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, nil
	}
	points, err := parseMounts(table)
	return pointsBelow(points, path), errors.Join(err, table.Close())
}

// parseMounts reads proc_pid_mountinfo(5): the fifth field is the mount point,
// with white space as octal escapes.
func parseMounts(table io.Reader) ([]string, error) {
	var points []string
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	lines := bufio.NewScanner(table)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if fields := strings.Fields(lines.Text()); len(fields) >= 5 {
			points = append(points, unescape.Replace(fields[4]))
		}
	}
	return points, lines.Err()
}

// Flags of ioctl_iflags(2), from include/uapi/linux/fs.h.
const (
	flagImmutable = 0x10 // FS_IMMUTABLE_FL
	flagAppend    = 0x20 // FS_APPEND_FL
	stuckFlags    = flagImmutable | flagAppend
)

// clearFlags takes the flags that forbid a change from a file or a directory.
func clearFlags(f *os.File) error {
	flags, err := unix.IoctlGetUint32(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	if err != nil {
		return err
	}
	if flags&stuckFlags == 0 {
		return nil
	}
	return unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, int(flags&^stuckFlags))
}

// statFlags: see setFlags.
func statFlags(*unix.Stat_t) string { return "" }

// clone shares the blocks of src with dst where the file system can
// (ioctl_ficlone(2)).
func clone(dst, src *os.File) error { return unix.IoctlFileClone(int(dst.Fd()), int(src.Fd())) }
