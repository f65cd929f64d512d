//go:build linux || freebsd

package jail

import (
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// watchesLateStop is the shell of a process whose command stopped before it had the
// foreground: that process must not stop.
func watchesLateStop(t *testing.T, tty *os.File) {
	c := exec.Command(os.Args[0], "-test.run=^TestTerminalComesBack$")
	c.Env = append(os.Environ(), "XJAIL_TEST_TERMINAL=late")
	c.ExtraFiles = []*os.File{tty}
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Foreground: true, Ctty: 3}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	var ws unix.WaitStatus
	if _, err := unix.Wait4(c.Process.Pid, &ws, unix.WUNTRACED, nil); err != nil || readStatus(ws) != (change{}) {
		t.Errorf("%v: a late stop stops the job: %+v", err, readStatus(ws))
	}
	_ = unix.Kill(-c.Process.Pid, unix.SIGKILL)
}

// stopsLate is that process.
func stopsLate(t *testing.T) {
	signal.Ignore(unix.SIGTTOU)
	c := exec.Command("sleep", "100")
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Foreground: true, Ctty: 3}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	term := &terminal{tty: os.NewFile(3, "tty"), given: true, jail: c.Process.Pid}
	term.stopped(unix.SIGTTIN)
	if !term.has(c.Process.Pid) {
		t.Error("the command has lost the foreground")
	}
	_ = c.Process.Kill()
	_ = c.Wait()
}
