package binmiscctl

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/memory"
	"github.com/xjail/xjail/internal/fault"
)

// run runs the program on a table and returns its status and what it writes.
func run(t activators.Table, args ...string) (int, string, string) {
	var out, errs bytes.Buffer
	status := Run(t, args, &out, &errs, Options{})
	return status, out.String(), errs.String()
}

// does wants that a command succeeds in silence.
func does(t *testing.T, table activators.Table, args ...string) {
	t.Helper()
	if status, out, errs := run(table, args...); status != 0 || out != "" || errs != "" {
		t.Errorf("%q: status %d, stdout %q, stderr %q", args, status, out, errs)
	}
}

// fails wants status 255 and the first line of stderr; usage says whether the
// usage text follows.
func fails(t *testing.T, table activators.Table, first string, usage bool, args ...string) {
	t.Helper()
	before, _ := table.List()
	status, out, errs := run(table, args...)
	line, rest, _ := strings.Cut(errs, "\n")
	if status != 255 || out != "" || line != first {
		t.Errorf("%q: status %d, stdout %q, stderr\n%s\nwant 255 and %q", args, status, out, errs, first)
	}
	if strings.HasSuffix(rest, Usage()) != usage {
		t.Errorf("%q: the usage text follows: %v, want %v\n%s", args, !usage, usage, errs)
	}
	after, _ := table.List()
	if len(before) != len(after) {
		t.Errorf("%q failed and changed the table", args)
	}
}

// The examples of the announcement of 2013, as it prints them.
var (
	announcedMips64 = []string{
		"add", "mips64elf", "--interpreter", "/usr/local/bin/qemu-mips64",
		"--magic", `\x7f\x45\x4c\x46\x02\x02\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x08`,
		"--mask", `\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff`,
		"--size", "20", "--set-enabled",
	}
	announcedLLVM = []string{
		"add", "llvmbc", "--interpreter", "/usr/bin/lli --fake-argv0=#a",
		"--magic", `BC\xc0\xde`, "--size", "4", "--set-enabled",
	}
)

// mips64 is the beginning of a big-endian mips64 program of FreeBSD, a PIE.
const mips64 = "\x7fELF\x02\x02\x01\x09\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03\x00\x08\x00\x00\x00\x01"

// wantsMatch checks which entry FreeBSD's kernel takes, "" for none.
func wantsMatch(t *testing.T, table *memory.Table, header, want string) {
	t.Helper()
	if e, _ := table.Match([]byte(header)); e.Name != want {
		t.Errorf("%q is taken by %q, want %q", header, e.Name, want)
	}
}

func TestAnnouncement(t *testing.T) {
	table := memory.New(memory.FreeBSD)
	does(t, table, announcedMips64...)
	wantsMatch(t, table, mips64, "mips64elf")
	status, out, errs := run(table, announcedLLVM...)
	if status != 0 || out != "" {
		t.Fatalf("status %d: %s%s", status, out, errs)
	}
	for _, want := range []string{"note: 'llvmbc' got a mask of ones", "note: 'llvmbc' breaks scripts"} {
		if !strings.Contains(errs, want) {
			t.Errorf("no %q in %q", want, errs)
		}
	}
	wantsMatch(t, table, "BC\xc0\xde\x35\x14", "llvmbc")
	does(t, table, "remove", "llvmbc")
	wantsMatch(t, table, "BC\xc0\xde\x35\x14", "")
	wantsMatch(t, table, mips64, "mips64elf")
}

// As printed, the second example never matched: without a mask the kernel
// compares signed bytes with unsigned ones. --verbatim sends just that.
func TestVerbatim(t *testing.T) {
	for _, option := range []string{"--verbatim", "--v"} {
		table := memory.New(memory.FreeBSD)
		status, _, errs := run(table, append(announcedLLVM, option)...)
		if status != 0 || !strings.Contains(errs, "note: 'llvmbc' will never match") {
			t.Fatalf("status %d: %s", status, errs)
		}
		wantsMatch(t, table, "BC\xc0\xde\x35\x14", "")
		_, out, _ := run(table, "lookup", "llvmbc")
		want := "name: llvmbc\ninterpreter: /usr/bin/lli --fake-argv0=#a\nflags: ENABLED \nmagic size: 4\nmagic offset: 0\nmagic: 0x42 0x43 0xc0 0xde \n\n"
		if out != want {
			t.Errorf("lookup prints\n%q, want\n%q", out, want)
		}
	}
	table := memory.New(memory.FreeBSD)
	does(t, table, "add", "low", "-i", "/i", "-m", "LOW", "-s3", "--verbatim", "-e")
	wantsMatch(t, table, "LOW", "low")
}

