package hook

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/jail"
	"github.com/xjail/xjail/jail/xtools/nxb"
	"github.com/xjail/xjail/qemu/qemutest"
)

// elfProgram is a program with an interpreter and an ABI note of FreeBSD, as far
// as headers go; "" for a static one.
func elfProgram(machine uint16, interp string, osVersion uint32) string {
	le := binary.LittleEndian
	const phdrs = 2
	at := uint64(64 + phdrs*56)
	note := le.AppendUint32(le.AppendUint32(le.AppendUint32(nil, 8), 4), 1)
	note = le.AppendUint32(append(note, "FreeBSD\x00"...), osVersion)
	b := append([]byte("\x7fELF"), 2, 1, 1, 9, 0, 0, 0, 0, 0, 0, 0, 0)
	b = le.AppendUint32(le.AppendUint16(le.AppendUint16(b, 2), machine), 1)
	for _, v := range []uint64{0x201000, 64, 0} {
		b = le.AppendUint64(b, v)
	}
	b = le.AppendUint32(b, 0)
	for _, v := range []uint16{64, 56, phdrs, 64, 0, 0} {
		b = le.AppendUint16(b, v)
	}
	first := [3]uint64{1, 0, at}
	if interp != "" {
		first = [3]uint64{3, at + uint64(len(note)), uint64(len(interp) + 1)}
	}
	for _, p := range [][3]uint64{first, {4, at, uint64(len(note))}} {
		b = le.AppendUint32(le.AppendUint32(b, uint32(p[0])), 4)
		for _, v := range []uint64{p[1], p[1], p[1], p[2], p[2], 4} {
			b = le.AppendUint64(b, v)
		}
	}
	return string(append(append(append(b, note...), interp...), 0))
}

// own makes m64 a jail of xjail's, with a manifest of what is in /nxb-bin.
func (m *machine) own(manifest *nxb.Manifest) {
	m.t.Helper()
	dir := filepath.Join(m.Store.Dir, "jails/mine")
	r := &jail.Record{Version: 1, Name: "mine", Arch: "mips64", Guest: "freebsd", Root: m.root, NotRun: "no emulator"}
	m.json(filepath.Join(dir, "jail.json"), r)
	if manifest != nil {
		m.json(filepath.Join(dir, "tools/nxb.json"), manifest)
		m.write(filepath.Join(dir, "tools/manifest.json"), "{}")
	}
}

func (m *machine) json(name string, v any) {
	m.t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		m.t.Fatal(err)
	}
	m.write(name, string(text))
}

func TestStoredTools(t *testing.T) {
	m := newMachine(t)
	m.foreign(nil)
	cc := filepath.Join(m.root, nxb.Dir, "usr/bin/cc")
	m.goesOn("bulk", "start")
	m.says("")
	m.own(nil)
	m.goesOn("bulk", "start")
	m.says("no native tools, and all is emulated: xjail tools install mine twin")
	m.tools(m.root)
	m.goesOn("bulk", "start")
	m.says("")

	// Of what somebody else made it is said that something is wrong.
	for _, test := range []struct{ text, want string }{
		{elfProgram(62, "/libexec/ld-elf.so.1", 1302000), "needs /libexec/ld-elf.so.1"},
		{elfProgram(62, rtld, 1302000), rtld + " is not there"},
		{elfProgram(183, "", 1302000), "is a program of aarch64"},
		{"text", "no program"},
		{elfProgram(62, "", 1401000), "are of FreeBSD 14.1, and the jail is of 13.2"},
	} {
		m.write(cc, test.text)
		m.goesOn("bulk", "start")
		m.says(test.want)
	}
	for _, text := range []string{elfProgram(62, "", 1302000), "#!/bin/sh\n"} {
		m.write(cc, text)
		m.goesOn("bulk", "start")
		m.says("")
	}
}

// Tools that xjail made are stopped for, since one command mends them.
func TestOwnTools(t *testing.T) {
	m := newMachine(t)
	m.foreign(nil)
	m.own(&nxb.Manifest{Format: 1})
	m.tools(m.root)
	cc := filepath.Join(m.root, nxb.Dir, "usr/bin/cc")
	m.goesOn("bulk", "start")
	m.says("")
	m.write(cc, elfProgram(62, "", 1401000))
	m.stops("of FreeBSD 14.1, and the jail is of 13.2: xjail tools install mine twin")
	if err := os.Remove(cc); err != nil {
		t.Fatal(err)
	}
	m.stops("usr/bin/cc is not there", "xjail tools install mine twin")
}

