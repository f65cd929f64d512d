package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/jail"
	"github.com/xjail/xjail/qemu"
	"github.com/xjail/xjail/qemu/qemutest"
)

// anEmulator copies this machine's emulator for an architecture, with something
// behind its end, which no program looks at.
func anEmulator(t *testing.T, name, more string) string {
	t.Helper()
	a, err := arch.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	e, _, err := qemu.Find(t.Context(), a, qemu.FindOptions{GuestOS: "linux"})
	if err != nil {
		t.Skip(err)
	}
	file := filepath.Join(sharedDir(t), "qemu-"+a.QEMU+"-static")
	writeFile(t, file, readFile(e.Path)+more, 0o755)
	return file
}

// emulators are the digests of the file in the root, and in the record.
func (w *world) emulators(jail string) (root, record string) {
	w.t.Helper()
	var r struct {
		Root     string
		Emulator struct{ Path, SHA256 string }
	}
	if err := json.Unmarshal([]byte(w.ok("info", jail, "--json")), &r); err != nil {
		w.t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(readFile(filepath.Join(r.Root, r.Emulator.Path))))
	return hex.EncodeToString(sum[:]), r.Emulator.SHA256
}

func digestOf(file string) string {
	sum := sha256.Sum256([]byte(readFile(file)))
	return hex.EncodeToString(sum[:])
}

// wantSettled wants that nothing of an update is left in the directory of a jail.
func (w *world) wantSettled(when string) {
	w.t.Helper()
	for _, name := range names(filepath.Join(w.state, "jails/tiny")) {
		if name != "jail.json" && name != "root" {
			w.t.Errorf("%s: left: %s", when, name)
		}
	}
}

// The emulator of the machine is replaced; update takes it, and the jail runs.
func TestUpdateEmulator(t *testing.T) {
	t.Run("caller", func(t *testing.T) { testUpdateEmulator(t, caller) })
	t.Run("user", func(t *testing.T) { testUpdateEmulator(t, ordinaryUser(t, true)) })
}

func testUpdateEmulator(t *testing.T, as account) {
	emulator := anEmulator(t, "powerpc", "")
	w := newWorld(t, as)
	w.ok("create", "tiny", "--arch", "powerpc", "--from", "archive:"+tinyRoot(t, "powerpc").save(), "--emulator", emulator)
	next := anEmulator(t, "powerpc", "more")
	if err := os.Rename(next, emulator); err != nil {
		t.Fatal(err)
	}
	w.ok("update", "tiny", "--dry-run")
	if root, record := w.emulators("tiny"); root != record || root == digestOf(emulator) {
		t.Error("a dry run changes the jail")
	}
	w.ok("update", "tiny")
	if root, record := w.emulators("tiny"); root != record || root != digestOf(emulator) {
		t.Errorf("root %s, record %s, want %s", root, record, digestOf(emulator))
	}
	if got := w.sh("tiny", "uname -m"); got != "ppc" {
		t.Errorf("uname says %q", got)
	}
	w.wantSettled("updated")
	w.ok("verify", "tiny")
	// One in the root that was damaged is put there again.
	w.ok("exec", "tiny", "--", "true")
	if err := os.Truncate(filepath.Join(w.state, "jails/tiny/root/usr/bin/qemu-ppc-static"), 10); err != nil {
		t.Fatal(err)
	}
	w.fails(19, "xjail update tiny", "exec", "tiny", "--", "true")
	w.ok("update", "tiny")
	w.ok("verify", "tiny")
	w.ok("destroy", "tiny")
}

// An emulator with which nothing runs is not kept.
func TestUpdateBadEmulator(t *testing.T) {
	w := tinyJail(t, caller, "powerpc")
	before, _ := w.emulators("tiny")
	bad := filepath.Join(sharedDir(t), "qemu-ppc-static")
	qemutest.Linux("ppc", "9.2.0").Write(t, bad)
	if r := w.run("update", "tiny", "--emulator", bad); r.status == 0 {
		t.Errorf("update says %v", r)
	}
	if root, record := w.emulators("tiny"); root != before || record != before {
		t.Errorf("root %s, record %s, want %s", root, record, before)
	}
	if got := w.sh("tiny", "uname -m"); got != "ppc" {
		t.Errorf("uname says %q", got)
	}
	w.wantSettled("refused")
	w.ok("destroy", "tiny")
}

