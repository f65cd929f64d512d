package jail

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/binfmt"
	"github.com/xjail/xjail/activators/memory"
	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/qemu"
)

// published is a row of a table that somebody published: name, emulator, magic
// and mask in hexadecimal.
type published struct{ name, qemu, magic, mask string }

const (
	leMask = "ffffffffffffff00fffffffffffffffffeffffff"
	beMask = "ffffffffffffff00fffffffffffffffffffeffff"
)

// portsTable is what the rc script of FreeBSD's port emulators/qemu-user-static
// registers (files/qemu_user_static.in, 2025), in its order.
var portsTable = []published{
	{"arm", "arm", "7f454c4601010100000000000000000002002800", leMask},
	{"armv6", "arm", "7f454c4601010100000000000000000002002800", leMask},
	{"armv7", "arm", "7f454c4601010100000000000000000002002800", leMask},
	{"aarch64", "aarch64", "7f454c460201010000000000000000000200b700", leMask},
	{"mips", "mips", "7f454c4601020100000000000000000000020008", beMask},
	{"mipsel", "mipsel", "7f454c4601010100000000000000000002000800", beMask},
	{"mips64", "mips64", "7f454c4602020100000000000000000000020008", beMask},
	{"powerpc", "ppc", "7f454c4601020100000000000000000000020014", beMask},
	{"powerpc64", "ppc64", "7f454c4602020100000000000000000000020015", beMask},
	{"riscv64", "riscv64", "7f454c460201010000000000000000000200f300", leMask},
	{"sparc64", "sparc64", "7f454c460202010000000000000000000002002b", beMask},
}

// qemuTable is that of QEMU's scripts/qemu-binfmt-conf.sh (9.2), in its order,
// without i386, i486 and x86_64, which it leaves out on such a machine.
var qemuTable = []published{
	{"qemu-alpha", "alpha", "7f454c4602010100000000000000000002002690", "fffffffffffefe00fffffffffffffffffeffffff"},
	{"qemu-arm", "arm", "7f454c4601010100000000000000000002002800", leMask},
	{"qemu-armeb", "armeb", "7f454c4601020100000000000000000000020028", beMask},
	{"qemu-sparc", "sparc", "7f454c4601020100000000000000000000020002", beMask},
	{"qemu-sparc32plus", "sparc32plus", "7f454c4601020100000000000000000000020012", beMask},
	{"qemu-sparc64", "sparc64", "7f454c460202010000000000000000000002002b", beMask},
	{"qemu-ppc", "ppc", "7f454c4601020100000000000000000000020014", beMask},
	{"qemu-ppc64", "ppc64", "7f454c4602020100000000000000000000020015", beMask},
	{"qemu-ppc64le", "ppc64le", "7f454c4602010100000000000000000002001500", "ffffffffffffff00fffffffffffffffffeffff00"},
	{"qemu-m68k", "m68k", "7f454c4601020100000000000000000000020004", "fffffffffffffe00fffffffffffffffffffeffff"},
	{"qemu-mips", "mips", "7f454c46010201000000000000000000000200080000000100000000000000000000000000000000",
		"ffffffffffffff0000fffffffffffffffffeffffffffffff00000000000000000000000000000020"},
	{"qemu-mipsel", "mipsel", "7f454c46010101000000000000000000020008000100000000000000000000000000000000000000",
		"ffffffffffffff0000fffffffffffffffeffffffffffffff00000000000000000000000020000000"},
	{"qemu-mipsn32", "mipsn32", "7f454c46010201000000000000000000000200080000000100000000000000000000000000000020",
		"ffffffffffffff0000fffffffffffffffffeffffffffffff00000000000000000000000000000020"},
	{"qemu-mipsn32el", "mipsn32el", "7f454c46010101000000000000000000020008000100000000000000000000000000000020000000",
		"ffffffffffffff0000fffffffffffffffeffffffffffffff00000000000000000000000020000000"},
	{"qemu-mips64", "mips64", "7f454c4602020100000000000000000000020008", "ffffffffffffff0000fffffffffffffffffeffff"},
	{"qemu-mips64el", "mips64el", "7f454c4602010100000000000000000002000800", "ffffffffffffff0000fffffffffffffffeffffff"},
	{"qemu-sh4", "sh4", "7f454c4601010100000000000000000002002a00", leMask},
	{"qemu-sh4eb", "sh4eb", "7f454c460102010000000000000000000002002a", beMask},
	{"qemu-s390x", "s390x", "7f454c4602020100000000000000000000020016", beMask},
	{"qemu-aarch64", "aarch64", "7f454c460201010000000000000000000200b700", leMask},
	{"qemu-aarch64_be", "aarch64_be", "7f454c46020201000000000000000000000200b7", beMask},
	{"qemu-hppa", "hppa", "7f454c460102010000000000000000000002000f", beMask},
	{"qemu-riscv32", "riscv32", "7f454c460101010000000000000000000200f300", leMask},
	{"qemu-riscv64", "riscv64", "7f454c460201010000000000000000000200f300", leMask},
	{"qemu-xtensa", "xtensa", "7f454c4601010100000000000000000002005e00", leMask},
	{"qemu-xtensaeb", "xtensaeb", "7f454c460102010000000000000000000002005e", beMask},
	{"qemu-microblaze", "microblaze", "7f454c460102010000000000000000000200baab", leMask},
	{"qemu-microblazeel", "microblazeel", "7f454c460101010000000000000000000200abba", leMask},
	{"qemu-or1k", "or1k", "7f454c460102010000000000000000000002005c", beMask},
	{"qemu-hexagon", "hexagon", "7f454c460101010000000000000000000200a400", leMask},
	{"qemu-loongarch64", "loongarch64", "7f454c4602010100000000000000000002000201", "fffffffffffffffc00fffffffffffffffeffffff"},
}

