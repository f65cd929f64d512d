package memory

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/tabletest"
)

func match(_ *testing.T, table activators.Table, content []byte) string {
	e, _ := table.(*Table).Match(content)
	return e.Name
}

func TestConformance(t *testing.T) {
	t.Run("linux", func(t *testing.T) {
		tabletest.Run(t, func(*testing.T) activators.Table { return New(Linux) },
			tabletest.Traits{Kernel: "linux", NameMax: 255, HeaderMax: 256, LinuxOnly: true, Strict: true, Match: match})
	})
	freebsd := tabletest.Traits{Kernel: "freebsd", NameMax: 31, HeaderMax: 4096, Capacity: 64, Args: true, PreOpen: true, MaskNeeded: true, Match: match}
	t.Run("freebsd", func(t *testing.T) {
		tabletest.Run(t, func(*testing.T) activators.Table { return New(FreeBSD) }, freebsd)
	})
}

func entry(change func(*activators.Entry)) activators.Entry {
	e := activators.Entry{Name: "a", Interpreter: "/i", Magic: activators.Hex("AB"), Mask: activators.Hex("\xff\xff"), Enabled: true}
	if change != nil {
		change(&e)
	}
	return e
}

// wraps sets an offset whose sum with the size of the magic is 4 in 32 bits.
// The kernel takes it; where int has 32 bits it cannot be said.
func wraps(e *activators.Entry) {
	far := uint32(0xfffffff0)
	e.Offset, e.Magic, e.Mask = int(far), make([]byte, 20), nil
}

var wrapped = map[int]error{32: activators.ErrInvalid}[strconv.IntSize]

