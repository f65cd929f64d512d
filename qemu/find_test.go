package qemu

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/qemu/qemutest"
)

func lookup(t *testing.T, name string) *arch.Arch {
	t.Helper()
	a, err := arch.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// nowhere is a search that sees nothing of the machine.
func nowhere(t *testing.T) FindOptions {
	return FindOptions{Path: filepath.Join(t.TempDir(), "none"), Prefixes: []string{}, GuestOS: "linux"}
}

func TestFindBest(t *testing.T) {
	dir := t.TempDir()
	at := func(parts ...string) string { return filepath.Join(append([]string{dir}, parts...)...) }
	old, recent := qemutest.Linux("mips64", "5.2.0"), qemutest.Linux("mips64", "10.0.2 (Debian 1:10.0.2)")
	old.Write(t, at("a", "qemu-mips64-static"))
	recent.Write(t, at("a", "qemu-mips64"))
	recent.Write(t, at("b", "qemu-mips64-static"))
	qemutest.BSD("mips64", "11.0.0").Write(t, at("c", "qemu-mips64-static"))
	qemutest.Linux("mips", "11.0.0").Write(t, at("c", "qemu-mips64"))
	if err := os.WriteFile(at("b", "qemu-mips64"), elfFile(arch.Host(), "/lib/ld.so", 2, 0), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(at("a"), at("again")); err != nil {
		t.Fatal(err)
	}
	qemutest.Linux("arm", "10.0").Write(t, at("a", "qemu-arm-static"))
	o := nowhere(t)
	o.Path = strings.Join([]string{at("a"), ".", "", at("again"), at("b")}, ":")
	o.Prefixes = []string{at("c"), at("a")}
	best, all, err := Find(t.Context(), lookup(t, "mips64"), o)
	if err != nil {
		t.Fatal(err)
	}
	if best.Path != at("a", "qemu-mips64") || best.SHA256 == "" {
		t.Errorf("best is %+v", best)
	}
	want := []struct{ path, from, why string }{
		{at("a", "qemu-mips64-static"), "PATH", "older than " + best.Path},
		{best.Path, "PATH", ""},
		{at("b", "qemu-mips64-static"), "PATH", "not newer than " + best.Path},
		{at("b", "qemu-mips64"), "PATH", "is dynamically linked"},
		{at("c", "qemu-mips64-static"), "usual place", "is bsd-user"},
		{at("c", "qemu-mips64"), "usual place", "emulates mips, not mips64"},
	}
	if len(all) != len(want) {
		t.Fatalf("candidates: %+v", all)
	}
	for i, w := range want {
		c := all[i]
		if c.Path != w.path || c.From != w.from || !strings.HasPrefix(c.Why, w.why) || c.Chosen != (w.why == "") || (c.Why == "") != c.Chosen {
			t.Errorf("candidate %d is %+v, want %+v", i, c, w)
		}
		if c.Dynamic != strings.Contains(c.Why, "dynamic") {
			t.Errorf("candidate %d: dynamic is %v", i, c.Dynamic)
		}
	}
	// A guest of FreeBSD takes the other family.
	o.GuestOS = "freebsd"
	if best, _, err = Find(t.Context(), lookup(t, "mips64"), o); err != nil || best.Family != BSDUser {
		t.Errorf("for FreeBSD: %+v, %v", best, err)
	}
}

// What the configuration names wins over newer ones; what was fetched does not.
func TestFindConfigured(t *testing.T) {
	dir := t.TempDir()
	at := func(parts ...string) string { return filepath.Join(append([]string{dir}, parts...)...) }
	qemutest.Linux("arm", "3.1.0").Write(t, at("conf", "qemu-arm"))
	qemutest.Linux("arm", "8.0.0").Write(t, at("fetched", "qemu-arm-static"))
	qemutest.Linux("arm", "9.0.0").Write(t, at("bin", "qemu-arm-static"))
	o := nowhere(t)
	o.Fetched, o.Path = at("fetched"), at("bin")
	best, all, err := Find(t.Context(), lookup(t, "armv7"), o)
	if err != nil || best.Version != "9.0.0" || all[0].From != "fetched" {
		t.Fatalf("%+v, %+v, %v", best, all, err)
	}
	o.Dirs, o.SkipDigest = []string{at("conf")}, true
	best, all, err = Find(t.Context(), lookup(t, "armv7"), o)
	if err != nil || best.Version != "3.1.0" || best.SHA256 != "" {
		t.Fatalf("%+v, %v", best, err)
	}
	for _, c := range all[1:] {
		if !strings.Contains(c.Why, "configuration") {
			t.Errorf("%s: %s", c.Path, c.Why)
		}
	}
}

func TestFindExplicit(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	qemutest.Linux("ppc64le", "9.0.0").Write(t, at("qemu-ppc64le-static"))
	qemutest.Linux("ppc64le", "4.0.0").Write(t, at("mine"))
	qemutest.Linux("ppc64", "9.0.0").Write(t, at("other"))
	qemutest.BSD("ppc64le", "9.0.0").Write(t, at("bsd"))
	a := lookup(t, "ppc64el")
	o := nowhere(t)
	o.Path = dir
	for _, tc := range []struct {
		file, guest string
		kind        fault.Kind
		word        string
	}{
		{"mine", "", 0, ""},
		{"mine", "linux", 0, ""},
		{"bsd", "", 0, ""},
		{"bsd", "linux", fault.BadEmulator, "programs of FreeBSD, not of Linux"},
		{"mine", "freebsd", fault.BadEmulator, "programs of Linux, not of FreeBSD"},
		{"other", "", fault.BadEmulator, "emulates ppc64, not ppc64le"},
		{"none", "", fault.NotFound, "no such file"},
	} {
		o.Explicit, o.GuestOS = at(tc.file), tc.guest
		best, all, err := Find(t.Context(), a, o)
		if len(all) != 2 || all[0].From != "--emulator" || all[1].Why == "" || all[0].Chosen != (tc.kind == 0) {
			t.Errorf("%s: candidates %+v", tc.file, all)
		}
		if tc.kind == 0 {
			if err != nil || best.Path != at(tc.file) || best.SHA256 == "" {
				t.Errorf("%s: %+v, %v", tc.file, best, err)
			}
			continue
		}
		wantKind(t, err, tc.kind, tc.word)
		if best != nil {
			t.Errorf("%s: %+v beside an error", tc.file, best)
		}
	}
}

func TestFindNone(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "qemu-s390x-static")
	if err := os.WriteFile(bad, []byte("no"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("qemu-s390x", filepath.Join(dir, "qemu-s390x")); err != nil {
		t.Fatal(err)
	}
	o := nowhere(t)
	_, all, err := Find(t.Context(), lookup(t, "s390x"), o)
	wantKind(t, err, fault.NotFound, "there is no qemu-s390x-static here")
	if len(all) != 0 || fault.HintOf(err) == "" {
		t.Errorf("%+v, hint %q", all, fault.HintOf(err))
	}
	o.Path = dir
	_, all, err = Find(t.Context(), lookup(t, "s390x"), o)
	wantKind(t, err, fault.NotFound, bad+": not an ELF file")
	if len(all) != 2 || !strings.Contains(all[1].Why, "symbolic links") {
		t.Errorf("%+v", all)
	}
	_, _, err = Find(t.Context(), lookup(t, "ia64"), o)
	wantKind(t, err, fault.NotFound, "QEMU has no user-mode emulator for ia64")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err = Find(ctx, lookup(t, "s390x"), o)
	wantKind(t, err, fault.Interrupted, "canceled")
}

// Targets that run programs of an architecture under another name.
func TestFindOtherTarget(t *testing.T) {
	dir := t.TempDir()
	qemutest.Linux("ppc64abi32", "5.2.0").Write(t, filepath.Join(dir, "qemu-ppc64abi32-static"))
	qemutest.Linux("sparc32plus", "9.0").Write(t, filepath.Join(dir, "qemu-sparc32plus"))
	o := nowhere(t)
	o.Path = dir
	for name, want := range map[string]string{"powerpc": "ppc64abi32", "sparc": "sparc32plus"} {
		if best, _, err := Find(t.Context(), lookup(t, name), o); err != nil || best.Target != want {
			t.Errorf("%s: %+v, %v", name, best, err)
		}
	}
}

func TestPlacesOfTheMachine(t *testing.T) {
	t.Setenv("PATH", "/one:relative::/usr/bin:/one/")
	var dirs []string
	for _, p := range (FindOptions{Dirs: []string{"rel", "/conf"}}).places() {
		dirs = append(dirs, p.dir)
	}
	if want := append([]string{"/conf", "/one", "/usr/bin"}, slices.DeleteFunc(UsualPrefixes(), func(d string) bool { return d == "/usr/bin" })...); !slices.Equal(dirs, want) {
		t.Errorf("got %q, want %q", dirs, want)
	}
	guest := FindOptions{}.guest()
	if want := map[bool]string{true: "freebsd", false: "linux"}[runtime.GOOS == "freebsd"]; guest != want {
		t.Errorf("guest %s", guest)
	}
}

func TestInstallCommand(t *testing.T) {
	for _, tc := range []struct{ goos, release, want string }{
		{"freebsd", "ID=freebsd", "pkg install qemu-user-static"},
		{"linux", "ID=debian\nVERSION_CODENAME=trixie", "apt-get install qemu-user-static"},
		{"linux", "ID=linuxmint\nID_LIKE=\"ubuntu debian\"", "apt-get install qemu-user-static"},
		{"linux", "ID=fedora", "dnf install qemu-user-static"},
		{"linux", "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"", "dnf install qemu-user-static"},
		{"linux", "ID=opensuse-tumbleweed\nID_LIKE='opensuse suse'", "zypper install qemu-linux-user"},
		{"linux", "ID=arch", "pacman -S qemu-user-static"},
		{"linux", "ID=alpine", "apk add qemu-arm"},
		{"linux", "ID=void", "xbps-install qemu-user-static"},
		{"linux", "ID=gentoo", "USE=static-user emerge app-emulation/qemu"},
		{"linux", "", "qemu-arm-static"},
		{"linux", "# ID=debian\nID=\nnonsense", "qemu-arm-static"},
	} {
		got := installCommand(tc.goos, parseOSRelease(strings.NewReader(tc.release)), "arm")
		if !strings.Contains(got, tc.want) {
			t.Errorf("%q: %s", tc.release, got)
		}
	}
	old := osReleaseFiles
	defer func() { osReleaseFiles = old }()
	file := filepath.Join(t.TempDir(), "os-release")
	if err := os.WriteFile(file, []byte("ID=debian\nVERSION_CODENAME=bookworm\nUBUNTU_CODENAME=noble\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	osReleaseFiles = []string{"/nonexistent", file}
	if got := readOSRelease().codenames; !slices.Equal(got, []string{"bookworm", "noble"}) {
		t.Errorf("codenames %q", got)
	}
	a := lookup(t, "mips64")
	if runtime.GOOS == "linux" {
		if got := InstallHint(a); got != "xjail emulator fetch mips64" {
			t.Errorf("hint %q", got)
		}
		if got := InstallAnyHint(); !strings.Contains(got, "xjail emulator fetch") {
			t.Errorf("hint %q", got)
		}
	}
	osReleaseFiles = nil
	if got := InstallHint(a); !strings.Contains(got, "qemu") {
		t.Errorf("hint %q", got)
	}
	if got := InstallAnyHint(); !strings.Contains(got, "qemu") {
		t.Errorf("hint %q", got)
	}
}

// What there is on this machine is what it says, and runs.
func TestRealEmulators(t *testing.T) {
	found := 0
	for _, a := range arch.All() {
		e, _, err := Find(t.Context(), a, FindOptions{GuestOS: "linux", SkipDigest: true})
		if err != nil {
			continue
		}
		found++
		if !slices.Contains(Targets(a), e.Target) || len(numbers(e.Version)) < 2 {
			t.Errorf("%s: %+v", a.Name, e)
		}
		tried, err := Try(t.Context(), e, a)
		if err != nil {
			t.Errorf("%s: %v", a.Name, err)
		}
		if _, known := trialFor(e.Target); tried != known {
			t.Errorf("%s: tried %v", a.Name, tried)
		}
	}
	if found == 0 {
		t.Skip("no emulators on this machine")
	}
}

func TestTry(t *testing.T) {
	a := lookup(t, "mips64")
	dir := t.TempDir()
	inspect := func(name string, f qemutest.Fake) *Emulator {
		e, err := Inspect(t.Context(), f.Write(t, filepath.Join(dir, name)))
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	good := qemutest.Linux("mips64", "9.0")
	bad := good
	bad.RunStatus = 139
	zero := good
	zero.RunStatus = 0
	if tried, err := Try(t.Context(), inspect("good", good), a); err != nil || !tried {
		t.Errorf("good: %v, %v", tried, err)
	}
	_, err := Try(t.Context(), inspect("bad", bad), a)
	wantKind(t, err, fault.BadEmulator, "exit status 139")
	_, err = Try(t.Context(), inspect("zero", zero), a)
	wantKind(t, err, fault.BadEmulator, "exit status 0")
	if tried, err := Try(t.Context(), inspect("bsd", qemutest.BSD("mips64", "9.0")), a); tried || err != nil {
		t.Errorf("bsd-user: %v, %v", tried, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Try(ctx, inspect("good2", good), a)
	wantKind(t, err, fault.Interrupted, "canceled")
}

// The trial programs are what the catalog says, in the eyes of both readers.
func TestTrialPrograms(t *testing.T) {
	for _, a := range arch.All() {
		p, ok := trialFor(a.QEMU)
		if !ok {
			continue
		}
		data := p.program(a)
		id, err := arch.Identify(strings.NewReader(string(data)))
		if err != nil || !id.Static || a.Accepts(id) != nil {
			t.Errorf("%s: %+v, %v", a.Name, id, err)
		}
		if err := CheckComplete(strings.NewReader(string(data)), int64(len(data))); err != nil {
			t.Errorf("%s: %v", a.Name, err)
		}
	}
}
