package main

import (
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The requests of stty: read, and set when what was written has gone out.
const (
	getTermios = unix.TIOCGETA
	setTermios = unix.TIOCSETAW
)

func accessed(s *syscall.Stat_t) syscall.Timespec { return s.Atimespec }
func changed(s *syscall.Stat_t) syscall.Timespec  { return s.Ctimespec }

// deviceNumber is a device's number as mknod(2) takes it.
func deviceNumber(rdev uint64) uint64 { return rdev }

const unlimited = uint64(unix.RLIM_INFINITY)

func getLimit(resource int) (soft, hard uint64, err error) {
	var r syscall.Rlimit
	err = syscall.Getrlimit(resource, &r)
	return uint64(r.Cur), uint64(r.Max), err //nolint:gosec // never negative
}

// setLimit goes through package syscall, which then leaves the number of open
// files for children as it is set here, instead of what it was at the start.
func setLimit(resource int, soft, hard uint64) error {
	return syscall.Setrlimit(resource, &syscall.Rlimit{Cur: int64(soft), Max: int64(hard)}) //nolint:gosec // at most RLIM_INFINITY, which is the largest int64
}

// statfs is how full the file system of a name is.
func statfs(name string) (space, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(name, &s); err != nil {
		return space{}, err
	}
	size := int64(s.Bsize)                                                            //nolint:gosec // far below the limit
	return space{int64(s.Blocks) * size, int64(s.Bfree) * size, s.Bavail * size}, nil //nolint:gosec // far below the limit
}

// signalThread sends a signal to the calling thread. thr_self(2), thr_kill(2).
func signalThread(sig syscall.Signal) error {
	var id int
	_, _, errno := syscall.Syscall(unix.SYS_THR_SELF, uintptr(unsafe.Pointer(&id)), 0, 0)
	if errno == 0 {
		_, _, errno = syscall.Syscall(unix.SYS_THR_KILL, uintptr(id), uintptr(sig), 0)
	}
	if errno != 0 {
		return errno
	}
	return nil
}

// selfPath is the file of this program: kern.proc.pathname, which an emulator of
// user programs answers as the program.
func selfPath() (string, error) { return os.Executable() }

// syncDisks is sync(2), which never fails.
func syncDisks() { _ = unix.Sync() }
