package ptrace

import (
	"bytes"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/profile"
)

// enterExec is a thread that calls execve(2): what it asks for is still to be read
// where it is. It may be another call, which a filter of the command's own stops;
// that is told.
func (t *Tracer) enterExec(tid int, th *thread) bool {
	if errno := t.info(tid); errno != 0 {
		if errno != unix.ESRCH && t.err == nil {
			t.err = fault.Wrap(fault.Unsupported, errno, "ask what the command calls", "a profile needs Linux 5.3")
		}
		return true
	}
	if !slices.Contains(execCalls[runtime.GOARCH], execCall{t.call.arch, uint32(t.call.number)}) {
		return false
	}
	th.call.seen, th.call.dir = true, unix.AT_FDCWD
	name := t.call.args[0]
	if isAt(t.call.arch, uint32(t.call.number)) {
		th.call.dir = int(int32(t.call.args[0]))
		name = t.call.args[1]
	}
	b := t.text[:unix.PathMax]
	b = b[:t.read(tid, name, b)]
	if n := bytes.IndexByte(b, 0); n >= 0 {
		b = b[:n]
	}
	th.call.file = t.intern(b)
	return true
}

// intern makes a string of bytes that mostly were one before.
func (t *Tracer) intern(b []byte) string {
	if s, ok := t.names[string(b)]; ok {
		return s
	}
	if len(t.names) > namesMax {
		clear(t.names)
	}
	s := string(b)
	t.names[s] = s
	return s
}

// namesMax is how many names are remembered.
const namesMax = 4096

// failedExec is a thread that comes back from execve(2).
func (t *Tracer) failedExec(tid int, th *thread) {
	if t.info(tid) != 0 || th.p.id == 0 {
		return
	}
	// The number of a call is where its exit has what it returned.
	errno := -int64(t.call.number)
	if errno <= 0 || errno >= restartedFirst && errno <= restartedLast {
		return
	}
	name := unix.ErrnoName(syscall.Errno(errno))
	if name == "" {
		name = strconv.FormatInt(errno, 10)
	}
	t.sink.Fail(&profile.Failure{Run: th.p.id, At: t.now(), File: t.absolute(tid, th), Error: name})
}

// absolute is the file that a thread asked for, as the jail sees it; "" when it
// named none, or is not known to have asked.
func (t *Tracer) absolute(tid int, th *thread) string {
	file := th.call.file
	if !th.call.seen || file == "" && th.call.dir == unix.AT_FDCWD {
		return ""
	}
	if path.IsAbs(file) {
		if root := t.link(tid, "/root"); root != "/" && root != "" {
			return path.Join(root, file)
		}
		return file
	}
	where := "/cwd"
	if th.call.dir != unix.AT_FDCWD {
		where = "/fd/" + strconv.Itoa(th.call.dir)
	}
	return path.Join(t.link(tid, where), file)
}

// execed is a process that has become another program. Its other threads are gone,
// and the one that did it has the number of the process now.
func (t *Tracer) execed(tid int, th *thread) {
	was, errno := t.message(tid)
	if errno == unix.ESRCH {
		// The kernel takes no orders for a thread that has changed its number before
		// that was waited for (looks_like_a_spurious_pid in kernel/ptrace.c).
		t.consume(tid)
		was, errno = t.message(tid)
	}
	if errno == 0 && was != tid {
		if other := t.threads[was]; other != nil && other.p == th.p {
			th.call = other.call
			delete(t.threads, was)
		}
	}
	p, at := th.p, t.now()
	first := p.id == 0 && tid == t.command
	if p.id == 0 && !first {
		return
	}
	now := t.clocksOf(p.pid)
	replaced := p.id
	if first {
		t.before = now
		t.live++
		p.account.charge(now)
	} else {
		e := profile.End{ID: p.id, At: at, How: profile.ByExec, Threads: p.threads}
		e.User, e.System = p.account.charge(now)
		t.sink.End(&e)
	}
	t.runs++
	p.id, p.threads, p.rss, p.dying = t.runs, 0, 0, false
	run := profile.Run{ID: p.id, Replaced: replaced, PID: p.pid, At: at}
	t.describe(tid, th, &run)
	th.call.seen = false // a filter of its own can keep the next one from stopping
	p.program, p.emulator = run.Program, run.Emulator
	t.sink.Begin(&run)
	if first && t.Started != nil {
		t.Started()
	}
}

