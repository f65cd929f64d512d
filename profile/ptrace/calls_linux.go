package ptrace

import (
	"os"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// callInfo is struct ptrace_syscall_info, linux/ptrace.h.
type callInfo struct {
	op   uint8
	_    [3]uint8
	arch uint32
	ip   uint64
	sp   uint64
	// At the entry of a call its number and arguments; at its exit what it
	// returned.
	number uint64
	args   [6]uint64
	_      uint64
}

// waited is the start of siginfo_t as waitid(2) fills it, on 64-bit machines.
type waited struct {
	signo, errno, code int32
	_                  int32
	pid                int32
	uid                uint32
	status             int32
	_                  [100]byte
}

// Values of waited.code: asm-generic/siginfo.h.
const (
	cldExited = 1
	cldKilled = 2
	cldDumped = 3
)

func ptrace(request, tid int, addr, data uintptr) syscall.Errno {
	_, _, errno := unix.RawSyscall6(unix.SYS_PTRACE, uintptr(request), uintptr(tid), addr, data, 0, 0)
	return errno
}

// info tells of the call that a stopped thread is in.
func (t *Tracer) info(tid int) syscall.Errno {
	_, _, errno := unix.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_GET_SYSCALL_INFO, uintptr(tid),
		unsafe.Sizeof(t.call), uintptr(unsafe.Pointer(&t.call)), 0, 0)
	return errno
}

// message is what comes with an event: a thread's number.
func (t *Tracer) message(tid int) (int, syscall.Errno) {
	_, _, errno := unix.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_GETEVENTMSG, uintptr(tid), 0, uintptr(unsafe.Pointer(&t.eventMessage)), 0, 0)
	return int(t.eventMessage), errno
}

// wait waits until something has stopped or ended. The kernel says so again until
// it is resumed, or reaped.
func (t *Tracer) wait() error {
	// What Go's runtime interrupts has lasted already: it may know of the rest.
	for raw := t.raw; ; raw = false {
		errno := t.waitOnce(raw)
		if errno == 0 {
			return nil
		}
		if errno != unix.EINTR {
			return errno
		}
	}
}

// waitOnce waits, for most waits are shorter than what Go's runtime does around a
// call that may last: it gives the thread's place away, wakes its monitor, and that
// looks 50 times for what happened. Without, the runtime holds this thread for one
// that computes, and interrupts it when it has to stop it; see interruptible. It may
// not be inlined: it is stopped where a function begins.
//
//go:noinline
func (t *Tracer) waitOnce(raw bool) syscall.Errno {
	const what = unix.WEXITED | unix.WSTOPPED | unix.WALL | unix.WNOWAIT
	if !raw {
		_, _, errno := unix.Syscall6(unix.SYS_WAITID, unix.P_ALL, 0, uintptr(unsafe.Pointer(&t.seen)), what, 0, 0)
		return errno
	}
	_, _, errno := unix.RawSyscall6(unix.SYS_WAITID, unix.P_ALL, 0, uintptr(unsafe.Pointer(&t.seen)), what, 0, 0)
	return errno
}

// interruptible sees to it that the signal by which Go's runtime stops a thread
// interrupts what the thread waits for (the runtime repeats the signal until the
// thread has stopped), and that other goroutines can run meanwhile. It tells
// whether a thread may wait unknown to the runtime then.
func interruptible() bool {
	if strings.Contains(os.Getenv("GODEBUG"), "asyncpreemptoff=1") {
		return false
	}
	const restart = 0x10000000 // SA_RESTART
	var action [4]uint64       // struct sigaction of the kernel: handler, flags, and what follows
	at := uintptr(unsafe.Pointer(&action))
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(unix.SIGURG), 0, at, 8, 0, 0)
	if errno != 0 || action[0] <= 1 {
		return false // there is no handler
	}
	action[1] &^= restart
	_, _, errno = unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(unix.SIGURG), at, 0, 8, 0, 0)
	if errno != 0 {
		return false
	}
	// One place is for this thread, others for who answers and flushes meanwhile.
	runtime.GOMAXPROCS(max(4, runtime.GOMAXPROCS(0)))
	return true
}

// consume takes what wait has said of a thread, so that it is not said again. What
// has ended is reaped; its parent may still want to know of it.
func (t *Tracer) consume(tid int) {
	var w waited
	_, _, _ = unix.RawSyscall6(unix.SYS_WAITID, unix.P_PID, uintptr(tid), uintptr(unsafe.Pointer(&w)),
		unix.WEXITED|unix.WSTOPPED|unix.WALL|unix.WNOHANG, 0, 0)
}

// Clocks of another process: linux/posix-timers_types.h.
const (
	clockBoth = 0
	clockUser = 1
	clockRun  = 2
)

// clocksOf reads the clocks of a process, also of one that has ended and was not
// reaped.
func (t *Tracer) clocksOf(pid int) clocks {
	return clocks{t.clock(pid, clockRun), t.clock(pid, clockUser), t.clock(pid, clockBoth)}
}

func (t *Tracer) clock(pid, which int) int64 {
	t.time = unix.Timespec{}
	_, _, _ = unix.RawSyscall(unix.SYS_CLOCK_GETTIME, uintptr(^pid<<3|which), uintptr(unsafe.Pointer(&t.time)), 0)
	return t.time.Nano()
}

// read reads the memory of a thread's process. It gets as far as there is any.
func (t *Tracer) read(tid int, at uint64, into []byte) int {
	t.local = unix.Iovec{Base: &into[0]}
	t.local.SetLen(len(into))
	t.remote = unix.RemoteIovec{Base: uintptr(at), Len: len(into)}
	n, _, errno := unix.RawSyscall6(unix.SYS_PROCESS_VM_READV, uintptr(tid), uintptr(unsafe.Pointer(&t.local)), 1, uintptr(unsafe.Pointer(&t.remote)), 1, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}

// unheard sets SIGCHLD to its default, so that the kernel sends none: it would, for
// each stop of each thread, and Go's runtime handles every signal that it can. It is
// not to be ignored, for then what has ended could not be waited for.
func unheard() {
	var deflt [4]uint64 // struct sigaction of the kernel: SIG_DFL, no flags
	_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(unix.SIGCHLD), uintptr(unsafe.Pointer(&deflt)), 0, 8, 0, 0)
}
