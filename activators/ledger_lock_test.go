package activators

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/xjail/xjail/internal/fault"
)

// Another open file of the same name is another process to flock(2).
func TestLedgerLock(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	name := filepath.Join(dir, "lock")
	first, err := lockFile(name, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lockFile(name, time.Now()); fault.KindOf(err) != fault.Locked {
		t.Errorf("a second one got the lock: %v", err)
	}
	// The first one leaves nothing: its file is no lock any more.
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	second, err := lockFile(name, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	first.Close()
	if _, err := lockFile(name, time.Now()); fault.KindOf(err) != fault.Locked {
		t.Errorf("the end of the first one let go of the second one's lock: %v", err)
	}
	second.Close()
	third, err := lockFile(name, time.Now())
	if err != nil {
		t.Errorf("after all have let go: %v", err)
	}
	third.Close()
}

// With nothing to remember nothing stays.
func TestLedgerLeavesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	l, err := OpenLedger(filepath.Join(dir, LedgerName), "boot")
	if err != nil {
		t.Fatal(err)
	}
	e := Entry{Name: "x", Interpreter: "/x", Magic: []byte{1}}
	if err := l.expect([]Entry{e}); err != nil {
		t.Fatal(err)
	}
	l.Close()
	if _, err := os.Stat(filepath.Join(dir, LedgerName+".lock")); err != nil {
		t.Errorf("with an entry: %v", err)
	}
	if l, err = OpenLedger(filepath.Join(dir, LedgerName), "boot"); err != nil || !l.Owns(e) {
		t.Fatal("the entry is forgotten", err)
	}
	l.entries = nil
	if err := l.save(); err != nil {
		t.Fatal(err)
	}
	l.Close()
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("without: %v", err)
	}
}
