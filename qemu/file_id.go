//go:build linux || freebsd

package qemu

import (
	"io/fs"
	"syscall"
)

// fileID is the device and the inode of a file.
func fileID(info fs.FileInfo) (device, inode uint64) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Dev, st.Ino
	}
	return 0, 0
}