// normalizing is a Table whose Add amends entries, as package binmisc's does.
type normalizing struct {
	*memory.Table
	loads   int
	loading error
}

func (n *normalizing) Add(e activators.Entry) error         { return n.Table.Add(e.Normal()) }
func (n *normalizing) AddVerbatim(e activators.Entry) error { return n.Table.Add(e) }
func (n *normalizing) Instance() (string, error)            { return "", nil }
func (n *normalizing) Load() error                          { n.loads++; return n.loading }

func TestVerbatimAdder(t *testing.T) {
	table := &normalizing{Table: memory.New(memory.FreeBSD)}
	does(t, table, "add", "a", "-i", "/i", "-m", "A", "-s1", "--verbatim")
	does(t, table, "add", "b", "-i", "/i", "-m", "A", "-s1")
	list, _ := table.List()
	if len(list) != 2 || list[1].Mask != nil || len(list[0].Mask) != 1 {
		t.Errorf("%+v", list)
	}
}

// The module is loaded for every command whose command line is right.
func TestLoad(t *testing.T) {
	table := &normalizing{Table: memory.New(memory.FreeBSD)}
	for _, args := range [][]string{nil, {"bogus"}, {"add"}, {"lookup"}, {"add", "x", "--size", "0"}, {"add", "x", "-s4", "-m", "AB", "-i", "/i"}} {
		if status, _, _ := run(table, args...); status != 255 || table.loads != 0 {
			t.Errorf("%q: status %d, the module was loaded %d times", args, status, table.loads)
		}
	}
	does(t, table, "list")
	if table.loads != 1 {
		t.Errorf("list loaded the module %d times", table.loads)
	}
	table.loading = fault.Wrap(fault.Permission, syscall.EPERM, "load", "run it as root")
	status, _, errs := run(table, "list")
	if want := "Can't load imgact_binmisc kernel module: Operation not permitted\nHint: run it as root\n"; status != 255 || errs != want {
		t.Errorf("status %d, stderr %q, want %q", status, errs, want)
	}
}

const (
	noArgument = "Error: requires at least one argument"
	badMagic   = "Error: invalid magic argument"
	badMask    = "Error: invalid mask argument"
	notUnique  = "'a' is not unique in activator list"
	notFound   = "'b' is not found in activator list"
	missing    = "Required argument missing"
)

