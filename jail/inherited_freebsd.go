package jail

import "golang.org/x/sys/unix"

// closeInherited marks every descriptor from first on as close-on-exec: what a
// caller left open, a directory of the host for one, is not the jail's.
func closeInherited(first int) {
	const cloexec = 1 << 2 // CLOSE_RANGE_CLOEXEC, sys/unistd.h
	if _, _, errno := unix.Syscall(unix.SYS_CLOSE_RANGE, uintptr(first), 1<<32-1, cloexec); errno == 0 {
		return
	}
	most, err := unix.SysctlUint32("kern.maxfilesperproc")
	for fd := first; err == nil && fd < int(most); fd++ {
		unix.CloseOnExec(fd)
	}
}
