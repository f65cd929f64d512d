package binmisc

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/internal/fault"
)

// Nothing of this reaches the kernel, with a mask or verbatim.
func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*activators.Entry)
		want   error
		kind   fault.Kind
	}{
		"size 0":            {func(e *activators.Entry) { e.Magic = nil }, activators.ErrInvalid, fault.Unsafe},
		"257 bytes":         {func(e *activators.Entry) { e.Magic = make([]byte, 257) }, activators.ErrInvalid, fault.Usage},
		"past the page":     {func(e *activators.Entry) { e.Offset = 4094 }, activators.ErrInvalid, fault.Usage},
		"sum wraps":         {func(e *activators.Entry) { e.Offset = wrapping }, activators.ErrInvalid, fault.Usage},
		"mask of zeros":     {func(e *activators.Entry) { e.Mask = activators.Hex{0, 0, 0} }, activators.ErrInvalid, fault.Unsafe},
		"mask's length":     {func(e *activators.Entry) { e.Mask = activators.Hex{0xff} }, activators.ErrInvalid, fault.Usage},
		"relative":          {func(e *activators.Entry) { e.Interpreter = "bin/a" }, activators.ErrInvalid, fault.Usage},
		"no interpreter":    {func(e *activators.Entry) { e.Interpreter = "" }, activators.ErrInvalid, fault.Usage},
		"leading blank":     {func(e *activators.Entry) { e.Interpreter = " /bin/a" }, activators.ErrInvalid, fault.Usage},
		"trailing blank":    {func(e *activators.Entry) { e.Interpreter = "/bin/a " }, activators.ErrInvalid, fault.Usage},
		"blank":             {func(e *activators.Entry) { e.Interpreter = "/bin/a b" }, activators.ErrInvalid, fault.Usage},
		"tab":               {func(e *activators.Entry) { e.Interpreter = "/bin/a\tb" }, activators.ErrInvalid, fault.Usage},
		"newline":           {func(e *activators.Entry) { e.Interpreter = "/bin/a\nb" }, activators.ErrInvalid, fault.Usage},
		"empty argument":    {func(e *activators.Entry) { e.Args = []string{""} }, activators.ErrInvalid, fault.Usage},
		"blank in argument": {func(e *activators.Entry) { e.Args = []string{"a b"} }, activators.ErrInvalid, fault.Usage},
		"8 bits":            {func(e *activators.Entry) { e.Interpreter = "/bin/é" }, activators.ErrInvalid, fault.Usage},
		"8 bits, no UTF-8":  {func(e *activators.Entry) { e.Args = []string{"\x80"} }, activators.ErrInvalid, fault.Usage},
		"1280 bytes":        {func(e *activators.Entry) { e.Interpreter = strings.Repeat("/", 1280) }, activators.ErrInvalid, fault.Usage},
		"with arguments":    {func(e *activators.Entry) { e.Interpreter, e.Args = strings.Repeat("/", 1278), []string{"x"} }, activators.ErrInvalid, fault.Usage},
		"#":                 {func(e *activators.Entry) { e.Args = []string{"#"} }, activators.ErrInvalid, fault.Usage},
		"#b":                {func(e *activators.Entry) { e.Args = []string{"#b"} }, activators.ErrInvalid, fault.Usage},
		"###":               {func(e *activators.Entry) { e.Args = []string{"###"} }, activators.ErrInvalid, fault.Usage},
		"# and a":           {func(e *activators.Entry) { e.Args = []string{"#", "a"} }, activators.ErrInvalid, fault.Usage},
		"# in the path":     {func(e *activators.Entry) { e.Interpreter = "/c#/a" }, activators.ErrInvalid, fault.Usage},
		"#a in the path":    {func(e *activators.Entry) { e.Interpreter = "/bin/#a" }, activators.ErrInvalid, fault.Usage},
		"## and PRE_OPEN":   {func(e *activators.Entry) { e.Interpreter, e.Flags.PreOpen = "/c##/a", true }, activators.ErrInvalid, fault.Usage},
		"name of 32":        {func(e *activators.Entry) { e.Name = strings.Repeat("n", 32) }, activators.ErrInvalid, fault.Usage},
		"name of 8 bits":    {func(e *activators.Entry) { e.Name = "é" }, activators.ErrInvalid, fault.Usage},
		"empty name":        {func(e *activators.Entry) { e.Name = "" }, activators.ErrInvalid, fault.Usage},
		"control in name":   {func(e *activators.Entry) { e.Name = "a\x1b" }, activators.ErrInvalid, fault.Usage},
		"P":                 {func(e *activators.Entry) { e.Flags.PreserveArgv0 = true }, activators.ErrUnsupported, fault.Unsupported},
		"C":                 {func(e *activators.Entry) { e.Flags.Credentials = true }, activators.ErrUnsupported, fault.Unsupported},
		"F":                 {func(e *activators.Entry) { e.Flags.FixBinary = true }, activators.ErrUnsupported, fault.Unsupported},
		"F and PRE_OPEN":    {func(e *activators.Entry) { e.Flags.FixBinary, e.Flags.PreOpen = true, true }, activators.ErrUnsupported, fault.Unsupported},
		"extension":         {func(e *activators.Entry) { e.Magic, e.Extension = nil, "jar" }, activators.ErrUnsupported, fault.Unsupported},
	} {
		f := newFake()
		table := tableOn(f)
		e := valid()
		c.change(&e)
		for _, err := range []error{table.Check(e), table.Add(e), table.AddVerbatim(e)} {
			if !errors.Is(err, c.want) || fault.KindOf(err) != c.kind {
				t.Errorf("%s: kind %v, %v", name, fault.KindOf(err), err)
			}
		}
		if len(f.calls) != 0 {
			t.Errorf("%s: the kernel saw it", name)
		}
	}
}

