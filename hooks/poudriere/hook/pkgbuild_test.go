package hook

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/xjail/xjail/hooks/poudriere/buildlog"
)

func TestPkgbuild(t *testing.T) {
	m := newMachine(t)
	log := filepath.Join(m.dir, "b-1.log")
	m.write(log, "build started\ncc -c b.c\nqemu: uncaught target signal 11 (Segmentation fault) - core dumped\n*** Signal 11\n\nStop.\nmake: stopped in /usr/ports/devel/b\n")
	m.goesOn("pkgbuild", "failed", "devel/b", "b-1", "build", log)
	m.says("b-1: emulator crash")
	m.goesOn("pkgbuild", "skipped", "devel/c", "c-1", "b-1")
	list, damaged, err := buildlog.Read(m.Store.Dir, buildlog.Filter{})
	if err != nil || damaged != 0 || len(list) != 2 {
		t.Fatalf("%v %d %+v", err, damaged, list)
	}
	for _, rec := range list {
		if rec.Jail != "m64-default" || rec.Build != m.env["BUILDNAME"] || rec.Time != m.now().UTC() {
			t.Errorf("%+v", rec)
		}
		if failed := rec.Origin == "devel/b"; failed != (rec.Verdict != nil) || failed == (rec.Because == "b-1") {
			t.Errorf("%+v", rec)
		}
	}
}

// What is no log is no reason to wait, or to stop.
func TestPkgbuildNoLog(t *testing.T) {
	m := newMachine(t)
	fifo := filepath.Join(m.dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, log := range []string{fifo, m.dir, filepath.Join(m.dir, "none"), "/dev/zero", ""} {
		if stopped, err := m.call("pkgbuild", "failed", "devel/b", "b-1", "build", log); stopped != "" || err == nil {
			t.Errorf("%q: stop %q, error %v", log, stopped, err)
		}
	}
	m.goesOn("pkgbuild", "failed")
	m.goesOn("pkgbuild", "skipped")
	if _, err := os.Stat(filepath.Join(m.Store.Dir, "poudriere")); err == nil {
		t.Error("something was written down")
	}
}
