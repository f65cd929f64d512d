package main

import (
	"io/fs"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func statOf(st fs.FileInfo) stat {
	s, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return stat{}
	}
	// The conversions look idle, but the fields have other types elsewhere.
	return stat{
		dev: uint64(s.Dev), ino: uint64(s.Ino), nlink: uint64(s.Nlink), rdev: uint64(s.Rdev), //nolint:unconvert // other types elsewhere
		uid: s.Uid, gid: s.Gid, blocks: int64(s.Blocks), blockSize: int64(s.Blksize), //nolint:unconvert // other types elsewhere
		atime: fromTimespec(accessed(s)), ctime: fromTimespec(changed(s)),
	}
}

func fromTimespec(t syscall.Timespec) time.Time {
	return time.Unix(int64(t.Sec), int64(t.Nsec)) //nolint:unconvert // 32 bits elsewhere
}

// inodeOf names a file, and tells whether it may have other names.
func inodeOf(st fs.FileInfo) (inode, bool) {
	s := statOf(st)
	return inode{s.dev, s.ino}, s.nlink > 1 && !st.IsDir()
}

// setTimes sets the times of a file to the nanosecond.
func setTimes(name string, atime, mtime time.Time, link bool) error {
	flags := 0
	if link {
		flags = unix.AT_SYMLINK_NOFOLLOW
	}
	a, err := unix.TimeToTimespec(atime)
	if err != nil {
		return err
	}
	m, err := unix.TimeToTimespec(mtime)
	if err != nil {
		return err
	}
	return unix.UtimesNanoAt(unix.AT_FDCWD, name, []unix.Timespec{a, m}, flags)
}

// makeNode makes a FIFO, socket or device like another.
func makeNode(name string, st fs.FileInfo) error {
	kind := map[fs.FileMode]uint32{
		fs.ModeNamedPipe: unix.S_IFIFO, fs.ModeSocket: unix.S_IFSOCK,
		fs.ModeDevice: unix.S_IFBLK, fs.ModeDevice | fs.ModeCharDevice: unix.S_IFCHR,
	}[st.Mode().Type()]
	return unix.Mknod(name, kind|uint32(st.Mode().Perm()), deviceNumber(statOf(st).rdev))
}

// utsname is what uname(2) answers: under an emulator it is the emulator's answer.
type utsname struct{ system, node, release, version, machine string }

func uname() (utsname, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return utsname{}, err
	}
	return utsname{
		unix.ByteSliceToString(u.Sysname[:]), unix.ByteSliceToString(u.Nodename[:]),
		unix.ByteSliceToString(u.Release[:]), unix.ByteSliceToString(u.Version[:]),
		unix.ByteSliceToString(u.Machine[:]),
	}, nil
}

// setTerminal applies one word of stty.
func setTerminal(fd int, word string) error {
	t, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil {
		return err
	}
	on := word[0] != '-'
	set := func(field *uint32, bits uint32) {
		*field &^= bits
		if on {
			*field |= bits
		}
	}
	switch name := trimDash(word); {
	case name == "echo":
		set(&t.Lflag, unix.ECHO)
	case name == "icanon":
		set(&t.Lflag, unix.ICANON)
	case name == "isig":
		set(&t.Lflag, unix.ISIG)
	case name == "opost":
		set(&t.Oflag, unix.OPOST)
	case word == "raw", word == "-cooked":
		t.Lflag &^= unix.ECHO | unix.ICANON | unix.ISIG
		t.Iflag &^= unix.ICRNL | unix.IXON
		t.Oflag &^= unix.OPOST
		t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	case word == "sane", word == "cooked", word == "-raw":
		t.Lflag |= unix.ECHO | unix.ECHOE | unix.ECHOK | unix.ICANON | unix.ISIG | unix.IEXTEN
		t.Iflag |= unix.ICRNL | unix.IXON
		t.Oflag |= unix.OPOST | unix.ONLCR
	default:
		return unix.EINVAL
	}
	return unix.IoctlSetTermios(fd, setTermios, t)
}

func trimDash(word string) string {
	if word[0] == '-' {
		return word[1:]
	}
	return word
}

// ignoreHangup lets the process live on when its terminal goes.
func ignoreHangup() { signal.Ignore(syscall.SIGHUP) }

// limit is a resource that ulimit knows.
type limit struct {
	letter   byte
	name     string
	resource int
	unit     uint64 // bytes or whatever the kernel counts, per unit of ulimit
}

var limits = []limit{
	{'c', "core file size", unix.RLIMIT_CORE, 512},
	{'d', "data seg size", unix.RLIMIT_DATA, 1024},
	{'f', "file size", unix.RLIMIT_FSIZE, 512},
	{'l', "max locked memory", unix.RLIMIT_MEMLOCK, 1024},
	{'m', "max memory size", unix.RLIMIT_RSS, 1024},
	{'n', "open files", unix.RLIMIT_NOFILE, 1},
	{'s', "stack size", unix.RLIMIT_STACK, 1024},
	{'t', "cpu time", unix.RLIMIT_CPU, 1},
	{'u', "max user processes", unix.RLIMIT_NPROC, 1},
	{'v', "virtual memory", unix.RLIMIT_AS, 1024},
}