// describe finds out what a program is that is about to begin.
func (t *Tracer) describe(tid int, th *thread, run *profile.Run) {
	word := uint64(8)
	if t.info(tid) == 0 && t.call.arch&audit64Bit == 0 {
		word = 4
	}
	t.began = tid
	s := t.stack.read(t.call.sp, word)
	run.Argv, run.Cut = s.argv, s.cut
	defer func() {
		if len(run.Argv) == 0 { // without any, it would be a fork
			run.Argv, run.Cut = []string{path.Base(run.Program)}, true
		}
	}()
	var exe unix.Stat_t
	what := "/exe"
	if unix.Fstatat(t.proc, strconv.Itoa(tid)+what, &exe, 0) != nil {
		t.sink.Lost(&profile.Lost{At: run.At, Count: 1, Why: "the program of a process"})
		run.Program = t.absolute(tid, th)
		return
	}
	e := t.emulatorOf(&exe)
	if e == nil && (s.execFD >= 0 || exe.Nlink == 0) {
		e = t.replaced(tid, s.execFD >= 0)
	}
	if e != nil {
		run.Emulator = e.Path
		what = t.emulated(tid, th, run, &s, e, &exe)
	}
	if what != "" {
		run.Program = t.link(tid, what)
	}
	t.file(tid, th, run, &exe)
}

// replaced is an emulator that is none of the known files, for the kernel opened it
// before another took its place: it has the name left, and perhaps a program that was
// opened for it, which only binfmt_misc does. nil when it is none.
func (t *Tracer) replaced(tid int, opened bool) *Emulator {
	name := t.link(tid, "/exe")
	for i := range t.emulators {
		if e := &t.emulators[i]; e.Path == name {
			return e
		}
	}
	if opened {
		return &Emulator{Path: name}
	}
	return nil
}

func (t *Tracer) emulatorOf(st *unix.Stat_t) *Emulator {
	for i := range t.emulators {
		if e := &t.emulators[i]; e.Ino == st.Ino && e.Dev == st.Dev {
			return e
		}
	}
	return nil
}

// emulated takes apart what an emulator was given: its own path, the program's,
// and the program's arguments. It returns the link of /proc that leads to the
// program; st becomes what that is.
func (t *Tracer) emulated(tid int, th *thread, run *profile.Run, s *stack, e *Emulator, st *unix.Stat_t) string {
	what := "/fd/" + strconv.Itoa(s.execFD)
	opened := s.execFD >= 0 && unix.Fstatat(t.proc, strconv.Itoa(tid)+what, st, 0) == nil
	if !opened {
		// Who starts the emulator itself has it as the program.
		if asked, ok := t.lookup(tid, t.absolute(tid, th)); !ok || asked.Ino == e.Ino && asked.Dev == e.Dev || len(s.argv) < 2 {
			return "/exe"
		}
	}
	if len(s.argv) < 2 {
		return what
	}
	name := s.argv[1]
	run.Argv = s.argv[1:]
	if e.Argv0 || s.argv0 {
		run.Argv = s.argv[2:]
	}
	if opened {
		return what
	}
	if !path.IsAbs(name) {
		name = path.Join(t.link(tid, "/cwd"), name)
	}
	run.Program = name
	if found, ok := t.lookup(tid, name); ok {
		*st, run.Program = found.Stat_t, found.name
	}
	return ""
}

// file says what execve(2) was given, when it is not the program itself, and
// whether it is a script. The program is prog.
func (t *Tracer) file(tid int, th *thread, run *profile.Run, prog *unix.Stat_t) {
	if !th.call.seen || th.call.file == run.Program {
		return
	}
	file := t.absolute(tid, th)
	if file == run.Program {
		return
	}
	run.File = file
	asked, ok := t.lookup(tid, file)
	run.Script = ok && (asked.Ino != prog.Ino || asked.Dev != prog.Dev)
}

// found is a file and where it is, links followed.
type found struct {
	unix.Stat_t
	name string
}

// lookup finds a file as a process sees it, which may have other mounts than this
// one.
func (t *Tracer) lookup(tid int, file string) (f found, ok bool) {
	where := t.link(tid, "/root")
	root, err := unix.Openat(t.proc, strconv.Itoa(tid)+"/root", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return f, false
	}
	defer unix.Close(root)
	if where != "/" {
		file = strings.TrimPrefix(file, where)
	}
	fd, err := unix.Openat2(root, file, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT})
	if err != nil {
		return f, false
	}
	defer unix.Close(fd)
	f.name = t.readLink("self/fd/" + strconv.Itoa(fd))
	return f, unix.Fstat(fd, &f.Stat_t) == nil
}

// link is where a link of a thread in /proc leads.
func (t *Tracer) link(tid int, what string) string {
	return t.readLink(strconv.Itoa(tid) + what)
}

// deleted is what the kernel adds to the name of a file that has none any more.
const deleted = " (deleted)"

func (t *Tracer) readLink(name string) string {
	n, err := unix.Readlinkat(t.proc, name, t.text[:])
	if err != nil {
		return ""
	}
	return t.intern(bytes.TrimSuffix(t.text[:n], []byte(deleted)))
}

// isAt tells whether a call is execveat, whose first argument is a directory.
func isAt(auditArch, number uint32) bool {
	switch (execCall{auditArch, number}) {
	case execCall{auditAMD64, 322}, execCall{auditAMD64, 1<<30 + 545}, execCall{auditX86, 358}, execCall{auditARM64, 281}, execCall{auditARM, 387}:
		return true
	}
	return false
}