// Each message of binmiscctl, in its words.
func TestMessages(t *testing.T) {
	a := []string{"add", "a", "--interpreter", "/i", "--magic", "AB", "--size", "2"}
	long := strings.Repeat("n", 32)
	for _, c := range []struct {
		first string
		args  []string
	}{
		{noArgument, nil},
		{`Error: Unknown command "bogus"`, []string{"bogus"}},
		{`Error: Unknown command ""`, []string{""}},
		{`Error: Unknown command "liſt"`, []string{"liſt"}},
		{missing, []string{"add"}},
		{missing, []string{"remove"}},
		{missing, []string{"enable"}},
		{missing, []string{"disable"}},
		{missing, []string{"lookup"}},
		{notUnique, a},
		{notUnique, append([]string{"ADD"}, a[1:]...)},
		{notFound, []string{"remove", "b"}},
		{notFound, []string{"Enable", "b"}},
		{notFound, []string{"disable", "b"}},
		{notFound, []string{"lookup", "b"}},
		{"'A' is not found in activator list", []string{"lookup", "A"}},
		{"Error: Missing '--size' argument", []string{"add", "b"}},
		{"Error: Missing '--size' argument", []string{"add", "b", "--magic", "AB", "--interpreter", "/i"}},
		{"Error: Missing magic argument", []string{"add", "b", "--size", "2", "--mask", "AB", "--interpreter", "/i"}},
		{badMagic, []string{"add", "b", "--size", "2", "--magic", "ABC"}},
		{badMagic, []string{"add", "b", "--size", "4", "--magic", "ABC"}},
		{badMagic, []string{"add", "b", "--size", "1", "--magic", ""}},
		{badMagic, []string{"add", "b", "--size", "1", "--magic", `\q`}},
		{badMask, []string{"add", "b", "--size", "2", "--magic", "AB", "--mask", "A"}},
		{badMask, []string{"add", "b", "--size", "2", "--magic", "AB", "--mask", `\xf`}},
		{"Error: Missing 'interpreter' argument", []string{"add", "b", "--size", "2", "--magic", "AB"}},
		{"Error: Missing 'interpreter' argument", []string{"add", "b", "--size", "2", "--magic", "AB", "--interpreter", " \t "}},
		{"Error: Not valid '--size' value. (Must be > 0 and <= 256.)", []string{"add", "b", "--size", "0"}},
		{"Error: Not valid '--size' value. (Must be > 0 and <= 256.)", []string{"add", "b", "--size", "300"}},
		{"Error: Not valid '--size' value. (Must be > 0 and <= 256.)", []string{"add", "b", "--size", "-1"}},
		{"Error: Not valid '--size' value. (Must be > 0 and <= 256.)", []string{"add", "b", "--size", "0x14"}},
		{"Error: Not valid '--size' value. (Must be > 0 and <= 256.)", []string{"add", "b", "--size", "4294967298"}},
		{"Error: Not valid '--size' value. (Must be > 0 and <= 256.)", []string{"add", "b", "--size", "99999999999999999999"}},
		{"'interpreter' too large", []string{"add", "b", "--interpreter", "/" + strings.Repeat("i", 1279)}},
		{"'" + long + "' string length longer than IBE_NAME_MAX - 1 (31)", append([]string{"add", long}, a[2:]...)},
		{"'" + long + "' string length longer than IBE_NAME_MAX - 1 (31)", []string{"remove", long}},
		{"binmiscctl: option `--m' is ambiguous", append(a, "--m", "x")},
		{"binmiscctl: option `--s' is ambiguous", append(a, "--s=2")},
		{"binmiscctl: unrecognized option `--x=1'", append(a, "--x=1")},
		{"binmiscctl: option `--magic' requires an argument", append(a, "--magic")},
		{"binmiscctl: option `--set-en' doesn't allow an argument", append(a, "--set-en=yes")},
		{"binmiscctl: invalid option -- x", append(a, "-ex")},
		{"binmiscctl: option requires an argument -- s", append(a, "-es")},
		{invalidText, []string{"add", "b", "-i", "/i #b", "-m", "AB", "-s", "2"}},
		{invalidText, []string{"add", "b", "-i", "relative", "-m", "AB", "-s", "2"}},
		{invalidText, []string{"add", "", "-i", "/i", "-m", "AB", "-s", "2"}},
		{invalidText, []string{"add", "b\x80", "-i", "/i", "-m", "AB", "-s", "2"}},
		{invalidText, []string{"add", "b", "-i", "/i", "-m", "AB", "-s", "2", "-o", "4095"}},
		{invalidText, []string{"add", "b", "-i", "/i", "-m", "AB", "-s", "2", "-o", "-1"}},
		{invalidText, []string{"add", "b", "-i", "/i", "-m", "AB", "-s", "2", "-o", "4294967295"}},
	} {
		table := memory.New(memory.FreeBSD)
		does(t, table, a...)
		fails(t, table, c.first, true, c.args...)
	}
}

// What getopt_long does not understand is said twice, as binmiscctl does.
func TestUnknownArgument(t *testing.T) {
	_, _, errs := run(memory.New(memory.FreeBSD), "add", "b", "--x")
	if want := "binmiscctl: unrecognized option `--x'\nUnknown argument: '?'\n" + Usage(); errs != want {
		t.Errorf("stderr\n%s\nwant\n%s", errs, want)
	}
}

// After a message that ends in a newline of its own there is an empty line.
func TestUsage(t *testing.T) {
	want, err := os.ReadFile("testdata/usage.txt")
	if err != nil {
		t.Fatal(err)
	}
	if Usage() != string(want) {
		t.Errorf("the usage text is\n%s\nwant\n%s", Usage(), want)
	}
	for first, args := range map[string][]string{
		noArgument + "\n": nil, missing + "\n\n": {"lookup"},
		"Error: Not valid '--size' value. (Must be > 0 and <= 256.)\n\n": {"add", "b", "-s0"},
	} {
		if _, _, errs := run(memory.New(memory.FreeBSD), args...); errs != first+Usage() {
			t.Errorf("%q: %q", args, errs)
		}
	}
}

