package jail

import (
	"bytes"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/memory"
	"github.com/xjail/xjail/arch"
)

// example is a set in which something is wrong.
type example struct {
	kernel   string // linux when ""
	entries  []activators.Entry
	host     func(*activators.Host)
	file     *activators.Interpreter // what is known of the first entry's interpreter
	severity activators.Severity
	entry    string // which entry the finding is about; the first one when ""
	other    string // "" is not looked at
}

// of is xjail's entry for an architecture, changed.
func of(t *testing.T, name string, changes ...func(*activators.Entry)) activators.Entry {
	t.Helper()
	a := mustArch(t, name)
	p := a.Pattern(arch.Any)
	e := activators.Entry{Name: name, Interpreter: "/usr/bin/qemu-" + a.QEMU + "-static", Enabled: true, Magic: p.Magic, Mask: p.Mask,
		Flags: activators.Flags{FixBinary: true, PreserveArgv0: true}}
	for _, change := range changes {
		change(&e)
	}
	return e
}

func called(name string) func(*activators.Entry) {
	return func(e *activators.Entry) { e.Name = name }
}

func by(interpreter string) func(*activators.Entry) {
	return func(e *activators.Entry) { e.Interpreter = interpreter }
}

func mask(at int, bits byte) func(*activators.Entry) {
	return func(e *activators.Entry) {
		e.Mask = bytes.Clone(e.Mask)
		e.Mask[at] = bits
	}
}

func wants(at int, value byte) func(*activators.Entry) {
	return func(e *activators.Entry) {
		e.Magic, e.Mask = bytes.Clone(e.Magic), bytes.Clone(e.Mask)
		e.Magic[at], e.Mask[at] = value, 0xff
	}
}

func plain(e *activators.Entry) { e.Flags = activators.Flags{} }

func bare(magic string) func(*activators.Entry) {
	return func(e *activators.Entry) { e.Magic, e.Mask = activators.Hex(magic), nil }
}

func list(entries ...activators.Entry) []activators.Entry { return entries }

func compiledIn(h *activators.Host) { h.AsksFirst = true }

func live(h *activators.Host) { h.Planned = false }

func runsI386(h *activators.Host) {
	for i := range h.Natives {
		h.Natives[i].Unsure = false
	}
}

func supportsI386(h *activators.Host) {
	for i := range h.Natives {
		h.Natives[i].Unsure = false
	}
	i386, _ := arch.Lookup("i386")
	h.Natives = append(h.Natives[:1], nativeProgram("freebsd", i386))
}

