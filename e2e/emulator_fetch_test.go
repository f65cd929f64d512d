package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The distribution's real package, from the machine's real mirror, as the user
// who runs the tests and, when that is root, as one without any rights. Nothing
// else is left, and the machine's package lists stay as they are.
func TestEmulatorFetchWithApt(t *testing.T) {
	if _, err := exec.LookPath("apt-get"); err != nil {
		t.Skip("needs a Debian-like system")
	}
	t.Run("caller", func(t *testing.T) { fetchWithApt(t, newWorld(t, caller)) })
	t.Run("ordinary user", func(t *testing.T) { fetchWithApt(t, newWorld(t, ordinaryUser(t, false))) })
}

func fetchWithApt(t *testing.T, w *world) {
	lists := listing(t, "/var/lib/apt/lists") + listing(t, "/var/cache/apt") + listing(t, "/var/cache/apt/archives")
	var got []struct{ Arch, Path, Version, SHA256 string }
	if err := json.Unmarshal([]byte(w.ok("emulator", "fetch", "mips64", "armv7", "--json")), &got); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(w.state, "emulators")
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
		if err := json.Unmarshal([]byte(w.ok("emulator", "verify", got[i].Path, "--arch", arch, "--json")), &v); err != nil || !v.Ran || v.SHA256 != got[i].SHA256 {
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
