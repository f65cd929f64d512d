// Package tabletest is one conformance suite for every activators.Table, and
// private instances of the kernel's own table to run it on. It is for tests.
package tabletest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/xjail/xjail/activators"
)

// Traits is what differs between the kernels.
type Traits struct {
	Kernel    string // as Status reports it
	NameMax   int    // longest name in bytes
	HeaderMax int    // how much of a file is looked at, in bytes
	Capacity  int    // 0: no limit
	Args      bool   // interpreters may have arguments
	LinuxOnly bool   // the flags P, O, C, F and extensions exist
	PreOpen   bool
	// Strict says that Add refuses what Entry.Validate does.
	Strict bool
	// MaskNeeded says that without a mask bytes of 0x80 or more never match.
	MaskNeeded bool
	// MaskAdded says that Add makes a mask of ones where an entry has none.
	MaskAdded bool

	// Interpreter makes the interpreter of an entry, which Match can tell by its
	// name. nil: any path does.
	Interpreter func(t *testing.T, name string) string
	// Match is the name of the entry that the kernel takes for a file of that
	// content, "" for none. nil: not tested.
	Match func(t *testing.T, table activators.Table, content []byte) string
}

func (tr Traits) entry(t *testing.T, name, magic string) activators.Entry {
	e := activators.Entry{Name: name, Interpreter: "/bin/" + name, Magic: activators.Hex(magic), Enabled: true}
	if tr.Interpreter != nil {
		e.Interpreter = tr.Interpreter(t, name)
	}
	e.Mask = bytes.Repeat([]byte{0xff}, len(magic))
	return e
}

// Run checks a kind of table; create makes a new, empty one for each check.
func Run(t *testing.T, create func(t *testing.T) activators.Table, tr Traits) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, activators.Table, Traits)
	}{
		{"empty", testEmpty}, {"round trip", testRoundTrip}, {"order", testOrder}, {"errors", testErrors}, {"names", testNames},
		{"limits", testLimits}, {"capacity", testCapacity}, {"switch", testSwitch}, {"flags", testFlags}, {"arguments", testArgs},
		{"extension", testExtension}, {"copies", testCopies}, {"strict", testStrict},
		{"match order", testMatchOrder}, {"match bytes", testMatchBytes}, {"match mask", testMatchMask},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, create(t), tr) })
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// refuses wants an error of one of the sorts, and the table as it was.
func refuses(t *testing.T, table activators.Table, do func() error, sorts ...error) {
	t.Helper()
	before := list(t, table)
	err := do()
	if !slices.ContainsFunc(sorts, func(s error) bool { return errors.Is(err, s) }) {
		t.Errorf("error %v, want one of %v", err, sorts)
	}
	if after := list(t, table); !slices.EqualFunc(before, after, activators.Entry.Equal) {
		t.Errorf("the table changed from %+v to %+v", before, after)
	}
}

func list(t *testing.T, table activators.Table) []activators.Entry {
	t.Helper()
	l, err := table.List()
	must(t, err)
	return l
}

func wantOrder(t *testing.T, table activators.Table, want string) {
	t.Helper()
	var names []string
	for _, e := range list(t, table) {
		names = append(names, e.Name)
	}
	if got := strings.Join(names, " "); got != want {
		t.Errorf("the order is %q, want %q", got, want)
	}
}

func testEmpty(t *testing.T, table activators.Table, tr Traits) {
	if l := list(t, table); l == nil || len(l) != 0 {
		t.Errorf("a new table lists %#v", l)
	}
	s, err := table.Status()
	must(t, err)
	if s.Kernel != tr.Kernel || s.Where == "" || !s.Available || !s.Enabled || s.Entries != 0 || s.Capacity != tr.Capacity {
		t.Errorf("status %+v", s)
	}
}