// patternExamples are for the codes of patterns.
func patternExamples(t *testing.T) map[activators.Code][]example {
	own := of(t, "amd64", by("/usr/bin/qemu-x86_64-static"))
	mipsAny := of(t, "mips", mask(39, 0))
	script := of(t, "mips", bare("#!/usr/bin/env"), called("script"))
	return map[activators.Code][]example{
		activators.Invalid: {
			{entries: list(of(t, "arm", by("qemu-arm"))), severity: activators.Severe},
			{entries: list(of(t, "arm"), of(t, "mips", called("arm"))), severity: activators.Severe},
			{entries: list(of(t, "arm", func(e *activators.Entry) { e.Offset = 240 })), severity: activators.Severe},
			{kernel: "freebsd", entries: list(of(t, "arm")), severity: activators.Severe},
			{kernel: "freebsd", entries: list(of(t, "arm", plain, called("\xe4rm"))), severity: activators.Severe},
			{kernel: "freebsd", entries: list(of(t, "arm", plain, by("/opt/a b/qemu-arm-static"))), severity: activators.Severe},
			{kernel: "freebsd", entries: list(of(t, "arm", plain, func(e *activators.Entry) { e.Args = []string{"#x"} })), severity: activators.Severe},
		},
		activators.MatchesEverything: {{entries: list(of(t, "arm", func(e *activators.Entry) { e.Mask = make([]byte, len(e.Magic)) })), severity: activators.Unsafe}},
		activators.CapturesNative: {
			{entries: list(own), severity: activators.Unsafe, other: "amd64"},
			{entries: list(of(t, "arm", bare("\x7fELF"))), severity: activators.Unsafe, other: "amd64"},
			{kernel: "freebsd", host: compiledIn, entries: list(of(t, "amd64", plain)), severity: activators.Unsafe},
		},
		activators.CapturesCompat: {
			{host: runsI386, entries: list(of(t, "i386")), severity: activators.Severe, other: "i386"},
			{entries: list(of(t, "i386")), severity: activators.Warning, other: "i386"},
			{kernel: "freebsd", host: func(h *activators.Host) { compiledIn(h); supportsI386(h) }, entries: list(of(t, "i386", plain)), severity: activators.Unsafe},
		},
		activators.CapturesScripts: {
			{entries: list(of(t, "arm", bare("#!"))), severity: activators.Unsafe},
			{entries: list(script), severity: activators.Warning},
		},
		activators.NeverAsked: {
			{kernel: "freebsd", entries: list(of(t, "amd64", plain)), severity: activators.Severe, other: "amd64"},
			{kernel: "freebsd", entries: list(of(t, "amd64", plain, mask(18, 0), called("wide"), by("/emu"))), severity: activators.Note},
		},
		activators.Duplicate: {
			{entries: list(of(t, "armv7"), of(t, "arm")), entry: "arm", severity: activators.Note, other: "armv7"},
			{entries: list(of(t, "armv7"), of(t, "arm", by("/opt/qemu-arm"))), entry: "arm", severity: activators.Warning},
			{entries: list(of(t, "mips"), of(t, "mips", called("x"), by("/qemu-mipsn32"))), entry: "x", severity: activators.Warning},
			{entries: list(of(t, "mips", by("/qemu-mipsn32"), called("x")), of(t, "mips")), entry: "mips", severity: activators.Severe},
		},
		activators.Shadowed: {
			{entries: list(mipsAny, of(t, "mipsn32")), entry: "mipsn32", severity: activators.Severe, other: "mips"},
			{entries: list(of(t, "riscv64"), of(t, "riscv64sf", by("/opt/qemu-riscv64"))), entry: "riscv64sf", severity: activators.Warning},
			{entries: list(of(t, "riscv64"), of(t, "riscv64sf")), entry: "riscv64sf", severity: activators.Note},
		},
		activators.ShadowedPartly: {
			{entries: list(of(t, "riscv64sf", by("/opt/qemu-riscv64")), of(t, "riscv64")), entry: "riscv64", severity: activators.Note},
			{entries: list(of(t, "arm", wants(7, 3), mask(8, 0), by("/opt/qemu-arm")), of(t, "armv7")), entry: "armv7", severity: activators.Warning},
			{entries: list(of(t, "mips", mask(39, 0), wants(7, 3)), of(t, "mipsn32")), entry: "mipsn32", severity: activators.Severe, other: "mips"},
		},
	}
}

