package ptrace

import (
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/profile"
)

// Sink takes what is seen, in the order in which it happens. It keeps its errors
// for itself: what is traced goes on.
type Sink interface {
	Begin(*profile.Run)
	End(*profile.End)
	Fail(*profile.Failure)
	Lost(*profile.Lost)
}

// options: who traces a thread traces what comes of it, from its first
// instruction on.
const options = unix.PTRACE_O_TRACEFORK | unix.PTRACE_O_TRACEVFORK | unix.PTRACE_O_TRACECLONE |
	unix.PTRACE_O_TRACEEXEC | unix.PTRACE_O_TRACEEXIT | unix.PTRACE_O_TRACESECCOMP |
	unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_EXITKILL

// syscallStop is what a thread stops with that leaves a call.
const syscallStop = int32(unix.SIGTRAP) | 0x80

// restarted are what the kernel itself makes of a call that a signal interrupted:
// ERESTARTSYS and its like, linux/errno.h.
const restartedFirst, restartedLast = 512, 516

// process is what is followed; its threads share it.
type process struct {
	pid      int
	id       int64  // of its run; 0 for one that has not begun
	program  string // of its run, and with which emulator
	emulator string
	account  account
	threads  int
	rss      int64 // bytes
	dying    bool  // its first thread has ended
}

// thread is one that the kernel knows, stopped or not.
type thread struct {
	p *process // nil while nobody has said what it is a child of
	// call is the execve(2) that it is in.
	call struct {
		seen bool // it stopped at the call's entry
		file string
		dir  int // of execveat(2)
	}
}

// Tracer follows a program. All of its methods are for one thread of the operating
// system: the caller has locked it.
type Tracer struct {
	// Started is called when the command has become its program, and Stopped when a
	// signal has stopped it. They may be nil.
	Started func()
	Stopped func(unix.Signal)

	sink      Sink
	start     time.Time
	emulators []Emulator
	proc      int  // descriptor of /proc
	raw       bool // it waits unknown to Go's runtime
	command   int  // its process
	threads   map[int]*thread
	live      int // processes that have begun
	runs      int64
	unknown   int // threads that wait for their parent's word
	// early are the threads that are known before who made them has said so, which
	// still may come, with its process.
	early  map[int]int
	before clocks // of the command, before it became its program
	ended  unix.WaitStatus
	ending bool // all is killed
	err    error

	seen         waited
	call         callInfo
	eventMessage uint
	time         unix.Timespec
	local        unix.Iovec
	remote       unix.RemoteIovec
	stack        stackReader
	began        int // whose stack it reads
	text         [unix.PathMax + 64]byte
	names        map[string]string
}

// New makes a tracer. Times are counted from start on.
func New(sink Sink, start time.Time, emulators []Emulator) (*Tracer, error) {
	proc, err := unix.Open("/proc", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "open /proc", "")
	}
	t := &Tracer{sink: sink, start: start, emulators: emulators, proc: proc,
		threads: map[int]*thread{}, early: map[int]int{}, names: map[string]string{}}
	t.stack.mem = func(at uint64, into []byte) int { return t.read(t.began, at, into) }
	return t, nil
}

// Close lets go of what the tracer has opened.
func (t *Tracer) Close() { unix.Close(t.proc) }

// Seize begins to follow a process that waits to become the command, and sets
// SIGCHLD to its default. The process's next
// execve(2) that succeeds is the first run; so the one by which it began has to be
// over, which fork and exec of a standard library do not tell.
func (t *Tracer) Seize(pid int) error {
	if errno := ptrace(unix.PTRACE_SEIZE, pid, 0, options); errno != 0 {
		return fault.Wrap(fault.Unsupported, errno, "trace the command", "a profile needs ptrace(2), which a container, a seccomp filter or kernel.yama.ptrace_scope=3 may forbid")
	}
	unheard()
	t.raw = interruptible()
	t.command = pid
	t.threads[pid] = &thread{p: &process{pid: pid}}
	return nil
}

// Wait follows everything until the command has ended, and returns how.
func (t *Tracer) Wait() (unix.WaitStatus, error) {
	for t.threads[t.command] != nil && t.err == nil {
		if err := t.next(); err != nil {
			return 0, err
		}
	}
	return t.ended, t.err
}

