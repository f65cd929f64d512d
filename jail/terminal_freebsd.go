package jail

import (
	"os"

	"golang.org/x/sys/unix"
)

func isTerminal(f *os.File) bool {
	if f == nil {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TIOCGETA)
	return err == nil
}

// stopNow stops this process: the kernel suspends all its threads before the
// call returns (tdsendsignal in sys/kern/kern_sig.c).
func stopNow() error { return unix.Kill(unix.Getpid(), unix.SIGSTOP) }

// parentOf is the parent of a process, 0 when it is not known.
func parentOf(pid int) int {
	raw, err := unix.SysctlRaw("kern.proc.pid", pid)
	if err != nil {
		return 0
	}
	return kinfoParent(raw, pid)
}
