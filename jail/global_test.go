package jail

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/memory"
	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/qemu"
)

// module is a FreeBSD machine's table, in a module that may not be loaded.
type module struct {
	*memory.Table
	loaded bool
	full   bool
	added  int
}

func (m *module) Add(e activators.Entry) error {
	if m.full {
		return activators.Fail(activators.ErrFull, "register", nil, "")
	}
	m.added++
	return m.Table.Add(e)
}

func newModule() *module { return &module{Table: memory.New(memory.FreeBSD)} }

func (m *module) Instance() (string, error) { return "test", nil }
func (m *module) PreOpen() bool             { return true }
func (m *module) Load() error               { m.loaded = true; return nil }

func (m *module) Lookup(name string) (activators.Entry, error) {
	if !m.loaded {
		return activators.Entry{}, activators.Fail(activators.ErrUnsupported, "look up", nil, "")
	}
	return m.Table.Lookup(name)
}

// globalJail is a jail that uses the machine's activator of an architecture.
func globalJail(t *testing.T, s Store, name, archName string, registered bool) *Record {
	t.Helper()
	e := Activator("freebsd", arch.Binmisc, mustArch(t, archName), &qemu.Emulator{}, "/bin/sh", true)
	r := &Record{Version: recordVersion, Name: name, Arch: archName, Global: true, Registered: registered, Activators: []activators.Entry{e}}
	if err := os.MkdirAll(s.dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.save(r); err != nil {
		t.Fatal(err)
	}
	return r
}

func names(t *testing.T, m *module) []string {
	t.Helper()
	list, err := m.List()
	if err != nil {
		t.Fatal(err)
	}
	got := []string{}
	for _, e := range list {
		got = append(got, e.Name)
	}
	return got
}

func TestGlobalShared(t *testing.T) {
	s, m := Store{Dir: t.TempDir()}, newModule()
	if will, err := s.willRegister(m, "mips64", "a"); err != nil || !will {
		t.Fatalf("with the module not loaded: %v, %v", will, err)
	}
	a := globalJail(t, s, "a", "mips64", true)
	if err := s.registerGlobal(m, a); err != nil || !m.loaded {
		t.Fatalf("register: %v, loaded %v", err, m.loaded)
	}
	if will, err := s.willRegister(m, "mips64", "b"); err != nil || !will {
		t.Fatalf("of another jail: %v, %v", will, err)
	}
	b := globalJail(t, s, "b", "mips64", true)
	if err := s.registerGlobal(m, b); err != nil {
		t.Fatal(err)
	}
	// It goes with the last jail.
	if err := s.unregisterGlobal(m, "mips64", "a"); err != nil || len(names(t, m)) != 1 {
		t.Fatalf("with a jail left: %v, %v", err, names(t, m))
	}
	if err := os.RemoveAll(s.dir("a")); err != nil {
		t.Fatal(err)
	}
	if err := s.unregisterGlobal(m, "mips64", "b"); err != nil || len(names(t, m)) != 0 {
		t.Fatalf("with no jail left: %v, %v", err, names(t, m))
	}
}

// An entry of somebody else's that does the work is used as it is, and left.
func TestGlobalServed(t *testing.T) {
	s, m := Store{Dir: t.TempDir()}, newModule()
	m.loaded = true
	a := mustArch(t, "aarch64")
	port := Activator("freebsd", arch.Binmisc, a, &qemu.Emulator{}, "/bin/sh", false)
	if s.serving(m, a) != nil {
		t.Error("nothing is registered")
	}
	for name, change := range map[string]func(*activators.Entry){
		"disabled":      func(e *activators.Entry) { e.Enabled = false },
		"other magic":   func(e *activators.Entry) { e.Magic = activators.Hex("AB"); e.Mask = nil },
		"narrower mask": func(e *activators.Entry) { e.Mask = append(activators.Hex(nil), e.Mask...); e.Mask[7] = 0xff },
	} {
		bad := port
		change(&bad)
		if err := m.Add(bad); err != nil {
			t.Fatal(err)
		}
		if got := s.serving(m, a); got != nil {
			t.Errorf("%s: serves as %+v", name, got)
		}
		if err := m.Remove(bad.Name); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Add(port); err != nil {
		t.Fatal(err)
	}
	got := s.serving(m, a)
	if got == nil || !got.Equal(port) {
		t.Fatalf("serving %+v", got)
	}
	r := globalJail(t, s, "a", "aarch64", false)
	r.Activators = []activators.Entry{*got}
	if err := s.registerGlobal(m, r); err != nil {
		t.Fatal(err)
	}
	if err := s.unregisterGlobal(m, "aarch64", "a"); err != nil {
		t.Fatal(err)
	}
	if now, err := m.Lookup("aarch64"); err != nil || !now.Equal(port) {
		t.Errorf("afterwards %+v, %v", now, err)
	}
}

func anyFits(string) error { return nil }

// An emulator that was removed, or replaced by something else, is still open in
// the kernel: the jail goes on with it. One that nobody has open is missed.
func TestEnsureGlobalUnfit(t *testing.T) {
	s, m := Store{Dir: t.TempDir()}, newModule()
	emulator := filepath.Join(t.TempDir(), "emulator")
	if err := os.WriteFile(emulator, []byte("one"), 0o755); err != nil {
		t.Fatal(err)
	}
	r := globalJail(t, s, "a", "mips64", true)
	r.Activators[0].Interpreter = emulator
	if err := s.ensureGlobal(m, "freebsd", r, anyFits); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(emulator); err != nil {
		t.Fatal(err)
	}
	unfit := func(string) error { return fault.New(fault.BadEmulator, "", "it is dynamic") }
	m.added = 0
	if err := s.ensureGlobal(m, "freebsd", r, unfit); err != nil || m.added != 0 || !s.stale(m, r) {
		t.Errorf("with the old one open: %v, added %d, stale %v", err, m.added, s.stale(m, r))
	}
	m.full = true
	if err := s.ensureGlobal(m, "freebsd", r, anyFits); err != nil || len(names(t, m)) != 1 {
		t.Errorf("no room for a stand-in: %v, %v", err, names(t, m))
	}
	m.full = false
	if err := m.Remove("mips64"); err != nil {
		t.Fatal(err)
	}
	if err := s.ensureGlobal(m, "freebsd", r, unfit); fault.KindOf(err) != fault.BadEmulator || len(names(t, m)) != 0 {
		t.Errorf("with none: %v, %v", err, names(t, m))
	}
}

// On FreeBSD entering a jail brings back what a reboot took, and what was
// replaced; not what somebody switched off.
func TestEnsureGlobal(t *testing.T) {
	s, m := Store{Dir: t.TempDir()}, newModule()
	emulator := filepath.Join(t.TempDir(), "emulator")
	if err := os.WriteFile(emulator, []byte("one"), 0o755); err != nil {
		t.Fatal(err)
	}
	r := globalJail(t, s, "a", "mips64", true)
	r.Activators[0].Interpreter = emulator
	if err := s.ensureGlobal(m, "linux", r, anyFits); err == nil {
		t.Error("Linux: registered without being asked to")
	}
	if err := s.ensureGlobal(m, "freebsd", r, anyFits); err != nil || len(names(t, m)) != 1 {
		t.Fatalf("after a reboot: %v, %v", err, names(t, m))
	}
	if err := os.Remove(emulator); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(emulator, []byte("three"), 0o755); err != nil {
		t.Fatal(err)
	}
	m.added = 0
	if err := s.ensureGlobal(m, "freebsd", r, anyFits); err != nil || m.added == 0 || s.stale(m, r) {
		t.Errorf("a new emulator: %v, added %d, stale %v", err, m.added, s.stale(m, r))
	}
	if m.added = 0; s.ensureGlobal(m, "freebsd", r, anyFits) != nil || m.added != 0 {
		t.Errorf("nothing to do, but %d were added", m.added)
	}
	if err := m.Disable("mips64"); err != nil {
		t.Fatal(err)
	}
	if err := s.ensureGlobal(m, "freebsd", r, anyFits); fault.KindOf(err) != fault.NotFound {
		t.Errorf("switched off: %v", err)
	}
	if e, err := m.Lookup("mips64"); err != nil || e.Enabled {
		t.Errorf("switched on again: %+v, %v", e, err)
	}
}

func TestCheckGlobal(t *testing.T) {
	s, m := Store{Dir: t.TempDir()}, newModule()
	r := globalJail(t, s, "a", "riscv64", true)
	if err := checkGlobal(m, r); !errors.Is(err, activators.ErrUnsupported) || fault.HintOf(err) == "" {
		t.Errorf("without the module: %v", err)
	}
	if err := s.registerGlobal(m, r); err != nil {
		t.Fatal(err)
	}
	if err := checkGlobal(m, r); err != nil {
		t.Error(err)
	}
	if err := m.Disable("riscv64"); err != nil {
		t.Fatal(err)
	}
	if err := checkGlobal(m, r); fault.KindOf(err) != fault.NotFound {
		t.Errorf("switched off: %v", err)
	}
	other := globalJail(t, s, "b", "mips64", true)
	other.Activators[0].Name = "riscv64"
	if err := m.Enable("riscv64"); err != nil {
		t.Fatal(err)
	}
	if err := checkGlobal(m, other); fault.KindOf(err) != fault.NotFound {
		t.Errorf("of another architecture: %v", err)
	}
}

// What explain says of a jail is what exec does.
func TestRefusedGlobal(t *testing.T) {
	s, m := Store{Dir: t.TempDir()}, newModule()
	r := globalJail(t, s, "a", "riscv64", true)
	ask := func(step, host string, refused, disabled bool) {
		t.Helper()
		off, err := RefusedGlobal(m, host, r)
		if (err != nil) != refused || off != disabled || refused && fault.HintOf(err) == "" {
			t.Errorf("%s on %s: %v, %v", step, host, off, err)
		}
	}
	ask("without the module", "linux", true, false)
	ask("without the module", "freebsd", false, false)
	if err := s.registerGlobal(m, r); err != nil {
		t.Fatal(err)
	}
	ask("registered", "linux", false, false)
	if err := m.Disable("riscv64"); err != nil {
		t.Fatal(err)
	}
	ask("switched off", "linux", true, true)
	ask("switched off", "freebsd", true, true)
	if err := m.Remove("riscv64"); err != nil {
		t.Fatal(err)
	}
	ask("removed", "linux", true, false)
	ask("removed", "freebsd", false, false)
	r.Global = false
	ask("private", "linux", false, false)
}

// What register would refuse is refused before anything is fetched.
func TestCheckRegister(t *testing.T) {
	entry := func(name, archName string) activators.Entry {
		e := Activator("freebsd", arch.Binmisc, mustArch(t, archName), &qemu.Emulator{}, "/bin/sh", true)
		e.Name = name
		return e
	}
	want := entry("aarch64", "aarch64")
	for name, tt := range map[string]struct {
		there  []activators.Entry
		exists bool
	}{
		"nothing":             {nil, false},
		"others":              {[]activators.Entry{entry("riscv64", "riscv64")}, false},
		"the same":            {[]activators.Entry{want}, false},
		"the name":            {[]activators.Entry{entry("aarch64", "riscv64")}, true},
		"the programs":        {[]activators.Entry{entry("arm64", "aarch64")}, true},
		"the stand-in's name": {[]activators.Entry{entry("aarch64.new", "riscv64")}, true},
	} {
		s, m := Store{Dir: t.TempDir()}, newModule()
		for _, e := range tt.there {
			if err := m.Add(e); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.checkRegister(m, want); errors.Is(err, activators.ErrExists) != tt.exists || err != nil && !tt.exists {
			t.Errorf("%s: %v", name, err)
		}
	}
	s, m := Store{Dir: t.TempDir()}, newModule()
	a := globalJail(t, s, "a", "aarch64", true)
	a.Activators[0].Interpreter = "/bin/ls"
	if err := s.registerGlobal(m, a); err != nil {
		t.Fatal(err)
	}
	if err := s.checkRegister(m, want); err != nil {
		t.Errorf("xjail's own with another emulator: %v", err)
	}
}

// On FreeBSD whoever is not root is told so before anything is fetched.
func TestMayEnter(t *testing.T) {
	for _, tt := range []struct {
		host string
		euid int
		want fault.Kind
	}{{"freebsd", 0, 0}, {"freebsd", 1001, fault.Permission}, {"linux", 1001, 0}, {"linux", 0, 0}} {
		if err := mayEnter(tt.host, tt.euid); fault.KindOf(err) != tt.want {
			t.Errorf("%s, uid %d: %v", tt.host, tt.euid, err)
		}
	}
}
