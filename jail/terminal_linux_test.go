package jail

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
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
