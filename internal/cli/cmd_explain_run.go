package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/explain"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail"
)

// trial is what happened when a file was run.
type trial struct {
	// Ran says that the program itself came to run, whatever its status.
	Ran      bool          `json:"ran"`
	Errno    explain.Errno `json:"errno,omitempty"`  // of execve(2), when that failed
	Status   int           `json:"status,omitempty"` // exit status
	Signal   string        `json:"signal,omitempty"` // that ended it
	TimedOut bool          `json:"timed_out,omitempty"`
	// Refused is what an emulator, a dynamic linker or xjail said instead of
	// running it.
	Refused string `json:"refused,omitempty"`
	// By is who refused: emulator, loader or jail.
	By string `json:"refused_by,omitempty"`
	// Agrees says whether that is what was predicted; null when nothing was.
	Agrees *bool `json:"agrees"`
}

func (r *trial) agrees() bool { return r.Agrees == nil || *r.Agrees }

func (r *trial) String() string {
	text := ""
	switch {
	case r.Errno != "":
		text = fmt.Sprintf("execve failed with %s (%s)", r.Errno, r.Errno.Text())
	case r.Refused != "":
		text = fmt.Sprintf("refused by the %s: %s", r.By, r.Refused)
	case r.TimedOut:
		text = "it was still running when its time was over, and was ended"
	case r.Signal != "":
		text = "it was started, and ended by the signal " + r.Signal
	default:
		text = fmt.Sprintf("it was started, and ended with status %d", r.Status)
	}
	switch {
	case r.Agrees == nil:
		return text + "; nothing was predicted"
	case *r.Agrees:
		return text + ", as predicted"
	}
	return text + "; that is not what was predicted"
}

// try runs a file and compares what happens with what was predicted.
func (g *globals) try(ctx context.Context, o *explainOptions, w *world, x *explain.Explanation, args []string) (*trial, error) {
	out := &tee{w: g.Stderr}
	run := g.tryHere
	if o.jail != "" {
		run = g.tryInJail
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	r, err := run(ctx, o, w, x, args, out)
	if err != nil {
		return nil, err
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return nil, fault.New(fault.Interrupted, "", "interrupted while %s ran", args[0])
	}
	if out.cut() {
		g.warn(fmt.Sprintf("%s wrote more than the %d KiB that are shown", printable(args[0]), teeMax>>10))
	}
	r.listen(out.String())
	r.compare(x.Verdict)
	return r, nil
}

// tryHere runs it on the machine, or in a root that is changed to.
func (g *globals) tryHere(ctx context.Context, o *explainOptions, w *world, x *explain.Explanation, args []string, out io.Writer) (*trial, error) {
	name := x.Name
	if name == "" {
		return &trial{Errno: explain.ENOENT}, nil
	}
	cmd := &exec.Cmd{Path: name, Args: args, Stdout: out, Stderr: out, WaitDelay: time.Second,
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true}}
	if o.root != "" {
		cmd.Path, cmd.Dir, cmd.SysProcAttr.Chroot = absolute(name), "/", w.Root
	}
	adopted := adopt()
	defer adopted.end()
	err := cmd.Start()
	if cmd.Process == nil {
		return startFailed(err, o)
	}
	stop := context.AfterFunc(ctx, func() { _ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL) })
	_ = cmd.Wait()
	r := &trial{Ran: true, TimedOut: !stop()}
	_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL) // what it left in its group
	switch ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); {
	case r.TimedOut:
	case ok && ws.Signaled():
		r.Signal = unix.SignalName(ws.Signal())
	default:
		r.Status = cmd.ProcessState.ExitCode()
	}
	return r, nil
}

// startFailed tells the errno of execve(2) from what kept it from being called.
func startFailed(err error, o *explainOptions) (*trial, error) {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return nil, fault.Wrap(fault.Failed, err, "run it", "")
	}
	if o.root != "" && errno == unix.EPERM {
		return nil, fault.Wrap(fault.Permission, err, "change the root to "+o.root, "run it as root")
	}
	return &trial{Errno: explain.Errno(unix.ErrnoName(errno))}, nil
}