func testRoundTrip(t *testing.T, table activators.Table, tr Traits) {
	full := strings.Repeat("x", 200)
	for i, magic := range []string{"A", "\x7fELF\x02\x02\x01\x00\x00", "\x00\x00", ":\\\n,", "\xff\xfe\x80", full} {
		for _, offset := range []int{0, 1, tr.HeaderMax - len(magic)} {
			e := tr.entry(t, fmt.Sprintf("e%d.%d", i, offset), magic)
			e.Offset = offset
			e.Mask[0] = 0x0f
			if len(magic) > 100 {
				e.Mask = nil
			}
			must(t, table.Add(e))
			if tr.MaskAdded {
				e = e.Normal()
			}
			got, err := table.Lookup(e.Name)
			must(t, err)
			if !got.Equal(e) {
				t.Errorf("added %+v, got %+v", e, got)
			}
			if l := list(t, table); len(l) != 1 || !l[0].Equal(e) {
				t.Errorf("list %+v", l)
			}
			must(t, table.Remove(e.Name))
		}
	}
}

func testOrder(t *testing.T, table activators.Table, tr Traits) {
	for _, name := range []string{"m", "z", "a"} {
		must(t, table.Add(tr.entry(t, name, "AB")))
	}
	wantOrder(t, table, "a z m")
	must(t, table.Disable("z"))
	must(t, table.Enable("m"))
	must(t, table.Enable("z"))
	wantOrder(t, table, "a z m")
	must(t, table.Remove("z"))
	wantOrder(t, table, "a m")
	must(t, table.Add(tr.entry(t, "z", "AB")))
	wantOrder(t, table, "z a m")
	if s, err := table.Status(); err != nil || s.Entries != 3 {
		t.Errorf("status %+v, %v", s, err)
	}
}

func testErrors(t *testing.T, table activators.Table, tr Traits) {
	must(t, table.Add(tr.entry(t, "a", "AB")))
	refuses(t, table, func() error { return table.Add(tr.entry(t, "a", "AB")) }, activators.ErrExists)
	refuses(t, table, func() error { return table.Add(tr.entry(t, "a", "CD")) }, activators.ErrExists)
	must(t, table.Add(tr.entry(t, "b", "AB")))
	for _, do := range []func(string) error{table.Remove, table.Enable, table.Disable, func(n string) error { _, err := table.Lookup(n); return err }} {
		for _, name := range []string{"c", "A", "a ", " a"} {
			refuses(t, table, func() error { return do(name) }, activators.ErrNotFound)
		}
		// On Linux these would be the directory and the switch of all entries.
		for _, name := range []string{"", ".", "..", "status", "register", "./a", "../x", "a/"} {
			refuses(t, table, func() error { return do(name) }, activators.ErrNotFound, activators.ErrInvalid)
		}
	}
}

func testNames(t *testing.T, table activators.Table, tr Traits) {
	for _, name := range []string{"mips64", "a b", "a:b|c,d", "é"[:1] + "x", strings.Repeat("n", tr.NameMax), "-1", "..."} {
		e := tr.entry(t, "name", "AB")
		e.Name = name
		err := table.Add(e)
		if name[0] >= 0x80 && errors.Is(err, activators.ErrInvalid) {
			continue // not ASCII: imgact_binmisc refuses it
		}
		must(t, err)
		if got, err := table.Lookup(name); err != nil || !got.Equal(e) {
			t.Errorf("%q: %+v, %v", name, got, err)
		}
		must(t, table.Remove(name))
	}
	e := tr.entry(t, "name", "AB")
	e.Name = strings.Repeat("n", tr.NameMax+1)
	refuses(t, table, func() error { return table.Add(e) }, activators.ErrInvalid)
}

func testLimits(t *testing.T, table activators.Table, tr Traits) {
	long := tr.entry(t, "a", strings.Repeat("x", activators.MagicMax+1))
	mask := tr.entry(t, "b", "AB")
	mask.Mask = activators.Hex{0xff}
	past := tr.entry(t, "c", "AB")
	past.Offset = tr.HeaderMax - 1
	negative := tr.entry(t, "d", "AB")
	negative.Offset = -1
	for _, e := range []activators.Entry{long, mask, past, negative} {
		refuses(t, table, func() error { return table.Add(e) }, activators.ErrInvalid)
	}
	most := tr.entry(t, "e", strings.Repeat("x", activators.MagicMax))
	most.Mask = nil
	must(t, table.Add(most))
}

