package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/binfmt"
	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/jail"
	"github.com/xjail/xjail/qemu/qemutest"
)

// check runs activator check --json on the machine's table.
func (m *machine) check(status int, args ...string) []activators.Finding {
	m.t.Helper()
	got, out, errs := m.run(append([]string{"check", "--json"}, args...)...)
	var answer activatorCheck
	if err := json.Unmarshal([]byte(out), &answer); err != nil || got != status || len(answer.Tables) != 1 || answer.Failed != (status != 0) {
		m.t.Fatalf("%v: status %d, %v: %s%s", args, got, err, out, errs)
	}
	return answer.Tables[0].Findings
}

func has(list []activators.Finding, code activators.Code, entry string) bool {
	return slices.ContainsFunc(list, func(f activators.Finding) bool { return f.Code == code && f.Entry == entry })
}

// What register makes is healthy, until the emulator goes, the entry is
// disabled, or the table is switched off.
func TestActivatorCheckMachine(t *testing.T) {
	m := newMachine(t)
	if list := m.check(0); len(list) != 0 {
		t.Errorf("an empty table: %+v", list)
	}
	m.wants(0, "", "", "register", "mips64", "--emulator", m.qemu)
	for _, f := range m.check(0, "--severity", "warning") {
		if f.Code != activators.LosesCredentials {
			t.Errorf("%+v", f)
		}
	}
	text, err := os.ReadFile(m.qemu)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(m.qemu); err != nil {
		t.Fatal(err)
	}
	if list := m.check(15, "--severity", "warning"); !has(list, activators.Missing, "xjail-mips64") || !has(list, activators.Replaced, "xjail-mips64") {
		t.Errorf("%+v", list)
	}
	m.check(0)
	if err := os.WriteFile(m.qemu, text[:len(text)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if list := m.check(15, "--severity", "warning"); !has(list, activators.NotProgram, "xjail-mips64") || !has(list, activators.NotExecutable, "xjail-mips64") {
		t.Errorf("%+v", list)
	}
	m.check(0) // the kernel runs the one that it opened
	if err := binfmt.New(m.Dir).Disable("xjail-mips64"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(m.Dir, "status"), []byte("0"), 0); err != nil {
		t.Fatal(err)
	}
	if list := m.check(0); !has(list, activators.Disabled, "xjail-mips64") || !has(list, activators.TableOff, "") {
		t.Errorf("%+v", list)
	}
}

// register refuses what is severe, with the finding and what mends it; --force
// overrides that, and nothing overrides what takes native programs.
func TestActivatorRegisterSevere(t *testing.T) {
	m := newMachine(t)
	if err := os.Chmod(m.qemu, os.ModeSetuid|0o755); err != nil {
		t.Fatal(err)
	}
	register := []string{"register", "mips64", "--emulator", m.qemu}
	m.wants(15, "", `xjail: error: activator "xjail-mips64": its interpreter `+m.qemu+" is set-id", register...)
	m.wants(15, "", "xjail: hint: chmod ug-s "+m.qemu+"; --force registers it all the same", register...)
	m.wants(15, "", "interpreter-set-id", append(register, "--dry-run")...)
	if len(m.entries()) != 0 {
		t.Error("it was registered")
	}
	m.wants(0, "xjail-mips64: add", "warning: activator xjail-mips64: its interpreter", append(register, "--force")...)
	// What is there already is no reason to refuse others.
	mips := filepath.Join(t.TempDir(), "qemu-mipsel-static")
	writeEmulator(t, "mipsel", mips)
	m.wants(0, "xjail-mipsel: add", "", "register", "mipsel", "--emulator", mips)
	m.wants(15, "", "this machine's own programs", "register", arch.Host().Name, "--emulator", m.qemu, "--force")
}

// A wide entry of somebody else's that has programs of a new one is no reason to
// refuse that: the new one takes its own. What is wrong with the other is told
// by check.
func TestActivatorRegisterBesideWide(t *testing.T) {
	m := newMachine(t)
	dir := t.TempDir()
	writeEmulator(t, "mips64", filepath.Join(dir, "qemu-mips64-static"))
	writeEmulator(t, "mipsn32", filepath.Join(dir, "qemu-mipsn32-static"))
	a, err := arch.Lookup("mips64")
	if err != nil {
		t.Fatal(err)
	}
	p := a.Pattern(arch.Any)
	p.Mask[4] = 0 // of either class
	e := activators.Entry{Name: "qemu-mipsn32", Interpreter: filepath.Join(dir, "qemu-mipsn32-static"), Magic: p.Magic, Mask: p.Mask, Enabled: true,
		Flags: activators.Flags{FixBinary: true, PreserveArgv0: true}}
	if err := binfmt.New(m.Dir).Add(e); err != nil {
		t.Fatal(err)
	}
	m.wants(0, "xjail-mips64: add", "", "register", "mips64", "--emulator", filepath.Join(dir, "qemu-mips64-static"))
	if list := m.check(0); !has(list, activators.ShadowedPartly, "qemu-mipsn32") || !has(list, activators.MatchesOther, "qemu-mipsn32") {
		t.Errorf("%+v", list)
	}
}

// The entries of Debian's qemu-user-static in a real kernel, under their own
// interpreters: the one fault of theirs that is known.
func TestActivatorCheckDebian(t *testing.T) {
	m := newMachine(t)
	files, _ := filepath.Glob("/usr/lib/binfmt.d/qemu-*.conf")
	if len(files) < 20 {
		t.Skip("qemu-user-static is not installed")
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(m.Dir, "register"), []byte(strings.TrimSpace(string(text))), 0); err != nil {
			t.Fatal(file, err)
		}
	}
	for _, f := range m.check(15) {
		if f.Severity != activators.Note && f.Entry != "qemu-microblaze" {
			t.Errorf("%+v", f)
		}
	}
}

// writeEmulator makes a file that answers as QEMU's emulator of a target does.
func writeEmulator(t *testing.T, target, path string) {
	t.Helper()
	qemutest.Linux(target, "7.2.22").Write(t, path)
}

// A directory is a table, whatever else is in it: masks, comments, a README. One
// damaged file is an error.
func TestActivatorCheckDirectory(t *testing.T) {
	dir := t.TempDir()
	check := func(status, entries, notes int, stderr string) {
		t.Helper()
		got, out, errs := activatorRun(t, t.TempDir(), "check", "--json", dir)
		var answer activatorCheck
		if got == 0 {
			if err := json.Unmarshal([]byte(out), &answer); err != nil || answer.Tables[0].Entries != entries || len(answer.Tables[0].Notes) != notes {
				t.Errorf("%v: %s", err, out)
			}
		}
		if got != status || !strings.Contains(errs, stderr) {
			t.Errorf("status %d, %s", got, errs)
		}
	}
	check(0, 0, 1, "")
	if err := os.Symlink("/dev/null", filepath.Join(dir, "masked.conf")); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("README", "Read me first.\n")
	write("comments.conf", "# nothing\n")
	check(0, 0, 4, "")
	write("wine.conf", ":wine:M::MZ::/usr/bin/wine:\n")
	check(0, 1, 3, "")
	_, _, errs := activatorRun(t, t.TempDir(), "check", dir)
	if want := "xjail: warning: " + filepath.Join(dir, "comments.conf") + ": it is empty, or has comments only\n"; !strings.Contains(errs, want) {
		t.Errorf("%s; want %s", errs, want)
	}
	write("x.conf", ":x:M::MZ:\\xff:/usr/bin/wine:\n")
	check(17, 0, 0, "x.conf:1: the mask has 1 bytes")
}

// What the kernel runs by itself in another ABI is not to be emulated, unless
// somebody insists.
func TestActivatorRegisterCompat(t *testing.T) {
	m := newMachine(t)
	host := jail.CheckHost(binfmt.New(m.Dir))
	if i := slices.IndexFunc(host.Natives, func(p activators.Program) bool { return p.Arch == "i386" }); i < 0 || host.Natives[i].Unsure {
		t.Skip("this kernel is not known to run programs of i386")
	}
	emulator := filepath.Join(t.TempDir(), "qemu-i386-static")
	writeEmulator(t, "i386", emulator)
	m.wants(15, "", "captures-compat", "register", "i386", "--emulator", emulator)
	if len(m.entries()) != 0 {
		t.Error("it was registered")
	}
	m.wants(0, "xjail-i386: add", "warning: activator xjail-i386: it takes programs of i386", "register", "i386", "--emulator", emulator, "--force")
}