// Details follow the message, on lines of their own.
func TestDetails(t *testing.T) {
	for detail, args := range map[string][]string{
		"it has 3 bytes, and --size is 4\n":                           {"add", "b", "-s4", "-m", "ABC", "-i", "/i"},
		`"\\xZZ" is not \x and two hexadecimal digits`:                {"add", "b", "-s4", "-m", `\xZZABC`, "-i", "/i"},
		"20 bytes at offset 4294967280 are not within the first 4096": {"add", "b", "-s20", "-m", strings.Repeat("A", 20), "-i", "/i", "-o", "4294967280"},
		"its interpreter \"relative\" is not an absolute path":        {"add", "b", "-s1", "-m", "A", "-i", "relative"},
		"Hint: give the absolute path":                                {"add", "b", "-s1", "-m", "A", "-i", "relative"},
		"it has 1280 bytes, 1279 at most\n":                           {"add", "b", "-i", "/" + strings.Repeat("i", 1279)},
		"it has a control character":                                  {"add", "b\n", "-s1", "-m", "A", "-i", "/i"},
	} {
		if _, _, errs := run(memory.New(memory.FreeBSD), args...); !strings.Contains(errs, detail) {
			t.Errorf("no %q in\n%s", detail, errs)
		}
	}
}

// What would make the machine unusable is refused, verbatim or not.
func TestUnsafe(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	header, err := activators.ReadHeader(self)
	if err != nil || len(header) < 20 {
		t.Fatal(len(header), err)
	}
	for name, args := range map[string][]string{
		"everything": {"add", "x", "-i", "/i", "-m", "AB", "-M", `\x00\x00`, "-s2"},
		"native":     {"add", "x", "-i", "/i", "-m", escape(header[:20]), "-s20"},
		"any ELF":    {"add", "x", "-i", "/i", "-m", `\x7fELF`, "-s4"},
		"scripts":    {"add", "x", "-i", "/i", "-m", "#!", "-s2"},
	} {
		for _, kernel := range []memory.Kernel{memory.FreeBSD, memory.Linux} {
			for _, more := range [][]string{nil, {"--verbatim"}, {"-e"}} {
				table := memory.New(kernel)
				status, _, errs := run(table, append(args, more...)...)
				if list, _ := table.List(); status != 255 || !strings.HasPrefix(errs, `Error: activator "x": it `) || len(list) != 0 {
					t.Errorf("%s on %s %v: status %d, %s, %v", name, kernel, more, status, errs, list)
				}
			}
		}
	}
	table := memory.New(memory.FreeBSD)
	wide := activators.Entry{Name: "wide", Interpreter: "/i", Magic: activators.Hex("\x7fELF"), Mask: activators.Hex("\xff\xff\xff\xff")}
	if err := table.Add(wide); err != nil {
		t.Fatal(err)
	}
	fails(t, table, `Error: activator "wide": it would take this machine's own programs`, false, "enable", "wide")
	if e, _ := table.Lookup("wide"); e.Enabled {
		t.Error("it is enabled")
	}
	does(t, table, "disable", "wide")
	does(t, table, "remove", "wide")
}

// Its own interpreter would never run.
func TestOwnInterpreter(t *testing.T) {
	file := t.TempDir() + "/interpreter"
	if err := os.WriteFile(file, []byte("ABC"), 0o755); err != nil {
		t.Fatal(err)
	}
	fails(t, memory.New(memory.FreeBSD), `Error: activator "x": it would take its own interpreter`, false, "add", "x", "-i", file, "-m", "AB", "-s2")
}

func TestPrivileges(t *testing.T) {
	for _, kernel := range []memory.Kernel{memory.FreeBSD, memory.Linux} {
		table := memory.New(kernel, memory.Unprivileged())
		fails(t, table, "Insufficient privileges for 'add' command", true, "Add", "b", "-i", "/i", "-m", "AB", "-s2")
		does(t, table, "list")
	}
	table := memory.New(memory.FreeBSD, memory.Unprivileged())
	fails(t, table, "Insufficient privileges for 'remove' command", true, "remove", "b")
	fails(t, table, "Insufficient privileges for 'disable' command", true, "disable", "b")
}

