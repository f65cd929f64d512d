package miniroot

import (
	"os"
	"syscall"
)

// endTogether makes go end with this process, and the compilers that it runs
// with it: when the first process of a PID namespace ends, the kernel ends the
// rest. Only root, also of a user namespace, can make one.
func endTogether() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() == 0 {
		attr.Cloneflags = syscall.CLONE_NEWPID
	}
	return attr
}
