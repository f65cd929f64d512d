package binfmt

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/internal/fault"
)

// directory is a stand-in for the kernel's: what is written to its files stays
// there.
func directory(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestNotMounted(t *testing.T) {
	file := filepath.Join(directory(t, map[string]string{"file": ""}), "file")
	for _, dir := range []string{t.TempDir(), "/no/such/dir", file} {
		table := New(dir)
		if s, err := table.Status(); dir != file && (err != nil || s.Available || s.Enabled || s.Kernel != "linux" || s.Where != dir) {
			t.Errorf("%+v, %v", s, err)
		}
		_, lerr := table.List()
		_, kerr := table.Lookup("a")
		for _, err := range []error{lerr, kerr, table.Add(valid()), table.Remove("a"), table.Enable("a"), table.Disable("a")} {
			if !errors.Is(err, activators.ErrUnsupported) || fault.KindOf(err) != fault.Unsupported || fault.HintOf(err) != "as root: mount -t binfmt_misc binfmt_misc "+dir {
				t.Errorf("%s: %v, hint %q", dir, err, fault.HintOf(err))
			}
		}
	}
}

func TestBadEntryFile(t *testing.T) {
	table := New(directory(t, map[string]string{"status": "enabled\n", "register": "", "a": "nonsense"}))
	if _, err := table.List(); fault.KindOf(err) != fault.Damaged || !strings.Contains(err.Error(), `"a"`) {
		t.Error(err)
	}
	if _, err := table.Lookup("a"); fault.KindOf(err) != fault.Damaged {
		t.Error(err)
	}
}

func TestPermission(t *testing.T) {
	dir := directory(t, map[string]string{"status": "enabled\n", "register": "", "a": "enabled\ninterpreter /a\nflags: \noffset 0\nmagic 41\n"})
	for _, name := range []string{"register", "a"} {
		if err := os.Chmod(filepath.Join(dir, name), 0o444); err != nil {
			t.Fatal(err)
		}
	}
	if f, err := os.OpenFile(filepath.Join(dir, "a"), os.O_WRONLY, 0); err == nil {
		f.Close()
		t.Skip("this user may write everything")
	}
	table := New(dir)
	if l, err := table.List(); err != nil || len(l) != 1 {
		t.Errorf("%+v, %v", l, err)
	}
	for _, err := range []error{table.Add(valid()), table.Remove("a"), table.Enable("a"), table.Disable("a")} {
		if !errors.Is(err, activators.ErrPermission) || fault.KindOf(err) != fault.Permission || fault.HintOf(err) == "" {
			t.Error(err)
		}
	}
}

// No name leads out of the directory or to its switch.
func TestNamesStayInside(t *testing.T) {
	dir := directory(t, map[string]string{"status": "enabled\n", "register": "", "victim": "safe"})
	sub := filepath.Join(dir, "sub")
	if err := os.Mkdir(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{"status", "register"} {
		if err := os.WriteFile(filepath.Join(sub, f), []byte("enabled\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	table := New(sub)
	for _, name := range []string{"../victim", "status", "register", "", ".", "..", "./status", "\x00"} {
		_, lerr := table.Lookup(name)
		for _, err := range []error{lerr, table.Remove(name), table.Enable(name), table.Disable(name)} {
			if !errors.Is(err, activators.ErrInvalid) {
				t.Errorf("%q: %v", name, err)
			}
		}
	}
	for path, want := range map[string]string{"victim": "safe", "sub/status": "enabled\n"} {
		if got, err := os.ReadFile(filepath.Join(dir, path)); err != nil || string(got) != want {
			t.Errorf("%s is %q, %v", path, got, err)
		}
	}
}
