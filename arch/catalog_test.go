package arch

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/xjail/xjail/internal/fault"
)

// Every TARGET_ARCH that a FreeBSD release had (arch(7), Makefile's universe)
// and every entry of QEMU's list has a row.
func TestCatalogIsComplete(t *testing.T) {
	freebsd := strings.Fields(`amd64 i386 aarch64 arm armeb armv6 armv7 mips mipsel mips64 mips64el mipsn32
		mipshf mipselhf mips64hf mips64elhf powerpc powerpcspe powerpc64 powerpc64le riscv64 riscv64sf sparc64 ia64 alpha`)
	for _, name := range freebsd {
		a, err := Lookup(name)
		if err != nil || a.Name != name || a.Target == "" || a.FirstRelease == "" {
			t.Errorf("%s: %v, %v", name, a, err)
			continue
		}
		if b, err := Lookup(a.Target + "." + name); err != nil || b != a {
			t.Errorf("%s.%s: %v, %v", a.Target, name, b, err)
		}
		if !slices.Contains(a.Linkers["freebsd"], freebsdLinker) {
			t.Errorf("%s: no FreeBSD linker", name)
		}
	}
	qemu := strings.Fields(`i386 i486 alpha arm armeb sparc sparc32plus sparc64 ppc ppc64 ppc64le m68k mips mipsel
		mipsn32 mipsn32el mips64 mips64el sh4 sh4eb s390x aarch64 aarch64_be hppa riscv32 riscv64 xtensa xtensaeb
		microblaze microblazeel or1k x86_64 hexagon loongarch64`)
	for _, name := range qemu {
		a, err := Lookup(name)
		if err != nil || !a.LinuxUser || (a.QEMU != name && name != "i486") {
			t.Errorf("%s: %v, %v", name, a, err)
		}
	}
}

func TestLookup(t *testing.T) {
	for name, want := range map[string]string{
		"mips64": "mips64", "MIPS64": "mips64", "mips.mips64": "mips64", "mips/mips64": "mips64",
		"arm64.aarch64": "aarch64", "pc98.i386": "i386", "amd64.amd64": "amd64",
		// one word, two meanings
		"arm": "arm", "mips": "mips", "sparc": "sparc", "powerpc": "powerpc", "i486": "i486",
		// Debian
		"armel": "arm", "armhf": "armv7", "arm64": "aarch64", "ppc64el": "powerpc64le", "ppc64": "powerpc64", "loong64": "loongarch64",
		// Go
		"386": "i386", "mipsle": "mipsel", "mips64le": "mips64el",
		// OCI
		"linux/arm64": "aarch64", "arm64/v8": "aarch64", "linux/arm64/v8": "aarch64", "linux/arm": "armv7", "linux/arm/v7": "armv7",
		"linux/arm/v6": "armv6", "arm/v5": "arm", "linux/386": "i386", "linux/amd64": "amd64", "freebsd/amd64": "amd64", "freebsd/arm64": "aarch64",
		// QEMU
		"aarch64_be": "aarch64_be", "ppc": "powerpc", "x86_64": "amd64", "sh4eb": "sh4eb",
		// uname -m
		"armv7l": "armv7", "armv6l": "armv6", "i686": "i386", "ppc64le": "powerpc64le", "parisc": "hppa", "openrisc": "or1k", "s390x": "s390x",
		// triples
		"x86_64-pc-linux-gnu": "amd64", "x86_64-unknown-linux-gnu": "amd64", "x86_64-linux-musl": "amd64", "i686-linux-gnu": "i386",
		"arm-linux-gnueabi": "arm", "arm-linux-gnueabihf": "armv7", "armv6-unknown-freebsd13.2-gnueabihf": "armv6",
		"mips64-linux-gnuabi64": "mips64", "mips64-unknown-freebsd12.1": "mips64", "mips64-linux-gnuabin32": "mipsn32",
		"powerpc-linux-gnu": "powerpc", "powerpc-linux-gnuspe": "powerpcspe", "powerpcspe-unknown-freebsd13.0": "powerpcspe",
		"aarch64-portbld-freebsd14.1": "aarch64", "sparc64-linux-gnu": "sparc64",
	} {
		if a, err := Lookup(name); err != nil || a.Name != want {
			t.Errorf("%q is %v (%v), want %s", name, a, err, want)
		}
	}
}

func TestLookupTrims(t *testing.T) {
	if a, err := Lookup(" mips64\n"); err != nil || a.Name != "mips64" {
		t.Errorf("%v, %v", a, err)
	}
}

