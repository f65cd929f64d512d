package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The main job as an ordinary user, with many ids and with one.
func TestMinirootOfAnOrdinaryUser(t *testing.T) {
	for name, subordinate := range map[string]bool{"with subordinate ids": true, "with one id": false} {
		t.Run(name, func(t *testing.T) {
			user := ordinaryUser(t, subordinate)
			w := newWorld(t, user)
			needEmulator(t, w, "mips64")
			w.env = goCaches(t)
			w.ok("create", "mips64")
			tryMiniroot(t, w, "mips64", "mips64")
			if got := w.sh("mips64", "id -u; id -g; touch /tmp/made && ls /tmp/made"); got != "0\n0\n/tmp/made" {
				t.Errorf("ids in the jail: %q", got)
			}
			if !subordinate {
				w.fails(14, "subuid", "exec", "--user", "daemon", "mips64", "--", "id", "-u")
			} else if got := w.ok("exec", "--user", "daemon", "mips64", "--", "id", "-u"); got != "1\n" {
				t.Errorf("as another user of the jail: %q", got)
			}
		})
	}
}

// goCaches lets another account use the caller's modules, which it cannot
// change, so that the test needs no network. Its build cache is its own.
func goCaches(t *testing.T) []string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOMODCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	proxy := filepath.Join(strings.TrimSpace(string(out)), "cache", "download")
	copied := filepath.Join(sharedDir(t), "modules")
	if out, err := exec.Command("cp", "-r", proxy, copied).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v: %s", err, out)
	}
	return []string{"GOPROXY=file://" + copied, "GONOSUMDB=*", "GOFLAGS=-modcacherw", "GOTOOLCHAIN=local"}
}

// An archive with owners that the user does not have keeps them aside.
func TestArchiveOfAnOrdinaryUser(t *testing.T) {
	archive := tinyRoot(t, "powerpc").save()
	w := newWorld(t, ordinaryUser(t, false))
	w.ok("create", "tiny", "--arch", "powerpc", "--from", "archive:"+archive)
	if got := w.ok("exec", "tiny", "--", "id"); got != "uid=0 gid=0\n" {
		t.Errorf("in the jail: %q", got)
	}
	if got := w.sh("tiny", "uname -m; echo x > /etc/new; cat /etc/new"); got != "ppc\nx" {
		t.Errorf("in the jail: %q", got)
	}
	var st struct{ Root string }
	if err := json.Unmarshal([]byte(w.ok("info", "tiny", "--json")), &st); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(st.Root, "etc/new"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o644 {
		t.Errorf("%v", info.Mode())
	}
}

// Two emulators for one architecture: each jail runs its own, at the same time.
func TestTwoEmulatorsSideBySide(t *testing.T) {
	archive := tinyRoot(t, "powerpc").save()
	w := newWorld(t, caller)
	needEmulator(t, w, "powerpc")
	first := findEmulator(t, w, "powerpc")
	// The bytes after the last section are nobody's, but make it another file.
	second := filepath.Join(sharedDir(t), "qemu-ppc-static")
	writeFile(t, second, readFile(first)+"another build\n", 0o755)
	digests := map[string]string{"one": digest(first), "two": digest(second)}
	for jail, emulator := range map[string]string{"one": first, "two": second} {
		w.ok("create", jail, "--arch", "powerpc", "--from", "archive:"+archive, "--emulator", emulator)
	}
	stop := map[string]func(){}
	for jail := range digests {
		cmd := w.command("exec", jail, "--", "sh", "-c", "cat")
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		stop[jail] = func() {
			in.Close()
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
		}
	}
	for jail, want := range digests {
		var info struct{ Emulator struct{ SHA256 string } }
		if err := json.Unmarshal([]byte(w.ok("info", jail, "--json")), &info); err != nil || info.Emulator.SHA256 != want {
			t.Errorf("jail %s has the emulator %s (%v), want %s", jail, info.Emulator.SHA256, err, want)
		}
		if got := digest(filepath.Join(w.state, "jails", jail, "root/usr/bin/qemu-ppc-static")); got != want {
			t.Errorf("in the root of %s is %s, want %s", jail, got, want)
		}
		if got := w.sh(jail, "uname -m"); got != "ppc" {
			t.Errorf("jail %s says %q", jail, got)
		}
		w.ok("verify", jail)
	}
	for _, f := range stop {
		f()
	}
}