func TestJailMount(t *testing.T) {
	m := newMachine(t)
	m.write(filepath.Join(m.ref, "bin/sh"), "sh")
	mount := func() { m.goesOn("jail", "mount", m.ref) }
	mount() // there are no tools
	m.says("")

	m.tools(m.root, "usr/bin/grep")
	bin := filepath.Join(m.root, nxb.Dir, "usr/bin")
	if err := errors.Join(os.Link(filepath.Join(bin, "grep"), filepath.Join(bin, "egrep")), os.Symlink("ld", filepath.Join(bin, "ld.lld"))); err != nil {
		t.Fatal(err)
	}
	mount()
	m.says("the reference has none")
	want := tree(t, filepath.Join(m.root, nxb.Dir))
	check := func() {
		t.Helper()
		if got := tree(t, filepath.Join(m.ref, nxb.Dir)); !maps.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if left, _ := filepath.Glob(filepath.Join(m.ref, ".nxb*")); left != nil {
			t.Errorf("left behind: %q", left)
		}
	}
	check()
	a, _ := os.Stat(filepath.Join(m.ref, nxb.Dir, "usr/bin/grep"))
	b, _ := os.Stat(filepath.Join(m.ref, nxb.Dir, "usr/bin/egrep"))
	if !os.SameFile(a, b) {
		t.Error("a hard link became two files")
	}
	// The times of a link are not what every clone keeps.
	if err := unix.Lutimes(filepath.Join(bin, "ld.lld"), []unix.Timeval{{Sec: 1}, {Sec: 1}}); err != nil {
		t.Fatal(err)
	}
	mount()
	m.says("")

	old := time.Unix(1600000000, 0)
	for name, spoil := range map[string]func() error{
		"missing": func() error { return os.Remove(filepath.Join(m.ref, nxb.Dir, "usr/bin/cc")) },
		"changed": func() error { return os.Truncate(filepath.Join(m.ref, nxb.Dir, "usr/bin/cc"), 10) },
		"older":   func() error { return os.Chtimes(filepath.Join(m.ref, nxb.Dir, "usr/bin/cc"), old, old) },
		"mode":    func() error { return os.Chmod(filepath.Join(m.ref, nxb.Dir, "usr/bin/cc"), 0o700) },
		"further": func() error { return os.WriteFile(filepath.Join(m.ref, nxb.Dir, "usr/bin/x"), nil, 0o755) },
		"link": func() error {
			name := filepath.Join(m.ref, nxb.Dir, "usr/bin/ld.lld")
			return errors.Join(os.Remove(name), os.Symlink("cc", name))
		},
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		mount()
		if m.says("copied /nxb-bin"); t.Failed() {
			t.Fatal(name)
		}
		check()
	}
}

// A reference that wants to lead the hook out of itself, and a root likewise.
func TestJailMountHostile(t *testing.T) {
	for name, plant := range map[string]func(m *machine, outside string) error{
		"nxb-bin is a link": func(m *machine, outside string) error { return os.Symlink(outside, filepath.Join(m.ref, nxb.Dir)) },
		"part is a link":    func(m *machine, outside string) error { return os.Symlink(outside, filepath.Join(m.ref, toolsPart)) },
		"old is a link":     func(m *machine, outside string) error { return os.Symlink(outside, filepath.Join(m.ref, toolsOld)) },
		"usr is a link": func(m *machine, outside string) error {
			return errors.Join(os.MkdirAll(filepath.Join(m.ref, nxb.Dir), 0o755), os.Symlink(outside, filepath.Join(m.ref, nxb.Dir, "usr")))
		},
		"leftovers": func(m *machine, _ string) error {
			return os.MkdirAll(filepath.Join(m.ref, toolsOld, "usr/bin"), 0o755)
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			m.tools(m.root)
			outside := filepath.Join(m.dir, "outside")
			m.write(filepath.Join(outside, "bin/precious"), "precious")
			before := tree(t, outside)
			m.write(filepath.Join(m.ref, "bin/sh"), "sh")
			if err := plant(m, outside); err != nil {
				t.Fatal(err)
			}
			m.goesOn("jail", "mount", m.ref)
			if after := tree(t, outside); !maps.Equal(before, after) {
				t.Errorf("outside of the reference: %v", after)
			}
			if got := tree(t, filepath.Join(m.ref, nxb.Dir)); !maps.Equal(got, tree(t, filepath.Join(m.root, nxb.Dir))) {
				t.Errorf("%v", got)
			}
		})
	}
}