// Finish kills whatever is left and sees it end, which is counted in Left. It
// returns the end of the profile, but for the status.
func (t *Tracer) Finish() profile.Close {
	c := profile.Close{Left: int64(t.live)}
	t.ending = true
	for tid, th := range t.threads {
		if th.p == nil || th.p.pid == tid {
			t.kill(tid)
		}
	}
	for len(t.threads) > 0 {
		if t.next() != nil {
			break
		}
	}
	var ru unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_CHILDREN, &ru)
	c.User, c.System = t.before.after(ru.Utime.Nano(), ru.Stime.Nano())
	c.At = t.now()
	return c
}

func (t *Tracer) kill(pid int) {
	if pid > 1 {
		_ = unix.Kill(pid, unix.SIGKILL)
	}
}

func (t *Tracer) now() int64 { return int64(time.Since(t.start)) }

// next waits for something to happen and deals with it.
func (t *Tracer) next() error {
	if err := t.wait(); err != nil {
		return fault.Wrap(fault.Failed, err, "wait for the command", "")
	}
	tid := int(t.seen.pid)
	switch t.seen.code {
	case cldExited, cldKilled, cldDumped:
		t.exited(tid)
	default:
		t.stopped(tid, t.seen.status)
	}
	return nil
}

// stopped deals with a thread that has stopped, and resumes it.
func (t *Tracer) stopped(tid int, status int32) {
	th := t.threads[tid]
	if th == nil || th.p == nil {
		t.hold(tid)
		return
	}
	switch event := status >> 8; {
	case status == syscallStop:
		t.failedExec(tid, th)
	case event == 0:
		t.resume(unix.PTRACE_CONT, tid, uintptr(status))
		return
	case event == unix.PTRACE_EVENT_SECCOMP:
		if t.enterExec(tid, th) {
			t.resume(unix.PTRACE_SYSCALL, tid, 0)
			return
		}
	case event == unix.PTRACE_EVENT_EXEC:
		t.execed(tid, th)
	case event == unix.PTRACE_EVENT_FORK, event == unix.PTRACE_EVENT_VFORK, event == unix.PTRACE_EVENT_CLONE:
		if child, errno := t.message(tid); errno == 0 {
			t.born(th.p, child)
		}
	case event == unix.PTRACE_EVENT_EXIT:
		t.exiting(tid, th.p)
	case event == unix.PTRACE_EVENT_STOP && status&0xff != int32(unix.SIGTRAP):
		t.groupStop(tid, unix.Signal(status&0xff))
		return
	}
	t.resume(unix.PTRACE_CONT, tid, 0)
}

// resume lets a thread go on, unless it was killed meanwhile: then its end is the
// next that is heard of it.
func (t *Tracer) resume(how, tid int, signal uintptr) { _ = ptrace(how, tid, 0, signal) }

// groupStop is a signal that stops a process: it stays stopped until another lets
// it go on.
func (t *Tracer) groupStop(tid int, signal unix.Signal) {
	t.resume(unix.PTRACE_LISTEN, tid, 0)
	if tid == t.command && t.Stopped != nil {
		t.Stopped(signal)
	}
}

// born is a parent's word that it has made a process or a thread. Which event it
// was does not tell: clone(2) of a thread may name a signal, as fork does, or wait,
// as vfork does.
func (t *Tracer) born(parent *process, tid int) {
	th := t.threads[tid]
	if _, ok := t.early[tid]; ok {
		delete(t.early, tid)
		if th == nil || th.p != nil {
			return
		}
	}
	switch {
	case th == nil:
		th = &thread{}
		t.threads[tid] = th
	case th.p != nil:
		return
	default:
		t.unknown--
		defer t.resume(unix.PTRACE_CONT, tid, 0)
	}
	if unix.Tgkill(parent.pid, tid, 0) == nil {
		th.p = parent
		parent.threads++
		return
	}
	th.p = t.forked(parent, tid)
}

// forked begins the run of a new process.
func (t *Tracer) forked(parent *process, pid int) *process {
	p := &process{pid: pid, program: parent.program, emulator: parent.emulator}
	if parent.id == 0 {
		return p // of what is not the command yet
	}
	return t.begin(p, parent.id)
}

