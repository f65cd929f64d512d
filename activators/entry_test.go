package activators_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/internal/fault"
)

// entry is an enabled entry whose mask is all ones.
func entry(name, magic string) activators.Entry {
	return activators.Entry{Name: name, Interpreter: "/bin/" + name, Magic: activators.Hex(magic), Mask: bytes.Repeat([]byte{0xff}, len(magic)), Enabled: true}
}

func with(e activators.Entry, change func(*activators.Entry)) activators.Entry {
	change(&e)
	return e
}

func TestFlags(t *testing.T) {
	for want, f := range map[string]activators.Flags{
		"": {}, "P": {PreserveArgv0: true}, "POCF": {true, true, true, true, false},
		"PRE_OPEN": {PreOpen: true}, "F PRE_OPEN": {FixBinary: true, PreOpen: true},
	} {
		if got := f.String(); got != want {
			t.Errorf("%+v is %q, want %q", f, got, want)
		}
	}
	if f := (activators.Flags{Credentials: true}).Normal(); f.String() != "OC" {
		t.Errorf("C implies O: %v", f)
	}
}

func TestJSON(t *testing.T) {
	e := activators.Entry{Name: "a", Interpreter: "/i", Args: []string{"-x", "#a"}, Offset: 4, Magic: activators.Hex("\x7fEL\x00"), Mask: activators.Hex("\xff\x00\xff\xff"),
		Flags: activators.Flags{PreserveArgv0: true, PreOpen: true}, Enabled: true}
	b, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"name":"a","interpreter":"/i","args":["-x","#a"],"offset":4,"magic":"7f454c00","mask":"ff00ffff",` +
		`"flags":{"preserve_argv0":true,"open_binary":false,"credentials":false,"fix_binary":false,"pre_open":true},"enabled":true}`
	if string(b) != want {
		t.Errorf("got  %s\nwant %s", b, want)
	}
	var back activators.Entry
	if err := json.Unmarshal(b, &back); err != nil || !reflect.DeepEqual(e, back) {
		t.Errorf("%+v, %v", back, err)
	}
	if err := json.Unmarshal([]byte(`{"magic":"7F"}`), &back); err != nil || back.Magic[0] != 0x7f {
		t.Errorf("upper case: %v, %v", back.Magic, err)
	}
	if err := json.Unmarshal([]byte(`{"magic":"7"}`), &back); err == nil {
		t.Error("half a byte is taken")
	}
}

func TestNormal(t *testing.T) {
	e := with(entry("a", "AB"), func(e *activators.Entry) { e.Mask, e.Flags.Credentials = nil, true })
	n := e.Normal()
	if !bytes.Equal(n.Mask, []byte{0xff, 0xff}) || !n.Flags.OpenBinary {
		t.Errorf("%+v", n)
	}
	if e.Mask != nil {
		t.Error("the entry itself was changed")
	}
	if ext := (activators.Entry{Extension: "jar"}).Normal(); ext.Mask != nil {
		t.Errorf("%+v", ext)
	}
}

// Every field makes a difference, to Equal and to Digest.
func TestEqualAndDigest(t *testing.T) {
	base := with(entry("a", "AB"), func(e *activators.Entry) { e.Args = []string{"x", "y"} })
	changes := map[string]func(*activators.Entry){
		"name":        func(e *activators.Entry) { e.Name = "b" },
		"interpreter": func(e *activators.Entry) { e.Interpreter = "/bin/ax" },
		"args":        func(e *activators.Entry) { e.Args = []string{"x"} },
		"args joined": func(e *activators.Entry) { e.Args = []string{"x\x00y"} },
		"no args":     func(e *activators.Entry) { e.Args = nil },
		"offset":      func(e *activators.Entry) { e.Offset = 1 },
		"magic":       func(e *activators.Entry) { e.Magic = activators.Hex("AC") },
		"mask":        func(e *activators.Entry) { e.Mask = activators.Hex("\xff\xfe") },
		"no mask":     func(e *activators.Entry) { e.Mask = nil },
		"extension":   func(e *activators.Entry) { e.Extension = "x" },
		"flags":       func(e *activators.Entry) { e.Flags.FixBinary = true },
	}
	digests := map[string]string{base.Digest(): "base"}
	for name, change := range changes {
		e := with(base, change)
		if e.Equal(base) || e.SameRule(base) {
			t.Errorf("%s makes no difference", name)
		}
		if other := digests[e.Digest()]; other != "" {
			t.Errorf("%s has the digest of %s", name, other)
		}
		digests[e.Digest()] = name
	}
	off := with(base, func(e *activators.Entry) { e.Enabled = false })
	if off.Equal(base) || !off.SameRule(base) || off.Digest() != base.Digest() {
		t.Error("only Equal looks at whether an entry is enabled")
	}
	c := with(base, func(e *activators.Entry) { e.Flags.Credentials = true })
	oc := with(c, func(e *activators.Entry) { e.Flags.OpenBinary = true })
	if !c.Equal(oc) || c.Digest() != oc.Digest() {
		t.Error("C and OC are the same")
	}
}

func TestValidate(t *testing.T) {
	good := map[string]activators.Entry{
		"plain":       entry("mips64", "\x7fELF"),
		"no mask":     with(entry("a", "A"), func(e *activators.Entry) { e.Mask = nil }),
		"at the end":  with(entry("a", "AB"), func(e *activators.Entry) { e.Offset = 4094 }),
		"longest":     entry("a", strings.Repeat("x", 256)),
		"args":        with(entry("a", "A"), func(e *activators.Entry) { e.Args = []string{"-cpu", "#a"} }),
		"extension":   {Name: "jar", Interpreter: "/usr/bin/jexec", Extension: "jar"},
		"name of 255": with(entry("a", "A"), func(e *activators.Entry) { e.Name = strings.Repeat("n", 255) }),
		"blank":       with(entry("a b", "A"), func(e *activators.Entry) { e.Interpreter = "/a b" }),
	}
	for name, e := range good {
		if err := e.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	bad := map[string]struct {
		change func(*activators.Entry)
		want   string
	}{
		"no name":      {func(e *activators.Entry) { e.Name = "" }, "empty"},
		"dot":          {func(e *activators.Entry) { e.Name = "." }, "itself"},
		"dots":         {func(e *activators.Entry) { e.Name = ".." }, "itself"},
		"register":     {func(e *activators.Entry) { e.Name = "register" }, "itself"},
		"status":       {func(e *activators.Entry) { e.Name = "status" }, "itself"},
		"slash":        {func(e *activators.Entry) { e.Name = "a/b" }, "slash"},
		"newline":      {func(e *activators.Entry) { e.Name = "a\nb" }, "control"},
		"NUL":          {func(e *activators.Entry) { e.Name = "a\x00" }, "control"},
		"escape":       {func(e *activators.Entry) { e.Name = "\x1b[2J" }, "control"},
		"long":         {func(e *activators.Entry) { e.Name = strings.Repeat("n", 256) }, "256 bytes"},
		"relative":     {func(e *activators.Entry) { e.Interpreter = "bin/x" }, "not an absolute path"},
		"no program":   {func(e *activators.Entry) { e.Interpreter = "" }, "not an absolute path"},
		"program NUL":  {func(e *activators.Entry) { e.Interpreter = "/a\x00" }, "control"},
		"blank in arg": {func(e *activators.Entry) { e.Args = []string{"a b"} }, "blank"},
		"empty arg":    {func(e *activators.Entry) { e.Args = []string{""} }, "empty"},
		"tab in arg":   {func(e *activators.Entry) { e.Args = []string{"a\tb"} }, "blank"},
		"two kernels":  {func(e *activators.Entry) { e.Flags = activators.Flags{FixBinary: true, PreOpen: true} }, "two kernels"},
		"257":          {func(e *activators.Entry) { e.Magic, e.Mask = make([]byte, 257), nil }, "257 bytes"},
		"negative":     {func(e *activators.Entry) { e.Offset = -1 }, "not within"},
		"past":         {func(e *activators.Entry) { e.Offset = 4095 }, "not within"},
		"wraps":        {func(e *activators.Entry) { e.Offset = math.MaxInt }, "not within"},
		"short mask":   {func(e *activators.Entry) { e.Mask = e.Mask[:1] }, "its mask has 1 bytes, its magic 2"},
		"both":         {func(e *activators.Entry) { e.Extension = "x" }, "a magic and an extension"},
		"ext slash":    {func(e *activators.Entry) { e.Magic, e.Mask, e.Extension = nil, nil, "a/b" }, "slash"},
		"ext dot":      {func(e *activators.Entry) { e.Magic, e.Mask, e.Extension = nil, nil, "tar.gz" }, "dot"},
	}
	for name, c := range bad {
		err := with(entry("a", "AB"), c.change).Validate()
		if !errors.Is(err, activators.ErrInvalid) || fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: kind %v, %v, want %q", name, fault.KindOf(err), err, c.want)
		}
	}
	for name, e := range map[string]activators.Entry{
		"size 0":    with(entry("a", ""), func(e *activators.Entry) { e.Mask = nil }),
		"mask of 0": with(entry("a", "AB"), func(e *activators.Entry) { e.Mask = activators.Hex{0, 0} }),
	} {
		err := e.Validate()
		if !errors.Is(err, activators.ErrInvalid) || fault.KindOf(err) != fault.Unsafe {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFail(t *testing.T) {
	for sentinel, kind := range map[error]fault.Kind{
		activators.ErrExists: fault.Exists, activators.ErrNotFound: fault.NotFound, activators.ErrFull: fault.Unsupported, activators.ErrInvalid: fault.Usage,
		activators.ErrPermission: fault.Permission, activators.ErrUnsupported: fault.Unsupported, activators.ErrInterpreter: fault.NotFound,
	} {
		err := activators.Fail(sentinel, "what", syscall.EINVAL, "hint")
		if !errors.Is(err, sentinel) || !errors.Is(err, syscall.EINVAL) || fault.KindOf(err) != kind || fault.HintOf(err) != "hint" || err.Error() != "what: invalid argument" {
			t.Errorf("%v: %v, kind %v", sentinel, err, fault.KindOf(err))
		}
		if err := activators.Fail(sentinel, "what", nil, ""); err.Error() != "what: "+sentinel.Error() {
			t.Error(err)
		}
	}
	if k := fault.KindOf(activators.Fail(activators.ErrInterpreter, "", fmt.Errorf("x: %w", os.ErrPermission), "")); k != fault.Permission {
		t.Errorf("an interpreter that may not be executed is of kind %v", k)
	}
}

func TestCaptures(t *testing.T) {
	e := activators.Entry{Offset: 2, Magic: activators.Hex{0x12, 0x00, 0xff}, Mask: activators.Hex{0xf0, 0xff, 0x00}}
	for header, want := range map[string]bool{
		"..\x1f\x00\x55": true, "..\x10": true, "..\x20\x00": false, "..\x10\x01": false, "": false, ".": false, "\x10\x00": false,
	} {
		if got := activators.Captures(e, []byte(header)); got != want {
			t.Errorf("%q: %v", header, got)
		}
	}
	zeros := activators.Entry{Offset: 4000, Magic: activators.Hex{0, 0}}
	if !activators.Captures(zeros, nil) || activators.Captures(zeros, bytes.Repeat([]byte{1}, 4096)) {
		t.Error("a short file ends in zeros")
	}
	if activators.Captures(activators.Entry{Extension: "x"}, nil) {
		t.Error("an extension captures a header")
	}
}

// Covers and Overlaps agree with trying every file, on entries over two bytes
// of two bits each.
func TestSetsExhaustively(t *testing.T) {
	var all []activators.Entry
	for m := range 16 {
		for k := range 16 {
			for offset := range 2 {
				e := activators.Entry{Offset: offset, Magic: activators.Hex{byte(m & 3), byte(m >> 2)}, Mask: activators.Hex{byte(k & 3), byte(k >> 2)}}
				all = append(all, e)
			}
		}
	}
	sets := make([][]bool, len(all))
	for i, e := range all {
		for f := range 64 {
			sets[i] = append(sets[i], activators.Captures(e, []byte{byte(f & 3), byte(f >> 2 & 3), byte(f >> 4)}))
		}
	}
	for i, a := range all {
		for j, b := range all {
			covers, overlaps := true, false
			for f := range 64 {
				covers = covers && (sets[i][f] || !sets[j][f])
				overlaps = overlaps || sets[i][f] && sets[j][f]
			}
			if activators.Covers(a, b) != covers || activators.Overlaps(a, b) != overlaps {
				t.Fatalf("%+v, %+v: covers %v, overlaps %v", a, b, covers, overlaps)
			}
		}
	}
}

func TestSetsOfExtensions(t *testing.T) {
	jar, tar, elf := activators.Entry{Extension: "jar"}, activators.Entry{Extension: "tar"}, entry("elf", "\x7fELF")
	if !activators.Covers(jar, jar) || activators.Covers(jar, tar) || activators.Covers(jar, elf) || activators.Covers(elf, jar) {
		t.Error("covers")
	}
	if activators.Overlaps(jar, tar) || !activators.Overlaps(jar, elf) || !activators.Overlaps(elf, jar) {
		t.Error("overlaps")
	}
}

// ownHeader is what the kernel sees of this test.
func ownHeader(t *testing.T) []byte {
	t.Helper()
	name, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	h, err := activators.ReadHeader(name)
	if err != nil || len(h) != activators.HeaderMax {
		t.Fatalf("%d bytes, %v", len(h), err)
	}
	return h
}

func TestNative(t *testing.T) {
	self := ownHeader(t)
	ident := func(change func(magic, mask []byte)) activators.Entry {
		e := entry("a", string(self[:20]))
		e.Mask[7] = 0
		change(e.Magic, e.Mask)
		return e
	}
	osabi := func(v byte) activators.Entry {
		return ident(func(magic, mask []byte) { magic[7], mask[7] = v, 0xff })
	}
	etype := func(v byte) activators.Entry {
		return ident(func(magic, _ []byte) {
			magic[16], magic[17] = v, 0
			if self[5] == 2 {
				magic[16], magic[17] = 0, v
			}
		})
	}
	other := byte(9)
	if self[7] == other {
		other = 0x55
	}
	atFlags := 48
	if self[4] == 1 {
		atFlags = 36
	}
	foreign := ident(func(magic, _ []byte) { magic[18] ^= 0x40 })
	for name, c := range map[string]struct {
		e    activators.Entry
		want string // "" is fine
	}{
		"itself":             {ident(func(_, _ []byte) {}), "machine's own"},
		"ELF":                {entry("a", "\x7fELF"), "machine's own"},
		"one byte":           {with(entry("a", "E"), func(e *activators.Entry) { e.Offset = 1 }), "machine's own"},
		"GNU":                {osabi(3), "machine's own"},
		"another system":     {osabi(other), ""},
		"ET_EXEC":            {etype(2), "machine's own"},
		"ET_DYN":             {etype(3), "machine's own"},
		"ET_CORE":            {etype(4), ""},
		"another machine":    {foreign, ""},
		"another byte order": {ident(func(magic, _ []byte) { magic[5] ^= 3 }), ""},
		"entry point":        {with(entry("a", string(self[:24])+"\x12\x34"), func(e *activators.Entry) { e.Mask[7] = 0 }), "machine's own"},
		"e_flags":            {with(entry("a", string(self[:atFlags])+"\x01\x02\x03\x04"), func(e *activators.Entry) { copy(e.Mask[20:atFlags], make([]byte, 28)) }), ""},
		"tar":                {with(entry("a", "ustar"), func(e *activators.Entry) { e.Offset = 200 }), ""},
		"script":             {entry("a", "#!"), "scripts"},
		"odd script":         {entry("a", "#!/opt/odd"), ""},
		"everything":         {with(entry("a", "A"), func(e *activators.Entry) { e.Mask = activators.Hex{0} }), "every file"},
		"extension":          {activators.Entry{Name: "jar", Extension: "jar"}, ""},
	} {
		for _, enabled := range []bool{true, false} {
			c.e.Enabled = enabled
			err := activators.Native(c.e)
			if c.want == "" && err != nil || c.want != "" && (fault.KindOf(err) != fault.Unsafe || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%s: %v, want %q", name, err, c.want)
			}
		}
	}
	header := slices.Clone(foreign.Magic)
	if err := activators.Native(foreign, nil, header); fault.KindOf(err) != fault.Unsafe || !strings.Contains(err.Error(), "interpreter") {
		t.Errorf("an entry that takes its own interpreter: %v", err)
	}
}

func TestReadHeader(t *testing.T) {
	if _, err := activators.ReadHeader(t.TempDir() + "/none"); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
