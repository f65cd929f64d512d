package cli

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// adoption makes this process the parent of what its children leave behind, so
// that a program that goes to the background is found and ended (procctl(2),
// PROC_REAP_ACQUIRE; FreeBSD 10.2).
type adoption struct{ acquired bool }

// Of sys/procctl.h, FreeBSD 15.
const (
	pPID            = 0 // P_PID of sys/wait.h
	procReapAcquire = 2
	procReapRelease = 3
	procReapKill    = 6
)

// reaperKill is struct procctl_reaper_kill.
type reaperKill struct {
	sig, flags     uint32
	subtree        int32
	killed         uint32
	firstThatFails int32
	_              [15]uint32
}

func adopt() adoption { return adoption{procctl(procReapAcquire, nil) == 0} }

// end kills all that descends from this process.
func (a adoption) end() {
	if !a.acquired {
		return
	}
	_ = procctl(procReapKill, unsafe.Pointer(&reaperKill{sig: uint32(unix.SIGKILL)}))
	for {
		if pid, err := unix.Wait4(-1, nil, 0, nil); err != nil && err != unix.EINTR || pid == 0 {
			break
		}
	}
	_ = procctl(procReapRelease, nil)
}

func procctl(command uintptr, data unsafe.Pointer) unix.Errno {
	_, _, errno := unix.Syscall6(unix.SYS_PROCCTL, pPID, uintptr(os.Getpid()), command, uintptr(data), 0, 0)
	return errno
}
