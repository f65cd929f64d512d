package binfmt

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/internal/fault"
)

func unhexed(t testing.TB, s string) activators.Hex {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// golden are lines that others register. Encoding what they mean gives them
// back, but for the digits' case and an offset that is left out.
var golden = []struct {
	source, line string
	want         activators.Entry
	magic, mask  string
	encoded      string // "" when it is the line
}{
	{
		source:  "Debian qemu-user-static 7.2, /usr/lib/binfmt.d/qemu-mips64.conf",
		line:    `:qemu-mips64:M::\x7f\x45\x4c\x46\x02\x02\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x08:\xff\xff\xff\xff\xff\xff\xff\x00\xfe\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff:/usr/libexec/qemu-binfmt/mips64-binfmt-P:OPF`,
		want:    activators.Entry{Name: "qemu-mips64", Interpreter: "/usr/libexec/qemu-binfmt/mips64-binfmt-P", Flags: activators.Flags{OpenBinary: true, PreserveArgv0: true, FixBinary: true}},
		magic:   "7f454c4602020100000000000000000000020008",
		mask:    "ffffffffffffff00fefffffffffffffffffeffff",
		encoded: `:qemu-mips64:M:0:\x7f\x45\x4c\x46\x02\x02\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x08:\xff\xff\xff\xff\xff\xff\xff\x00\xfe\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff:/usr/libexec/qemu-binfmt/mips64-binfmt-P:POF`,
	},
	{
		source:  "Debian qemu-user-static 7.2, /usr/lib/binfmt.d/qemu-arm.conf",
		line:    `:qemu-arm:M::\x7f\x45\x4c\x46\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x28\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:/usr/libexec/qemu-binfmt/arm-binfmt-P:OPF`,
		want:    activators.Entry{Name: "qemu-arm", Interpreter: "/usr/libexec/qemu-binfmt/arm-binfmt-P", Flags: activators.Flags{OpenBinary: true, PreserveArgv0: true, FixBinary: true}},
		magic:   "7f454c4601010100000000000000000002002800",
		mask:    "ffffffffffffff00fffffffffffffffffeffffff",
		encoded: `:qemu-arm:M:0:\x7f\x45\x4c\x46\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x28\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:/usr/libexec/qemu-binfmt/arm-binfmt-P:POF`,
	},
	{
		source:  "Debian llvm-14-runtime.binfmt.conf",
		line:    ":llvm-14-runtime.binfmt:M::BC::/usr/bin/lli-14:\n",
		want:    activators.Entry{Name: "llvm-14-runtime.binfmt", Interpreter: "/usr/bin/lli-14"},
		magic:   "4243",
		encoded: `:llvm-14-runtime.binfmt:M:0:\x42\x43::/usr/bin/lli-14:`,
	},
	{
		source:  "Debian python3.11.conf",
		line:    `:python3.11:M::\xa7\x0d\x0d\x0a::/usr/bin/python3.11:`,
		want:    activators.Entry{Name: "python3.11", Interpreter: "/usr/bin/python3.11"},
		magic:   "a70d0d0a",
		encoded: `:python3.11:M:0:\xa7\x0d\x0d\x0a::/usr/bin/python3.11:`,
	},
	{
		source:  "binfmt.d(5), start WINE on Windows executables",
		line:    ":DOSWin:M::MZ::/usr/bin/wine:",
		want:    activators.Entry{Name: "DOSWin", Interpreter: "/usr/bin/wine"},
		magic:   "4d5a",
		encoded: `:DOSWin:M:0:\x4d\x5a::/usr/bin/wine:`,
	},
	{
		source: "Linux Documentation/admin-guide/java.rst, JAR files",
		line:   ":ExecutableJAR:E::jar::/usr/local/bin/jarwrapper:",
		want:   activators.Entry{Name: "ExecutableJAR", Interpreter: "/usr/local/bin/jarwrapper", Extension: "jar"},
	},
	{
		source: "Linux Documentation/admin-guide/binfmt-misc.rst, MPD file: another delimiter is any byte",
		line:   `,DEXE,M,0,\x0eDEX,,/usr/bin/dosexec,`,
		want:   activators.Entry{Name: "DEXE", Interpreter: "/usr/bin/dosexec"}, magic: "0e444558",
		encoded: `:DEXE:M:0:\x0e\x44\x45\x58::/usr/bin/dosexec:`,
	},
	{
		source: "a path with a colon needs another delimiter",
		line:   `|a|M|4|\x3a\x7c|\xff\x0f|/opt/a:b/c|POCF`,
		want: activators.Entry{Name: "a", Interpreter: "/opt/a:b/c", Offset: 4,
			Flags: activators.Flags{PreserveArgv0: true, OpenBinary: true, Credentials: true, FixBinary: true}},
		magic: "3a7c", mask: "ff0f",
	},
}

func TestGolden(t *testing.T) {
	for _, c := range golden {
		c.want.Enabled, c.want.Magic = true, unhexed(t, c.magic)
		if c.magic == "" {
			c.want.Magic = nil
		}
		if c.mask != "" {
			c.want.Mask = unhexed(t, c.mask)
		}
		got, err := ParseLine([]byte(c.line))
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s:\ngot  %+v, %v\nwant %+v", c.source, got, err, c.want)
		}
		if c.encoded == "" {
			c.encoded = c.line
		}
		line, err := EncodeLine(c.want)
		if err != nil || string(line) != c.encoded {
			t.Errorf("%s:\ngot  %s, %v\nwant %s", c.source, line, err, c.encoded)
		}
	}
}

