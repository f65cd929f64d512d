package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/binfmt"
	"github.com/xjail/xjail/activators/tabletest"
	"github.com/xjail/xjail/qemu/qemutest"
)

// machine is a private binfmt_misc that stands for the machine's.
type machine struct {
	*tabletest.Instance
	t     *testing.T
	state string
	qemu  string
}

func newMachine(t *testing.T) *machine {
	m := &machine{Instance: tabletest.Private(t), t: t, state: filepath.Join(t.TempDir(), "state"), qemu: filepath.Join(t.TempDir(), "qemu-mips64-static")}
	qemutest.Linux("mips64", "7.2.22").Write(t, m.qemu)
	return m
}

// run runs a command on the machine's table.
func (m *machine) run(args ...string) (int, string, string) {
	m.t.Helper()
	return activatorRun(m.t, m.state, append(args, "--binfmt-dir", m.Dir)...)
}

// wants runs a changing command and checks its status and output.
func (m *machine) wants(status int, stdout, stderr string, args ...string) {
	m.t.Helper()
	got, out, errs := m.run(append(args, "--global")...)
	if got != status || !strings.Contains(out, stdout) || !strings.Contains(errs, stderr) {
		m.t.Errorf("%v: status %d, stdout %q, stderr %q; want %d, %q, %q", args, got, out, errs, status, stdout, stderr)
	}
}

func (m *machine) entries() map[string]activators.Entry {
	m.t.Helper()
	list, err := binfmt.New(m.Dir).List()
	if err != nil {
		m.t.Fatal(err)
	}
	all := map[string]activators.Entry{}
	for _, e := range list {
		all[e.Name] = e
	}
	return all
}

func TestActivatorRegister(t *testing.T) {
	m := newMachine(t)
	register := []string{"register", "mips.mips64", "--emulator", m.qemu}
	m.wants(0, `write :xjail-mips64:M:0:\x7f\x45\x4c\x46\x02\x02\x01\x00`, "", append(register, "--dry-run")...)
	if len(m.entries()) != 0 {
		t.Error("a dry run registered something")
	}
	if _, err := os.Stat(m.state); !os.IsNotExist(err) {
		t.Error("a dry run wrote to the state directory", err)
	}
	m.wants(0, "xjail-mips64: add "+m.qemu, "", register...)
	if e := m.entries()["xjail-mips64"]; !e.Enabled || e.Flags.String() != "PF" || e.Interpreter != m.qemu || len(e.Mask) != 20 {
		t.Errorf("%+v", e)
	}
	m.wants(0, "xjail-mips64: unchanged", "", register...)
	m.wants(0, "xjail-mips64: replace", `note: xjail-mips64: it differs: flags "PF", wanted "POCF"`, append(register, "--credential")...)
	if all := m.entries(); len(all) != 1 || all["xjail-mips64"].Flags.String() != "POCF" {
		t.Errorf("%+v", all)
	}
	m.wants(0, "xjail-mips64: disable", "", "disable", "mips64")
	if m.entries()["xjail-mips64"].Enabled {
		t.Error("it is enabled")
	}
	m.wants(0, "write 1 to "+m.Dir+"/xjail-mips64", "", "enable", "xjail-mips64", "--dry-run")
	m.wants(0, "xjail-mips64: enable", "", "enable", "xjail-mips64")
	m.wants(0, "xjail-mips64: remove", "", "unregister", "mips64")
	if len(m.entries()) != 0 {
		t.Error("it is still there")
	}
	m.wants(10, "", "no such entry", "unregister", "mips64")
	m.wants(10, "", "no such entry", "enable", "mips64")
	m.wants(0, "", "", "unregister", "--all")
	m.wants(0, "xjail-mips64: add", "", register...)
	m.wants(0, "xjail-mips64: remove", "", "unregister", "--all")
	if len(m.entries()) != 0 {
		t.Error("it is still there")
	}
}

func TestActivatorRegisterJSON(t *testing.T) {
	m := newMachine(t)
	_, out, errs := m.run("register", "mips64", "--emulator", m.qemu, "--global", "--json", "--osabi", "freebsd")
	if !strings.Contains(errs, "linux-user") && !strings.Contains(errs, "FreeBSD") && !strings.Contains(errs, "bsd-user") {
		t.Errorf("a linux-user emulator for FreeBSD's programs: %s%s", out, errs)
	}
	status, out, errs := m.run("register", "mips64", "--emulator", m.qemu, "--global", "--json")
	var answer activatorChange
	if err := json.Unmarshal([]byte(out), &answer); err != nil || status != 0 {
		t.Fatalf("status %d, %v: %s%s", status, err, out, errs)
	}
	if !answer.Applied || len(answer.Items) != 1 || answer.Items[0].Action != activators.Add || len(answer.Writes) != 1 || answer.Writes[0].File != filepath.Join(m.Dir, "register") {
		t.Errorf("%+v", answer)
	}
	if e, err := binfmt.ParseLine([]byte(answer.Writes[0].Text)); err != nil || !e.Equal(m.entries()["xjail-mips64"]) {
		t.Errorf("%+v, %v", e, err)
	}
}

