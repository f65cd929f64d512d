package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/persist"
	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/jail"
	"github.com/xjail/xjail/qemu"
)

// persisted is a machine with an activator, and an image that declares it.
func persisted(t *testing.T) (m *machine, image string) {
	t.Helper()
	m, image = newMachine(t), t.TempDir()
	m.wants(10, "", "registered no activators", "persist", "--root", image)
	m.wants(0, "", "", "register", "mips64", "--emulator", m.qemu, "--osabi", "linux", "--credential")
	m.wants(0, "write /etc/binfmt.d/xjail.conf", "", "persist", "--root", image)
	m.wants(0, "unchanged /etc/binfmt.d/xjail.conf", "", "persist", "--root", image)
	old := declaredRoot
	declaredRoot = image
	t.Cleanup(func() { declaredRoot = old })
	return m, image
}

// boot empties the table and registers what binfmt.d has, as systemd-binfmt
// does; the state of before is not that of this boot.
func (m *machine) boot(image string) {
	m.t.Helper()
	m.Clear(m.t)
	m.state = filepath.Join(m.t.TempDir(), "state")
	text, err := os.ReadFile(image + "/etc/binfmt.d/xjail.conf")
	if err != nil {
		m.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		if err := os.WriteFile(filepath.Join(m.Dir, "register"), []byte(strings.TrimSpace(line)), 0); err != nil {
			m.t.Fatal(err)
		}
	}
}

// What binfmt.d declares is what was registered, and is xjail's own after boot.
func TestActivatorPersist(t *testing.T) {
	m, image := persisted(t)
	before := m.entries()
	m.boot(image)
	const name = "xjail-mips64"
	if after := m.entries(); len(after) != 1 || !after[name].Equal(before[name]) {
		t.Fatalf("%+v, want %+v", after, before)
	}
	if s := statusJSON(t, m.state, "--binfmt-dir", m.Dir); len(s.Entries) != 1 || s.Entries[0].Owner != "xjail" || !s.Entries[0].Healthy {
		t.Errorf("%+v", s.Entries)
	}
	m.wants(0, name+": unchanged", "", "register", "mips64", "--emulator", m.qemu, "--osabi", "linux", "--credential")
	m.wants(0, "unchanged /etc/binfmt.d/xjail.conf", "", "persist", "--root", image, "--dry-run")
	m.wants(0, name+": disable", "", "disable", name)
	m.wants(10, "", "note: "+name+": it is disabled", "persist", "--root", image)
	m.wants(0, name+": remove", "", "unregister", name)
	// With somebody's change in the file it declares nothing.
	m.boot(image)
	file := image + "/etc/binfmt.d/xjail.conf"
	text, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(file, append(text, "# changed\n"...), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	m.wants(16, "", "xjail did not make", "disable", name)
	m.wants(16, "", "it was changed", "persist", "--root", image, "mips64")
}

// Entries stay xjail's own when the file that declares them goes.
func TestRememberDeclared(t *testing.T) {
	m, image := persisted(t)
	m.boot(image)
	g := &globals{Env: &Env{Stderr: &bytes.Buffer{}, Getenv: func(string) string { return "" }}, state: m.state}
	if err := g.rememberDeclared(m.Dir); err != nil {
		t.Fatal(err)
	}
	declaredRoot = t.TempDir()
	if err := g.rememberDeclared(m.Dir); err != nil {
		t.Fatal(err)
	}
	m.wants(0, "remove", "", "unregister", "--all")
	if all := m.entries(); len(all) > 0 {
		t.Errorf("%+v", all)
	}
}

// Whatever xjail registers is registered again by its command.
func TestBootActivator(t *testing.T) {
	for _, host := range []string{"linux", "freebsd"} {
		for _, a := range arch.All() {
			for _, policy := range arch.Policies() {
				e := jail.Activator(host, policy, a, &qemu.Emulator{}, "/q", true)
				b, err := bootActivator(host, e)
				if err != nil {
					t.Errorf("%s %s %s: %v", host, a.Name, policy, err)
					continue
				}
				flags := strings.Join(b.Flags, " ")
				if b.Arch != a.Name || !strings.HasPrefix(flags, "--emulator /q") || policy == arch.DefaultPolicy(host) && len(b.Flags) != 2 {
					t.Errorf("%s %s %s: %s %s", host, a.Name, policy, b.Arch, flags)
				}
				if _, err := persist.Files(host, persist.Boot{Program: "/x", Activators: []persist.Activator{b}}); err != nil {
					t.Error(err)
				}
			}
		}
		if _, err := bootActivator(host, activators.Entry{Name: "xjail-mips64", Interpreter: "/q", Magic: activators.Hex("AB")}); err == nil {
			t.Error("an entry of no architecture has a command")
		}
	}
}

// General entries come first: the last one that is registered is tried first.
func TestRegistrationOrder(t *testing.T) {
	wide, narrow := mips64Entry("wide", "/q"), mips64Entry("narrow", "/q")
	wide.Magic = wide.Magic[:19]
	for _, entries := range [][]activators.Entry{{wide, narrow}, {narrow, wide}} {
		if got, err := registrationOrder(entries); err != nil || len(got) != 2 || got[0].Name != "wide" || got[1].Name != "narrow" {
			t.Errorf("%v, %+v", err, got)
		}
	}
	same := narrow
	same.Name = "same"
	if _, err := registrationOrder([]activators.Entry{narrow, same}); err == nil {
		t.Error("two entries for the same programs are both registered at boot")
	}
}
