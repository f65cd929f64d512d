package binmisc

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/tabletest"
	"github.com/xjail/xjail/internal/fault"
)

// found says of every path that a program is there.
func found(string) (Interpreter, error) { return Interpreter{Regular: true, Executable: true}, nil }

func tableOn(f *fake) *Table { return newTable(f, Interpreters(found)) }

// verbatim is a Table whose Add sends no mask of its own.
type verbatim struct{ *Table }

func (v verbatim) Add(e activators.Entry) error { return v.AddVerbatim(e) }

func TestConformance(t *testing.T) {
	traits := tabletest.Traits{Kernel: "freebsd", NameMax: 31, HeaderMax: 4096, Capacity: 64, Args: true, PreOpen: true, Strict: true, MaskAdded: true}
	var f *fake
	traits.Match = func(t *testing.T, _ activators.Table, content []byte) string { return f.match(t, string(content)) }
	t.Run("add", func(t *testing.T) {
		tabletest.Run(t, func(*testing.T) activators.Table {
			f = newFake()
			return tableOn(f)
		}, traits)
	})
	traits.MaskAdded, traits.MaskNeeded = false, true
	t.Run("verbatim", func(t *testing.T) {
		tabletest.Run(t, func(*testing.T) activators.Table {
			f = newFake()
			return verbatim{tableOn(f)}
		}, traits)
	})
}

func valid() activators.Entry {
	return activators.Entry{Name: "a", Interpreter: "/bin/a", Magic: activators.Hex("AB\x80"), Enabled: true}
}

// What the kernel gets of an entry.
func TestSent(t *testing.T) {
	f := newFake()
	table := tableOn(f)
	e := valid()
	e.Args, e.Offset, e.Flags.PreOpen = []string{"-cpu", "#a"}, 3, true
	for name, c := range map[string]struct {
		add         func(activators.Entry) error
		flags, mask string
	}{"a mask of ones": {table.Add, "7", "\xff\xff\xff"}, "verbatim": {table.AddVerbatim, "5", "\x00\x00\x00"}} {
		if err := c.add(e); err != nil {
			t.Fatal(err)
		}
		want := tabletest.BinmiscRecord{Version: 1, Flags: f.entries[0].Flags, Offset: 3, Size: 3, Name: "a", Interpreter: "/bin/a -cpu #a", Magic: "AB\x80", Mask: c.mask}
		if f.entries[0] != want || fmt.Sprint(want.Flags) != c.flags {
			t.Errorf("%s: %#v, want %#v", name, f.entries[0], want)
		}
		if err := table.Remove("a"); err != nil {
			t.Fatal(err)
		}
	}
}

// A record of another entry, such as others make them, is read as it is.
func TestForeignEntries(t *testing.T) {
	f := newFake()
	f.entries = []tabletest.BinmiscRecord{{Version: 1, Flags: 1, Offset: 0xfffffff0, Size: 0, Name: "odd\nname", Interpreter: " /a  "}}
	f.entries[0].Interpreter = " /a "
	list, err := tableOn(f).List()
	if err != nil || len(list) != 1 || list[0].Name != "odd\nname" || list[0].Interpreter != "" || !slices.Equal(list[0].Args, []string{"/a", ""}) || len(list[0].Magic) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
	if err := tableOn(f).Remove("odd\nname"); err != nil || len(f.entries) != 0 {
		t.Errorf("an entry of an odd name cannot be removed: %v", err)
	}
}

// The list may grow between the call for its size and the one for its content.
func TestListGrows(t *testing.T) {
	f := newFake()
	table := tableOn(f)
	f.entries = []tabletest.BinmiscRecord{{Version: 1, Name: "a", Interpreter: "/a"}}
	calls := 0
	f.sysctls = func(string) {
		if calls++; calls%2 == 0 {
			f.entries = slices.Repeat(f.entries, 3)
		}
	}
	if _, err := table.List(); err == nil || errors.Is(err, activators.ErrUnsupported) {
		t.Errorf("a list that grows without end: %v", err)
	}
	f.entries, calls = f.entries[:1], 0
	f.sysctls = func(string) {
		if calls++; calls == 2 {
			for len(f.entries) < 40 {
				f.entries = append(f.entries, f.entries[0])
			}
		}
	}
	if list, err := table.List(); err != nil || len(list) != 40 {
		t.Errorf("%d entries, %v", len(list), err)
	}
}

func TestListGarbage(t *testing.T) {
	f := newFake()
	f.entries = []tabletest.BinmiscRecord{{Version: 2, Name: "a", Interpreter: "/a"}}
	if _, err := tableOn(f).List(); fault.KindOf(err) != fault.Damaged {
		t.Error(err)
	}
	if _, err := tableOn(f).Lookup("a"); fault.KindOf(err) != fault.Damaged {
		t.Error(err)
	}
}

// all are the calls of a Table that need it to be there.
func all(table *Table) map[string]error {
	_, lerr := table.List()
	_, kerr := table.Lookup("a")
	_, ierr := table.Instance()
	return map[string]error{"list": lerr, "lookup": kerr, "instance": ierr, "add": table.Add(valid()), "remove": table.Remove("a"), "enable": table.Enable("a"), "disable": table.Disable("a")}
}

