package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every architecture of the main job, under the names that people use, with
// what uname -m says there.
var miniroots = []struct{ name, machine string }{
	{"mips64", "mips64"}, {"mips", "mips"}, {"mipsel", "mips"}, {"mips64el", "mips64"},
	{"arm", "armv7l"}, {"arm64", "aarch64"}, {"ppc64", "ppc64"}, {"ppc64le", "ppc64le"},
	{"riscv64", "riscv64"}, {"s390x", "s390x"}, {"loong64", "loongarch64"},
}

func TestMinirootOfEachArchitecture(t *testing.T) {
	for _, m := range miniroots {
		t.Run(m.name, func(t *testing.T) {
			w := newWorld(t, caller)
			needEmulator(t, w, m.name)
			w.ok("create", m.name, "--from", "miniroot")
			tryMiniroot(t, w, m.name, m.machine)
			wantEmulated(t, w, m.name)
		})
	}
}

// tryMiniroot is the main job: programs run inside, a pipeline over files of
// the jail works, statuses come through.
func tryMiniroot(t *testing.T, w *world, jail, machine string) {
	t.Helper()
	if got := w.sh(jail, "uname -m"); got != machine {
		t.Errorf("uname -m says %q, want %q", got, machine)
	}
	const script = `printf '%s\n' c a b > /tmp/letters && sort /tmp/letters | tr a-z A-Z | head -n 2 | sed 's/^/-/' | tee /tmp/out | wc -l && cat /tmp/out && grep -c : /etc/passwd`
	got := w.sh(jail, script)
	if !strings.HasPrefix(strings.TrimLeft(got, " "), "2\n-A\n-B\n") {
		t.Errorf("a pipeline over files: %q", got)
	}
	for script, want := range map[string]int{"true": 0, "exit 42": 42, "ls /nothing": 2, "nothing": 127, "kill -TERM $$": 143} {
		if r := w.run("exec", jail, "--", "sh", "-c", script); r.status != want {
			t.Errorf("%s: want status %d: %v", script, want, r)
		}
	}
}

// wantEmulated proves that the jail's programs are not the machine's: the file
// is of the other architecture, and the process that runs it is the emulator.
func wantEmulated(t *testing.T, w *world, jail string) {
	t.Helper()
	var info struct {
		Arch, Root string
		Emulator   struct{ Path string }
	}
	if err := json.Unmarshal([]byte(w.ok("info", jail, "--json")), &info); err != nil {
		t.Fatal(err)
	}
	shell, err := filepath.EvalSymlinks(filepath.Join(info.Root, "bin"))
	if err != nil {
		t.Fatal(err)
	}
	wantIdentity(t, w, filepath.Join(shell, "sh"), info.Arch)
	r := w.command("exec", jail, "--", "sleep", "600")
	r.Stderr = os.Stderr
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the emulator's process", func() bool {
		for _, p := range foreignProcesses() {
			if strings.Contains(p, info.Emulator.Path) && strings.Contains(p, "sleep 600") {
				return true
			}
		}
		return false
	})
	_ = r.Process.Signal(os.Interrupt)
	_ = r.Wait()
	if got := r.ProcessState.ExitCode(); got != 130 {
		t.Errorf("interrupted: status %d", got)
	}
}