func testCapacity(t *testing.T, table activators.Table, tr Traits) {
	n := tr.Capacity
	if n == 0 {
		n = 100
	}
	for i := range n {
		must(t, table.Add(tr.entry(t, fmt.Sprint("e", i), "AB")))
	}
	if got := len(list(t, table)); got != n {
		t.Errorf("%d entries, want %d", got, n)
	}
	if tr.Capacity == 0 {
		return
	}
	// A full table is said before a name that is taken.
	for _, name := range []string{"new", "e0"} {
		refuses(t, table, func() error { return table.Add(tr.entry(t, name, "AB")) }, activators.ErrFull)
	}
	must(t, table.Remove("e5"))
	must(t, table.Add(tr.entry(t, "new", "AB")))
}

func testSwitch(t *testing.T, table activators.Table, tr Traits) {
	off := tr.entry(t, "a", "AB")
	off.Enabled = false
	must(t, table.Add(off))
	if e, err := table.Lookup("a"); err != nil || !e.Equal(off) {
		t.Errorf("added disabled: %+v, %v", e, err)
	}
	for _, c := range []struct {
		do   func(string) error
		want bool
	}{{table.Disable, false}, {table.Enable, true}, {table.Enable, true}, {table.Disable, false}} {
		must(t, c.do("a"))
		if e, err := table.Lookup("a"); err != nil || e.Enabled != c.want || !e.SameRule(off) {
			t.Errorf("%+v, %v, want enabled %v", e, err, c.want)
		}
	}
}

func testFlags(t *testing.T, table activators.Table, tr Traits) {
	pre := tr.entry(t, "pre", "AB")
	pre.Flags.PreOpen = true
	if tr.PreOpen {
		must(t, table.Add(pre))
		if e, _ := table.Lookup("pre"); !e.Flags.PreOpen {
			t.Errorf("%+v", e)
		}
	} else {
		refuses(t, table, func() error { return table.Add(pre) }, activators.ErrUnsupported)
	}
	for letters, f := range map[string]activators.Flags{
		"P": {PreserveArgv0: true}, "O": {OpenBinary: true}, "OC": {Credentials: true}, "F": {FixBinary: true},
		"POCF": {PreserveArgv0: true, OpenBinary: true, Credentials: true, FixBinary: true},
	} {
		e := tr.entry(t, "flags-"+letters, "AB")
		e.Interpreter, e.Flags = "/bin/sh", f
		if !tr.LinuxOnly {
			refuses(t, table, func() error { return table.Add(e) }, activators.ErrUnsupported)
			continue
		}
		must(t, table.Add(e))
		if got, err := table.Lookup(e.Name); err != nil || got.Flags.String() != letters || !got.Equal(e) {
			t.Errorf("%s: %+v, %v", letters, got, err)
		}
	}
}

func testArgs(t *testing.T, table activators.Table, tr Traits) {
	e := tr.entry(t, "args", "AB")
	e.Args = []string{"-cpu", "a#a", "##"}
	if !tr.Args {
		refuses(t, table, func() error { return table.Add(e) }, activators.ErrUnsupported)
		return
	}
	must(t, table.Add(e))
	if got, err := table.Lookup("args"); err != nil || !got.Equal(e) {
		t.Errorf("%+v, %v", got, err)
	}
}

func testExtension(t *testing.T, table activators.Table, tr Traits) {
	e := tr.entry(t, "ext", "")
	e.Magic, e.Mask, e.Extension = nil, nil, "jar"
	if !tr.LinuxOnly {
		refuses(t, table, func() error { return table.Add(e) }, activators.ErrUnsupported)
		return
	}
	must(t, table.Add(e))
	if got, err := table.Lookup("ext"); err != nil || !got.Equal(e) {
		t.Errorf("%+v, %v", got, err)
	}
}

func testCopies(t *testing.T, table activators.Table, tr Traits) {
	e := tr.entry(t, "a", "AB")
	want := tr.entry(t, "a", "AB")
	must(t, table.Add(e))
	e.Magic[0], e.Mask[0] = 0, 0
	got, err := table.Lookup("a")
	must(t, err)
	got.Magic[0] = 0
	list(t, table)[0].Mask[0] = 0
	if got, _ := table.Lookup("a"); !got.Equal(want) {
		t.Errorf("a caller changed the table: %+v", got)
	}
}