// FIFOs and links that lead elsewhere in the jail's own root.
func TestStoredToolsHostile(t *testing.T) {
	m := newMachine(t)
	m.write(filepath.Join(m.ref, "bin/sh"), "sh")
	m.tools(m.root)
	cc := filepath.Join(m.root, nxb.Dir, "usr/bin/cc")
	if err := errors.Join(os.Remove(cc), os.Symlink("/etc/passwd", cc)); err != nil {
		t.Fatal(err)
	}
	if stopped, err := m.call("jail", "mount", m.ref); stopped != "" || err == nil || !strings.Contains(err.Error(), "leads elsewhere") {
		t.Errorf("stop %q, error %v", stopped, err)
	}
}

// started is a reference as poudriere leaves it: its tools, and the jail's own
// programs of which some are linked.
func started(t *testing.T, own bool) *machine {
	t.Helper()
	m := newMachine(t)
	tools := []string{"usr/bin/grep", "usr/bin/tr", "usr/bin/ar", "usr/bin/sort", "usr/bin/xz", "sbin/sysctl", "bin/sh", "usr/bin/uname", "usr/bin/su", "usr/bin/egrep"}
	m.tools(m.ref, tools...)
	m.tools(m.root, tools...)
	for _, name := range append(tools, "usr/bin/cc", "usr/bin/nm") {
		if name != "usr/bin/xz" { // the jail has none
			m.write(filepath.Join(m.ref, name), "emulated "+name)
		}
	}
	egrep := filepath.Join(m.ref, "usr/bin/egrep")
	su := filepath.Join(m.ref, "usr/bin/su")
	if err := errors.Join(os.Remove(egrep), os.Symlink("grep", egrep), os.Chmod(su, 0o755|os.ModeSetuid), os.MkdirAll(filepath.Join(m.ref, "tmp"), 0o755)); err != nil {
		t.Fatal(err)
	}
	if own {
		manifest := &nxb.Manifest{Format: 1, Compiler: &nxb.Compiler{Path: "usr/bin/cc", By: nxb.ByConfig}}
		for _, name := range append(tools, nxb.Required()...) {
			manifest.Files = append(manifest.Files, nxb.File{Path: name, Kind: nxb.Static})
		}
		for _, name := range []string{"usr/bin/clang.cfg", "usr/bin/clang++.cfg", "usr/bin/clang-cpp.cfg"} {
			manifest.Files = append(manifest.Files, nxb.File{Path: name, Kind: nxb.Config})
			m.write(filepath.Join(m.ref, nxb.Dir, name), "--target")
		}
		m.own(manifest)
	}
	return m
}

// native are the programs of the reference that are hard links of tools.
func (m *machine) native() []string {
	m.t.Helper()
	var list []string
	for name := range tree(m.t, filepath.Join(m.ref, nxb.Dir)) {
		a, err1 := os.Lstat(filepath.Join(m.ref, nxb.Dir, name))
		b, err2 := os.Lstat(filepath.Join(m.ref, name))
		if err1 == nil && err2 == nil && a.Mode().IsRegular() && os.SameFile(a, b) {
			list = append(list, filepath.Base(name))
		}
	}
	slices.Sort(list)
	return list
}

func TestJailStartLinks(t *testing.T) {
	m := started(t, false)
	m.goesOn("jail", "start")
	m.says("")
	if got := strings.Join(m.native(), " "); got != "ar egrep grep nm tr" {
		t.Errorf("native: %s", got)
	}
	if _, err := os.Lstat(filepath.Join(m.ref, wiringDir)); err == nil {
		t.Error("the old files are still there")
	}
	m.goesOn("jail", "start") // once more changes nothing
	if got := strings.Join(m.native(), " "); got != "ar egrep grep nm tr" {
		t.Errorf("native: %s", got)
	}
}