func TestFull(t *testing.T) {
	table := memory.New(memory.FreeBSD)
	for i := range 64 {
		does(t, table, "add", strings.Repeat("n", i/8+1)+string(rune('a'+i%8)), "-i", "/i", "-m", "AB", "-s2")
	}
	fails(t, table, "Fatal: no more room in the activator list (limited to 64 enties)", false, "add", "b", "-i", "/i", "-m", "AB", "-s2")
}

// broken is a table that fails for no reason of its own.
type broken struct{ *memory.Table }

func (broken) List() ([]activators.Entry, error) {
	return nil, fault.Wrap(fault.Failed, syscall.ENOMEM, "list", "")
}
func (broken) Remove(string) error { return errors.New("no reason") }

func TestFatal(t *testing.T) {
	fails(t, broken{memory.New(memory.FreeBSD)}, "Fatal: sysctlbyname() returned: Cannot allocate memory", false, "list")
	fails(t, broken{memory.New(memory.Linux)}, "Fatal: list: cannot allocate memory", false, "list")
	fails(t, broken{memory.New(memory.FreeBSD)}, "Fatal: sysctlbyname() returned: No reason", false, "remove", "x")
}

// closed is a pipe that nobody reads.
type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, syscall.EPIPE }

func TestOutputFails(t *testing.T) {
	table := memory.New(memory.FreeBSD)
	does(t, table, announcedMips64...)
	var errs bytes.Buffer
	for _, args := range [][]string{{"list"}, {"lookup", "mips64elf"}} {
		if status := Run(table, args, closed{}, &errs, Options{}); status != 255 {
			t.Errorf("%q: status %d", args, status)
		}
	}
}

// The commands act on the entry named, whoever made it, and on no other.
func TestSwitch(t *testing.T) {
	table := memory.New(memory.FreeBSD)
	does(t, table, announcedMips64...)
	does(t, table, "add", "other", "-i", "/i", "-m", "AB", "-s2")
	state := func(name string) bool {
		e, err := table.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		return e.Enabled
	}
	does(t, table, "DISABLE", "mips64elf")
	does(t, table, "disable", "mips64elf", "ignored")
	does(t, table, "enable", "other")
	if state("mips64elf") || !state("other") {
		t.Error("mips64elf is enabled, or other is not")
	}
	does(t, table, "remove", "other")
	if list, _ := table.List(); len(list) != 1 {
		t.Errorf("%+v", list)
	}
}

// poudriere asks for the emulator in this way (common.sh, check_emulation).
func TestPoudriere(t *testing.T) {
	table := memory.New(memory.FreeBSD)
	does(t, table, "add", "mips64", "-i", "  /usr/local/bin/qemu-mips64-static\t -cpu   any ", "-m", "AB", "-s2")
	_, out, _ := run(table, "lookup", "mips64")
	awk := exec.Command("awk", "/interpreter:/ {print $2}")
	awk.Stdin = strings.NewReader(out)
	got, err := awk.Output()
	if err != nil {
		t.Skip("no awk here: ", err)
	}
	if string(got) != "/usr/local/bin/qemu-mips64-static\n" {
		t.Errorf("poudriere reads %q of\n%s", got, out)
	}
	if !strings.Contains(out, "\ninterpreter: /usr/local/bin/qemu-mips64-static -cpu any\n") {
		t.Errorf("blanks are not what the kernel makes of them: %s", out)
	}
}

// What could harm the machine is refused; what is only odd is said.
func TestSafeOption(t *testing.T) {
	for name, c := range map[string]struct {
		err    error
		status int
	}{
		"unsafe": {fault.New(fault.Unsafe, "", "it would take programs of i386"), 255},
		"unused": {fault.New(fault.Unsupported, "", "it would never be used"), 0},
	} {
		var stdout, stderr strings.Builder
		o := Options{Safe: func(activators.Table, activators.Entry, ...[]byte) error { return c.err }}
		table := memory.New(memory.FreeBSD)
		status := Run(table, []string{"add", "a", "-i", "/i", "-m", "AB", "-s2"}, &stdout, &stderr, o)
		if list, _ := table.List(); status != c.status || len(list) == 1 != (status == 0) || !strings.Contains(stderr.String(), c.err.Error()) {
			t.Errorf("%s: status %d, %d entries, %q", name, status, len(list), stderr.String())
		}
	}
}
