package poudriere

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
)

// readOnly has a directory of a test cannot be written until again is called: a file
// system of its own, with what was in it.
func readOnly(t *testing.T, dir string) (again func()) {
	t.Helper()
	remount := func(flags uintptr) {
		if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_BIND|flags, ""); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mount(dir, dir, "", unix.MS_BIND, ""); err != nil {
		t.Skip("this user cannot mount: ", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	remount(unix.MS_RDONLY)
	return func() { remount(0) }
}

// The configuration of poudriere is on a file system that cannot be written: each
// command says so with a kind and a hint, and changes nothing.
func TestReadOnlyConfiguration(t *testing.T) {
	w := newWorld(t)
	program, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	plugin := Plugin{Program: program, Limit: time.Minute}
	if err := os.MkdirAll(w.Dir(), 0o755); err != nil {
		t.Fatal(err)
	}
	check := func(what string, err error) {
		t.Helper()
		if fault.KindOf(err) != fault.Permission || fault.HintOf(err) == "" {
			t.Errorf("%s: %v (kind %d, hint %q)", what, err, fault.KindOf(err), fault.HintOf(err))
		}
	}
	again := readOnly(t, w.Etc)
	_, err = w.register(t, Request{})
	check("register", err)
	w.wantNothing(t)
	_, err = w.InstallPlugin(plugin, false, false)
	check("hooks install", err)
	again()
	if _, err := w.register(t, Request{}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.InstallPlugin(plugin, false, false); err != nil {
		t.Fatal(err)
	}
	before := snapshotOf(t, w.Etc)
	again = readOnly(t, w.Etc)
	_, err = w.SetLimits(w.subject, 12, RaiseLimits(map[string]int{"NOHANG_TIME": 7200}, 12))
	check("timeouts", err)
	_, err = w.register(t, Request{Renew: true})
	check("register --renew", err)
	_, err = w.UninstallPlugin(false, false)
	check("hooks uninstall", err)
	plugin.Limit = time.Hour
	_, err = w.InstallPlugin(plugin, false, false)
	check("hooks install, again", err)
	_, err = w.Unregister(t.Context(), w.subject.Dir)
	check("unregister", err)
	for name, text := range snapshotOf(t, w.Etc) {
		if before[name] != text {
			t.Errorf("changed: %s", name)
		}
	}
	if r, err := Load(w.subject.Dir); err != nil || r == nil || r.Begun || r.Limits != nil {
		t.Errorf("%+v, %v", r, err)
	}
	again()
	if _, err := w.Unregister(t.Context(), w.subject.Dir); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(w.jails(), "13mips64")); err == nil {
		t.Error("poudriere still has it")
	}
}