// targetExamples are for what an entry should match, and should not.
func targetExamples(t *testing.T) map[activators.Code][]example {
	return map[activators.Code][]example{
		activators.NeverMatches: {{entries: list(of(t, "microblaze", wants(19, 0xab))), severity: activators.Severe, other: "microblaze"}},
		activators.MissesPIE:    {{entries: list(of(t, "arm", wants(16, 2))), severity: activators.Severe, other: "arm"}},
		activators.MissesExec:   {{entries: list(of(t, "arm", wants(16, 3))), severity: activators.Warning}},
		activators.MissesSystem: {
			{entries: list(of(t, "arm", wants(7, 0))), severity: activators.Warning},
			{kernel: "freebsd", entries: list(of(t, "arm", plain, wants(7, 0))), severity: activators.Warning},
			{entries: list(of(t, "arm", wants(7, 9))), severity: activators.Note},
		},
		activators.MissesABIVersion: {{entries: list(of(t, "mips", wants(8, 0))), severity: activators.Warning}},
		activators.MissesFlags:      {{entries: list(of(t, "mips", wants(36, 0x70))), severity: activators.Warning}},
		activators.MatchesOther: {
			{entries: list(of(t, "mips", mask(39, 0))), severity: activators.Warning, other: "mipsn32"},
			{entries: list(of(t, "mips", mask(39, 0)), of(t, "mipsn32")), severity: activators.Severe, other: "mipsn32"},
		},
		activators.Loose:       {{entries: list(of(t, "arm", mask(0, 0))), severity: activators.Warning}},
		activators.WrongTarget: {{entries: list(of(t, "armeb", by("/usr/local/bin/qemu-arm-static"))), severity: activators.Severe, other: "armeb"}},
		activators.NoMask: {{kernel: "freebsd", entries: list(of(t, "aarch64", plain, func(e *activators.Entry) { e.Mask = nil })),
			severity: activators.Severe, other: "aarch64"}},
	}
}

// fileExamples are for interpreters, flags and the table.
func fileExamples(t *testing.T) map[activators.Code][]example {
	arm := list(of(t, "arm"))
	header := mustArch(t, "arm").Samples("linux")[0].Header
	stale := map[string]string{"arm": "its interpreter was replaced"}
	some := func(severity activators.Severity, f activators.Interpreter) example {
		return example{entries: arm, file: &f, severity: severity}
	}
	held := func(f activators.Interpreter) example {
		f.Stale = stale
		return example{entries: arm, file: &f, host: live, severity: activators.Warning}
	}
	freebsd := func(e example) example {
		e.kernel, e.entries = "freebsd", list(of(t, "arm", plain))
		return e
	}
	script := activators.Interpreter{Script: "/bin/sh"}
	return map[activators.Code][]example{
		activators.CapturesItself: {some(activators.Unsafe, activators.Interpreter{Header: header}),
			{entries: list(of(t, "mips"), of(t, "arm")), entry: "arm", file: &activators.Interpreter{Header: header}, severity: activators.Severe, other: "mips"}},
		activators.Missing: {some(activators.Severe, activators.Interpreter{Missing: true, Why: "gone"}), held(activators.Interpreter{Missing: true})},
		activators.Dynamic: {some(activators.Warning, activators.Interpreter{Dynamic: "/lib/ld.so"})},
		activators.WrongHost: {some(activators.Severe, activators.Interpreter{HostArch: "aarch64"}),
			held(activators.Interpreter{HostArch: "aarch64"})},
		activators.NotExecutable:    {some(activators.Severe, activators.Interpreter{NotExecutable: true}), held(activators.Interpreter{NotExecutable: true})},
		activators.NotProgram:       {some(activators.Severe, activators.Interpreter{NotProgram: true}), held(activators.Interpreter{NotProgram: true})},
		activators.NoExec:           {some(activators.Severe, activators.Interpreter{NoExec: "/mnt"}), held(activators.Interpreter{NoExec: "/mnt"})},
		activators.Script:           {some(activators.Warning, script), freebsd(some(activators.Severe, script))},
		activators.SetID:            {some(activators.Severe, activators.Interpreter{SetID: true})},
		activators.Replaced:         {some(activators.Warning, activators.Interpreter{Stale: stale})},
		activators.Disabled:         {{entries: list(of(t, "arm", func(e *activators.Entry) { e.Enabled = false })), severity: activators.Note}},
		activators.TableOff:         {{entries: arm, host: func(h *activators.Host) { h.Off = true }, entry: "-", severity: activators.Warning}},
		activators.LosesArgv0:       {{entries: list(of(t, "arm", plain)), severity: activators.Note}},
		activators.LosesCredentials: {{entries: arm, severity: activators.Note}},
		activators.NotInRoots: {{entries: list(of(t, "arm", plain)), severity: activators.Note},
			{kernel: "freebsd", entries: list(of(t, "arm", plain)), severity: activators.Note}},
	}
}