// With a manifest it says what is linked, compilers and what must be beside them
// included.
func TestJailStartManifest(t *testing.T) {
	m := started(t, true)
	m.goesOn("jail", "start")
	if got := strings.Join(m.native(), " "); got != "ar cc clang++.cfg clang-cpp.cfg clang.cfg egrep grep nm tr uname" {
		t.Errorf("native: %s", got)
	}
}

// fakeJexec stands for the programs of the jail: what the compiler makes is of a
// machine, and broken are tools that do not work.
func (m *machine) fakeJexec(machine string, broken func() bool) {
	a, err := arch.Lookup(machine)
	if err != nil {
		m.t.Fatal(err)
	}
	m.exec = func(_ context.Context, name string, argv ...string) ([]byte, error) {
		if name != "m64-default" {
			m.t.Errorf("enters %q", name)
		}
		switch {
		case strings.HasSuffix(argv[0], "/cc"):
			m.write(filepath.Join(m.ref, argv[2]), string(a.Header(9))+strings.Repeat("\x00", 200))
		case argv[0] == "/bin/sh" && broken():
			return []byte("grep: Bus error\n"), errors.New("exit status 138")
		}
		return []byte("qemu: Unsupported syscall: 580\nxjail\n"), nil
	}
}

func TestSmoke(t *testing.T) {
	never := func() bool { return false }
	m := started(t, true)
	m.fakeJexec("mips64", never)
	m.goesOn("jail", "start")
	m.says("")
	if left, _ := filepath.Glob(filepath.Join(m.ref, "tmp/.x*")); left != nil {
		t.Errorf("left behind: %q", left)
	}

	// A tool that does not work there is emulated again.
	m = started(t, true)
	before := tree(t, m.ref)
	m.fakeJexec("mips64", func() bool { return len(m.native()) > 0 })
	m.goesOn("jail", "start")
	m.says("are emulated again: /bin/sh: exit status 138: grep: Bus error")
	if after := tree(t, m.ref); !maps.Equal(before, after) {
		t.Errorf("not as before: %v", after)
	}

	// It is not the tools: that is said, and no reason to stop.
	m = started(t, true)
	m.fakeJexec("mips64", func() bool { return true })
	if stopped, err := m.call("jail", "start"); stopped != "" || err == nil {
		t.Errorf("stop %q, error %v", stopped, err)
	}
	if got := m.native(); got != nil {
		t.Errorf("native: %q", got)
	}

	// What says too much is not said again in full.
	m = started(t, true)
	m.exec = func(context.Context, string, ...string) ([]byte, error) {
		return []byte(strings.Repeat("é", tailMax/2)), errors.New("exit status 1")
	}
	if stopped, err := m.call("jail", "start"); stopped != "" || err == nil || len(err.Error()) > 400 || !utf8.ValidString(err.Error()) {
		t.Errorf("stop %q, error %v", stopped, err)
	}

	// Every package would be wrong.
	m = started(t, true)
	before = tree(t, m.ref)
	m.fakeJexec("amd64", never)
	stopped, err := m.call("jail", "start")
	if !strings.Contains(stopped, "/nxb-bin/usr/bin/cc compiles for amd64, not for mips64") || !strings.Contains(stopped, "xjail tools install mine twin") {
		t.Errorf("stop %q, error %v", stopped, err)
	}
	if after := tree(t, m.ref); !maps.Equal(before, after) {
		t.Errorf("not as before: %v", after)
	}
}