// Killed where each step begins, the jail is the old one or the new one, and the
// next command settles which.
func TestUpdateKilled(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("updates in this process, which has to be root for it")
	}
	next := anEmulator(t, "powerpc", "more")
	w := tinyJail(t, caller, "powerpc")
	old, _ := w.emulators("tiny")
	for _, step := range []string{"emulator", "probe", "record"} {
		doomed{State: w.state, Step: step, Request: jail.Request{Name: "tiny"}, Update: &jail.UpdateRequest{Emulator: next}}.die(t)
		if got := w.sh("tiny", "uname -m"); got != "ppc" {
			t.Errorf("killed at %s: uname says %q", step, got)
		}
		if root, record := w.emulators("tiny"); root != old || record != old {
			t.Errorf("killed at %s: root %s, record %s, want %s", step, root, record, old)
		}
		w.wantSettled("killed at " + step)
	}
	w.ok("destroy", "tiny")
}

// Killed at any time, also in the middle of a step.
func TestUpdateKilledAnyTime(t *testing.T) {
	emulators := []string{anEmulator(t, "powerpc", "one"), anEmulator(t, "powerpc", "two")}
	sums := []string{digestOf(emulators[0]), digestOf(emulators[1])}
	w := newWorld(t, caller)
	w.ok("create", "tiny", "--arch", "powerpc", "--from", "archive:"+tinyRoot(t, "powerpc").save(), "--emulator", emulators[0])
	to, finished := 1, 0
	for after := time.Millisecond; finished < 2; after += 7 * time.Millisecond {
		done := w.killAfter(after, "update", "tiny", "--emulator", emulators[to])
		if got := w.sh("tiny", "uname -m"); got != "ppc" {
			t.Errorf("killed after %s: uname says %q", after, got)
		}
		root, record := w.emulators("tiny")
		if root != record || root != sums[0] && root != sums[1] {
			t.Errorf("killed after %s: root %s, record %s", after, root, record)
		}
		if done {
			finished++
		}
		if root == sums[to] {
			to = 1 - to // it had got through
		} else if done {
			t.Errorf("it ended, and the jail has the old emulator")
		}
	}
	w.ok("update", "tiny", "--emulator", emulators[0])
	w.wantSettled("in the end")
	w.ok("verify", "tiny")
	w.ok("destroy", "tiny")
}

// Destroy takes a jail whose update was killed as it is.
func TestUpdateKilledDestroyed(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("updates in this process, which has to be root for it")
	}
	next := anEmulator(t, "powerpc", "more")
	w := tinyJail(t, caller, "powerpc")
	doomed{State: w.state, Step: "probe", Request: jail.Request{Name: "tiny"}, Update: &jail.UpdateRequest{Emulator: next}}.die(t)
	w.ok("destroy", "tiny")
	w.nothingLeft()
}

// The root is replaced by another one of its release. Killed where each step
// begins, the jail has the old one, with what was changed in it.
func TestUpdateReleaseKilled(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("updates in this process, which has to be root for it")
	}
	m := newBSDMirror(t)
	w := bsdWorld(t, caller)
	w.ok(m.create("tiny")...)
	mark := filepath.Join(w.state, "jails/tiny/root/etc/mark")
	writeFile(t, mark, "", 0o644)
	for _, step := range []string{"manifest", "extract", "check", "root", "record"} {
		d := doomed{State: w.state, Step: step, Config: m.config, Request: jail.Request{Name: "tiny"}, Update: &jail.UpdateRequest{Release: "14.3"}}
		d.die(t)
		w.run("verify", "tiny")
		if _, err := os.Stat(mark); err != nil {
			t.Fatalf("killed at %s: %v", step, err)
		}
	}
	w.ok("--config", m.config, "update", "tiny", "--release", "14.3")
	if _, err := os.Stat(mark); err == nil {
		t.Error("the root is still the old one")
	}
	for _, name := range names(filepath.Join(w.state, "jails/tiny")) {
		if name != "jail.json" && name != "root" && name != "metadata.json" {
			t.Errorf("left: %s", name)
		}
	}
	w.ends("tiny")
}
