package jail

import (
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
)

func TestCheckName(t *testing.T) {
	for _, name := range []string{"mips64", "bookworm-arm64", "a", "1.2_x", strings.Repeat("a", 64)} {
		if err := CheckName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"", ".", "..", "a/b", "/", "-x", ".hidden", "a b", "a\x00", "ä", "x.lock", strings.Repeat("a", 65)} {
		if err := CheckName(name); fault.KindOf(err) != fault.Usage {
			t.Errorf("%q: %v, want a usage error", name, err)
		}
	}
}

func newStore(t *testing.T, names ...string) Store {
	t.Helper()
	s := Store{Dir: filepath.Join(t.TempDir(), "state")}
	for _, name := range names {
		if err := os.MkdirAll(s.dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func TestRecordRoundTrip(t *testing.T) {
	s := newStore(t, "mips64")
	want := &Record{
		Version: recordVersion, Name: "mips64", Arch: "mips64", Created: time.Date(2026, 11, 1, 2, 3, 4, 0, time.UTC),
		Root: "/r", Source: SourceRecord{Kind: "miniroot", Spec: "miniroot"},
		Emulator: &EmulatorRecord{Path: "/usr/bin/qemu-mips64-static", SHA256: "00", Size: 7},
		Probe:    Probe{Argv: []string{"/bin/uname", "-m"}, Output: "mips64"},
	}
	if err := s.save(want); err != nil {
		t.Fatal(err)
	}
	got, err := s.Load("mips64")
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Load = %+v, %v, want %+v", got, err, want)
	}
	if left, _ := filepath.Glob(filepath.Join(s.dir("mips64"), "*.new")); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

func TestLoadErrors(t *testing.T) {
	s := newStore(t, "empty", "garbage", "future", "other")
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(s.record(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("garbage", "{")
	write("future", `{"version":99,"name":"future"}`)
	write("other", `{"version":1,"name":"mips64"}`)
	tests := []struct {
		name string
		kind fault.Kind
		hint string
	}{
		{"nosuch", fault.NotFound, "there are: empty future garbage other"},
		{"empty", fault.NotFound, "interrupted"},
		{"garbage", fault.Damaged, "xjail destroy garbage"},
		{"future", fault.Damaged, "xjail destroy future"},
		{"other", fault.Damaged, "xjail destroy other"},
		{"../x", fault.Usage, "letters"},
	}
	for _, tt := range tests {
		_, err := s.Load(tt.name)
		if tt.kind == fault.NotFound && mayEnter(runtime.GOOS, os.Geteuid()) != nil {
			tt.hint = "run it as root"
		}
		if fault.KindOf(err) != tt.kind || !strings.Contains(fault.HintOf(err), tt.hint) {
			t.Errorf("Load(%q) = %v, hint %q; want kind %d, hint with %q", tt.name, err, fault.HintOf(err), tt.kind, tt.hint)
		}
	}
}

func TestLock(t *testing.T) {
	s := newStore(t, "a")
	first, err := s.lock("a", unix.LOCK_EX)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.lock("a", unix.LOCK_SH); fault.KindOf(err) != fault.Locked {
		t.Errorf("shared beside exclusive: %v, want locked", err)
	}
	if !s.inUse("a") {
		t.Error("a locked jail is not in use")
	}
	first.release()
	one, err1 := s.lock("a", unix.LOCK_SH)
	two, err2 := s.lock("a", unix.LOCK_SH)
	if err1 != nil || err2 != nil {
		t.Fatalf("two shared locks: %v, %v", err1, err2)
	}
	if _, err := s.lock("a", unix.LOCK_EX); fault.KindOf(err) != fault.Locked {
		t.Errorf("exclusive beside shared: %v, want locked", err)
	}
	one.release()
	two.release()
	if s.inUse("a") {
		t.Error("a free jail is in use")
	}
	if _, err := s.lock("b", unix.LOCK_SH); fault.KindOf(err) != fault.NotFound {
		t.Errorf("lock of no jail: %v, want not found", err)
	}
}

// What was killed before it made anything, or when nothing but the lock was
// left, goes with the next destroy; a lock that is held stays.
func TestStaleLock(t *testing.T) {
	s := newStore(t)
	l, err := s.lock("a", unix.LOCK_EX)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Destroy(t.Context(), "a"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("destroy of no jail: %v, want not found", err)
	}
	if _, err := os.Lstat(s.lockFile("a")); err != nil {
		t.Errorf("the lock of a create: %v", err)
	}
	l.release()
	if err := s.Destroy(t.Context(), "a"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("destroy of no jail: %v, want not found", err)
	}
	if _, err := os.Lstat(s.Dir); !os.IsNotExist(err) {
		t.Errorf("the state directory stays: %v", err)
	}
}

// A process that waited for the old file must not believe that it holds the
// lock of the new one.
func TestLockOfRemovedFile(t *testing.T) {
	s := newStore(t, "a")
	l, err := s.lock("a", unix.LOCK_EX)
	if err != nil {
		t.Fatal(err)
	}
	name := l.f.Name()
	old, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	l.remove()
	next, err := s.lock("a", unix.LOCK_EX)
	if err != nil {
		t.Fatal(err)
	}
	defer next.release()
	if err := unix.Flock(int(old.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		t.Errorf("the removed file is still locked: %v", err)
	}
	if _, err := s.lock("a", unix.LOCK_SH); fault.KindOf(err) != fault.Locked {
		t.Errorf("the new file is not locked: %v", err)
	}
}

func TestJournal(t *testing.T) {
	s := newStore(t, "a")
	j, err := s.openJournal("a")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []journalEntry{{Step: "extract", Outside: []string{"/x.partial"}}, {Step: "register", Global: []string{"mips64"}}, {Step: "root", Outside: []string{"/x"}}} {
		if err := j.announce(e); err != nil {
			t.Fatal(err)
		}
	}
	j.close()
	// A power cut can leave half a line.
	f, err := os.OpenFile(s.journal("a"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"step":"pro`); err != nil {
		t.Fatal(err)
	}
	f.Close()
	entries, err := s.readJournal("a")
	if err != nil || len(entries) != 3 {
		t.Fatalf("readJournal = %v, %v, want three entries", entries, err)
	}
	if got := outside(entries); !slices.Equal(got, []string{"/x", "/x.partial"}) {
		t.Errorf("outside = %v", got)
	}
	// What is announced next is not lost behind it.
	if j, err = s.openJournal("a"); err != nil {
		t.Fatal(err)
	}
	if err := j.announce(journalEntry{Step: "destroy"}); err != nil {
		t.Fatal(err)
	}
	j.close()
	if entries, err := s.readJournal("a"); err != nil || len(entries) != 4 || entries[3].Step != "destroy" {
		t.Errorf("after half a line: %+v, %v", entries, err)
	}
	if got := global(entries); !slices.Equal(got, []string{"mips64"}) {
		t.Errorf("global = %v", got)
	}
	if entries, err := s.readJournal("none"); err != nil || entries != nil {
		t.Errorf("no journal: %v, %v", entries, err)
	}
}

func TestReadConfig(t *testing.T) {
	dir := t.TempDir()
	write := func(text string) string {
		t.Helper()
		name := filepath.Join(dir, "xjail.yaml")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	c, err := ReadConfig(write("emulators: {mips64: /opt/q}\nmax_entries: 7\n"))
	if err != nil || c.Emulators["mips64"] != "/opt/q" || c.MaxEntries != 7 {
		t.Errorf("ReadConfig = %+v, %v", c, err)
	}
	if c, err := ReadConfig(write("")); err != nil || c == nil {
		t.Errorf("empty: %v, %v", c, err)
	}
	for _, text := range []string{"max_entries: 7\nmax_entry: 8\n", "max_entries: many\n", "- a\n"} {
		_, err := ReadConfig(write(text))
		if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "line") {
			t.Errorf("%q: %v, want a usage error that names the line", text, err)
		}
	}
	if _, err := ReadConfig(filepath.Join(dir, "none")); fault.KindOf(err) != fault.NotFound {
		t.Errorf("missing: %v", err)
	}
}

// Records say what is removed with a jail, so nobody else's are believed.
func TestOthersState(t *testing.T) {
	s := newStore(t, "a")
	if err := os.Chmod(s.jails(), 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := s.lock("a", unix.LOCK_EX); fault.KindOf(err) != fault.Unsafe {
		t.Errorf("a state that all can write: %v", err)
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can give a directory away")
	}
	if err := os.Chmod(s.jails(), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(s.jails(), 54321, 54321); err != nil {
		t.Fatal(err)
	}
	if _, err := s.lock("a", unix.LOCK_SH); fault.KindOf(err) != fault.Permission {
		t.Errorf("another user's state: %v", err)
	}
}

// Only what root keeps to itself is a matter of permission.
func TestLoadUnreadable(t *testing.T) {
	s := newStore(t, "j")
	if err := os.MkdirAll(s.record("j"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Load("j"); fault.KindOf(err) != fault.Failed {
		t.Errorf("a directory in its place: kind %d, %v", fault.KindOf(err), err)
	}
}
