package jail

import (
	"encoding/binary"
	"os"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/profile"
	"github.com/xjail/xjail/profile/ptrace"
)

// role is what the first process of the jail is started as.
func (p *Profile) role() string {
	if p == nil || p.file == nil {
		return roleInit
	}
	return roleKeep
}

// kept are the files that init gets: lockFD and profileFD.
func (p *Profile) kept() []*os.File {
	if p == nil || p.file == nil {
		return nil
	}
	return []*os.File{p.lock.f, p.file}
}

// add takes what init says at the end.
func (p *Profile) add(m message) {
	if p == nil || m.Sums == nil {
		return
	}
	p.Sums, p.Unwritten = m.Sums, m.Unwritten
}

// follow starts the command, follows everything that comes of it, and returns how
// it ended.
func (e *entrance) follow(c *starting, control *os.File, orders <-chan syscall.Signal, begun func()) (message, error) {
	// Only the thread that traces can say that something goes on.
	runtime.LockOSThread()
	e.Profile.Header.Started = time.Now()
	if e.Profile.Header.Emulators == nil {
		e.Profile.Header.Emulators = []profile.Emulator{} // gob has no empty lists
	}
	rec := newRecorder(e.Profile)
	tracer, err := ptrace.New(rec, e.Profile.Header.Started, e.emulators())
	if err != nil {
		return message{}, err
	}
	defer tracer.Close()
	g, err := e.holdCommand(c, control, tracer)
	if err != nil {
		return message{}, e.startError(err, c)
	}
	defer g.close()
	started := false
	tracer.Started = func() {
		started = true
		begun()
		go passOrders(g.pid, orders)
	}
	tracer.Stopped = func(s unix.Signal) { _ = send(control, message{Stopped: int(s)}) }
	released := make(chan error, 1)
	go func() { released <- g.release() }()
	ws, err := tracer.Wait()
	if err != nil {
		return message{}, err
	}
	if !started {
		return message{}, e.neverBegan(<-released, c)
	}
	end := ended(ws)
	last := tracer.Finish()
	last.Status = *end.Exited
	end.Sums, end.Unwritten = rec.finish(&last)
	return end, nil
}

// neverBegan says why a command did not begin: the gate could not become it, or
// was killed.
func (e *entrance) neverBegan(err error, c *starting) error {
	if err == nil {
		return fault.New(fault.Failed, "look for the out-of-memory killer: dmesg | tail", "%s was killed before it began", c.name)
	}
	return e.startError(err, c)
}

// ended is what is said of a command that has ended.
func ended(ws unix.WaitStatus) message {
	if ws.Signaled() {
		status := 128 + int(ws.Signal())
		return message{Exited: &status, Signal: int(ws.Signal())}
	}
	status := ws.ExitStatus()
	return message{Exited: &status}
}

// emulators are the jail's, which its own table opened, and the machine's.
func (e *entrance) emulators() []ptrace.Emulator {
	list := slices.Clone(e.Profile.Emulators)
	for _, a := range e.Activators {
		list = append(list, emulatorAt(a.Interpreter, a.Flags.PreserveArgv0))
	}
	return list
}

// holdCommand starts a gate that is followed, and makes it ready to become the
// command. What needs the rights of the jail's root comes before the user.
func (e *entrance) holdCommand(c *starting, control *os.File, tracer *ptrace.Tracer) (*heldGate, error) {
	filter := ptrace.Filter(runtime.GOARCH)
	if filter == nil || gateELF(runtime.GOARCH) == nil {
		return nil, fault.New(fault.Unsupported, "profile it on amd64 or arm64", "profiles cannot be collected on %s", runtime.GOARCH)
	}
	var lay func(int) error
	var err error
	if e.Tools != nil {
		if lay, err = e.toolsLayer(control); err != nil {
			return nil, err
		}
	}
	attr, sys := *c.attr, *c.attr.Sys
	sys.Credential = nil // the gate takes it, when it is filtered
	attr.Sys = &sys
	g, err := holdGate(c.name, c.argv, &attr)
	if err != nil {
		return nil, err
	}
	// When it answers, its own execve is over.
	if err = g.call(nil, unix.SYS_GETPID); err == nil {
		err = tracer.Seize(g.pid)
	}
	if err == nil && lay != nil {
		// Mounts of init's own are seen in the jail where it has no others.
		where := g.pid
		if sys.Cloneflags&unix.CLONE_NEWNS == 0 {
			where = 0
		}
		err = lay(where)
	}
	if err == nil {
		err = fault.Wrap(fault.Unsupported, g.filter(filter), "stop the command where it calls execve", "a profile needs seccomp filters")
	}
	if err == nil {
		err = g.become(c.attr.Sys)
	}
	if err != nil {
		g.close()
		return nil, err
	}
	return g, nil
}

