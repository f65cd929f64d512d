package activators_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/memory"
	"github.com/xjail/xjail/internal/fault"
)

func plainEntry(name string, magic string) activators.Entry {
	return activators.Entry{Name: name, Interpreter: "/bin/q", Magic: activators.Hex(magic), Enabled: true}
}

// The record and the table, when others change the table.
func TestLedgerDifferences(t *testing.T) {
	table := memory.New(memory.Linux)
	l := open(t, filepath.Join(t.TempDir(), "ledger"), "boot")
	names := []string{"same", "gone", "changed"}
	for i, name := range names {
		if _, err := activators.Register(table, l, []activators.Entry{plainEntry(name, string(rune('a'+i))+"magic")}); err != nil {
			t.Fatal(err)
		}
	}
	if gone, changed := differences(t, l, table); gone != nil || changed != nil {
		t.Errorf("gone %q, changed %q", gone, changed)
	}
	for _, name := range names[1:] {
		if err := table.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range []activators.Entry{plainEntry("changed", "other"), plainEntry("theirs", "third")} {
		if err := table.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	gone, changed := differences(t, l, table)
	if !slices.Equal(gone, []string{"gone"}) || !slices.Equal(changed, []string{"changed"}) {
		t.Errorf("gone %q, changed %q", gone, changed)
	}
	if err := l.Forget(table); err != nil {
		t.Fatal(err)
	}
	if gone, changed := differences(t, l, table); gone != nil || changed != nil {
		t.Errorf("forgotten, and still gone %q, changed %q", gone, changed)
	}
}

func differences(t *testing.T, l *activators.Ledger, table activators.Table) (gone, changed []string) {
	t.Helper()
	list, err := table.List()
	if err != nil {
		t.Fatal(err)
	}
	return l.Differences(list)
}

func TestStandInOf(t *testing.T) {
	for name, want := range map[string]string{"xjail-mips64.new": "xjail-mips64", "xjail-mips64": "", ".new": "", "new": ""} {
		if got := activators.StandInOf(name); got != want {
			t.Errorf("%q: %q", name, got)
		}
	}
}

// What is beside a ledger, and whether a killed xjail left it.
func TestLedgerLeftover(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files []string
		left  bool
	}{
		{"nothing", nil, false},
		{"a ledger with its lock", []string{"", ".lock"}, false},
		{"a ledger alone", []string{""}, false},
		{"the lock of no ledger", []string{".lock"}, true},
		{"one that was being written", []string{"", ".lock", ".tmp"}, true},
		{"the first one that was being written", []string{".lock", ".tmp"}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "state", "ledger")
			if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			for _, end := range tt.files {
				if err := os.WriteFile(path+end, []byte("{}"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if got := activators.LedgerLeftover(path); got != tt.left {
				t.Fatalf("left: %v", got)
			}
			if !tt.left {
				return
			}
			if err := activators.SweepLedger(path); err != nil {
				t.Fatal(err)
			}
			_, err := os.Stat(path)
			if activators.LedgerLeftover(path) || slices.Contains(tt.files, "") != (err == nil) {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// While another xjail holds the lock, nothing is left, and nothing is swept.
func TestLedgerLeftoverInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	open(t, path, "boot")
	if activators.LedgerLeftover(path) {
		t.Error("the lock of an xjail that works is no leftover")
	}
	if testing.Short() {
		return
	}
	if err := activators.SweepLedger(path); fault.KindOf(err) != fault.Locked {
		t.Errorf("swept under another's lock: %v", err)
	}
}
