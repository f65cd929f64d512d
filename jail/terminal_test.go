//go:build linux || freebsd

package jail

import (
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// The foreground comes back from a command that is gone with all of its group,
// from one that gave it to another group, and after no command began. It does
// not come back where the jail never had it.
func TestTerminalComesBack(t *testing.T) {
	switch os.Getenv("XJAIL_TEST_TERMINAL") {
	case "":
	case "late":
		stopsLate(t)
		return
	default:
		leadSession(t)
		return
	}
	tty, side, err := pty.Open()
	if err != nil {
		t.Skip("no terminal to be had:", err)
	}
	defer tty.Close()
	defer side.Close()
	cmd := exec.Command(os.Args[0], "-test.run=^TestTerminalComesBack$", "-test.v")
	cmd.Env = append(os.Environ(), "XJAIL_TEST_TERMINAL=1")
	cmd.ExtraFiles = []*os.File{side}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 3}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// leadSession is the leader of a session, whose terminal is descriptor 3.
func leadSession(t *testing.T) {
	signal.Ignore(unix.SIGTTOU) // as openTerminal does
	tty := os.NewFile(3, "tty")
	own, first := unix.Getpgrp(), &terminal{tty: tty, whole: true}
	for _, tt := range []struct {
		name  string
		given bool
		jail  func(gone int) int
		want  bool
	}{
		{"the group is gone", true, func(gone int) int { return gone }, true},
		{"it had given the foreground away", true, func(int) int { return own }, true},
		{"nothing began", true, func(int) int { return 0 }, true},
		{"the jail never had it", false, func(int) int { return 0 }, false},
	} {
		if !first.hand(own, own) {
			t.Fatal("this session has no foreground to give")
		}
		c := exec.Command(os.Args[0], "-test.run=^$")
		c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Foreground: true, Ctty: 3}
		if err := c.Run(); err != nil {
			t.Fatal(err)
		}
		term := &terminal{tty: tty, given: tt.given, jail: tt.jail(c.Process.Pid)}
		if got := term.takeBack(); got != tt.want || first.has(own) != tt.want {
			t.Errorf("%s: taken back %t, and has it %t", tt.name, got, first.has(own))
		}
		if err := unix.IoctlSetPointerInt(3, unix.TIOCSPGRP, own); err != nil {
			t.Fatal(err)
		}
	}
	watchesLateStop(t, tty)
}
