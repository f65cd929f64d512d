package binfmt

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/tabletest"
	"github.com/xjail/xjail/internal/fault"
)

// kernelTraits are those of the real kernel: a match is an exec of a file with
// that content, and the interpreters are scripts that print their names.
func kernelTraits(t *testing.T, i *tabletest.Instance) tabletest.Traits {
	dir := t.TempDir()
	return tabletest.Traits{
		Kernel: "linux", NameMax: 255, HeaderMax: HeaderMax, LinuxOnly: true, Strict: true,
		Interpreter: func(t *testing.T, name string) string {
			path := filepath.Join(dir, name)
			if err := os.WriteFile(path, []byte("#!/bin/sh\necho "+name+"\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			return path
		},
		Match: func(t *testing.T, _ activators.Table, content []byte) string {
			program := filepath.Join(dir, "program")
			_ = os.Remove(program)
			if err := os.WriteFile(program, content, 0o755); err != nil {
				t.Fatal(err)
			}
			out, err := i.Run(program)
			if err != nil && !strings.Contains(err.Error(), "exec format error") {
				t.Fatal(err)
			}
			return strings.TrimSpace(out)
		},
	}
}

func TestConformance(t *testing.T) {
	i := tabletest.Private(t)
	tabletest.Run(t, func(t *testing.T) activators.Table {
		i.Clear(t)
		return New(i.Dir)
	}, kernelTraits(t, i))
}

// register writes a line as it is.
func register(dir string, line []byte) error {
	f, err := os.OpenFile(filepath.Join(dir, "register"), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.Write(line)
	return err
}

// agrees registers a line with the kernel and with ParseLine, and compares.
func agrees(t *testing.T, i *tabletest.Instance, line []byte) {
	t.Helper()
	want := register(i.Dir, line)
	e, err := ParseLine(line)
	if len(line) == 0 {
		want = syscall.EINVAL // an empty write does not reach the kernel's parser
	}
	reserved := e.Name == "register" || e.Name == "status"
	lateRefusal := err == nil && (e.Flags.FixBinary || reserved && errors.Is(want, syscall.EEXIST))
	if (err == nil) != (want == nil) && !lateRefusal {
		t.Errorf("%q: the kernel says %v, ParseLine %v", line, want, err)
	}
	if want != nil || err != nil {
		return
	}
	text, rerr := os.ReadFile(filepath.Join(i.Dir, e.Name))
	if rerr != nil || string(text) != string(FormatEntry(e)) {
		t.Errorf("%q: the kernel has %q, %v, ParseLine %q", line, text, rerr, FormatEntry(e))
	}
	back, perr := ParseEntry(e.Name, text)
	if perr != nil || !back.Equal(e) && !strings.Contains(e.Extension+e.Interpreter, "\n") {
		t.Errorf("%q: read back %+v, %v", line, back, perr)
	}
	if err := os.WriteFile(filepath.Join(i.Dir, e.Name), []byte("-1"), 0); err != nil {
		t.Error(err)
	}
}

func TestLinesOnKernel(t *testing.T) {
	i := tabletest.Private(t)
	for _, c := range kernelLines {
		agrees(t, i, []byte(c.line))
	}
	for _, c := range golden {
		agrees(t, i, []byte(c.line))
	}
}

// Lines that are changed at random mean the same to the kernel and to
// ParseLine.
func TestRandomLinesOnKernel(t *testing.T) {
	i := tabletest.Private(t)
	r := rand.New(rand.NewPCG(3, 7))
	spice := []string{":", "\\", "x", `\x`, `\x41`, "\x00", "\n", "/", "P", "C", "M", "E", "0", "-", "+", "9", "f", "\xff", "", "::", ".."}
	for range 20000 {
		c := kernelLines[r.IntN(len(kernelLines))]
		line := c.line
		if len(line) > 200 {
			continue
		}
		for range 1 + r.IntN(3) {
			at := r.IntN(len(line) + 1)
			end := min(len(line), at+r.IntN(2))
			line = line[:at] + spice[r.IntN(len(spice))] + line[end:]
		}
		agrees(t, i, []byte(line))
	}
}

// What EncodeLine makes, the kernel takes and prints as the entry.
func TestEncodeLineOnKernel(t *testing.T) {
	i := tabletest.Private(t)
	for d := range delimiters {
		e := valid()
		e.Name = "n" + delimiters[:d]
		line, err := EncodeLine(e)
		if err != nil {
			t.Fatal(err)
		}
		agrees(t, i, line)
	}
	e := valid()
	e.Interpreter = "/" + strings.Repeat("b", LineMax-len(`:a:M:0:\x41\x42::/:`))
	line, err := EncodeLine(e)
	if err != nil || register(i.Dir, line) != nil || register(i.Dir, append(line, 'P')) == nil {
		t.Errorf("the longest line: %v", err)
	}
}

func TestErrorsOnKernel(t *testing.T) {
	i := tabletest.Private(t)
	table := New(i.Dir)
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	fixed := func(path string) activators.Entry {
		e := valid()
		e.Interpreter, e.Flags.FixBinary = path, true
		return e
	}
	for path, kind := range map[string]fault.Kind{"/no/such": fault.NotFound, plain: fault.Permission, "/": fault.Permission} {
		err := table.Add(fixed(path))
		if !errors.Is(err, activators.ErrInterpreter) || fault.KindOf(err) != kind || !strings.Contains(err.Error(), "interpreter "+path) || fault.HintOf(err) == "" {
			t.Errorf("%s: kind %v, %v", path, fault.KindOf(err), err)
		}
	}
	if err := table.Add(fixed("/bin/sh")); err != nil {
		t.Error(err)
	}
	err := table.Add(valid())
	if !errors.Is(err, activators.ErrExists) || fault.KindOf(err) != fault.Exists {
		t.Error(err)
	}
	if s, err := table.Status(); err != nil || s.Where != i.Dir || s.Entries != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	if err := os.WriteFile(filepath.Join(i.Dir, "status"), []byte("0"), 0); err != nil {
		t.Fatal(err)
	}
	if s, err := table.Status(); err != nil || s.Enabled || !s.Available {
		t.Errorf("%+v, %v", s, err)
	}
	if l, err := table.List(); err != nil || len(l) != 1 || !l[0].Enabled {
		t.Errorf("an instance that is off: %+v, %v", l, err)
	}
}

func TestInstance(t *testing.T) {
	a, b := tabletest.Private(t), tabletest.Private(t)
	one, err := New(a.Dir).Instance()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := New(a.Dir).Instance(); err != nil || again != one {
		t.Errorf("%q, %v, before %q", again, err, one)
	}
	if other, err := New(b.Dir).Instance(); err != nil || other == one {
		t.Errorf("two instances are both %q, %v", other, err)
	}
	if _, err := New("/no/such").Instance(); !errors.Is(err, activators.ErrUnsupported) {
		t.Error(err)
	}
}

// A plan on the real kernel, with a program that never finds no entry.
func TestReplaceOnKernel(t *testing.T) {
	i := tabletest.Private(t)
	tr := kernelTraits(t, i)
	table := New(i.Dir)
	e := valid()
	e.Interpreter = tr.Interpreter(t, "old")
	if err := table.Add(e); err != nil {
		t.Fatal(err)
	}
	e.Interpreter = tr.Interpreter(t, "new")
	list, err := table.List()
	if err != nil {
		t.Fatal(err)
	}
	p, err := activators.NewPlan(list, []activators.Entry{e}, everything{})
	if err != nil || len(p.Steps) != 4 {
		t.Fatalf("%+v, %v", p, err)
	}
	if err := p.Apply(table, nil); err != nil {
		t.Fatal(err)
	}
	if got := tr.Match(t, table, []byte("ABC")); got != "new" {
		t.Errorf("the program is run by %q", got)
	}
}

// everything owns all entries.
type everything struct{}

func (everything) Owns(activators.Entry) bool    { return true }
func (everything) Stale(activators.Entry) string { return "" }
