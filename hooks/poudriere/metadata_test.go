package poudriere

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
)

// The names are those of poudriere's own documentation and of the reports of its
// users: TARGET.TARGET_ARCH, and one word where the two are the same.
func TestArchName(t *testing.T) {
	for name, want := range map[string]string{
		"mips64": "mips.mips64", "aarch64": "arm64.aarch64", "armv7": "arm.armv7", "riscv64": "riscv.riscv64",
		"powerpc64le": "powerpc.powerpc64le", "powerpc64": "powerpc.powerpc64", "powerpc": "powerpc", "amd64": "amd64", "i386": "i386",
	} {
		a, err := arch.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ArchName(a)
		if err != nil || got != want {
			t.Errorf("ArchName(%s) = %q, %v, want %q", name, got, err, want)
		}
		target, targetArch := (&Jail{Arch: got}).Target()
		if targetArch != name || target != a.Target {
			t.Errorf("Target of %q = %q, %q", got, target, targetArch)
		}
	}
	a, err := arch.Lookup("s390x")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ArchName(a); fault.KindOf(err) != fault.Unsupported {
		t.Errorf("ArchName(s390x) = %q, %v", got, err)
	}
}

func testConfig(t *testing.T) Config {
	t.Helper()
	return Config{Etc: t.TempDir()}
}

// The files are those that poudriere 3.4 leaves after jail -c -m null.
func TestPut(t *testing.T) {
	c := testConfig(t)
	j := &Jail{Name: "13mips64", Version: "13.2-RELEASE", Arch: "mips.mips64", Mnt: "/jails/13 mips64", Method: "null", Timestamp: "1700000000", PkgBase: "0"}
	if err := c.put(j); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"version": "13.2-RELEASE\n", "arch": "mips.mips64\n", "mnt": "/jails/13 mips64\n", "method": "null\n",
		"timestamp": "1700000000\n", "pkgbase": "0\n",
	}
	dir := filepath.Join(c.Dir(), "jails", "13mips64")
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		text, _ := os.ReadFile(filepath.Join(dir, e.Name()))
		info, _ := e.Info()
		if string(text) != want[e.Name()] || info.Mode() != 0o644 {
			t.Errorf("%s (%s) = %q, want %q", e.Name(), info.Mode(), text, want[e.Name()])
		}
		delete(want, e.Name())
	}
	if len(want) > 0 {
		t.Errorf("not written: %v", want)
	}
	got, err := c.Jail("13mips64")
	if err != nil || *got != *j {
		t.Errorf("read back %+v, %v", got, err)
	}
	if names, err := c.Jails(); err != nil || len(names) != 1 || names[0] != "13mips64" {
		t.Errorf("Jails = %v, %v", names, err)
	}
	if err := c.put(j); fault.KindOf(err) == 0 {
		t.Error("a second jail of that name")
	}
	if err := c.removeJail("13mips64"); err != nil {
		t.Fatal(err)
	}
	wantEmpty(t, c)
}

// wantEmpty wants that nothing is left in poudriere.d but the directory jails.
func wantEmpty(t *testing.T, c Config) {
	t.Helper()
	err := filepath.WalkDir(c.Dir(), func(name string, _ fs.DirEntry, err error) error {
		if err == nil && name != c.Dir() && name != c.jails() {
			t.Errorf("left: %s", name)
		}
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		t.Error(err)
	}
}

// A jail that has what poudriere never writes is not removed, and neither is the
// rest of it.
func TestRemoveJailRefuses(t *testing.T) {
	c := testConfig(t)
	if err := c.put(&Jail{Name: "a", Version: "13.2-RELEASE"}); err != nil {
		t.Fatal(err)
	}
	notes := filepath.Join(c.jails(), "a", "notes")
	if err := os.WriteFile(notes, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.removeJail("a"); fault.KindOf(err) != fault.Unsafe {
		t.Errorf("removeJail: %v", err)
	}
	if j, err := c.Jail("a"); err != nil || j.Version != "13.2-RELEASE" {
		t.Errorf("after it: %+v, %v", j, err)
	}
}

func TestJailErrors(t *testing.T) {
	c := testConfig(t)
	for _, name := range []string{"", "none", "..", "../jails", "a/b"} {
		if _, err := c.Jail(name); fault.KindOf(err) != fault.NotFound {
			t.Errorf("Jail(%q): %v", name, err)
		}
	}
	if err := c.put(&Jail{Name: "a", Version: "1\n2"}); fault.KindOf(err) != fault.Usage {
		t.Errorf("a version of two lines: %v", err)
	}
	wantEmpty(t, c)
	if err := c.put(&Jail{Name: "a", Version: "13.2-RELEASE"}); err != nil {
		t.Fatal(err)
	}
	long := filepath.Join(c.jails(), "a", "mnt")
	if err := os.WriteFile(long, []byte(strings.Repeat("x", propertyMax+1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Jail("a"); fault.KindOf(err) != fault.Damaged {
		t.Errorf("a long mnt: %v", err)
	}
	if err := c.set("a", "version", "14.3-RELEASE"); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(filepath.Join(c.jails(), "a", "version")); string(text) != "14.3-RELEASE\n" {
		t.Errorf("version = %q", text)
	}
}
