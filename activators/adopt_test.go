package activators_test

import (
	"path/filepath"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/memory"
)

func TestLedgerAdopt(t *testing.T) {
	table := memory.New(memory.Linux)
	declared := activators.Entry{Name: "a", Interpreter: "/i", Magic: activators.Hex("AB"), Mask: activators.Hex("\xff\xff"), Enabled: true}
	other := declared
	other.Interpreter = "/other"
	if err := table.Add(declared); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "state", activators.LedgerName)
	l, err := activators.OpenLedger(path, "boot")
	if err != nil {
		t.Fatal(err)
	}
	if l.Owns(declared) {
		t.Error("owned before it is adopted")
	}
	l.Adopt([]activators.Entry{declared, declared})
	if !l.Owns(declared) || l.Owns(other) || l.Stale(declared) != "" {
		t.Error("what was declared is not owned, or something else is")
	}
	if _, err := activators.Unregister(table, l, []string{"a"}); err != nil {
		t.Error(err)
	}
	l.Adopt([]activators.Entry{other})
	if err := l.Forget(table); err != nil || l.Owns(other) {
		t.Errorf("what is not in the table is owned: %v", err)
	}
	l.Close()
	(*activators.Ledger)(nil).Adopt([]activators.Entry{declared})
}