func TestPkgrepoSign(t *testing.T) {
	m := newMachine(t)
	packages := filepath.Join(m.dir, "packages")
	m.write(filepath.Join(packages, "All/pkg-2.1.2_1.pkg"), "")
	m.write(filepath.Join(m.ref, pkgInJail), "emulated")
	if err := errors.Join(os.MkdirAll(filepath.Join(packages, "Latest"), 0o755), os.Symlink("../All/pkg-2.1.2_1.pkg", filepath.Join(packages, "Latest/pkg.pkg"))); err != nil {
		t.Fatal(err)
	}
	sign := func(want string) {
		t.Helper()
		m.goesOn("pkgrepo", "sign", packages, "", "no", "")
		text, err := os.ReadFile(filepath.Join(m.ref, pkgInJail))
		if got := string(text[max(0, len(text)-8):]); err != nil || (got == "emulated") != (want == "emulated") {
			t.Errorf("%v %q, want %s", err, got, want)
		}
	}
	sign("emulated") // the host has none
	version := "2.1.1"
	m.pkgVersion = func(context.Context, string) string { return version }
	m.write(m.pkgStatic, string(qemutest.Program(t)))
	sign("emulated")
	version = "2.1.2"
	m.write(m.pkgStatic, elfProgram(62, "/libexec/ld-elf.so.1", 1500000))
	sign("emulated")
	m.write(m.pkgStatic, string(qemutest.Program(t)))
	sign("native")
	m.says("pkg 2.1.2 of this machine makes the repository")
}

func TestAskPkg(t *testing.T) {
	name := filepath.Join(t.TempDir(), "pkg")
	if err := os.WriteFile(name, []byte("#!/bin/sh\necho 2.1.2\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if got := askPkg(t.Context(), name); got != "2.1.2" {
		t.Errorf("%q", got)
	}
	if got := askPkg(t.Context(), name+"x"); got != "" {
		t.Errorf("%q", got)
	}
}

func TestPkgVersion(t *testing.T) {
	for file, want := range map[string]string{
		"pkg-2.1.2.pkg": "2.1.2", "pkg-1.21.3_1.txz": "1.21.3", "pkg-2.1.2~4e1cd8a0f3.pkg": "2.1.2", "pkg-2.1.2_3~4e1.pkg": "2.1.2",
		"pkg.pkg": "", "other-1.pkg": "",
	} {
		if got := pkgVersion(file); got != want {
			t.Errorf("%s: %q, want %q", file, got, want)
		}
	}
}

func TestBulkEnd(t *testing.T) {
	m := started(t, false)
	m.write(filepath.Join(m.ref, wiringDir, "0"), "left")
	m.write(filepath.Join(m.ref, smokeDir, "hello"), "left")
	m.write(filepath.Join(m.ref, toolsPart, "x"), "left")
	m.goesOn("bulk", "crashed")
	for _, name := range []string{wiringDir, smokeDir, toolsPart} {
		if _, err := os.Lstat(filepath.Join(m.ref, name)); err == nil {
			t.Errorf("%s is left behind", name)
		}
	}
	m.goesOn("bulk", "done", "10", "2", "3", "4", "5")
	text, err := os.ReadFile(filepath.Join(m.Store.Dir, "poudriere", BuildsName))
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if err != nil || len(lines) != 2 {
		t.Fatalf("%v %q", err, text)
	}
	var b Build
	if err := json.Unmarshal([]byte(lines[1]), &b); err != nil {
		t.Fatal(err)
	}
	want := Build{Time: time.Unix(1700000000, 0).UTC(), Jail: "m64", Arch: "mips64", Build: "2026-11-28_12h00m00s", Ports: "default", Event: "done", Master: "m64-default", Built: 10, Failed: 2, Ignored: 3, Skipped: 4, Fetched: 5}
	if b != want {
		t.Errorf("%+v", b)
	}
}

// How long a build took is told by its name, where that is a time.
func TestSecondsSince(t *testing.T) {
	now := time.Date(2026, 11, 28, 15, 4, 5, 0, time.Local)
	for name, want := range map[string]int64{"2026-11-28_15h03m05s": 60, "2026-11-27_15h04m05s": 24 * 3600, "2026-11-28_15h04m06s": 0, "mine": 0, "": 0} {
		if got := secondsSince(name, now); got != want {
			t.Errorf("%q: %d, want %d", name, got, want)
		}
	}
}

func FuzzPkgVersion(f *testing.F) {
	for _, file := range []string{"pkg-2.1.2_1.pkg", "pkg-2.1.2~4e1.pkg", "pkg-", "pkg-~_."} {
		f.Add(file)
	}
	f.Fuzz(func(t *testing.T, file string) {
		if got := pkgVersion(file); strings.ContainsAny(got, "~_") || !strings.Contains(file, got) {
			t.Errorf("%q: %q", file, got)
		}
	})
}