func allExamples(t *testing.T) map[activators.Code][]example {
	all := patternExamples(t)
	for _, more := range []map[activators.Code][]example{targetExamples(t), fileExamples(t)} {
		for code, examples := range more {
			all[code] = append(all[code], examples...)
		}
	}
	return all
}

func (x example) find(t *testing.T) []activators.Finding {
	t.Helper()
	kernel := x.kernel
	if kernel == "" {
		kernel = "linux"
	}
	host := amd64Host(t, kernel)
	if x.host != nil {
		x.host(&host)
	}
	known := map[string]activators.Interpreter{}
	if x.file != nil {
		known[x.entries[0].Interpreter] = *x.file
	}
	return activators.Check(x.entries, host, known)
}

// Each code is found where it should be, as bad as it should be, and with a
// witness that the entry matches or misses.
func TestCheckCodes(t *testing.T) {
	all := allExamples(t)
	for _, code := range activators.Codes() {
		if len(all[code]) == 0 {
			t.Errorf("%s has no example", code)
		}
		for _, x := range all[code] {
			entry := x.entry
			if entry == "" {
				entry = x.entries[0].Name
			}
			findings := x.find(t)
			i := slices.IndexFunc(findings, func(f activators.Finding) bool {
				return f.Code == code && (f.Entry == entry || entry == "-" && f.Entry == "")
			})
			if i < 0 {
				t.Errorf("%s of %s is not found: %+v", code, entry, findings)
				continue
			}
			f := findings[i]
			if f.Severity != x.severity || x.other != "" && f.Other != x.other || f.Message == "" || strings.HasSuffix(f.Message, ".") {
				t.Errorf("%s is not %s, about %q: %+v", code, x.severity, x.other, f)
			}
			x.witness(t, f)
		}
	}
}

// misses are codes whose witness is what an entry should match and does not.
var misses = []activators.Code{activators.NeverMatches, activators.MissesPIE, activators.MissesExec, activators.MissesSystem,
	activators.MissesABIVersion, activators.MissesFlags}

// witness holds a witness to the model of the kernel.
func (x example) witness(t *testing.T, f activators.Finding) {
	t.Helper()
	i := slices.IndexFunc(x.entries, func(e activators.Entry) bool { return e.Name == f.Entry })
	if i < 0 || len(f.Witness) == 0 || f.Code == activators.MatchesEverything {
		return
	}
	kernel := memory.Linux
	if x.kernel == "freebsd" {
		kernel = memory.FreeBSD
	}
	table := memory.New(kernel)
	if err := table.Add(x.entries[i]); err != nil {
		t.Fatal(err)
	}
	if _, ok := table.Match(f.Witness); ok == slices.Contains(misses, f.Code) {
		t.Errorf("the witness %x of %+v: matched %v", []byte(f.Witness), f, ok)
	}
}

var docRow = regexp.MustCompile("(?m)^\\| `([a-z0-9-]+)` \\| ([a-z, ]+) \\| [^|]+ \\| [^|]+ \\|$")

// The document has each code, in the order of Codes, with the severities that the
// examples show.
func TestCheckDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/activators.md")
	if err != nil {
		t.Fatal(err)
	}
	all := allExamples(t)
	var documented []activators.Code
	for _, m := range docRow.FindAllStringSubmatch(string(text), -1) {
		code := activators.Code(m[1])
		documented = append(documented, code)
		var words []string
		for _, s := range activators.Severities() {
			if slices.ContainsFunc(all[code], func(x example) bool { return x.severity == s }) {
				words = append(words, string(s))
			}
		}
		if got := strings.Join(words, ", "); got != m[2] {
			t.Errorf("%s is %q in docs/activators.md, and %q in the examples", code, m[2], got)
		}
	}
	if !slices.Equal(documented, activators.Codes()) {
		t.Errorf("docs/activators.md has the codes %v, and there are %v", documented, activators.Codes())
	}
}
