package explain

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// changed is not asked for: only binfmt_misc tells when an entry was registered.
func changed(*syscall.Stat_t) time.Time { return time.Time{} }

func mountOf(name string) Mount {
	var st unix.Statfs_t
	if err := unix.Statfs(name, &st); err != nil {
		return Mount{}
	}
	return mountFrom(&st)
}

func mountOfFile(f *os.File, _ string) Mount {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &st); err != nil {
		return Mount{}
	}
	return mountFrom(&st)
}

func mountFrom(st *unix.Statfs_t) Mount {
	return Mount{
		Point:  unix.ByteSliceToString(st.Mntonname[:]),
		NoExec: st.Flags&unix.MNT_NOEXEC != 0,
		NoSUID: st.Flags&unix.MNT_NOSUID != 0,
	}
}