func TestLookupUnknown(t *testing.T) {
	for name, near := range map[string]string{
		"mip64": "mips64", "risc64": "riscv64", "x86_46": "amd64", "aarch46": "aarch64", "powerpc46": "powerpc64", "loong46": "loongarch64",
		"": "", "zzzzzzzz": "", "\x00": "", strings.Repeat("a", 1000): "",
	} {
		a, err := Lookup(name)
		if a != nil || fault.KindOf(err) != fault.NotFound {
			t.Errorf("%q: %v, %v", name, a, err)
		}
		hint := fault.HintOf(err)
		if !strings.Contains(hint, "xjail arch list") || strings.Contains(hint, "did you mean") != (near != "") || !strings.Contains(hint, near) {
			t.Errorf("%q: hint %q, want %q in it", name, hint, near)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"mips64", "mip64", 1}, {"kitten", "sitting", 3}, {"same", "same", 0}} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("%q, %q: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

// Every name that a row has elsewhere leads to it or to a row that shares it.
func TestNamesLead(t *testing.T) {
	for _, a := range All() {
		names := append([]string{a.Name, a.QEMU, a.Debian, a.GoArch, a.OCI, a.GNU, a.Triples["linux"], a.Triples["freebsd"]}, a.Aliases...)
		for _, name := range names {
			if name == "" {
				continue
			}
			if _, err := Lookup(name); err != nil {
				t.Errorf("%s: %v", a, err)
			}
		}
		for _, alias := range a.Aliases {
			if b, _ := Lookup(alias); b != a {
				t.Errorf("alias %s of %s leads to %v", alias, a, b)
			}
		}
	}
}

func TestAllIsACopy(t *testing.T) {
	All()[0] = nil
	if All()[0] == nil {
		t.Error("the catalog can be changed from outside")
	}
}

func TestHost(t *testing.T) {
	a := Host()
	if a == nil {
		t.Skip("no row for " + runtime.GOARCH)
	}
	f, err := os.Open(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	id, err := Identify(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Accepts(id); err != nil {
		t.Errorf("this test does not run on the host: %v", err)
	}
}

// Go knows the ports: every GOOS and GOARCH that the catalog names exists, and
// every GOARCH of Linux and FreeBSD has a row.
func TestGoPorts(t *testing.T) {
	out, err := exec.Command("go", "tool", "dist", "list").Output()
	if err != nil {
		t.Skip("no go command: ", err)
	}
	ports := strings.Fields(string(out))
	named := map[string]bool{}
	for _, a := range All() {
		for _, os := range a.GoOS {
			named[os+"/"+a.GoArch] = true
			if !slices.Contains(ports, os+"/"+a.GoArch) {
				t.Errorf("%s: Go has no port %s/%s", a, os, a.GoArch)
			}
		}
	}
	for _, port := range ports {
		if (strings.HasPrefix(port, "linux/") || strings.HasPrefix(port, "freebsd/")) && !named[port] {
			t.Errorf("no row has Go's port %s", port)
		}
	}
}

func TestInDebian(t *testing.T) {
	for _, c := range []struct {
		arch, suite string
		want        bool
	}{
		{"mips64el", "bookworm", true}, {"mips64el", "trixie", false}, {"mips64el", "jessie", false}, {"mips64el", "stable", false},
		{"mips64", "bookworm", false}, {"mips", "buster", true}, {"mips", "bullseye", false}, {"arm", "trixie", true}, {"arm", "sid", false},
		{"riscv64", "bookworm", false}, {"riscv64", "stable", true}, {"amd64", "sid", true}, {"amd64", "unknown", false},
		{"powerpc", "jessie", true}, {"powerpc", "sid", false}, {"sparc64", "sid", false}, {"hexagon", "stable", false}, {"aarch64", "bookworm", true},
	} {
		a, err := Lookup(c.arch)
		if err != nil {
			t.Fatal(err)
		}
		if got := a.InDebian(c.suite); got != c.want {
			t.Errorf("%s in %s: %v", c.arch, c.suite, got)
		}
	}
	if !slices.Contains(theCatalog().debian.names, DebianStable()) {
		t.Error(DebianStable())
	}
	for suite, want := range map[string]bool{"bookworm": true, "stable": true, "sid": true, "noble": false, "": false} {
		if got := KnowsDebianSuite(suite); got != want {
			t.Errorf("knows %q: %v", suite, got)
		}
	}
}

func TestAccepts(t *testing.T) {
	for _, c := range []struct {
		jail, program string
		flags         uint32
		want          bool
	}{
		{"mips64", "mips64", 0x80000007, true}, {"mips64", "aarch64", 0, false}, {"mips64", "mips", 0x1000, false}, {"mips64", "mips64el", 0, false},
		{"arm", "armv7", 0x5000400, true}, {"armv7", "arm", 0x5000200, true}, {"armv6", "armv7", 0x5000400, true}, {"arm", "armeb", 0, false},
		{"mips", "mipsn32", 0x20, false}, {"mipsn32", "mips", 0x1000, false}, {"mips64hf", "mips64", 0, true},
		{"amd64", "i386", 0, false}, {"i386", "amd64", 0, false}, {"amd64", "x32", 0, false}, {"riscv64", "riscv64sf", 0, true}, {"riscv64sf", "riscv64", 4, false},
	} {
		jail, err1 := Lookup(c.jail)
		program, err2 := Lookup(c.program)
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		id, err := Identify(bytes.NewReader(header(program, 2, 0, 0, c.flags)))
		if err != nil {
			t.Fatal(err)
		}
		err = jail.Accepts(id)
		if (err == nil) != c.want {
			t.Errorf("%s accepts %s: %v", c.jail, c.program, err)
		}
		if err != nil && (fault.KindOf(err) != fault.WrongArch || !strings.Contains(err.Error(), c.jail) || !strings.Contains(err.Error(), id.Name)) {
			t.Errorf("%s, %s: %v", c.jail, c.program, err)
		}
	}
}

const goodRow = "- {name: %, elf: {class: 64, order: big, machine: 1}}\n"

// broken catalogs: the error says what and names the line.
func TestParseCatalogRefuses(t *testing.T) {
	good := strings.Replace(goodRow, "%", "one", 1)
	for name, c := range map[string]struct{ text, want, line string }{
		"unknown key":         {"rows:\n" + good + "- {name: two, colour: red}\n", "colour", "line 3"},
		"unknown key below":   {"rows:\n- name: two\n  elf: {class: 64, bits: 3}\n", "bits", "line 3"},
		"repeated key":        {"rows:\n- name: two\n  name: three\n", "name", "line 3"},
		"not a number":        {"rows:\n- name: two\n  elf: {class: wide}\n", "wide", "line 3"},
		"machine too large":   {"rows:\n- {name: two, elf: {class: 64, order: big, machine: 0x10000}}\n", "0x10000", "line 2"},
		"same name":           {"rows:\n" + good + good, "taken by one", "line 3"},
		"same name, case":     {"rows:\n" + good + strings.Replace(goodRow, "%", "ONE", 1), "taken by one", "line 3"},
		"alias of another":    {"rows:\n" + good + "- {name: two, elf: {class: 32, order: big, machine: 2}, aliases: [one]}\n", "alias one is taken by one", "line 3"},
		"no name":             {"rows:\n- elf: {class: 64, order: big, machine: 2}\n", "without a name", "line 2"},
		"class":               {"rows:\n- {name: two, elf: {class: 16, order: big, machine: 2}}\n", "16", "line 2"},
		"order":               {"rows:\n- {name: two, elf: {class: 64, order: middle, machine: 2}}\n", "middle", "line 2"},
		"no machine":          {"rows:\n- {name: two, elf: {class: 64, order: big}}\n", "no machine", "line 2"},
		"value outside mask":  {"rows:\n- {name: two, elf: {class: 64, order: big, machine: 2, flags: {mask: 1, value: 2}}}\n", "outside", "line 2"},
		"abiversion":          {"rows:\n- {name: two, elf: {class: 64, order: big, machine: 2, abiversion: some}}\n", "some", "line 2"},
		"cpu without name":    {"rows:\n- {name: two, elf: {class: 64, order: big, machine: 2}, qemu: {cpu: max}}\n", "qemu", "line 2"},
		"bsd":                 {"rows:\n- {name: two, elf: {class: 64, order: big, machine: 2}, qemu: {name: x, bsd: maybe}}\n", "maybe", "line 2"},
		"release, no target":  {"rows:\n- {name: two, elf: {class: 64, order: big, machine: 2}, freebsd: {first: '9.0'}}\n", "target", "line 2"},
		"target, no release":  {"rows:\n- {name: two, target: two, elf: {class: 64, order: big, machine: 2}}\n", "first", "line 2"},
		"release, no number":  {"rows:\n- {name: two, target: two, elf: {class: 64, order: big, machine: 2}, freebsd: {first: nine}}\n", "nine", "line 2"},
		"sets too early":      {"rows:\n- {name: two, target: two, elf: {class: 64, order: big, machine: 2}, freebsd: {first: '9.0', sets: {first: '8.4'}}}\n", "before the first", "line 2"},
		"sets too late":       {"rows:\n- {name: two, target: two, elf: {class: 64, order: big, machine: 2}, freebsd: {first: '9.0', last: '10.4', sets: {first: '9.0', last: '11.0'}}}\n", "after the last", "line 2"},
		"sets, no end":        {"rows:\n- {name: two, target: two, elf: {class: 64, order: big, machine: 2}, freebsd: {first: '9.0', last: '10.4', sets: {first: '9.0'}}}\n", "last goes with last", "line 2"},
		"sets, no first":      {"rows:\n- {name: two, target: two, elf: {class: 64, order: big, machine: 2}, freebsd: {first: '9.0', sets: {last: '9.0'}}}\n", "last without first", "line 2"},
		"unknown suite":       {"rows:\n- {name: two, elf: {class: 64, order: big, machine: 2}, debian: {name: x, first: warty}}\n", "warty", "line 2"},
		"last before first":   {"debian_stable: b\ndebian_suites: [a, b]\nrows:\n- {name: two, elf: {class: 64, order: big, machine: 2}, debian: {name: x, first: b, last: a}}\n", "before", "line 4"},
		"suite without name":  {"rows:\n- {name: two, elf: {class: 64, order: big, machine: 2}, debian: {ports: true}}\n", "without a name", "line 2"},
		"go env without arch": {"rows:\n- {name: two, elf: {class: 64, order: big, machine: 2}, go: {env: [A=b]}}\n", "without arch", "line 2"},
		"go env":              {"rows:\n- {name: two, elf: {class: 64, order: big, machine: 2}, go: {arch: x, env: [A]}}\n", "KEY=VALUE", "line 2"},
		"same, not said":      {"rows:\n" + good + strings.Replace(goodRow, "%", "two", 1), "same is wrong about two", "line 2"},
		"same, but is not":    {"rows:\n" + good + "- {name: two, elf: {class: 64, order: big, machine: 2}, same: [one]}\n", "same is wrong about one", "line 3"},
		"same, no such row":   {"rows:\n- {name: two, elf: {class: 64, order: big, machine: 2}, same: [three]}\n", "no row", "line 2"},
		"over, but is not":    {"rows:\n" + good + "- {name: two, elf: {class: 64, order: big, machine: 2}, over: one}\n", "special case", "line 3"},
		"over, not said":      {"rows:\n" + good + "- {name: two, elf: {class: 64, order: big, machine: 1, flags: {mask: 1, value: 1}}}\n", "overlaps", "line 2"},
		"two documents":       {"rows:\n" + good + "---\nrows: []\n", "more than one document", ""},
		"stable":              {"debian_stable: c\ndebian_suites: [a, b]\nrows: []\n", "debian_stable", ""},
		"not YAML":            {"rows: [", "", "line 1"},
		"empty":               {"", "EOF", ""},
	} {
		_, err := parseCatalog([]byte(c.text))
		if err == nil || fault.KindOf(err) != fault.Damaged {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.line) {
			t.Errorf("%s: %q lacks %q or %q", name, err, c.want, c.line)
		}
	}
}

// FuzzCatalog: the parser never panics, and what it accepts keeps the rules.
func FuzzCatalog(f *testing.F) {
	f.Add([]byte("rows:\n" + strings.Replace(goodRow, "%", "one", 1)))
	f.Add([]byte("debian_stable: a\ndebian_suites: [a]\nrows:\n- {name: two, elf: {class: 32, order: little, machine: 2, flags: {mask: 6, value: 2}}, aliases: [x, y]}\n"))
	f.Add([]byte("rows: &a [*a]"))
	f.Add([]byte("rows:\n- {<<: {name: x}}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := parseCatalog(text)
		if err != nil {
			if fault.KindOf(err) != fault.Damaged {
				t.Fatalf("kind of %v", err)
			}
			return
		}
		for _, a := range c.rows {
			if got := c.lookup(a.Name); strings.TrimSpace(a.Name) == a.Name && got != a {
				t.Fatalf("%q leads to %v", a.Name, got)
			}
			for _, flags := range flagVariants(a) {
				if !a.Pattern(Any).Match(header(a, 2, 0, 0, flags)) {
					t.Fatalf("%q does not match its own programs", a.Name)
				}
			}
		}
	})
}

func BenchmarkParseCatalog(b *testing.B) {
	for b.Loop() {
		if _, err := parseCatalog(catalogText); err != nil {
			b.Fatal(err)
		}
	}
}