func valid() activators.Entry {
	return activators.Entry{Name: "a", Interpreter: "/bin/true", Magic: activators.Hex("AB"), Enabled: true}
}

// What a kernel would take, cut or misread is refused.
func TestEncodeLineRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*activators.Entry)
		sort   error
		want   string
	}{
		"newline":   {func(e *activators.Entry) { e.Name = "a\nb" }, activators.ErrInvalid, "control"},
		"NUL":       {func(e *activators.Entry) { e.Interpreter = "/a\x00b" }, activators.ErrInvalid, "control"},
		"relative":  {func(e *activators.Entry) { e.Interpreter = "true" }, activators.ErrInvalid, "absolute"},
		"status":    {func(e *activators.Entry) { e.Name = "status" }, activators.ErrInvalid, "itself"},
		"slash":     {func(e *activators.Entry) { e.Name = "a/b" }, activators.ErrInvalid, "slash"},
		"args":      {func(e *activators.Entry) { e.Args = []string{"-x"} }, activators.ErrUnsupported, "arguments"},
		"PRE_OPEN":  {func(e *activators.Entry) { e.Flags.PreOpen = true }, activators.ErrUnsupported, "PRE_OPEN"},
		"past 256":  {func(e *activators.Entry) { e.Offset = 255 }, activators.ErrInvalid, "first 256 bytes"},
		"1921":      {func(e *activators.Entry) { e.Interpreter = "/" + strings.Repeat("b", 1921-len(`:a:M:0:\x41\x42::/:`)) }, activators.ErrInvalid, "1921 bytes, 1920"},
		"delimiter": {func(e *activators.Entry) { e.Interpreter = "/" + delimiters }, activators.ErrInvalid, "every character"},
	} {
		e := valid()
		c.change(&e)
		if line, err := EncodeLine(e); !errors.Is(err, c.sort) || !strings.Contains(err.Error(), c.want) || line != nil {
			t.Errorf("%s: %s, %v", name, line, err)
		}
	}
	e := valid()
	e.Interpreter = "/" + strings.Repeat("b", 1920-len(`:a:M:0:\x41\x42::/:`))
	if line, err := EncodeLine(e); err != nil || len(line) != LineMax {
		t.Errorf("%d bytes, %v", len(line), err)
	}
}

// Every delimiter is used when those before it are taken, and reads back.
func TestDelimiters(t *testing.T) {
	for i := range delimiters {
		e := valid()
		e.Name, e.Interpreter, e.Mask = "n"+delimiters[:i], "/bin/true", activators.Hex("\xff\xff")
		line, err := EncodeLine(e)
		if err != nil || line[0] != delimiters[i] {
			t.Fatalf("%s, %v", line, err)
		}
		if got, err := ParseLine(line); err != nil || !got.Equal(e) {
			t.Errorf("%s: %+v, %v", line, got, err)
		}
	}
}