// filter installs a filter in the gate.
func (g *heldGate) filter(prog []ptrace.Instruction) error {
	const where = gateData + gateCall
	data := binary.NativeEndian.AppendUint64(nil, uint64(len(prog))) // struct sock_fprog, little-endian
	data = binary.NativeEndian.AppendUint64(data, where+16)
	for _, i := range prog {
		data = binary.NativeEndian.AppendUint16(data, i.Code)
		data = append(data, i.JT, i.JF)
		data = binary.NativeEndian.AppendUint32(data, i.K)
	}
	// A filter shall not make what it filters slower, as it did before Linux 5.16.
	err := g.call(data, unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW, where)
	if err == unix.EINVAL { //nolint:errorlint // it is an errno
		err = g.call(data, unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, where)
	}
	return err
}

// become gives the gate the ids of the command's user, as package syscall does.
func (g *heldGate) become(sys *syscall.SysProcAttr) error {
	c := sys.Credential
	if c == nil {
		return nil
	}
	if sys.GidMappings == nil || sys.GidMappingsEnableSetgroups || len(c.Groups) > 0 {
		var groups []byte
		for _, id := range c.Groups {
			groups = binary.NativeEndian.AppendUint32(groups, id)
		}
		if err := g.call(groups, unix.SYS_SETGROUPS, uint64(len(c.Groups)), gateData+gateCall); err != nil {
			return err
		}
	}
	if err := g.call(nil, unix.SYS_SETGID, uint64(c.Gid)); err != nil {
		return err
	}
	return g.call(nil, unix.SYS_SETUID, uint64(c.Uid))
}

// flushPause is how old the file of a profile is at most.
const flushPause = time.Second

// recorder writes what a tracer sees, and adds it up.
type recorder struct {
	mu      sync.Mutex
	header  *profile.Header
	file    *os.File        // nil: only the sums are asked for
	out     *profile.Writer // nil before the first run
	tally   *profile.Tally
	written bool // since the last flush
	err     error
}

func newRecorder(p *profiling) *recorder {
	r := &recorder{header: &p.Header, tally: profile.NewTally()}
	if p.File {
		r.file = os.NewFile(profileFD, "profile")
	}
	return r
}

// begin empties the file and writes the header.
func (r *recorder) begin() {
	_ = r.file.Truncate(0) // a pipe cannot be
	r.out, r.err = profile.NewWriter(r.file, r.header)
	go func() {
		for range time.Tick(flushPause) {
			r.mu.Lock()
			if r.written {
				r.written = false
				r.keep(r.out.Flush())
			}
			r.mu.Unlock()
		}
	}()
}

// write writes to the file, if there is one.
func (r *recorder) write(f func(*profile.Writer) error) {
	if r.out == nil {
		return
	}
	r.mu.Lock()
	r.written = true
	r.keep(f(r.out))
	r.mu.Unlock()
}

func (r *recorder) keep(err error) {
	if r.err == nil {
		r.err = err
	}
}

// Begin takes the beginning of a run.
func (r *recorder) Begin(run *profile.Run) {
	if r.out == nil && r.file != nil && r.err == nil {
		r.begin()
	}
	r.tally.Begin(run)
	r.write(func(w *profile.Writer) error { return w.Begin(run) })
}

// End takes the end of a run.
func (r *recorder) End(e *profile.End) {
	r.tally.End(e)
	r.write(func(w *profile.Writer) error { return w.End(e) })
}

// Fail takes an execve(2) that failed.
func (r *recorder) Fail(f *profile.Failure) {
	r.tally.Fail(f)
	r.write(func(w *profile.Writer) error { return w.Fail(f) })
}

// Lost takes what was not seen.
func (r *recorder) Lost(l *profile.Lost) {
	r.tally.Lost(l)
	r.write(func(w *profile.Writer) error { return w.Lost(l) })
}

// finish ends the file, and tells why it is not whole.
func (r *recorder) finish(c *profile.Close) (*profile.Sums, string) {
	r.write(func(w *profile.Writer) error { return w.Close(c) })
	sums := r.tally.Sums()
	sums.Left = c.Left
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return &sums, r.err.Error()
	}
	return &sums, ""
}
