package inplace

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func accessTime(st *syscall.Stat_t) time.Time {
	return at(int64(st.Atim.Sec), int64(st.Atim.Nsec)) //nolint:unconvert // 32 bits elsewhere
}

// flush brings all of a file system to the disk.
func flush(dir *os.File) error { return unix.Syncfs(int(dir.Fd())) }
