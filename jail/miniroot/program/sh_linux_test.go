package main

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// session is an interactive shell on a terminal of its own.
type session struct {
	t    *testing.T
	tty  *os.File
	cmd  *exec.Cmd
	seen string
}

func newSession(t *testing.T) *session {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no terminals here:", err)
	}
	t.Cleanup(func() { master.Close() })
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no terminals here:", err)
	}
	defer slave.Close()
	bin := binDir(t)
	cmd := exec.CommandContext(t.Context(), bin+"/sh")
	cmd.Dir = t.TempDir()
	cmd.Env = []string{"PATH=" + bin, "PS1=ready> ", "PS2=more> ", "GOTRACEBACK=all"}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// One that hangs says where.
	guard := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Signal(syscall.SIGABRT) })
	t.Cleanup(func() { guard.Stop() })
	return &session{t: t, tty: master, cmd: cmd}
}

// expect reads until a text has come. The test's own deadline ends a wait for
// one that does not.
func (s *session) expect(text string) {
	s.t.Helper()
	buf := make([]byte, 1024)
	for {
		if _, after, ok := strings.Cut(s.seen, text); ok {
			s.seen = after
			return
		}
		n, err := s.tty.Read(buf)
		s.seen += string(buf[:n])
		if err != nil {
			s.t.Fatalf("no %q: %v; there is %q", text, err, s.seen)
		}
	}
}

func (s *session) send(text string) {
	s.t.Helper()
	if _, err := s.tty.WriteString(text); err != nil {
		s.t.Fatal(err)
	}
}

func TestInteractive(t *testing.T) {
	s := newSession(t)
	s.expect("ready> ")
	for _, step := range []struct{ send, expect string }{
		{"echo $((6*7))\n", "\n42\r\nready> "},
		{"for i in 1 2\n", "more> "},
		{"do echo i$i; done\n", "i1\r\ni2\r\nready> "},
		{"if )\n", "ready> "}, // an error ends the line only
		{"echo st$?\n", "st2\r\nready> "},
		{"cat\n", "cat\r\n"},
		{"typed\n", "typed\r\ntyped\r\n"}, // the terminal's echo, and cat's
		{"\x03", "ready> "},
		{"echo st$?\n", "st130\r\nready> "},
		{"while :; do echo spin; done | cat\n", "spin\r\nspin"},
		{"\x03", "ready> "},
		{"if true\n", "more> "},
		{"\x03", "ready> "}, // the statement is dropped
		{"echo new$?\n", "new130\r\nready> "},
		{"sh -c 'echo started; sleep 100'\n", "\nstarted"},
		{"\x03", "ready> "},
		{"echo st$?\n", "st130\r\nready> "},
		{"exit 7\n", ""},
	} {
		s.send(step.send)
		s.expect(step.expect)
	}
	_ = s.cmd.Wait() // its status is looked at
	if status := s.cmd.ProcessState.ExitCode(); status != 7 {
		t.Errorf("status %d, expected 7", status)
	}
}

func TestEndOfInput(t *testing.T) {
	s := newSession(t)
	s.expect("ready> ")
	s.send("false\n")
	s.expect("ready> ")
	s.send("\x04")
	_ = s.cmd.Wait() // its status is looked at
	if status := s.cmd.ProcessState.ExitCode(); status != 1 {
		t.Errorf("status %d, expected that of the last command", status)
	}
}