// tryInJail runs it in a jail, as xjail exec would.
func (g *globals) tryInJail(ctx context.Context, o *explainOptions, w *world, _ *explain.Explanation, args []string, out io.Writer) (*trial, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	var done sync.WaitGroup
	done.Go(func() { _, _ = io.Copy(out, read) })
	status, err := w.store.Exec(ctx, o.jail, &jail.Command{Argv: args, Stdin: null, Stdout: write, Stderr: write})
	write.Close()
	done.Wait()
	read.Close()
	switch {
	case ctx.Err() != nil:
		return &trial{Ran: true, TimedOut: true}, nil
	case err == nil && status > 128 && unix.SignalName(syscall.Signal(status-128)) != "":
		return &trial{Ran: true, Signal: unix.SignalName(syscall.Signal(status - 128))}, nil
	case err == nil:
		return &trial{Ran: true, Status: status}, nil
	}
	if errno := errnoOf(err); errno != "" {
		return &trial{Errno: errno}, nil
	}
	if kind := fault.KindOf(err); kind == fault.Locked || kind == fault.Interrupted {
		return nil, err
	}
	return &trial{Refused: err.Error(), By: "jail"}, nil
}

// errnoOf is the errno of a command that did not start in a jail. It comes from
// another process, as text.
func errnoOf(err error) explain.Errno {
	if kind := fault.KindOf(err); kind != 126 && kind != 127 {
		return ""
	}
	if errno := explain.ErrnoAtEnd(err.Error()); errno != "" {
		return errno
	}
	if errors.Is(err, exec.ErrNotFound) || strings.Contains(err.Error(), "not found in the jail") {
		return explain.ENOENT
	}
	return ""
}

// complaints are what emulators and dynamic linkers say when they give up: QEMU
// linux-user/main.c and elfload.c, glibc elf/dl-error.c and dl-version.c, musl
// ldso/dynlink.c, FreeBSD libexec/rtld-elf/rtld.c.
var complaints = []struct{ by, text string }{
	{"emulator", "Invalid ELF image for this architecture"},
	{"emulator", "Error while loading "},
	{"emulator", ": Could not open '"},
	{"emulator", "Unable to load interpreter"},
	{"emulator", ": Error mapping file: "},
	{"emulator", "Invalid PT_INTERP entry"},
	{"emulator", ": Exec format error"},
	{"loader", "error while loading shared libraries: "},
	{"loader", "not found (required by "},
	{"loader", "Error loading shared library "},
	{"loader", "Error relocating "},
	{"loader", "ld-elf.so.1: "},
	{"loader", "FATAL: kernel too old"},
}

// listen finds such a complaint in what a program wrote before it ended with a
// failure.
func (r *trial) listen(said string) {
	if !r.Ran || r.Status == 0 && r.Signal == "" {
		return
	}
	for line := range strings.Lines(said) {
		for _, c := range complaints {
			if strings.Contains(line, c.text) {
				r.Ran, r.By, r.Refused = false, c.by, strings.TrimSpace(line)
				return
			}
		}
	}
}

// compare tells whether a prediction came true.
func (r *trial) compare(v explain.Verdict) {
	failed := r.Refused != "" || r.Signal != "" || r.Status != 0 || r.TimedOut
	agrees := false
	switch {
	case v.Runs == explain.Unknown:
		return
	case v.Runs == explain.Yes:
		agrees = r.Ran
	case r.By == "jail" || v.Stage == explain.AtJail:
		agrees = r.By == "jail" && v.Stage == explain.AtJail
	case v.Stage == explain.AtExec:
		agrees = r.Errno == v.Errno
	default:
		agrees = r.Errno == "" && failed
	}
	r.Agrees = &agrees
	if v.Runs == explain.No && failed {
		r.Ran = false
	}
}

// tee passes the beginning of a program's output on, and keeps it. The rest is
// taken and dropped: a program that writes for ever writes little.
type tee struct {
	w    io.Writer
	mu   sync.Mutex
	kept bytes.Buffer
	more bool
}

const teeMax = 256 << 10 // bytes

func (t *tee) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	begun := p[:min(len(p), teeMax-t.kept.Len())]
	t.kept.Write(begun)
	t.more = t.more || len(begun) < len(p)
	if len(begun) > 0 {
		if _, err := t.w.Write(begun); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// cut tells whether some of it was dropped.
func (t *tee) cut() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.more
}

func (t *tee) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.kept.String()
}
