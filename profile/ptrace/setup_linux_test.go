package ptrace

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/profile"
)

// role is what a process of these tests does: none, trace or wait.
const role = "XJAIL_TEST_PTRACE"

func init() {
	// What waits becomes the command, and is traced as one thread.
	if os.Getenv(role) != "" {
		runtime.LockOSThread()
	}
}

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "trace":
		os.Exit(traceThem())
	case "wait":
		os.Exit(becomeCommand())
	}
	os.Exit(m.Run())
}

// job is what a tracing process does.
type job struct {
	Argv      []string
	Emulators []Emulator
	Output    string
	// Collected is a pipe that the command reads, which is written to when garbage
	// has been collected.
	Collected string
}

// fileSink writes a profile.
type fileSink struct{ *profile.Writer }

func (s fileSink) Begin(r *profile.Run)    { _ = s.Writer.Begin(r) }
func (s fileSink) End(e *profile.End)      { _ = s.Writer.End(e) }
func (s fileSink) Fail(f *profile.Failure) { _ = s.Writer.Fail(f) }
func (s fileSink) Lost(l *profile.Lost)    { _ = s.Writer.Lost(l) }

// traceThem is a process that does what init does in a jail.
func traceThem() int {
	var j job
	err := json.NewDecoder(os.Stdin).Decode(&j)
	if err == nil {
		err = j.run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "trace:", err)
		return 1
	}
	return 0
}

func (j *job) run() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return err
	}
	out, err := os.Create(j.Output)
	if err != nil {
		return err
	}
	started := time.Now()
	w, err := profile.NewWriter(out, &profile.Header{Command: j.Argv, Started: started})
	if err != nil {
		return err
	}
	t, err := New(fileSink{w}, started, j.Emulators)
	if err != nil {
		return err
	}
	defer t.Close()
	if err := j.start(t); err != nil {
		return err
	}
	if j.Collected != "" {
		go collectGarbage(j.Collected)
	}
	ws, err := t.Wait()
	if err != nil {
		return err
	}
	c := t.Finish()
	c.Status = ws.ExitStatus()
	return w.Close(&c)
}

// start starts what becomes the command, and lets it go on when it is traced.
func (j *job) start(t *Tracer) error {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	hold := os.NewFile(uintptr(fds[0]), "")
	defer hold.Close()
	if err := os.Setenv(role, "wait"); err != nil {
		return err
	}
	pid, err := syscall.ForkExec("/proc/self/exe", append([]string{"wait"}, j.Argv...), &syscall.ProcAttr{
		Env: os.Environ(), Files: []uintptr{0, 1, 2, uintptr(fds[1])},
	})
	if err != nil {
		return err
	}
	unix.Close(fds[1])
	// Its own execve(2) is over when it says something.
	if _, err := hold.Read(make([]byte, 1)); err != nil {
		return err
	}
	return t.Seize(pid)
}

// collectGarbage stops all threads some times, those that wait too, while the
// command waits for this pipe, and then writes to it.
func collectGarbage(pipe string) {
	to, err := os.OpenFile(pipe, os.O_WRONLY, 0) // when the command has opened it
	if err != nil {
		return
	}
	defer to.Close()
	for range 20 {
		runtime.GC()
	}
	_, _ = to.WriteString("on\n")
}

// becomeCommand waits until it is let go, installs the filter and becomes the
// command.
func becomeCommand() int {
	hold := os.NewFile(3, "")
	_, _ = hold.Write([]byte{1})
	_, _ = hold.Read(make([]byte, 1))
	filter := Filter(runtime.GOARCH)
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: (*unix.SockFilter)(unsafe.Pointer(&filter[0]))}
	if os.Geteuid() != 0 {
		_ = unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	}
	unix.CloseOnExec(3)
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&prog)), 0, 0); err != nil {
		fmt.Fprintln(os.Stderr, "filter:", err)
		return 1
	}
	fmt.Fprintln(os.Stderr, unix.Exec(os.Args[1], os.Args[1:], []string{"PATH=/usr/bin:/bin"}))
	return 1
}

// collect runs a job and reads the profile.
func (j *job) collect(t *testing.T) *profile.Profile {
	t.Helper()
	if Filter(runtime.GOARCH) == nil {
		t.Skip("no filter for this machine")
	}
	j.Output = filepath.Join(t.TempDir(), "profile")
	text, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), role+"=trace")
	cmd.Stdin = strings.NewReader(string(text))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	} else if len(out) > 0 {
		t.Errorf("the command says %s", out)
	}
	f, err := os.Open(j.Output)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p, err := profile.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