// Only what xjail made is changed, whatever its name.
func TestActivatorForeign(t *testing.T) {
	m := newMachine(t)
	table := binfmt.New(m.Dir)
	same := mips64Entry("xjail-mips64", "/bin/true")
	if err := table.Add(same); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"register", "mips64", "--emulator", m.qemu}, {"unregister", "mips64"}, {"disable", "mips64"}, {"enable", "xjail-mips64"}} {
		m.wants(16, "", "xjail did not make", args...)
	}
	m.wants(0, "", "", "unregister", "--all")
	if e := m.entries()["xjail-mips64"]; !e.Equal(same) {
		t.Errorf("%+v", e)
	}
	if err := table.Remove("xjail-mips64"); err != nil {
		t.Fatal(err)
	}
	if err := table.Add(mips64Entry("qemu-mips64", "/bin/true")); err != nil {
		t.Fatal(err)
	}
	m.wants(16, "", `all programs of the entry "qemu-mips64"`, "register", "mips64", "--emulator", m.qemu)
}

func TestActivatorUnsafe(t *testing.T) {
	m := newMachine(t)
	_, out, _ := runForArch(t, "arch", "identify", "--json", "/proc/self/exe")
	var self []struct{ Arch string }
	if err := json.Unmarshal([]byte(out), &self); err != nil || len(self) != 1 {
		t.Fatal(err, out)
	}
	m.wants(15, "", "this machine's own programs", "register", self[0].Arch, "--emulator", m.qemu)
	if len(m.entries()) != 0 {
		t.Error("it was registered")
	}
}

func TestActivatorOwner(t *testing.T) {
	m := newMachine(t)
	if err := binfmt.New(m.Dir).Add(activators.Entry{Name: "jar", Interpreter: "/bin/true", Extension: "jar", Enabled: true}); err != nil {
		t.Fatal(err)
	}
	m.wants(0, "", "", "register", "mips64", "--emulator", m.qemu)
	s := statusJSON(t, m.state, "--binfmt-dir", m.Dir)
	if len(s.Entries) != 2 || s.Entries[0].Name != "xjail-mips64" || s.Entries[0].Owner != "xjail" || !s.Entries[0].Healthy || s.Entries[1].Owner != "foreign" {
		t.Errorf("%+v", s)
	}
	// Somebody else's entry before it takes its programs.
	if err := binfmt.New(m.Dir).Add(mips64Entry("theirs", "/bin/true")); err != nil {
		t.Fatal(err)
	}
	if s := statusJSON(t, m.state, "--binfmt-dir", m.Dir); s.Entries[1].ShadowedBy != "" || len(s.Entries) != 3 {
		t.Errorf("an entry that takes other programs as well is shadowed: %+v", s)
	}
	wide := mips64Entry("wide", "/bin/true")
	wide.Mask = s.mask(t)
	if err := binfmt.New(m.Dir).Add(wide); err != nil {
		t.Fatal(err)
	}
	if _, out, _ := m.run("status"); !strings.Contains(strings.Join(strings.Fields(out), " "), "xjail-mips64 shadowed xjail") {
		t.Error(out)
	}
	// An update of the emulator goes unseen by the kernel.
	if err := os.Remove(m.qemu); err != nil {
		t.Fatal(err)
	}
	s = statusJSON(t, m.state, "--binfmt-dir", m.Dir)
	if e := s.Entries[2]; e.Stale == "" || e.Healthy || e.File.Exists {
		t.Errorf("%+v", e)
	}
	// A damaged record makes nothing ours, and is said.
	if err := os.WriteFile(filepath.Join(m.state, activators.LedgerName), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, out, errs := m.run("status"); status != 0 || strings.Contains(out, " xjail ") || !strings.Contains(errs, "warning: record of activators") {
		t.Errorf("status %d: %s%s", status, out, errs)
	}
	m.wants(17, "", "record of activators", "unregister", "mips64")
}

// mask is that of the first entry.
func (s statusAnswer) mask(t *testing.T) activators.Hex {
	t.Helper()
	var h activators.Hex
	if err := h.UnmarshalText([]byte(s.Entries[0].Mask)); err != nil {
		t.Fatal(err)
	}
	return h
}

func TestActivatorSwitchedOff(t *testing.T) {
	m := newMachine(t)
	if err := os.WriteFile(filepath.Join(m.Dir, "status"), []byte("0"), 0); err != nil {
		t.Fatal(err)
	}
	m.wants(0, "xjail-mips64: add", "warning: binfmt_misc on "+m.Dir+" is switched off as a whole", "register", "mips64", "--emulator", m.qemu)
}
