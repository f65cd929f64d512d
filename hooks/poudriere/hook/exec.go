package hook

import (
	"context"
	"os/exec"
	"runtime"
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
		cmd := exec.CommandContext(ctx, "/usr/sbin/jexec", jexecArgs(jail, argv)...)
		cmd.Env = jexecEnv
		cmd.WaitDelay = time.Second
		return cmd.CombinedOutput()
	}
}

// jexecEnv is all of the environment that a program in a jail is given besides
// that of its login class.
var jexecEnv = []string{"PATH=/sbin:/bin:/usr/sbin:/usr/bin", "HOME=/root", "LANG=C"}

func jexecArgs(jail string, argv []string) []string {
	return append([]string{"-U", "root", jail}, argv...)
}
