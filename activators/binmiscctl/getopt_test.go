package binmiscctl

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/memory"
)

// options reads arguments of add and returns what getopt made of them.
func options(posix bool, args ...string) string {
	var s strings.Builder
	g := &getopt{args: args, options: addOptions, posix: posix, stderr: &s}
	for {
		id, arg, ok := g.next()
		if !ok {
			return s.String()
		}
		fmt.Fprintf(&s, "%c=%s ", id, arg)
	}
}

func TestGetopt(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"", ""},
		{"-e -s20", "e= s=20 "},
		{"-ep -s 20", "e= p= s=20 "},
		{"-epi/x", "e= p= i=/x "},
		{"-s -e", "s=-e "},
		{"--size -e --mag -- --mask --", "s=-e m=-- M=-- "},
		{"--int=/x --mag=a=b --mas= --off 1 --siz 2 --set --pre", "i=/x m=a=b M= o=1 s=2 e= p= "},
		{"--i x --o 1 --p --si 2 --se", "i=x o=1 p= s=2 e= "},
		{"x -e y - z -p", "e= p= "},
		{"-e -- -p", "e= "},
		{"-e- -p", "e= "},
		{"--", ""},
		{"--set-enabled --size=1 --size=2", "e= s=1 s=2 "},
		{"--magic", "binmiscctl: option `--magic' requires an argument\n?= "},
		{"-s", "binmiscctl: option requires an argument -- s\n?= "},
		{"--ma x", "binmiscctl: option `--ma' is ambiguous\n?= "},
		{"--=x -e", "binmiscctl: option `--' is ambiguous\n?= e= "},
		{"--masks x", "binmiscctl: unrecognized option `--masks'\n?= "},
		{"--SIZE x", "binmiscctl: unrecognized option `--SIZE'\n?= "},
		{"-xe", "binmiscctl: invalid option -- x\n?= e= "},
		{"-:", "binmiscctl: invalid option -- :\n?= "},
		{"-e\x01", "e= binmiscctl: invalid option -- \x01\n?= "},
		{"--pre-open=", "binmiscctl: option `--pre-open' doesn't allow an argument\n?= "},
	} {
		if got := options(false, strings.Fields(c.args)...); got != c.want {
			t.Errorf("%s: %q, want %q", c.args, got, c.want)
		}
	}
	if got := options(true, "-ex", "y", "-p"); got != "e= binmiscctl: illegal option -- x\n?= " {
		t.Errorf("with POSIXLY_CORRECT: %q", got)
	}
}

func TestAtol(t *testing.T) {
	for text, want := range map[string]int64{
		"": 0, "20": 20, "20x": 20, "0x14": 0, " \t20": 20, "+7": 7, "-7": -7, "- 7": 0, "x": 0, "007": 7,
		"9223372036854775807": 1<<63 - 1, "9223372036854775808": 1<<63 - 1, "99999999999999999999": 1<<63 - 1,
		"-99999999999999999999": -(1<<63 - 1), "4294967298": 4294967298,
	} {
		if got := atol(text); got != want {
			t.Errorf("atol(%q) = %d, want %d", text, got, want)
		}
	}
}

func TestUnescape(t *testing.T) {
	for text, want := range map[string]string{
		"": "", `BC\xc0\xde`: "BC\xc0\xde", `\xC0\xDe`: "\xc0\xde", `\\`: `\`, `\\x41`: `\x41`, `\\\x41`: `\A`, `\\\\`: `\\`,
		"\x80 \n": "\x80 \n", `\x411`: "A1", `\x00`: "\x00", `ä`: "ä",
	} {
		if got, err := Unescape(text); err != nil || string(got) != want {
			t.Errorf("Unescape(%q) = %q, %v, want %q", text, got, err, want)
		}
	}
	for _, text := range []string{`\`, `\x`, `\x4`, `\xZZ`, `\x4Z`, `\x 4`, `\x+4`, `\n`, `\X41`, `A\`, "\\\n", `\é`} {
		if got, err := Unescape(text); err == nil {
			t.Errorf("Unescape(%q) = %q", text, got)
		}
	}
}

// What is escaped is read back, and what is read is escaped to the same bytes.
func FuzzUnescape(f *testing.F) {
	for _, s := range []string{"", `\x7fELF`, `\\x41`, `\`, `BC\xc0\xde`, "\x00\xff", `\x4`, `\\\`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if got, err := Unescape(escape([]byte(text))); err != nil || string(got) != text {
			t.Errorf("%q becomes %q, %v", text, got, err)
		}
		b, err := Unescape(text)
		if err != nil {
			return
		}
		if again, err := Unescape(escape(b)); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%q: %q, %v", text, again, err)
		}
		if len(b) > len(text) {
			t.Errorf("%q has become longer: %q", text, b)
		}
	})
}

// Whatever the arguments are: the status is 0 or 255, a failure says something
// and changes nothing, and what was registered is read back.
func FuzzRun(f *testing.F) {
	for _, args := range [][]string{announcedMips64, announcedLLVM, armv7(), nil, {"list"}, {"lookup", "x"}, {"add", "x", "-es2", "-m", "AB", "-i", "/i  #a\t##"}, {"add", "x", "--", "-e"}} {
		f.Add(strings.Join(args, "\x00"), true)
		f.Add(strings.Join(args, "\x00"), false)
	}
	f.Fuzz(func(t *testing.T, line string, isLinux bool) {
		kernel := memory.FreeBSD
		if isLinux {
			kernel = memory.Linux
		}
		table := memory.New(kernel)
		status, _, errs := run(table, strings.Split(line, "\x00")...)
		list, _ := table.List()
		if status == 255 && (errs == "" || len(list) > 0) || status != 0 && status != 255 {
			t.Fatalf("%q: status %d, stderr %q, %v", line, status, errs, list)
		}
		for _, e := range list {
			if err := e.Validate(); err != nil {
				t.Errorf("%q registered %v", line, err)
			}
			_, out, _ := run(table, "lookup", e.Name)
			if out != Format(e) || !strings.HasSuffix(out, "\n\n") {
				t.Errorf("%q: lookup prints %q", line, out)
			}
			reregister(t, kernel, e)
		}
	})
}

// reregister runs the command line that CommandLine makes of an entry.
func reregister(t *testing.T, kernel memory.Kernel, e activators.Entry) {
	t.Helper()
	if len(e.Mask) == 0 {
		return // CommandLine always sends one
	}
	e.Flags.PreOpen = e.Flags.PreOpen || e.Flags.FixBinary
	args := words(CommandLine(e))
	table := memory.New(kernel)
	if status, _, errs := run(table, args[1:]...); status != 0 {
		t.Fatalf("%q: %s", args, errs)
	}
	e.Flags.FixBinary, e.Flags.PreOpen = kernel == memory.Linux && e.Flags.PreOpen, kernel == memory.FreeBSD && e.Flags.PreOpen
	if list, _ := table.List(); !list[0].Equal(e) {
		t.Errorf("%q registers %+v, not %+v", args, list[0], e)
	}
}

// words splits a command line of which CommandLine quoted the words.
func words(line string) []string {
	var out []string
	word, quoted, escaped := "", false, false
	for _, b := range []byte(line) {
		switch {
		case escaped:
			word, escaped = word+string([]byte{b}), false
		case b == '\'':
			quoted = !quoted
		case b == '\\' && !quoted:
			escaped = true
		case b == ' ' && !quoted:
			out, word = append(out, word), ""
		default:
			word += string([]byte{b})
		}
	}
	return append(out, word)
}
