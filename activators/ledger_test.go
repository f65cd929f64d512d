package activators_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/memory"
	"github.com/xjail/xjail/internal/fault"
)

func open(t *testing.T, path, instance string) *activators.Ledger {
	t.Helper()
	l, err := activators.OpenLedger(path, instance)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

func TestLedger(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "activators.json")
	table := memory.New(memory.Linux)
	a, b := entry("a", "A"), entry("b", "B")
	l := open(t, path, "boot 1")
	if _, err := activators.Register(table, l, []activators.Entry{a, b}); err != nil {
		t.Fatal(err)
	}
	l.Close()

	l = open(t, path, "boot 1")
	if !l.Owns(a) || !l.Owns(off(a)) || l.Owns(newer(a)) || l.Owns(entry("c", "A")) {
		t.Error("a ledger knows an entry by name and content")
	}
	// Replacing leaves neither the old content nor the stand-in behind.
	if _, err := activators.Register(table, l, []activators.Entry{newer(a)}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil || l.Owns(a) || !l.Owns(newer(a)) || strings.Count(string(text), `"digest"`) != 2 {
		t.Errorf("%s, %v", text, err)
	}
	if _, err := activators.Unregister(table, l, []string{"a"}); err != nil || l.Owns(newer(a)) || !l.Owns(b) {
		t.Error(err)
	}
	l.Close()

	// After a reboot nothing is ours, whatever its name and content.
	other, err := activators.ReadLedger(path, "boot 2")
	if err != nil || other.Owns(b) {
		t.Error("a record from before a reboot is believed", err)
	}
	l = open(t, path, "boot 2")
	if _, err := activators.Unregister(table, l, []string{"b"}); !errors.Is(err, activators.ErrExists) {
		t.Error(err)
	}
	l.Close()

	l = open(t, path, "boot 1")
	if _, err := activators.Unregister(table, l, []string{"b"}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Error("an empty ledger is a file", err)
	}
}

// A change that failed leaves the ledger as the table is.
func TestLedgerRollback(t *testing.T) {
	path := filepath.Join(t.TempDir(), "activators.json")
	table := memory.New(memory.Linux)
	a := entry("a", "A")
	l := open(t, path, "x")
	if _, err := activators.Register(table, l, []activators.Entry{a}); err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= 4; n++ {
		if _, err := activators.Register(&failing{Table: table, n: n}, l, []activators.Entry{newer(a)}); !errors.Is(err, errInjected) {
			t.Fatal(err)
		}
		read, err := activators.ReadLedger(path, "x")
		if err != nil || !read.Owns(a) || read.Owns(newer(a)) {
			t.Errorf("step %d: %v", n, err)
		}
	}
}

// killed stops the plan as a power cut would: everything after the nth change
// panics.
type killed struct {
	*failing
}

func (k killed) Add(e activators.Entry) error {
	err := k.failing.Add(e)
	if err != nil {
		panic(err)
	}
	return nil
}

func (k killed) Remove(name string) error {
	if err := k.failing.Remove(name); err != nil {
		panic(err)
	}
	return nil
}

// Whenever xjail is killed, the next one knows what is its own and finishes.
func TestLedgerKilled(t *testing.T) {
	for n := 1; n <= 5; n++ {
		path := filepath.Join(t.TempDir(), "activators.json")
		table := memory.New(memory.Linux)
		a := entry("a", "A")
		first := open(t, path, "x")
		if _, err := activators.Register(table, first, []activators.Entry{a}); err != nil {
			t.Fatal(err)
		}
		func() {
			defer func() { _ = recover() }()
			_, _ = activators.Register(killed{&failing{Table: table, n: n}}, first, []activators.Entry{newer(a)})
		}()
		first.Close()
		l := open(t, path, "x")
		if _, err := activators.Register(table, l, []activators.Entry{newer(a)}); err != nil {
			t.Fatalf("killed at %d: %v", n, err)
		}
		if list := listed(t, table); len(list) != 1 || !list[0].Equal(newer(a)) || !l.Owns(list[0]) {
			t.Errorf("killed at %d: %+v", n, list)
		}
		if _, err := activators.Unregister(table, l, []string{"a"}); err != nil || len(listed(t, table)) != 0 {
			t.Error(err)
		}
		l.Close()
	}
}

// The kernel holds the interpreter open: the ledger knows which file that was.
func TestLedgerStale(t *testing.T) {
	dir := t.TempDir()
	path, program := filepath.Join(dir, "activators.json"), filepath.Join(dir, "qemu")
	write := func(text string) {
		if err := os.WriteFile(program+".new", []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(program+".new", program); err != nil {
			t.Fatal(err)
		}
	}
	write("one")
	fixed := with(entry("fixed", "A"), func(e *activators.Entry) { e.Interpreter, e.Flags.FixBinary = program, true })
	loose := with(entry("loose", "B"), func(e *activators.Entry) { e.Interpreter = program })
	table := memory.New(memory.Linux)
	register := func() *activators.Plan {
		l := open(t, path, "x")
		defer l.Close()
		p, err := activators.Register(table, l, []activators.Entry{fixed, loose})
		if err != nil || l.Stale(fixed) != "" {
			t.Fatal(err, l.Stale(fixed))
		}
		return p
	}
	register()
	if p := register(); p.Changes() {
		t.Errorf("%v", steps(p))
	}
	write("another")
	l, err := activators.ReadLedger(path, "x")
	if err != nil || l.Stale(fixed) == "" || l.Stale(loose) != "" || l.Stale(entry("foreign", "F")) != "" {
		t.Errorf("%q %q, %v", l.Stale(fixed), l.Stale(loose), err)
	}
	// As long as it could not be registered again it stays stale.
	failed := open(t, path, "x")
	if _, err := activators.Register(&failing{Table: table, n: 1}, failed, []activators.Entry{fixed}); err == nil || failed.Stale(fixed) == "" {
		t.Error("stale no more", err)
	}
	failed.Close()
	if p := register(); steps(p) != "add fixed.new, remove fixed, add fixed, remove fixed.new" {
		t.Errorf("%v", steps(p))
	}
	if p := register(); p.Changes() {
		t.Errorf("%v", steps(p))
	}
	if err := os.Remove(program); err != nil {
		t.Fatal(err)
	}
	if l, err := activators.ReadLedger(path, "x"); err != nil || l.Stale(fixed) == "" {
		t.Error("the interpreter is gone", err)
	}
}

// Which of the ways in which an interpreter changes make its entry stale.
func TestLedgerStaleWays(t *testing.T) {
	for name, c := range map[string]struct {
		change func(program string) error
		want   string
	}{
		"nothing":              {func(string) error { return nil }, ""},
		"touched":              {func(p string) error { return os.Chtimes(p, time.Time{}, time.Unix(1e9, 0)) }, ""},
		"chmod":                {func(p string) error { return os.Chmod(p, 0o700) }, ""},
		"replaced by the same": {func(p string) error { return replace(p, "one") }, "replaced"},
		"replaced":             {func(p string) error { return replace(p, "other") }, "replaced"},
		"removed":              {os.Remove, "replaced"},
		"written over":         {func(p string) error { return overwrite(p, "two") }, "written over"},
		"written over, longer": {func(p string) error { return overwrite(p, "longer") }, "written over"},
		"made empty":           {func(p string) error { return os.Truncate(p, 0) }, "written over"},
	} {
		dir := t.TempDir()
		path, program := filepath.Join(dir, "activators.json"), filepath.Join(dir, "qemu")
		if err := os.WriteFile(program, []byte("one"), 0o755); err != nil {
			t.Fatal(err)
		}
		held, err := os.Open(program) // as the kernel does: its inode stays taken
		if err != nil {
			t.Fatal(err)
		}
		e := with(entry("a", "A"), func(e *activators.Entry) { e.Interpreter, e.Flags.PreOpen = program, true })
		table := memory.New(memory.FreeBSD)
		register := func() string {
			t.Helper()
			l := open(t, path, "x")
			defer l.Close()
			p, err := activators.Register(table, l, []activators.Entry{e})
			if err != nil {
				t.Fatal(err)
			}
			return steps(p)
		}
		register()
		if err := c.change(program); err != nil {
			t.Fatal(err)
		}
		l, err := activators.ReadLedger(path, "x")
		if got := l.Stale(e); err != nil || (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		// It is renewed, once.
		if got := register(); (got == "") != (c.want == "") {
			t.Errorf("%s: steps %q", name, got)
		}
		if got := register(); got != "" {
			t.Errorf("%s: again %q", name, got)
		}
		held.Close()
	}
}

func overwrite(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close(), os.Chtimes(path, time.Time{}, time.Unix(1e9, 0)))
}

func replace(path, text string) error {
	if err := os.WriteFile(path+".new", []byte(text), 0o755); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// What is written down, and that a digest is made only to register.
func TestLedgerOpened(t *testing.T) {
	dir := t.TempDir()
	path, program := filepath.Join(dir, "activators.json"), filepath.Join(dir, "qemu")
	if err := os.WriteFile(program, []byte("one"), 0o755); err != nil {
		t.Fatal(err)
	}
	e := with(entry("a", "A"), func(e *activators.Entry) { e.Interpreter, e.Flags.PreOpen = program, true })
	l := open(t, path, "x")
	if _, err := activators.Register(memory.New(memory.FreeBSD), l, []activators.Entry{e, entry("b", "B")}); err != nil {
		t.Fatal(err)
	}
	l.Close()
	var written struct {
		Version int
		Entries []struct {
			Name   string
			Opened *struct {
				Device, SHA256 string
				Inode          uint64
				Size, Modified int64
			}
			File *string
		}
	}
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &written)
	}
	sum := sha256.Sum256([]byte("one"))
	if err != nil || written.Version != 1 || len(written.Entries) != 2 || written.Entries[0].Opened == nil || written.Entries[1].Opened != nil {
		t.Fatalf("%s, %v", text, err)
	}
	if o := written.Entries[0].Opened; o.SHA256 != hex.EncodeToString(sum[:]) || o.Device == "" || o.Inode == 0 || o.Size != 3 || o.Modified == 0 {
		t.Errorf("%s", text)
	}
}

// A ledger of before there were digests is believed as it was.
func TestLedgerOlder(t *testing.T) {
	dir := t.TempDir()
	path, program := filepath.Join(dir, "activators.json"), filepath.Join(dir, "qemu")
	if err := os.WriteFile(program, []byte("one"), 0o755); err != nil {
		t.Fatal(err)
	}
	e := with(entry("a", "A"), func(e *activators.Entry) { e.Interpreter, e.Flags.FixBinary = program, true })
	info, err := os.Stat(program)
	if err != nil {
		t.Fatal(err)
	}
	file := fmt.Sprintf("%d bytes, changed %d, inode %d", info.Size(), info.ModTime().UnixNano(), info.Sys().(*syscall.Stat_t).Ino)
	old := fmt.Sprintf(`{"version":1,"instance":"x","entries":[{"name":"a","digest":%q,"file":%q}]}`, e.Digest(), file)
	if err := os.WriteFile(path, []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	table := memory.New(memory.Linux)
	if err := table.Add(e); err != nil {
		t.Fatal(err)
	}
	l := open(t, path, "x")
	if !l.Owns(e) || l.Stale(e) != "" {
		t.Errorf("owned %v, stale %q", l.Owns(e), l.Stale(e))
	}
	if err := replace(program, "two"); err != nil {
		t.Fatal(err)
	}
	if l.Stale(e) == "" {
		t.Error("a replaced interpreter is not found")
	}
	if _, err := activators.Register(table, l, []activators.Entry{e}); err != nil || l.Stale(e) != "" {
		t.Errorf("%v, stale %q", err, l.Stale(e))
	}
	if text, err := os.ReadFile(path); err != nil || strings.Contains(string(text), `"file"`) || !strings.Contains(string(text), `"sha256"`) {
		t.Errorf("%s, %v", text, err)
	}
}

func TestLedgerErrors(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "activators.json")
	for _, text := range []string{"{", `{"version":2}`, "[]"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, open := range []func(string, string) (*activators.Ledger, error){activators.ReadLedger, activators.OpenLedger} {
			if _, err := open(path, "x"); fault.KindOf(err) != fault.Damaged || fault.HintOf(err) == "" {
				t.Errorf("%s: %v", text, err)
			}
		}
	}
	if _, err := activators.OpenLedger(filepath.Join(path, "x", "y"), ""); err == nil {
		t.Error("a file is no directory")
	}
	if _, err := activators.ReadLedger(dir, ""); err == nil {
		t.Error("a directory is no ledger")
	}
	if err := os.Mkdir(filepath.Join(dir, "d.lock"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := activators.OpenLedger(filepath.Join(dir, "d"), ""); err == nil {
		t.Error("a directory is no lock")
	}
	// When the ledger cannot be written nothing is registered.
	table := memory.New(memory.Linux)
	l := open(t, filepath.Join(dir, "full"), "")
	if err := os.Mkdir(filepath.Join(dir, "full.tmp"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := activators.Register(table, l, []activators.Entry{entry("a", "A")}); err == nil || len(listed(t, table)) != 0 {
		t.Errorf("%v, %v", err, listed(t, table))
	}
}

func TestNilLedger(t *testing.T) {
	var l *activators.Ledger
	l.Close()
	if l.Owns(entry("a", "A")) {
		t.Error("nothing owns something")
	}
}

// broken cannot list.
type broken struct{ activators.Table }

func (broken) List() ([]activators.Entry, error) { return nil, errInjected }

func TestRegisterErrors(t *testing.T) {
	if _, err := activators.Register(broken{}, nil, nil); !errors.Is(err, errInjected) {
		t.Error(err)
	}
	if _, err := activators.Unregister(broken{}, nil, nil); !errors.Is(err, errInjected) {
		t.Error(err)
	}
	if _, err := activators.Register(memory.New(memory.Linux), nil, []activators.Entry{{}}); !errors.Is(err, activators.ErrInvalid) {
		t.Error(err)
	}
	if _, err := activators.Unregister(memory.New(memory.Linux), nil, []string{"a"}); !errors.Is(err, activators.ErrNotFound) {
		t.Error(err)
	}
}