// What FreeBSD 15.1's kernel did when it was tried.
func TestFreeBSDAdd(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*activators.Entry)
		want   error // nil: taken
	}{
		"disabled":               {func(e *activators.Entry) { e.Enabled = false }, nil},
		"empty magic":            {func(e *activators.Entry) { e.Magic, e.Mask = nil, nil }, nil},
		"empty name":             {func(e *activators.Entry) { e.Name = "" }, nil},
		"empty interpreter":      {func(e *activators.Entry) { e.Interpreter = "" }, nil},
		"relative":               {func(e *activators.Entry) { e.Interpreter = "bin/x" }, nil},
		"newline":                {func(e *activators.Entry) { e.Name, e.Interpreter = "a\nb", "/a\nb" }, nil},
		"name of 31":             {func(e *activators.Entry) { e.Name = strings.Repeat("n", 31) }, nil},
		"name of 32":             {func(e *activators.Entry) { e.Name = strings.Repeat("n", 32) }, syscall.EINVAL},
		"name of 32, no program": {func(e *activators.Entry) { e.Name, e.Interpreter = strings.Repeat("n", 32), "" }, nil},
		"name of 8 bits":         {func(e *activators.Entry) { e.Name = "\x80" }, syscall.EINVAL},
		"interpreter of 8 bits":  {func(e *activators.Entry) { e.Interpreter = "/é" }, syscall.EINVAL},
		"interpreter of 1279":    {func(e *activators.Entry) { e.Interpreter = strings.Repeat("/", 1279) }, nil},
		"interpreter of 1280":    {func(e *activators.Entry) { e.Interpreter = strings.Repeat("/", 1280) }, syscall.EINVAL},
		"arguments count":        {func(e *activators.Entry) { e.Interpreter, e.Args = strings.Repeat("/", 1278), []string{"x"} }, syscall.EINVAL},
		"#":                      {func(e *activators.Entry) { e.Args = []string{"#"} }, syscall.EINVAL},
		"#b":                     {func(e *activators.Entry) { e.Args = []string{"#b"} }, syscall.EINVAL},
		"###":                    {func(e *activators.Entry) { e.Args = []string{"###"} }, syscall.EINVAL},
		"# at the end of a word": {func(e *activators.Entry) { e.Args = []string{"#", "a"} }, syscall.EINVAL},
		"#a##":                   {func(e *activators.Entry) { e.Args = []string{"#a##"} }, nil},
		"4076+20":                {func(e *activators.Entry) { e.Offset, e.Magic, e.Mask = 4076, make([]byte, 20), nil }, nil},
		"4077+20":                {func(e *activators.Entry) { e.Offset, e.Magic, e.Mask = 4077, make([]byte, 20), nil }, syscall.EINVAL},
		"257":                    {func(e *activators.Entry) { e.Magic, e.Mask = make([]byte, 257), nil }, syscall.EINVAL},
		"sum wraps":              {wraps, wrapped},
	} {
		table := New(FreeBSD)
		if err := table.Add(entry(c.change)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestFreeBSDOlder(t *testing.T) {
	far := entry(func(e *activators.Entry) { e.Offset = 5000 })
	if err := New(FreeBSD).Add(far); !errors.Is(err, syscall.EINVAL) {
		t.Error(err)
	}
	if err := New(FreeBSD, Older()).Add(far); err != nil {
		t.Error(err)
	}
}

func TestFreeBSDBlanks(t *testing.T) {
	table := New(FreeBSD)
	for i, text := range []string{" /a  b\t\tc ", "/a b", "/a\t b\x00c"} {
		if err := table.Add(entry(func(e *activators.Entry) { e.Name, e.Interpreter = fmt.Sprint(i), text })); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string][]string{"0": {"", "/a", "b", "c", ""}, "1": {"/a", "b"}, "2": {"/a", "b"}} {
		e, err := table.Lookup(name)
		if got := append([]string{e.Interpreter}, e.Args...); err != nil || strings.Join(got, "|") != strings.Join(want, "|") {
			t.Errorf("%s: %q, want %q, %v", name, got, want, err)
		}
	}
	if e, err := table.Lookup("1\x00tail"); err != nil || e.Name != "1" {
		t.Errorf("a name ends at a NUL: %+v, %v", e, err)
	}
}

// The 65th entry is refused for that, unless it cannot be sent at all; then
// come the size and the name.
func TestFreeBSDErrorOrder(t *testing.T) {
	table := New(FreeBSD)
	for i := range 64 {
		if err := table.Add(entry(func(e *activators.Entry) { e.Name = fmt.Sprint(i) })); err != nil {
			t.Fatal(err)
		}
	}
	big := entry(func(e *activators.Entry) { e.Name, e.Magic, e.Mask = "0", make([]byte, 300), nil })
	if err := table.Add(big); !errors.Is(err, syscall.ENOSPC) || !errors.Is(err, activators.ErrFull) {
		t.Error(err)
	}
	if err := table.Add(entry(func(e *activators.Entry) { e.Flags.FixBinary = true })); !errors.Is(err, activators.ErrUnsupported) {
		t.Error(err)
	}
	if err := table.Remove("7"); err != nil {
		t.Fatal(err)
	}
	if err := table.Add(big); !errors.Is(err, syscall.EINVAL) {
		t.Error(err)
	}
	big.Magic = big.Magic[:2]
	if err := table.Add(big); !errors.Is(err, syscall.EEXIST) {
		t.Error(err)
	}
}

func TestFreeBSDMatch(t *testing.T) {
	table := New(FreeBSD)
	if err := table.Add(entry(func(e *activators.Entry) { e.Magic, e.Mask = nil, nil })); err != nil {
		t.Fatal(err)
	}
	if _, ok := table.Match(nil); ok {
		t.Error("an empty file reaches no activator")
	}
	if _, ok := table.Match([]byte("x")); !ok {
		t.Error("an empty magic matches every file")
	}
	table.Clear()
	if err := table.Add(entry(wraps)); !errors.Is(err, wrapped) {
		t.Fatal(err)
	}
	if _, ok := table.Match([]byte("x")); ok {
		t.Error("a wrapped offset matched")
	}
}

func TestUnprivileged(t *testing.T) {
	for _, k := range []Kernel{Linux, FreeBSD} {
		table := New(k, Unprivileged())
		if err := table.Add(entry(nil)); !errors.Is(err, activators.ErrPermission) {
			t.Errorf("%v: %v", k, err)
		}
		// sysctl asks for the privilege first, an open finds no file first.
		want := activators.ErrNotFound
		if k == FreeBSD {
			want = activators.ErrPermission
		}
		if err := table.Remove("a"); !errors.Is(err, want) {
			t.Errorf("%v: %v", k, err)
		}
		if _, err := table.List(); err != nil {
			t.Error(err)
		}
	}
	table := New(Linux)
	if err := table.Add(entry(nil)); err != nil {
		t.Fatal(err)
	}
	table.unprivileged = true
	if err := table.Disable("a"); !errors.Is(err, activators.ErrPermission) {
		t.Error(err)
	}
}

func TestLinuxInterpreter(t *testing.T) {
	asked := ""
	table := New(Linux, Interpreters(func(path string) error {
		asked = path
		return os.ErrNotExist
	}))
	if err := table.Add(entry(nil)); err != nil || asked != "" {
		t.Errorf("without F nothing is opened: %q, %v", asked, err)
	}
	fixed := entry(func(e *activators.Entry) { e.Flags.FixBinary = true })
	// The interpreter comes before the name that is taken.
	if err := table.Add(fixed); !errors.Is(err, activators.ErrInterpreter) || asked != "/i" {
		t.Errorf("%q, %v", asked, err)
	}
}

func TestLinuxSwitch(t *testing.T) {
	table := New(Linux)
	if err := table.Add(entry(nil)); err != nil {
		t.Fatal(err)
	}
	table.SetEnabled(false)
	s, _ := table.Status()
	e, _ := table.Lookup("a")
	if _, ok := table.Match([]byte("AB")); ok || s.Enabled || !e.Enabled {
		t.Errorf("%v %+v %+v", ok, s, e)
	}
	table.SetEnabled(true)
	if _, ok := table.Match([]byte("AB")); !ok {
		t.Error("no match")
	}
}

func TestLinuxExtension(t *testing.T) {
	table := New(Linux)
	if err := table.Add(activators.Entry{Name: "jar", Interpreter: "/i", Extension: "jar", Enabled: true}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"/a/b.jar": true, "a.x.jar": true, "/a/b.jarx": false, "jar": false, "/a.jar/b": false, "/a.b/jar": false} {
		if _, ok := table.MatchFile(name, []byte("x")); ok != want {
			t.Errorf("%s: %v", name, ok)
		}
	}
}
