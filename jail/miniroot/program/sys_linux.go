package main

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// The requests of stty: read, and set when what was written has gone out.
const (
	getTermios = unix.TCGETS
	setTermios = unix.TCSETSW
)

func accessed(s *syscall.Stat_t) syscall.Timespec { return s.Atim }
func changed(s *syscall.Stat_t) syscall.Timespec  { return s.Ctim }

// deviceNumber is a device's number as mknod(2) takes it.
func deviceNumber(rdev uint64) int { return int(rdev) } //nolint:gosec // never larger

const unlimited = ^uint64(0)

func getLimit(resource int) (soft, hard uint64, err error) {
	var r syscall.Rlimit
	err = syscall.Getrlimit(resource, &r)
	return r.Cur, r.Max, err
}

// setLimit goes through package syscall, which then leaves the number of open
// files for children as it is set here, instead of what it was at the start.
func setLimit(resource int, soft, hard uint64) error {
	return syscall.Setrlimit(resource, &syscall.Rlimit{Cur: soft, Max: hard})
}

// statfs is how full the file system of a name is.
func statfs(name string) (space, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(name, &s); err != nil {
		return space{}, err
	}
	size := int64(s.Frsize) //nolint:unconvert // 32 bits elsewhere
	if size == 0 {
		size = int64(s.Bsize) //nolint:unconvert // 32 bits elsewhere
	}
	return space{int64(s.Blocks) * size, int64(s.Bfree) * size, int64(s.Bavail) * size}, nil //nolint:gosec // far below the limit
}

// signalThread sends a signal to the calling thread.
func signalThread(sig syscall.Signal) error { return unix.Tgkill(unix.Getpid(), unix.Gettid(), sig) }

// selfPath is the file of this program. An emulator of user programs answers
// readlink of this name as the program; stat it answers as the emulator.
func selfPath() (string, error) { return os.Readlink("/proc/self/exe") }

// syncDisks is sync(2).
func syncDisks() { unix.Sync() }
