package freebsd

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/binmisc"
)

// preOpenTable is a table whose kernel knows PRE_OPEN.
func preOpenTable(t *testing.T) *binmisc.Table {
	t.Helper()
	table := emptyTable(t)
	if !table.PreOpen() {
		t.Skip("this kernel does not know PRE_OPEN")
	}
	return table
}

// root is a directory to change the root to, with the program /prog in it.
func root(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(scratch, "root-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.WriteFile(filepath.Join(dir, "prog"), []byte("xjt1"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func inRoot(dir string) execution {
	return execution{file: "/prog", dir: "/", argv: []string{"zero"}, attr: &syscall.SysProcAttr{Chroot: dir}}
}

// Without PRE_OPEN the interpreter is looked up in the root of who calls.
func TestChroot(t *testing.T) {
	table := emptyTable(t)
	e := entry(t, "chroot", "xjt1")
	mustAdd(t, table, e)
	dir := root(t)
	fails(t, inRoot(dir), syscall.ENOENT)
	inside := filepath.Join(dir, e.Interpreter)
	if err := os.MkdirAll(filepath.Dir(inside), 0o755); err != nil {
		t.Fatal(err)
	}
	copySelf(t, inside, 1)
	if r := runs(t, inRoot(dir), e.Interpreter, "zero"); r.Generation != "xjail generation 1" {
		t.Errorf("%+v", r)
	}
}

// With PRE_OPEN it is the file that was there when the entry was registered.
func TestChrootPreOpen(t *testing.T) {
	table := preOpenTable(t)
	e := entry(t, "chroot", "xjt1")
	e.Flags.PreOpen = true
	mustAdd(t, table, e)
	dir := root(t)
	runs(t, inRoot(dir), e.Interpreter, "zero")
	inside := filepath.Join(dir, e.Interpreter)
	if err := os.MkdirAll(filepath.Dir(inside), 0o755); err != nil {
		t.Fatal(err)
	}
	copySelf(t, inside, 1)
	if r := runs(t, inRoot(dir), e.Interpreter, "zero"); r.Generation != "xjail generation 0" {
		t.Errorf("the file inside was run: %+v", r)
	}
}

// updated is a pre-opened entry whose interpreter of generation 1 is then
// changed.
func updated(t *testing.T, table *binmisc.Table) (activators.Entry, execution) {
	t.Helper()
	e := activators.Entry{Name: "update", Interpreter: filepath.Join(scratch, interpreterPrefix+"update"), Magic: activators.Hex("xjt1"), Enabled: true}
	e.Flags.PreOpen = true
	copySelf(t, e.Interpreter, 1)
	mustAdd(t, table, e)
	x := execution{file: program(t, "xjt1"), argv: []string{"zero"}}
	if r := runs(t, x, e.Interpreter, "zero"); r.Generation != "xjail generation 1" {
		t.Errorf("%+v", r)
	}
	return e, x
}

// wantOld wants what was opened to run; some file systems have nothing left of
// a file that was removed.
func wantOld(t *testing.T, x execution) {
	t.Helper()
	r, err := execute(x)
	if errors.Is(err, syscall.ENOENT) {
		return
	}
	if err != nil || r.Generation != "xjail generation 1" {
		t.Errorf("after the update: %+v, %v", r, err)
	}
}

func replace(t *testing.T, path string) {
	t.Helper()
	copySelf(t, path+".new", 2)
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// An update replaces the file: the new one is run after the entry was
// registered again.
func TestReplacedInterpreter(t *testing.T) {
	table := preOpenTable(t)
	e, x := updated(t, table)
	replace(t, e.Interpreter)
	wantOld(t, x)
	if err := table.Remove(e.Name); err != nil {
		t.Fatal(err)
	}
	mustAdd(t, table, e)
	if r := runs(t, x, e.Interpreter, "zero"); r.Generation != "xjail generation 2" {
		t.Errorf("after registering again: %+v", r)
	}
}

// A renamed file is still run, and one that was written over as it is now.
func TestRenamedInterpreter(t *testing.T) {
	table := preOpenTable(t)
	e, x := updated(t, table)
	moved := e.Interpreter + ".moved"
	if err := os.Rename(e.Interpreter, moved); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(moved) })
	if r := runs(t, x, e.Interpreter, "zero"); r.Generation != "xjail generation 1" {
		t.Errorf("renamed: %+v", r)
	}
	copySelf(t, moved, 3)
	if r := runs(t, x, e.Interpreter, "zero"); r.Generation != "xjail generation 3" {
		t.Errorf("written over: %+v", r)
	}
}

// The record of xjail's own entries finds the update, and a plan renews the
// entry without a moment in which there is none.
func TestUpdateIsFound(t *testing.T) {
	table := preOpenTable(t)
	e := activators.Entry{Name: "update", Interpreter: filepath.Join(scratch, interpreterPrefix+"update"), Magic: activators.Hex("xjt1"), Enabled: true}
	e.Flags.PreOpen = true
	e = e.Normal()
	copySelf(t, e.Interpreter, 1)
	register := func() *activators.Plan {
		t.Helper()
		instance, err := table.Instance()
		if err != nil {
			t.Fatal(err)
		}
		ledger, err := activators.OpenLedger(filepath.Join(scratch, "state", activators.LedgerName), instance)
		if err != nil {
			t.Fatal(err)
		}
		defer ledger.Close()
		p, err := activators.Register(table, ledger, []activators.Entry{e})
		if err != nil || !ledger.Owns(e) || ledger.Stale(e) != "" {
			t.Fatalf("%v, owned %v, stale %q", err, ledger.Owns(e), ledger.Stale(e))
		}
		return p
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(filepath.Join(scratch, "state")); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
	})
	register()
	if p := register(); p.Changes() {
		t.Errorf("registered again without a reason: %+v", p.Steps)
	}
	replace(t, e.Interpreter)
	if p := register(); len(p.Steps) != 4 || p.Items[0].Action != activators.Replace {
		t.Errorf("the update was not found: %+v", p)
	}
	if r := runs(t, execution{file: program(t, "xjt1"), argv: []string{"zero"}}, e.Interpreter, "zero"); r.Generation != "xjail generation 2" {
		t.Errorf("%+v", r)
	}
}
