package formats

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xjail/xjail/activators"
)

// machineOf is a machine that is not there, for the service: a stand-in for
// rc.subr, and one for binmiscctl.
type machineOf struct {
	t      *testing.T
	dir    string
	script string
}

func newMachineOf(t *testing.T, entries []activators.Entry) *machineOf {
	t.Helper()
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip(err)
	}
	here, err := filepath.Abs("testdata/service")
	if err != nil {
		t.Fatal(err)
	}
	m := &machineOf{t, t.TempDir(), ""}
	if err := os.Mkdir(filepath.Join(m.dir, "table"), 0o755); err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("/etc/rc.subr", here+"/rc.subr", "/usr/sbin/binmiscctl", here+"/binmiscctl", "/var/run/", m.dir+"/run/").
		Replace(string(write(t, RCScript, freebsd, entries)))
	m.script = filepath.Join(m.dir, "service")
	if err := os.WriteFile(m.script, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return m
}

// run runs a command of the service: what it logs, says, and its status.
func (m *machineOf) run(command string) (log, said string, status int) {
	m.t.Helper()
	file := filepath.Join(m.dir, "log")
	_ = os.Remove(file)
	cmd := exec.Command("sh", "-u", m.script, command)
	cmd.Env = append(os.Environ(), "LOG="+file, "TABLE="+filepath.Join(m.dir, "table"))
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		m.t.Fatal(err)
	}
	text, _ := os.ReadFile(file)
	return string(text), string(out), cmd.ProcessState.ExitCode()
}

func (m *machineOf) table() string {
	names, err := os.ReadDir(filepath.Join(m.dir, "table"))
	if err != nil {
		m.t.Fatal(err)
	}
	var list []string
	for _, n := range names {
		list = append(list, n.Name())
	}
	return strings.Join(list, " ")
}

// The service registers what it was made of, once, and removes that and no more.
func TestService(t *testing.T) {
	general := entry(t, "general", "/bin/sh", "7f454c46", "ffffffff")
	special := entry(t, "special", "/bin/sh", "7f454c4602", "ffffffffff")
	special.Args, special.Flags.PreOpen, special.Offset = []string{"-x"}, true, 0
	gone := entry(t, "gone", "/nowhere/qemu", "01", "ff")
	m := newMachineOf(t, []activators.Entry{special, general})

	log, said, status := m.run("start")
	log, ok := strings.CutPrefix(log, "kld imgact_binmisc\n")
	if status != 0 || said != "" || !ok {
		t.Errorf("start: %d %s %s", status, said, log)
	}
	set, err := Read("log", []byte(log))
	if err != nil {
		t.Fatal(err)
	}
	wantSame(t, set, []activators.Entry{special, general})
	if log, said, status = m.run("start"); log != "kld imgact_binmisc\n" || said != "" || status != 0 {
		t.Errorf("start again: %d %s %s", status, said, log)
	}
	if _, said, status = m.run("status"); status != 0 || said != "general is registered.\nspecial is registered.\n" {
		t.Errorf("status: %d %s", status, said)
	}

	// Somebody else has changed one since.
	theirs := filepath.Join(m.dir, "table", "general")
	if err := os.WriteFile(theirs, []byte("name: general\ninterpreter: /bin/theirs\nflags: ENABLED \n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, said, status = m.run("start"); status != 1 || !strings.Contains(said, "general is there with another interpreter") {
		t.Errorf("start over another: %d %s", status, said)
	}
	if log, _, status = m.run("stop"); status != 0 || log != "remove special\n" || m.table() != "general" {
		t.Errorf("stop: %d %s, left %s", status, log, m.table())
	}
	if log, _, status = m.run("stop"); status != 0 || log != "" || m.table() != "general" {
		t.Errorf("stop again: %d %s, left %s", status, log, m.table())
	}

	m = newMachineOf(t, []activators.Entry{gone, general})
	if _, said, status = m.run("start"); status != 1 || !strings.Contains(said, "gone is not registered: /nowhere/qemu is not there.") || m.table() != "general" {
		t.Errorf("start without the emulator: %d %s, there is %s", status, said, m.table())
	}
	if _, said, status = m.run("status"); status != 1 || said != "general is registered.\ngone is not registered.\n" && said != "gone is not registered.\ngeneral is registered.\n" {
		t.Errorf("status: %d %s", status, said)
	}
}