// kernelLines are lines and what Linux 6.18 made of them: the file of the
// entry, or "" for EINVAL. TestLinesOnKernel asks the kernel at hand.
var kernelLines = []struct{ line, want string }{
	{":a:M:0:AB::/bin/true:", "offset 0\nmagic 4142\n"},
	{":a:M::AB::/bin/true:\n", "offset 0\nmagic 4142\n"},
	{":a:M:0:AB::/bin/true:\n\n", ""},
	{":a:M:0:AB::/bin/true", ""},
	{":a:E::foo::/bin/true:", "extension .foo\n"},
	{":a:E:zzz:foo:mask:/bin/true:", "extension .foo\n"},
	{":a:E::fo/o::/bin/true:", ""},
	{":a:E::::/bin/true:", ""},
	{`:a:E::fo\x41::/bin/true:`, `extension .fo\x41` + "\n"},
	{":a:E::.foo::/bin/true:", "extension ..foo\n"},
	{":a:E::foo:/bin/true:", ""},
	{":a:E::fo\x00o::/bin/true:", ""},
	{":a:E:\x00:foo::/bin/true:", ""},
	{":a:E::foo:\x00:/bin/true:", ""},
	{":a:M:0:::/bin/true:", ""},
	{`:a:M:0:\x00::/bin/true:`, "offset 0\nmagic 00\n"},
	{`:a:M:0:A\x00B::/bin/true:`, "offset 0\nmagic 410042\n"},
	{":a:M:0:A\x00B::/bin/true:", "offset 0\nmagic 41\n"},
	{":a:M:0:\x00B::/bin/true:", ""},
	{":a:M:0:AB:\x00:/bin/true:", "offset 0\nmagic 4142\n"},
	{":a:M:0:AB:\\xff\\xff\x00\\x00:/bin/true:", "offset 0\nmagic 4142\nmask ffff\n"},
	{`:a:M:0:AB:\xff:/bin/true:`, ""},
	{`:a:M:0:AB:\xff\xff\xff:/bin/true:`, ""},
	{`:a:M:0:AB:\xff\x00:/bin/true:`, "offset 0\nmagic 4142\nmask ff00\n"},
	{`:a:M:0:AB:\x00\x00:/bin/true:`, "offset 0\nmagic 4142\nmask 0000\n"},
	{`:a:M:0:A\x4::/bin/true:`, ""},
	{`:a:M:0:A\xZZ::/bin/true:`, ""},
	{`:a:M:0:A\q::/bin/true:`, "offset 0\nmagic 415c71\n"},
	{`:a:M:0:A\\::/bin/true:`, "offset 0\nmagic 415c5c\n"},
	{`:a:M:0:A\\x41::/bin/true:`, "offset 0\nmagic 415c5c783431\n"},
	{`:a:M:0:A\\\x41::/bin/true:`, "offset 0\nmagic 415c5c41\n"},
	{`:a:M:0:A\xaf\xAF\XAF::/bin/true:`, "offset 0\nmagic 41afaf5c584146\n"},
	{`:a:M:0:A\::/bin/true:`, "offset 0\nmagic 415c\n"},
	{":a:M:0x1:AB::/bin/true:", ""},
	{":a:M:010:AB::/bin/true:", "offset 10\nmagic 4142\n"},
	{":a:M: 1:AB::/bin/true:", ""},
	{":a:M:1\n:AB::/bin/true:", "offset 1\nmagic 4142\n"},
	{":a:M:\n:AB::/bin/true:", ""},
	{":a:M:+1:AB::/bin/true:", "offset 1\nmagic 4142\n"},
	{":a:M:-0:AB::/bin/true:", "offset 0\nmagic 4142\n"},
	{":a:M:-1:AB::/bin/true:", ""},
	{":a:M:+-1:AB::/bin/true:", ""},
	{":a:M:-+0:AB::/bin/true:", ""},
	{":a:M:+:AB::/bin/true:", ""},
	{":a:M:1_0:AB::/bin/true:", ""},
	{":a:M:1a:AB::/bin/true:", ""},
	{":a:M:254:AB::/bin/true:", "offset 254\nmagic 4142\n"},
	{":a:M:255:AB::/bin/true:", ""},
	{":a:M:256:AB::/bin/true:", ""},
	{":a:M:2147483647:A::/bin/true:", ""},
	{":a:M:4294967296:A::/bin/true:", ""},
	{":a:M:99999999999:A::/bin/true:", ""},
	{":a:M:0:AB:::", ""},
	{":a:M:0:AB::/bin/tr\x00ue:", ""},
	{"::M:0:AB::/bin/true:", ""},
	{":.:M:0:AB::/bin/true:", ""},
	{":..:M:0:AB::/bin/true:", ""},
	{":a/b:M:0:AB::/bin/true:", ""},
	{":a\x00b:M:0:AB::/bin/true:", ""},
	{":a:M:0:AB::/bin/true:P", "offset 0\nmagic 4142\n"},
	{":a:M:0:AB::/bin/true:PP", "offset 0\nmagic 4142\n"},
	{":a:M:0:AB::/bin/true:C", "offset 0\nmagic 4142\n"},
	{":a:M:0:AB::/bin/true:FC\n", "offset 0\nmagic 4142\n"},
	{":a:M:0:AB::/bin/true:p", ""},
	{":a:M:0:AB::/bin/true:PX", ""},
	{":a:M:0:AB::/bin/true:P:O", ""},
	{":a:M:0:AB::/bin/true:P\nO", ""},
	{":a:M:0:AB::/bin/true:P\x00", ""},
	{":a:m:0:AB::/bin/true:", ""},
	{":a:MM:0:AB::/bin/true:", ""},
	{":a::0:AB::/bin/true:", ""},
	{"a", ""},
	{"", ""},
	{":::::::", ""},
	{":::::::::::::", ""},
	{":a:M:::::", ""},
	{"0000000000000", ""},
	{":a:M::A::b:", "offset 0\nmagic 41\n"},
	{":a:M::A:::", ""},
	{",a,M,0,x:y,,/bin/true,", "offset 0\nmagic 783a79\n"},
	{"xaxMx0xABxx/bin/truex", "offset 0\nmagic 4142\n"},
	{`xaxMx0xA\x41Bxx/bin/truex`, "offset 0\nmagic 414142\n"},
	{`4a4M404\x414\xff4/bin/true4`, "offset 0\nmagic 41\nmask ff\n"},
	{`\a\M\0\AB\\/bin/true\`, "offset 0\nmagic 4142\n"},
	{`\a\M\0\\x41\\/bin/true\`, ""},
	{"\x00a\x00M\x000\x00AB\x00\x00/bin/true\x00", "offset 0\nmagic 4142\n"},
	{"\na\nM\n0\nAB\n\n/bin/true\n", ""},
	{"\na\nM\n0\nAB\n\n/bin/true\nP\n", "offset 0\nmagic 4142\n"},
	{"1a1M101AB11/bin/true1", "offset 0\nmagic 4142\n"},
	{"PaPMP0PABPP/bin/trueP", ""},
	{"PaPMP0PABPP/bin/trueP\n", ""},
	{"FaFMF0FABFF/bin/trueF\n", ""},
	{"PaPMP0PABPP/bin/truePP", ""},
	{":a:M:0:" + strings.Repeat(`\x41`, 256) + "::/bin/true:", "offset 0\nmagic " + strings.Repeat("41", 256) + "\n"},
	{":a:M:0:" + strings.Repeat(`\x41`, 257) + "::/bin/true:", ""},
	{":a:M:1:" + strings.Repeat(`\x41`, 256) + "::/bin/true:", ""},
	{":" + strings.Repeat("n", 255) + ":M:0:AB::/bin/true:", "offset 0\nmagic 4142\n"},
	{":a:E::" + strings.Repeat("e", 300) + "::/bin/true:", "extension ." + strings.Repeat("e", 300) + "\n"},
	{":a:M:0:AB::/" + strings.Repeat("b", 1920-13) + ":", "offset 0\nmagic 4142\n"},
	{":a:M:0:AB::/" + strings.Repeat("b", 1921-13) + ":", ""},
}

func TestParseLine(t *testing.T) {
	for _, c := range kernelLines {
		e, err := ParseLine([]byte(c.line))
		if c.want == "" {
			if !errors.Is(err, activators.ErrInvalid) || fault.KindOf(err) != fault.Damaged {
				t.Errorf("%.60q: %+v, %v", c.line, e, err)
			}
			continue
		}
		_, pattern, _ := strings.Cut(string(FormatEntry(e)), "\nflags: ")
		_, pattern, _ = strings.Cut(pattern, "\n")
		if err != nil || pattern != c.want {
			t.Errorf("%.60q: %q, %v, want %q", c.line, pattern, err, c.want)
		}
	}
	if _, err := ParseLine([]byte(":" + strings.Repeat("n", 256) + ":M:0:AB::/bin/true:")); err == nil {
		t.Error("a name of 256 bytes, ENAMETOOLONG, is taken")
	}
}

func FuzzParseLine(f *testing.F) {
	for _, c := range golden {
		f.Add([]byte(c.line))
	}
	for _, c := range kernelLines {
		f.Add([]byte(c.line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := ParseLine(line)
		if err != nil {
			return
		}
		encoded, err := EncodeLine(e)
		if err != nil {
			return // what the kernel takes is more than what is sound
		}
		back, err := ParseLine(encoded)
		if err != nil || !back.Equal(e) {
			t.Errorf("%q: %+v, encoded %q: %+v, %v", line, e, encoded, back, err)
		}
		entry, err := ParseEntry(e.Name, FormatEntry(e))
		if err != nil || !entry.Equal(e) {
			t.Errorf("%q: %+v, printed %q: %+v, %v", line, e, FormatEntry(e), entry, err)
		}
	})
}

func FuzzParseEntry(f *testing.F) {
	for _, text := range entryTexts {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := ParseEntry("a", text)
		if err != nil {
			return
		}
		back, err := ParseEntry("a", FormatEntry(e))
		if err != nil || !back.Equal(e) {
			t.Errorf("%q: %+v, printed %q: %+v, %v", text, e, FormatEntry(e), back, err)
		}
	})
}

// entryTexts are files as Linux 6.18 prints them.
var entryTexts = []string{
	"enabled\ninterpreter /usr/libexec/qemu-binfmt/mips64-binfmt-P\nflags: POF\noffset 0\nmagic 7f454c4602020100000000000000000000020008\nmask ffffffffffffff00fefffffffffffffffffeffff\n",
	"disabled\ninterpreter /bin/true\nflags: \noffset 10\nmagic 4142\n",
	"enabled\ninterpreter /bin/true\nflags: OCF\nextension .jar\n",
	"enabled\ninterpreter /bin/tr\nue\nflags: \noffset 0\nmagic 4142\n",
	"enabled\ninterpreter /a\nflags: P\nb\nflags: \noffset 0\nmagic 4142\n",
	"enabled\ninterpreter /a\ninterpreter /b\nflags: \noffset 0\nmagic 4142\n",
	"enabled\ninterpreter /bin/true\nflags: \nextension .f o\no\n",
}

// ParseEntry and FormatEntry are each other's inverse on what the kernel prints.
func TestParseEntry(t *testing.T) {
	for _, text := range entryTexts {
		e, err := ParseEntry("a", []byte(text))
		if err != nil || string(FormatEntry(e)) != text {
			t.Errorf("%q: %+v, %q, %v", text, e, FormatEntry(e), err)
		}
	}
	e, err := ParseEntry("a", []byte(entryTexts[0]))
	want := activators.Entry{Name: "a", Interpreter: "/usr/libexec/qemu-binfmt/mips64-binfmt-P", Enabled: true,
		Flags: activators.Flags{PreserveArgv0: true, OpenBinary: true, FixBinary: true},
		Magic: unhexed(t, "7f454c4602020100000000000000000000020008"), Mask: unhexed(t, "ffffffffffffff00fefffffffffffffffffeffff")}
	if err != nil || !reflect.DeepEqual(e, want) {
		t.Errorf("%+v, %v", e, err)
	}
}

func TestParseEntryRefuses(t *testing.T) {
	good := entryTexts[0]
	for name, text := range map[string]string{
		"empty": "", "status": "enabled\n", "cut": good[:len(good)-1], "state": "on" + good, "flag": strings.Replace(good, "POF", "PXF", 1),
		"no flags": strings.Replace(good, "flags: ", "flag: ", 1), "offset": strings.Replace(good, "offset 0", "offset x", 1),
		"negative": strings.Replace(good, "offset 0", "offset -1", 1), "odd": strings.Replace(good, "magic 7f", "magic 7", 1),
		"label": strings.Replace(good, "magic", "magik", 1), "mask": strings.Replace(good, "mask ff", "mask gg", 1), "more": good + "x\n",
		"nothing": "enabled\ninterpreter /a\nflags: \n", "offset alone": "enabled\ninterpreter /a\nflags: \noffset 0\n",
		"offset label": strings.Replace(good, "offset 0", "0", 1), "NUL": strings.Replace(good, "P", "\x00", 1),
	} {
		if name == "NUL" {
			text = strings.Replace(good, "flags: P", "flags: \x00", 1)
		}
		if e, err := ParseEntry("a", []byte(text)); !errors.Is(err, activators.ErrInvalid) || fault.KindOf(err) != fault.Damaged {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
	}
}

func TestEscape(t *testing.T) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	if got := unescape([]byte(escape(all))); !bytes.Equal(got, all) {
		t.Errorf("%x", []byte(got))
	}
	if got := fmt.Sprint(unhex('g'), unhex('F'), unhex('/'), unhex(':'), unhex('@'), unhex('`')); got != "-1 15 -1 -1 -1 -1" {
		t.Error(got)
	}
}