// wrapping is an offset whose sum with three bytes is 1 in 32 bits; it is
// negative where int has no more of them.
var wrapping = func(far uint32) int { return int(far) }(0xfffffffe)

func TestCheckTakes(t *testing.T) {
	table := tableOn(newFake())
	for name, change := range map[string]func(*activators.Entry){
		"nothing special":         func(*activators.Entry) {},
		"the end of the page":     func(e *activators.Entry) { e.Offset = 4093 },
		"256 bytes":               func(e *activators.Entry) { e.Magic = activators.Hex(strings.Repeat("x", 256)) },
		"name of 31":              func(e *activators.Entry) { e.Name = strings.Repeat("n", 31) },
		"interpreter of 1279":     func(e *activators.Entry) { e.Interpreter = strings.Repeat("/", 1279) },
		"macros":                  func(e *activators.Entry) { e.Args = []string{"-x=#a", "##", "y##z", "#a#a", "##a"} },
		"## in the path":          func(e *activators.Entry) { e.Interpreter = "/c##/a" },
		"##a in the path":         func(e *activators.Entry) { e.Interpreter = "/c##a/a" },
		"a blank in the name":     func(e *activators.Entry) { e.Name = "a b" },
		"arguments and PRE_OPEN":  func(e *activators.Entry) { e.Args, e.Flags.PreOpen = []string{"-cpu", "#a"}, true },
		"bits beside of the mask": func(e *activators.Entry) { e.Mask = activators.Hex{0xff, 0, 0} },
	} {
		e := valid()
		change(&e)
		if err := table.Add(e); err != nil {
			t.Errorf("%s: %v", name, err)
		} else if err := table.Remove(e.Name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// binmiscctl(8) takes an interpreter that comes later, when its file system is
// mounted for one. What is there and cannot be run stays refused.
func TestInterpreterLater(t *testing.T) {
	table := newTable(newFake())
	e := valid()
	e.Interpreter = filepath.Join(t.TempDir(), "later")
	if err := table.Add(e); !errors.Is(err, activators.ErrInterpreter) {
		t.Errorf("Add: %v", err)
	}
	if err := table.AddVerbatim(e); err != nil {
		t.Errorf("AddVerbatim: %v", err)
	}
	e.Name = "script"
	if err := os.WriteFile(e.Interpreter, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := table.AddVerbatim(e); !errors.Is(err, activators.ErrInvalid) {
		t.Errorf("a script: %v", err)
	}
}

// The files of this machine, as they are.
func TestInterpreterFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode fs.FileMode) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	program := write("program", "\x7fELF", 0o755)
	if err := os.Symlink("program", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o755); err != nil {
		t.Fatal(err)
	}
	for path, c := range map[string]struct {
		want error
		kind fault.Kind
		hint string
	}{
		program:       {},
		dir + "/link": {},
		dir + "/../" + filepath.Base(dir) + "/link": {},
		write("short", "#", 0o755):                  {},
		write("empty", "", 0o755):                   {},
		write("c#", "\x7fELF", 0o755) + "#":         {},
		dir + "/missing":                            {activators.ErrInterpreter, fault.NotFound, "install"},
		program + "/x":                              {activators.ErrInterpreter, fault.NotFound, "install"},
		dir:                                         {activators.ErrInterpreter, fault.Permission, "emulator itself"},
		fifo:                                        {activators.ErrInterpreter, fault.Permission, "emulator itself"},
		write("plain", "\x7fELF", 0o644):            {activators.ErrInterpreter, fault.Permission, "chmod 755 " + dir + "/plain"},
		write("script", "#!/bin/sh\n", 0o755):       {activators.ErrInvalid, fault.Usage, "program"},
	} {
		for _, preOpen := range []bool{false, true} {
			f := newFake()
			e := valid()
			e.Interpreter, e.Flags.PreOpen = path, preOpen && !strings.Contains(path, "#")
			err := newTable(f).Add(e)
			if !errors.Is(err, c.want) || fault.KindOf(err) != c.kind || !strings.Contains(fault.HintOf(err), c.hint) {
				t.Errorf("%s: kind %v, %v, hint %q", path, fault.KindOf(err), err, fault.HintOf(err))
			}
			if (len(f.entries) == 1) != (c.want == nil) {
				t.Errorf("%s: the table has %d entries", path, len(f.entries))
			}
		}
	}
}

func TestWarnings(t *testing.T) {
	e := valid()
	if w := tableOn(newFake()).Warnings(e); len(w) != 0 {
		t.Error(w)
	}
	for args, want := range map[string]bool{"#a": true, "-x=#a": true, "##a": false, "##": false, "###a": true, "a": false} {
		e.Args = []string{args}
		if w := tableOn(newFake()).Warnings(e); (len(w) == 1 && strings.Contains(w[0], "scripts")) != want {
			t.Errorf("%s: %q", args, w)
		}
	}
	setid := newTable(newFake(), Interpreters(func(string) (Interpreter, error) { return Interpreter{SetID: true}, nil }))
	if w := setid.Warnings(valid()); len(w) != 1 || !strings.Contains(w[0], "set-id") {
		t.Errorf("%q", w)
	}
}