func fromHex(t *testing.T, s string) activators.Hex {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// tableOfRows is a table that has registered rows in their order.
func tableOfRows(t *testing.T, rows []published, flags activators.Flags) []activators.Entry {
	t.Helper()
	var list []activators.Entry
	for _, r := range rows {
		e := activators.Entry{Name: r.name, Interpreter: "/usr/local/bin/qemu-" + r.qemu + "-static", Enabled: true, Flags: flags,
			Magic: fromHex(t, r.magic), Mask: fromHex(t, r.mask)}
		list = slices.Insert(list, 0, e)
	}
	return list
}

// amd64Host is a machine that nobody has looked at.
func amd64Host(t *testing.T, kernel string) activators.Host {
	t.Helper()
	return CheckHostOf(kernel, mustArch(t, "amd64"))
}

// worseThanNotes are the findings but notes, as code entry other.
func worseThanNotes(findings []activators.Finding) []string {
	list := []string{}
	for _, f := range findings {
		if f.Severity != activators.Note {
			list = append(list, fmt.Sprintf("%s %s %s %s", f.Severity, f.Code, f.Entry, f.Other))
		}
	}
	slices.Sort(list)
	return list
}

// codes are all findings of a code, as entry other.
func ofCode(findings []activators.Finding, code activators.Code) []string {
	list := []string{}
	for _, f := range findings {
		if f.Code == code {
			list = append(list, f.Entry+" "+f.Other)
		}
	}
	slices.Sort(list)
	return list
}

func wantList(t *testing.T, what string, got, want []string) {
	t.Helper()
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s:\ngot\n  %s\nwant\n  %s", what, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// The known faults of published tables are found, and nothing else.
func TestCheckPublishedTables(t *testing.T) {
	ports := activators.Check(tableOfRows(t, portsTable, activators.Flags{}), amd64Host(t, "freebsd"), nil)
	wantList(t, "ports on FreeBSD", worseThanNotes(ports), []string{
		"severe misses-pie mipsel mipsel",
		"warning matches-other mips mipsn32",
		"warning matches-other mipsel mipsn32el",
	})
	wantList(t, "ports, duplicates", ofCode(ports, activators.Duplicate), []string{"arm armv7", "armv6 armv7"})

	linux := activators.Check(tableOfRows(t, qemuTable, activators.Flags{FixBinary: true}), amd64Host(t, "linux"), nil)
	wantList(t, "QEMU on Linux", worseThanNotes(linux), []string{
		"severe never-matches qemu-microblaze microblaze",
		"severe never-matches qemu-microblazeel microblazeel", // the number of before 2009
	})
	freebsd := activators.Check(tableOfRows(t, qemuTable, activators.Flags{}), amd64Host(t, "freebsd"), nil)
	wantList(t, "QEMU on FreeBSD", worseThanNotes(freebsd), []string{
		"severe never-matches qemu-microblaze microblaze",
		"severe never-matches qemu-microblazeel microblazeel",
		"warning misses-system qemu-loongarch64 loongarch64",
	})
}

// On Linux the ports' table loses programs of glibc on MIPS, whose EI_ABIVERSION
// is 1; with QEMU's entry for n32 behind it, mips steals its programs, and a
// program that it steals is the witness.
func TestCheckPortsTableOnLinux(t *testing.T) {
	rows := append([]published{}, qemuTable...)
	rows = append(slices.DeleteFunc(rows, func(r published) bool { return r.name != "qemu-mipsn32" }), portsTable[4])
	entries := tableOfRows(t, rows, activators.Flags{FixBinary: true})
	host := amd64Host(t, "linux")
	findings := activators.Check(entries, host, nil)
	wantList(t, "findings", worseThanNotes(findings), []string{
		"severe matches-other mips mipsn32", "severe shadowed-partly qemu-mipsn32 mips", "warning misses-abi-version mips mips",
	})
	table := memory.New(memory.Linux)
	for _, e := range slices.Backward(entries) {
		if err := table.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range findings {
		if f.Code != activators.MatchesOther {
			continue
		}
		if e, _ := table.Match(f.Witness); e.Name != "mips" {
			t.Errorf("the model gives %x to %q", []byte(f.Witness), e.Name)
		}
	}
}

// Two interpreters for one pattern: severe where the winner does not run the
// loser's programs, a warning where it does, a note where it is the same one.
func TestCheckDuplicates(t *testing.T) {
	row := func(name, emulator string) published {
		return published{name, emulator, portsTable[4].magic, portsTable[4].mask}
	}
	for _, c := range []struct {
		rows []published
		want activators.Severity
	}{
		{[]published{row("a", "mips"), row("b", "mips")}, activators.Note},
		{[]published{row("a", "mips"), row("b", "mipsn32")}, activators.Severe},
		{[]published{row("a", "mips"), row("mips", "elsewhere/mips")}, activators.Warning},
	} {
		findings := activators.Check(tableOfRows(t, c.rows, activators.Flags{}), amd64Host(t, "freebsd"), nil)
		i := slices.IndexFunc(findings, func(f activators.Finding) bool { return f.Code == activators.Duplicate })
		if i < 0 || findings[i].Severity != c.want {
			t.Errorf("%v: got %+v, want a duplicate that is %s", c.rows, findings, c.want)
		}
	}
}

// catalogTable is xjail's own entries of all architectures but the machine's,
// and those that look the same, as register makes them.
func catalogTable(t *testing.T, kernel string) []activators.Entry {
	t.Helper()
	var desired []activators.Entry
	for _, a := range arch.All() {
		same := slices.ContainsFunc(desired, func(e activators.Entry) bool {
			return slices.ContainsFunc(a.Same, func(s string) bool { return ActivatorName(kernel, s, arch.Any) == e.Name })
		})
		if a.QEMU == "" || a.Name == "amd64" || a.Name == "i386" || same {
			continue
		}
		e := &qemu.Emulator{Family: qemu.LinuxUser, Version: "8.0"}
		desired = append(desired, Activator(kernel, arch.DefaultPolicy(kernel), a, e, "/usr/bin/qemu-"+a.QEMU+"-static", true))
	}
	p, err := activators.NewPlan(nil, desired, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p.After()
}

// Healthy sets have no findings that anybody need act on: xjail's own complete
// catalog, and with it on Linux what other policies make.
func TestCheckHealthyCatalog(t *testing.T) {
	for _, kernel := range []string{"linux", "freebsd"} {
		findings := activators.Check(catalogTable(t, kernel), amd64Host(t, kernel), nil)
		wantList(t, kernel, worseThanNotes(findings), []string{})
		for _, f := range findings {
			if f.Code != activators.LosesCredentials {
				t.Errorf("%s: %+v", kernel, f)
			}
		}
	}
}

// Pairs of entries for the systems apart are healthy: what the one leaves out
// the other takes.
func TestCheckHealthyPolicies(t *testing.T) {
	e := &qemu.Emulator{Family: qemu.LinuxUser, Version: "8.0"}
	for _, name := range []string{"aarch64", "mips64", "riscv64"} {
		a := mustArch(t, name)
		one := Activator("linux", arch.Linux, a, e, "/usr/bin/qemu-"+a.QEMU+"-static", true)
		two := Activator("linux", arch.FreeBSD, a, e, "/opt/bsd-user/qemu-"+a.QEMU, true)
		findings := activators.Check([]activators.Entry{two, one}, amd64Host(t, "linux"), nil)
		wantList(t, name, worseThanNotes(findings), []string{})
	}
}

// The entries that Debian's packages install have one fault that is real, which
// is QEMU's: a number for MicroBlaze that programs had before 2009. Those for
// Python, LLVM and Java are no alarm.
func TestCheckDebian(t *testing.T) {
	files, _ := filepath.Glob("/usr/lib/binfmt.d/*.conf")
	if len(files) < 20 {
		t.Skip("qemu-user-static is not installed")
	}
	var entries []activators.Entry
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		e, err := binfmt.ParseLine([]byte(strings.TrimSpace(string(text))))
		if err != nil {
			t.Fatal(file, err)
		}
		entries = slices.Insert(entries, 0, e)
	}
	host := CheckHost(binfmt.New(t.TempDir()))
	for _, f := range activators.Check(entries, host, Interpreters(entries, nil)) {
		if f.Severity != activators.Note && f.Entry != "qemu-microblaze" {
			t.Errorf("%+v", f)
		}
	}
}

// Entries for other things than programs of architectures: Debian's for Python,
// LLVM, Java and Mono, WSL's, AppImageLauncher's, and one by extension. A
// different interpreter, which nobody has, makes no alarm either.
func TestCheckOtherFormats(t *testing.T) {
	var entries []activators.Entry
	for _, line := range []string{
		`:python3.11:M::\xa7\x0d\x0d\x0a::/usr/bin/python3.11:`,
		`:llvm-14-runtime.binfmt:M::BC::/usr/bin/lli-14:`,
		`:jarwrapper:M::PK\x03\x04::/usr/bin/jarwrapper:`,
		`:cli:M::MZ::/usr/lib/cli/binfmt-detector-cli:`,
		`:appimage-type1:M::\x7fELF\x00\x00\x00\x00AI\x01:\xff\xff\xff\xff\x00\x00\x00\x00\xff\xff\xff:/usr/bin/AppImageLauncher:F`,
		`:appimage-type2:M:8:AI\x02::/usr/bin/AppImageLauncher:F`,
		`:DOSWin:E::exe::/usr/bin/wine:`,
	} {
		e, err := binfmt.ParseLine([]byte(line))
		if err != nil {
			t.Fatal(line, err)
		}
		entries = append(entries, e)
	}
	wantList(t, "others", worseThanNotes(activators.Check(entries, CheckHost(binfmt.New(t.TempDir())), nil)), []string{})
}

// An emulator that a newer version of the port has no more: sparc64, and the
// three of MIPS.
func TestCheckMissingEmulators(t *testing.T) {
	entries := tableOfRows(t, portsTable, activators.Flags{})
	known := map[string]activators.Interpreter{}
	for _, e := range entries {
		known[e.Interpreter] = activators.Interpreter{Missing: e.Name == "sparc64" || strings.HasPrefix(e.Name, "mips"), HostArch: "amd64"}
	}
	findings := activators.Check(entries, amd64Host(t, "freebsd"), known)
	wantList(t, "missing", ofCode(findings, activators.Missing), []string{"mips ", "mips64 ", "mipsel ", "sparc64 "})
}