func testStrict(t *testing.T, table activators.Table, tr Traits) {
	if !tr.Strict {
		t.Skip("this table takes what its kernel does")
	}
	empty, zero, relative, newline := tr.entry(t, "a", ""), tr.entry(t, "a", "AB"), tr.entry(t, "a", "AB"), tr.entry(t, "a", "AB")
	zero.Mask = activators.Hex{0, 0}
	relative.Interpreter = "bin/sh"
	newline.Name = "a\nb"
	for _, e := range []activators.Entry{empty, zero, relative, newline} {
		refuses(t, table, func() error { return table.Add(e) }, activators.ErrInvalid)
	}
	for _, name := range []string{"", ".", "..", "register", "status", "a/b", "a\x00b"} {
		e := tr.entry(t, "a", "AB")
		e.Name = name
		refuses(t, table, func() error { return table.Add(e) }, activators.ErrInvalid)
	}
}

// wants checks which entry the kernel takes.
func wants(t *testing.T, table activators.Table, tr Traits, content, want string) {
	t.Helper()
	if got := tr.Match(t, table, []byte(content)); got != want {
		t.Errorf("a file of %.20q... is taken by %q, want %q", content, got, want)
	}
}

func testMatchOrder(t *testing.T, table activators.Table, tr Traits) {
	if tr.Match == nil {
		t.Skip("nothing to match with")
	}
	wants(t, table, tr, "ABCD", "")
	must(t, table.Add(tr.entry(t, "first", "AB")))
	must(t, table.Add(tr.entry(t, "zlast", "ABC")))
	must(t, table.Add(tr.entry(t, "alast", "AB")))
	wants(t, table, tr, "ABCD", "alast")
	must(t, table.Disable("alast"))
	wants(t, table, tr, "ABCD", "zlast")
	wants(t, table, tr, "ABD", "first")
	must(t, table.Enable("alast"))
	wants(t, table, tr, "ABCD", "alast")
	must(t, table.Remove("alast"))
	must(t, table.Remove("first"))
	must(t, table.Add(tr.entry(t, "first", "AB")))
	wants(t, table, tr, "ABCD", "first")
	wants(t, table, tr, "XABC", "")
}

func testMatchBytes(t *testing.T, table activators.Table, tr Traits) {
	if tr.Match == nil {
		t.Skip("nothing to match with")
	}
	last := tr.entry(t, "last", "ZZ")
	last.Offset = tr.HeaderMax - 2
	zeros := tr.entry(t, "zeros", "Q\x00\x00")
	high := tr.entry(t, "high", "BC\xc0\xde")
	for _, e := range []activators.Entry{last, zeros, high} {
		must(t, table.Add(e))
	}
	body := strings.Repeat("-", tr.HeaderMax-2)
	wants(t, table, tr, body+"ZZ", "last")
	wants(t, table, tr, body+"ZZ---", "last")
	wants(t, table, tr, body+"-ZZ", "")
	wants(t, table, tr, "Q", "zeros")
	wants(t, table, tr, "Q\x00x", "")
	wants(t, table, tr, "BC\xc0\xde\x01", "high")
}

func testMatchMask(t *testing.T, table activators.Table, tr Traits) {
	if tr.Match == nil {
		t.Skip("nothing to match with")
	}
	masked := tr.entry(t, "masked", "M\x12\xffQ")
	masked.Mask = activators.Hex{0xff, 0xf0, 0x00, 0xff}
	bare := tr.entry(t, "bare", "N\x80")
	bare.Mask = nil
	low := tr.entry(t, "low", "N\x7f")
	low.Mask = nil
	for _, e := range []activators.Entry{masked, bare, low} {
		must(t, table.Add(e))
	}
	wants(t, table, tr, "M\x1f\x00Q", "masked")
	wants(t, table, tr, "M\x2f\x00Q", "")
	wants(t, table, tr, "N\x7f..", "low")
	want := "bare"
	if tr.MaskNeeded {
		want = ""
	}
	wants(t, table, tr, "N\x80..", want)
}
