package jail

import (
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestParentOf(t *testing.T) {
	if got := parentOf(os.Getpid()); got != os.Getppid() {
		t.Errorf("parentOf = %d, want %d", got, os.Getppid())
	}
	for _, pid := range []int{0, -1, 1 << 30} {
		if got := parentOf(pid); got != 0 {
			t.Errorf("parentOf(%d) = %d", pid, got)
		}
	}
}

// The leader of a session has nobody who could continue it; a child in a group
// of its own has this process.
func TestOrphaned(t *testing.T) {
	if os.Getenv("XJAIL_TEST_ORPHANED") != "" {
		if orphaned(os.Getpid()) {
			os.Exit(7)
		}
		os.Exit(8)
	}
	for want, attr := range map[int]*syscall.SysProcAttr{7: {Setsid: true}, 8: {Setpgid: true}} {
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestOrphaned$")
		cmd.Env = append(os.Environ(), "XJAIL_TEST_ORPHANED=1")
		cmd.SysProcAttr = attr
		_ = cmd.Run()
		if got := cmd.ProcessState.ExitCode(); got != want {
			t.Errorf("%+v: %d, want %d", attr, got, want)
		}
	}
}

// What a process with a terminal ignores, the command in the jail does not.
func TestUnignore(t *testing.T) {
	signal.Ignore(unix.SIGTTOU)
	defer signal.Reset(unix.SIGTTOU)
	ignored := func() bool {
		out, err := exec.Command("grep", "^SigIgn:", "/proc/self/status").Output()
		if err != nil {
			t.Skip(err)
		}
		set, err := strconv.ParseUint(strings.TrimSpace(strings.TrimPrefix(string(out), "SigIgn:")), 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		return set&(1<<(unix.SIGTTOU-1)) != 0
	}
	if !ignored() {
		t.Error("ignored signals are not inherited: this test tells nothing")
	}
	if unignore(); ignored() {
		t.Error("the command ignores SIGTTOU")
	}
}
