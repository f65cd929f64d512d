package freebsd

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/binmisc"
	"github.com/xjail/xjail/activators/tabletest"
)

// What the interpreter gets: its own words, then the argv of the caller as it
// was. Without #a nobody tells it the program's path.
func TestArgv(t *testing.T) {
	table := emptyTable(t)
	file := program(t, "xjt1")
	for _, c := range []struct {
		name string
		args []string
		want []string
	}{
		{"plain", nil, nil},
		{"arguments", []string{"-cpu", "e500v2"}, []string{"-cpu", "e500v2"}},
		{"macros", []string{"-x=#a", "##", "y##z", "#a#a", "##a"}, []string{"-x=" + file, "#", "y#z", file + file, "#a"}},
	} {
		e := entry(t, "argv", "xjt1")
		e.Args = c.args
		mustAdd(t, table, e)
		want := append([]string{e.Interpreter}, c.want...)
		runs(t, execution{file: file, argv: []string{"zero", "one", "", "two words"}}, append(want, "zero", "one", "", "two words")...)
		if err := table.Remove("argv"); err != nil {
			t.Fatal(err)
		}
	}
}

// #a is the path as execve(2) got it.
func TestRelativePath(t *testing.T) {
	table := emptyTable(t)
	e := entry(t, "argv", "xjt1")
	e.Args = []string{"#a"}
	mustAdd(t, table, e)
	name := "./" + filepath.Base(program(t, "xjt1"))
	runs(t, execution{file: name, dir: scratch, argv: []string{"zero"}}, e.Interpreter, name, "zero")
}

// A script whose interpreter is foreign runs.
func TestScript(t *testing.T) {
	table := emptyTable(t)
	e := entry(t, "shell", "xjt1")
	e.Args = []string{"-x"}
	mustAdd(t, table, e)
	shell := program(t, "xjt1")
	script := program(t, "#!"+shell+" -e\n")
	runs(t, execution{file: script, argv: []string{"zero", "one"}}, e.Interpreter, "-x", shell, "-e", script, "one")
}

// An interpreter that is itself foreign is not run.
func TestNesting(t *testing.T) {
	table := emptyTable(t)
	inner, outer := entry(t, "inner", "xjt2"), entry(t, "outer", "xjt1")
	outer.Interpreter = program(t, "xjt2")
	mustAdd(t, table, inner)
	mustAdd(t, table, outer)
	fails(t, execution{file: program(t, "xjt1"), argv: []string{"zero"}}, syscall.ENOEXEC)
	runs(t, execution{file: outer.Interpreter, argv: []string{"zero"}}, inner.Interpreter, "zero")
}

// What an exec fails with. The entries are what xjail would not register.
func TestExecErrors(t *testing.T) {
	emptyTable(t)
	plain := filepath.Join(scratch, "not-executable")
	if err := os.WriteFile(plain, []byte("text"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(plain) })
	path := interpreter(t, "argv")
	for _, c := range []struct {
		name, interpreter string
		want              syscall.Errno
	}{
		{"missing", "/nonexistent/interpreter", syscall.ENOENT},
		{"empty", "", syscall.ENOENT},
		{"leading blank", " " + path, syscall.ENOENT},
		{"directory", "/", syscall.EACCES},
		{"not executable", plain, syscall.EACCES},
		{"no format", program(t, "no known format"), syscall.ENOEXEC},
	} {
		t.Run(c.name, func(t *testing.T) {
			addRaw(t, c.interpreter)
			fails(t, execution{file: program(t, "xjt1"), argv: []string{"zero"}}, c.want)
		})
	}
	t.Run("trailing blank", func(t *testing.T) {
		addRaw(t, path+" ")
		runs(t, execution{file: program(t, "xjt1"), argv: []string{"zero"}}, path, "", "zero")
	})
	file := program(t, "xjt1")
	fails(t, execution{file: file, argv: []string{"zero"}}, syscall.ENOEXEC)
	addRaw(t, path)
	runs(t, execution{file: file, argv: []string{"zero"}}, path, "zero")
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	fails(t, execution{file: file, argv: []string{"zero"}}, syscall.EACCES)
}

// addRaw registers an interpreter for programs that begin with xjt1, whatever it
// is, until the test ends.
func addRaw(t *testing.T, interpreter string) {
	t.Helper()
	r := tabletest.BinmiscRecord{Version: 1, Flags: tabletest.Enabled | tabletest.UseMask, Size: 4, Name: "raw", Interpreter: interpreter, Magic: "xjt1", Mask: "\xff\xff\xff\xff"}
	if _, err := rawSysctl(binmisc.Node+".add", nil, r.Bytes()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := binmisc.New().Remove("raw"); err != nil {
			t.Errorf("left behind: %v", err)
		}
	})
}

// The module is asked last: neither native programs nor scripts are taken, even
// by entries that xjail refuses to register.
func TestModuleIsAskedLast(t *testing.T) {
	table := emptyTable(t)
	if compiledIn(t, table) {
		t.Skip("it is compiled into the kernel, which asks it first")
	}
	header, err := activators.ReadHeader(self())
	if err != nil {
		t.Fatal(err)
	}
	native := interpreter(t, "native")
	for name, magic := range map[string]string{"elf": string(header[:20]), "script": "#!"} {
		e := entry(t, name, magic)
		if err := activators.Native(e); err == nil {
			t.Errorf("%s: xjail would register it", name)
		}
		mustAdd(t, table, e)
	}
	runs(t, execution{file: native, argv: []string{native, "one"}}, native, "one")
	script := program(t, "#!"+native+"\n")
	runs(t, execution{file: script, argv: []string{"zero", "one"}}, native, script, "one")
}