func TestAbsent(t *testing.T) {
	f := newFake()
	f.unload()
	f.uid = 1001
	table := tableOn(f)
	if s, err := table.Status(); err != nil || s.Available || s.Enabled || s.Kernel != "freebsd" || s.Where != "kern.binmisc" {
		t.Errorf("%+v, %v", s, err)
	}
	for call, err := range all(table) {
		want, kind, hint := activators.ErrUnsupported, fault.Unsupported, "as root: kldload imgact_binmisc"
		if call == "add" {
			want, kind, hint = activators.ErrPermission, fault.Permission, "run it as root"
		}
		if !errors.Is(err, want) || fault.KindOf(err) != kind || fault.HintOf(err) != hint {
			t.Errorf("%s: %v, hint %q", call, err, fault.HintOf(err))
		}
	}
	f.jailed = 1
	if _, err := table.List(); fault.HintOf(err) != "on the host, as root: kldload imgact_binmisc" {
		t.Errorf("in a jail: %v, hint %q", err, fault.HintOf(err))
	}
	if len(f.nodes) != 0 {
		t.Error("the module was loaded")
	}
}

// The module goes between the call for the node's number and the call itself.
func TestUnloadedMeanwhile(t *testing.T) {
	f := newFake()
	f.errs = map[string]error{"lookup": syscall.ENOENT, "remove": syscall.ENOENT, "list": syscall.ENOENT}
	f.sysctls = func(string) { f.unload() }
	for _, call := range []func(*Table) error{
		func(table *Table) error { _, err := table.List(); return err },
		func(table *Table) error { _, err := table.Lookup("a"); return err },
		func(table *Table) error { return table.Remove("a") },
	} {
		f.load()
		if err := call(tableOn(f)); !errors.Is(err, activators.ErrUnsupported) || errors.Is(err, activators.ErrNotFound) {
			t.Error(err)
		}
	}
}

func TestErrors(t *testing.T) {
	f := newFake()
	table := tableOn(f)
	if err := table.Add(valid()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		errno  error
		uid    int
		jailed int32
		want   error
		kind   fault.Kind
		text   string
	}{
		{syscall.EEXIST, 0, 0, activators.ErrExists, fault.Exists, "exists"},
		{syscall.ENOENT, 0, 0, activators.ErrNotFound, fault.NotFound, "no such entry"},
		{syscall.ENOSPC, 0, 0, activators.ErrFull, fault.Unsupported, "64 entries"},
		{syscall.EINVAL, 0, 0, activators.ErrInvalid, fault.Usage, "does not take it"},
		{syscall.EPERM, 1001, 0, activators.ErrPermission, fault.Permission, "not permitted"},
		{syscall.EPERM, 0, 1, activators.ErrPermission, fault.Permission, "this is a jail"},
		{syscall.EPERM, 1001, 1, activators.ErrPermission, fault.Permission, "this is a jail"},
		{syscall.EPERM, 0, 0, activators.ErrPermission, fault.Permission, "policy"},
		{syscall.ENOMEM, 0, 0, activators.ErrUnsupported, fault.Unsupported, "1852 bytes"},
		{syscall.EFAULT, 0, 0, syscall.EFAULT, fault.Failed, "bad address"},
	} {
		f.uid, f.jailed, f.errs = c.uid, c.jailed, map[string]error{}
		for _, node := range []string{"add", "remove", "enable", "disable", "lookup"} {
			f.errs[node] = c.errno
		}
		_, err := table.Lookup("a")
		e := valid()
		e.Name = "b"
		for _, err := range []error{err, table.Add(e), table.Remove("a"), table.Enable("a"), table.Disable("a")} {
			if !errors.Is(err, c.want) || fault.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.text) || !strings.Contains(err.Error(), "activator \"") {
				t.Errorf("%v as %d, jailed %d: kind %v, %v", c.errno, c.uid, c.jailed, fault.KindOf(err), err)
			}
		}
	}
}

// A node is never called without a record, and change sends version and name
// alone. The fake panics otherwise.
func TestNamesAlone(t *testing.T) {
	f := newFake()
	table := tableOn(f)
	if err := table.Add(valid()); err != nil {
		t.Fatal(err)
	}
	for _, do := range []func(string) error{table.Disable, table.Enable, table.Remove} {
		if err := do("a"); err != nil {
			t.Error(err)
		}
	}
	if got := strings.Join(f.calls, " "); got != "add disable enable remove" {
		t.Error(got)
	}
	for _, name := range []string{strings.Repeat("n", 32), "a\x00"} {
		if err := table.Remove(name); !errors.Is(err, activators.ErrInvalid) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if len(f.calls) != 4 {
		t.Error(f.calls)
	}
}

func TestNotFreeBSD(t *testing.T) {
	table := New()
	if runtime.GOOS == "freebsd" {
		t.Skip("this is FreeBSD")
	}
	if s, err := table.Status(); err != nil || s.Available {
		t.Errorf("%+v, %v", s, err)
	}
	_, cerr := table.Compiled()
	_, oerr := table.OSRelDate()
	_, aerr := table.SupportedArchs()
	e := valid()
	e.Interpreter = "/bin/sh"
	for _, err := range []error{table.Load(), table.Remove("a"), table.Add(e), cerr, oerr, aerr} {
		if !errors.Is(err, activators.ErrUnsupported) || !strings.Contains(err.Error(), "FreeBSD's") {
			t.Error(err)
		}
	}
	if table.PreOpen() {
		t.Error("PRE_OPEN elsewhere")
	}
}

func TestMachine(t *testing.T) {
	table := tableOn(newFake())
	if !activators.Loadable(table) || !activators.PreOpens(table) {
		t.Error("a FreeBSD machine can load its module and knows PRE_OPEN")
	}
	if err := activators.Load(table); err != nil {
		t.Error(err)
	}
	var err error = &fs.PathError{Op: "open", Path: "/x", Err: syscall.ENOENT}
	if !errors.Is(errnoOf(err), syscall.ENOENT) || strings.Contains(errnoOf(err).Error(), "/x") || !errors.Is(errnoOf(syscall.EPERM), syscall.EPERM) {
		t.Error(errnoOf(err))
	}
}
