package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// The distribution's real package, from the machine's real mirror, as the user
// who runs the tests and, when that is root, as one without any rights. Nothing
// else is left, and the machine's package lists stay as they are.
func TestEmulatorFetchWithApt(t *testing.T) {
	if os.Getenv("XJAIL_E2E") == "" {
		t.Skip("set XJAIL_E2E=1 to use the network")
	}
	if _, err := exec.LookPath("apt-get"); err != nil || runtime.GOOS != "linux" {
		t.Skip("needs a Debian-like system")
	}
	program := buildFetcher(t)
	t.Run("caller", func(t *testing.T) { fetchWithApt(t, program, t.TempDir(), nil) })
	t.Run("nobody", func(t *testing.T) {
		if os.Geteuid() != 0 {
			t.Skip("only root can become another user")
		}
		const nobody = 65534
		state := worldDir(t)
		if err := os.Chown(state, nobody, nobody); err != nil {
			t.Fatal(err)
		}
		fetchWithApt(t, program, state, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}})
	})
}

// worldDir is a temporary directory that every user can reach.
func worldDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "xjail-e2e-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func buildFetcher(t *testing.T) string {
	t.Helper()
	file := filepath.Join(worldDir(t), "xjail")
	cmd := exec.Command("go", "build", "-o", file, "github.com/xjail/xjail/cmd/xjail")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return file
}

func fetchWithApt(t *testing.T, program, state string, as *syscall.SysProcAttr) {
	lists := listing(t, "/var/lib/apt/lists") + listing(t, "/var/cache/apt") + listing(t, "/var/cache/apt/archives")
	run := func(args ...string) string {
		cmd := exec.Command(program, append([]string{"--state", state, "--json"}, args...)...)
		cmd.Dir, cmd.SysProcAttr, cmd.Stderr = "/", as, os.Stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%q: %v", args, err)
		}
		return string(out)
	}
	var got []struct{ Arch, Path, Version, SHA256 string }
	if err := json.Unmarshal([]byte(run("emulator", "fetch", "mips64", "armv7")), &got); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(state, "emulators")
	if len(got) != 2 || got[0].Path != filepath.Join(dir, "qemu-mips64-static") || got[1].Path != filepath.Join(dir, "qemu-arm-static") {
		t.Fatalf("got %+v", got)
	}
	if names := listing(t, dir); len(strings.Fields(names)) != 4 {
		t.Errorf("left in the directory:\n%s", names)
	}
	for i, arch := range []string{"mips64", "armv7"} {
		var v struct {
			Ran    bool
			SHA256 string
		}
		if err := json.Unmarshal([]byte(run("emulator", "verify", got[i].Path, "--arch", arch)), &v); err != nil || !v.Ran || v.SHA256 != got[i].SHA256 {
			t.Errorf("%s: %+v, %v", arch, v, err)
		}
	}
	if now := listing(t, "/var/lib/apt/lists") + listing(t, "/var/cache/apt") + listing(t, "/var/cache/apt/archives"); now != lists {
		t.Errorf("apt's own files were\n%s\nand are\n%s", lists, now)
	}
}

// listing has a line with name and time for each entry of a directory.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(e.Name() + " " + info.ModTime().Format("2006-01-02T15:04:05.000000000") + "\n")
	}
	return b.String()
}