// begin begins the run of a process that was forked.
func (t *Tracer) begin(p *process, parent int64) *process {
	if t.ending {
		t.kill(p.pid)
	}
	t.live++
	t.runs++
	p.id = t.runs
	t.sink.Begin(&profile.Run{ID: p.id, Parent: parent, PID: p.pid, At: t.now(), Program: p.program, Emulator: p.emulator})
	return p
}

// hold keeps a new thread stopped until its parent has said that it made it.
func (t *Tracer) hold(tid int) {
	t.consume(tid)
	if t.threads[tid] == nil {
		t.threads[tid] = &thread{}
		t.unknown++
	}
}

// adopt is for threads whose parents were killed before they could say a word:
// the kernel knows whose they are.
func (t *Tracer) adopt() {
	for tid, th := range t.threads {
		if th.p == nil {
			t.unknown--
			th.p, t.early[tid] = t.familyOf(tid)
			t.resume(unix.PTRACE_CONT, tid, 0)
		}
	}
}

// familyOf asks the kernel of which process an unknown thread is, and begins that
// process if there is none.
func (t *Tracer) familyOf(tid int) (p *process, maker int) {
	status := t.status(tid)
	group, parent := int(numberOf(status, "\nTgid:")), int(numberOf(status, "\nPPid:"))
	if th := t.threads[group]; group != tid && th != nil && th.p != nil {
		th.p.threads++
		return th.p, group
	}
	if th := t.threads[parent]; th != nil && th.p != nil {
		return t.forked(th.p, tid), parent
	}
	t.sink.Lost(&profile.Lost{At: t.now(), Count: 1, Why: "the parent of a process"})
	return t.begin(&process{pid: tid}, 0), parent
}

// exiting is a thread that is about to end and still has its memory. That of the
// process counts once: at the end of the first thread, or of those after it.
func (t *Tracer) exiting(tid int, p *process) {
	if tid != p.pid && !p.dying {
		return
	}
	p.dying = true
	p.rss = max(p.rss, 1024*numberOf(t.status(tid), "\nVmHWM:"))
}

// exited is a thread that has ended. The times of a process can be read until it
// is reaped.
func (t *Tracer) exited(tid int) {
	seen, th := t.seen, t.threads[tid]
	if t.unknown > 0 {
		t.adopt()
		th = t.threads[tid]
	}
	if th == nil {
		if th = t.stillborn(tid); th == nil {
			t.consume(tid)
			return
		}
	}
	if th.p != nil && th.p.pid == tid {
		t.endOf(th.p, seen)
		for pid, parent := range t.early {
			if parent == tid {
				delete(t.early, pid)
			}
		}
	}
	delete(t.threads, tid)
	t.consume(tid)
}

// stillborn is what ended before its parent said that it made it. What is not
// traced any more has been seen to end, and now comes to who reaps it.
func (t *Tracer) stillborn(tid int) *thread {
	if numberOf(t.status(tid), "\nTracerPid:") == 0 {
		return nil
	}
	th := &thread{}
	th.p, t.early[tid] = t.familyOf(tid)
	return th
}

// endOf ends the run of a process that has ended.
func (t *Tracer) endOf(p *process, seen waited) {
	if p.pid == t.command {
		t.ended = waitStatus(seen)
	}
	if p.id == 0 {
		return
	}
	t.live--
	e := profile.End{ID: p.id, At: t.now(), How: profile.ByExit, Code: int(seen.status), RSS: p.rss, Threads: p.threads}
	if seen.code != cldExited {
		e.How, e.Core = profile.BySignal, seen.code == cldDumped
	}
	e.User, e.System = p.account.charge(t.clocksOf(p.pid))
	t.sink.End(&e)
}

// waitStatus is what wait4(2) would have said.
func waitStatus(seen waited) unix.WaitStatus {
	switch seen.code {
	case cldExited:
		return unix.WaitStatus(seen.status&0xff) << 8
	case cldDumped:
		return unix.WaitStatus(seen.status&0x7f) | 0x80
	}
	return unix.WaitStatus(seen.status & 0x7f)
}

// status is the file of /proc that tells of a thread in lines.
func (t *Tracer) status(tid int) []byte {
	fd, err := unix.Openat(t.proc, strconv.Itoa(tid)+"/status", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	n, _ := unix.Read(fd, t.text[:])
	unix.Close(fd)
	return t.text[:max(n, 0)]
}
