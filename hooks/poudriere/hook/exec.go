package hook

import (
	"context"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// execFunc runs a program in a jail that runs, and returns what it writes.
type execFunc func(ctx context.Context, jail string, argv ...string) ([]byte, error)

// jexec enters jails by jexec(8), as poudriere does: with the login class of the
// jail's root, by which programs learn the jail's architecture. It is nil on other
// systems than FreeBSD.
func jexec() execFunc {
	if runtime.GOOS != "freebsd" {
		return nil
	}
	return func(ctx context.Context, jail string, argv ...string) ([]byte, error) {
		return execGroup(ctx, append([]string{"/usr/sbin/jexec"}, jexecArgs(jail, argv)...)...)
	}
}

// jexecEnv is all of the environment that a program in a jail is given besides
// that of its login class.
var jexecEnv = []string{"PATH=/sbin:/bin:/usr/sbin:/usr/bin", "HOME=/root", "LANG=C"}

func jexecArgs(jail string, argv []string) []string {
	return append([]string{"-U", "root", jail}, argv...)
}

// execGroup runs a program and returns the end of what it writes. When ctx is done
// it ends with all that it has started: timeout(1) of FreeBSD waits for every
// process below it, and poudriere would wait as long.
func execGroup(ctx context.Context, argv ...string) ([]byte, error) {
	var out tail
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = jexecEnv
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	return out.text, err
}

// tailMax is how much of what a program writes is kept, in bytes: a broken one may
// write for as long as it runs.
const tailMax = 64 << 10

// tail keeps the end of what is written to it.
type tail struct{ text []byte }

func (t *tail) Write(b []byte) (int, error) {
	if t.text = append(t.text, b[max(0, len(b)-tailMax):]...); len(t.text) > tailMax {
		t.text = t.text[:copy(t.text, t.text[len(t.text)-tailMax:])]
	}
	return len(b), nil
}
