package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xjail/xjail/activators/tabletest"
	"github.com/xjail/xjail/arch"
)

// hookShells are what runs hooks here; on FreeBSD it is sh(1).
var hookShells = [][]string{{"dash"}, {"bash", "--posix"}, {"busybox", "sh"}}

// poudriereEtc is poudriere's configuration with a native jail, home, and one of
// mips64, m64, of which the root is a directory.
func poudriereEtc(t *testing.T) string {
	t.Helper()
	dir := sharedDir(t)
	for name, text := range map[string]string{
		"home/arch": arch.Host().Name, "m64/arch": "mips.mips64", "m64/version": "13.2-RELEASE", "m64/mnt": filepath.Join(dir, "m64"),
	} {
		file := filepath.Join(dir, "poudriere.d/jails", name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		writeFile(t, file, text+"\n", 0o644)
	}
	return dir
}

// hook runs an installed hook as poudriere does, with an environment that tells of
// the jail, and nothing on its input.
func (w *world) hook(shell []string, etc, jail string, words ...string) result {
	w.t.Helper()
	argv := slices.Concat(shell[1:], []string{filepath.Join(etc, "poudriere.d/hooks/plugins/xjail", words[0]+".sh")}, words[1:])
	cmd := exec.Command(shell[0], argv...)
	cmd.Dir = etc // in place of /tmp: what goes wrong may write there
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "JAILNAME=" + jail, "POUDRIERED=" + filepath.Join(etc, "poudriere.d"),
		"MASTERMNT=" + filepath.Join(etc, "data/.m", jail, "ref"), "MASTERNAME=" + jail, "UNAME_m=mips", "UNAME_p=mips64", "UNAME_r=13.2-RELEASE",
	}
	return w.runCommand(cmd, cmd.Args)
}

// The very program, called by the hooks that it installed: silent for a native
// jail; for a foreign one the kernel's table decides, and the sentence of the stop
// is all that is heard. Nothing on the machine is other than before.
func TestPoudriereHooks(t *testing.T) {
	table := tabletest.Private(t)
	w := newWorld(t, caller)
	etc := poudriereEtc(t)
	w.ok("poudriere", "hooks", "install", "--poudriere-etc", etc, "--binfmt-dir", table.Dir)
	events := [][]string{{"bulk", "start"}, {"jail", "mount", filepath.Join(etc, "data/.m/home/ref")}, {"jail", "start"}, {"pkgbuild", "failed", "a/b", "b-1", "build", "/nonexistent"}, {"jail", "stop"}, {"bulk", "done", "1", "0", "0", "0", "0"}}
	for _, shell := range hookShells {
		if _, err := exec.LookPath(shell[0]); err != nil {
			continue
		}
		for _, event := range events {
			if r := w.hook(shell, etc, "home", event...); r.status != 0 || r.stdout+r.stderr != "" {
				t.Errorf("%s %q of a native jail: %v", shell, event, r)
			}
		}
		// This machine has no emulator of FreeBSD's programs.
		r := w.hook(shell, etc, "m64", "bulk", "start")
		if r.status != 75 || strings.Count(r.stdout, "\n") != 1 || !strings.Contains(r.stdout, "the activator mips64 does not serve (it is not registered)") || r.stderr != "" {
			t.Errorf("%s: %v", shell, r)
		}
	}
	if list := names(table.Dir); !slices.Equal(list, []string{"register", "status"}) {
		t.Errorf("registered: %q", list)
	}
	w.ok("poudriere", "hooks", "uninstall", "--poudriere-etc", etc)
	w.nothingLeft()
}
