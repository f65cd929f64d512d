//go:build !linux

package inplace

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func accessTime(st *syscall.Stat_t) time.Time {
	return at(int64(st.Atimespec.Sec), int64(st.Atimespec.Nsec)) //nolint:unconvert // 32 bits elsewhere
}

// flush brings everything to the disk.
func flush(*os.File) error { return unix.Sync() }
