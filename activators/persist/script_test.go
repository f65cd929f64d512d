package persist

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// service is the rc.d script on a machine that is not there: a stand-in for
// rc.subr, and one for xjail.
type service struct {
	t      *testing.T
	dir    string
	script string
}

// newService writes the script with settings as persist does.
func newService(t *testing.T, settings string) *service {
	t.Helper()
	s := &service{t: t, dir: t.TempDir()}
	s.script = filepath.Join(s.dir, "xjail")
	subr, err := filepath.Abs("testdata/rc.subr")
	if err != nil {
		t.Fatal(err)
	}
	text := mustFiles(t, FreeBSD, boot())[0].Text
	write(t, s.script, strings.Replace(text, ". /etc/rc.subr", ". "+subr, 1))
	program, err := filepath.Abs("testdata/xjail.sh")
	if err != nil {
		t.Fatal(err)
	}
	stub := filepath.Join(s.dir, "bin", "xjail")
	write(t, stub, "exec sh "+program+" \"$@\"\n")
	if err := os.Chmod(stub, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(s.dir, "table"), "")
	write(t, filepath.Join(s.dir, "xjail_activators"), settings+"\nxjail_activators_command="+stub+"\n")
	return s
}

// run runs a command of the service and returns its status, stdout and stderr.
func (s *service) run(command string) (int, string, string) {
	s.t.Helper()
	cmd := exec.Command("sh", s.script, command)
	cmd.Env = append(os.Environ(), "RC_CONF_D="+s.dir, "XJAIL_LOG="+s.dir+"/log", "XJAIL_TABLE="+s.dir+"/table")
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if cmd.ProcessState == nil {
		s.t.Skip("no shell here: ", err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// log is what the script called, and forgets it.
func (s *service) log() string {
	text, _ := os.ReadFile(s.dir + "/log")
	_ = os.Remove(s.dir + "/log")
	return string(text)
}

func TestScript(t *testing.T) {
	s := newService(t, mustFiles(t, FreeBSD, boot())[1].Text)
	if status, out, errs := s.run("status"); status != 1 || out != "mips64 is not registered.\nriscv64 is not registered.\n" {
		t.Errorf("status %d: %s%s", status, out, errs)
	}
	s.log()
	const register = "xjail --state /var/db/xjail activator register mips64 --global --emulator /usr/local/bin/qemu-mips64-static\n" +
		"xjail --state /var/db/xjail activator register riscv64 --global --emulator /opt/qemu-riscv64 --osabi linux --credential\n"
	for range 2 {
		if status, _, errs := s.run("start"); status != 0 || errs != "" {
			t.Errorf("start: status %d: %s", status, errs)
		}
		if got := s.log(); got != register {
			t.Errorf("start calls\n%s, want\n%s", got, register)
		}
	}
	if status, out, errs := s.run("status"); status != 0 || out != "mips64 is enabled.\nriscv64 is enabled.\n" {
		t.Errorf("status %d: %s%s", status, out, errs)
	}
	s.log()
	for range 2 {
		if status, _, errs := s.run("stop"); status != 0 || errs != "" {
			t.Errorf("stop: status %d: %s", status, errs)
		}
		if got := s.log(); got != "xjail --state /var/db/xjail activator unregister mips64 --global\nxjail --state /var/db/xjail activator unregister riscv64 --global\n" {
			t.Errorf("stop calls\n%s", got)
		}
	}
}

// One that fails does not keep the others from being registered.
func TestScriptFailure(t *testing.T) {
	s := newService(t, "xjail_activators_enable=yes\nxjail_activators_archs='broken mips.mips64 arm other'")
	if status, _, errs := s.run("start"); status != 1 || errs != "xjail: error: broken\n" {
		t.Errorf("start: status %d, %q", status, errs)
	}
	if status, out, _ := s.run("status"); status != 1 || out != "broken is not registered.\nmips.mips64 is enabled.\narm is enabled.\nother is shadowed.\n" {
		t.Errorf("status %d, %q", status, out)
	}
	if status, _, errs := s.run("stop"); status != 1 || errs != "xjail: error: broken\n" {
		t.Errorf("stop: status %d, %q", status, errs)
	}
}

func TestScriptSwitchedOff(t *testing.T) {
	for settings, want := range map[string]string{
		"": "", "xjail_activators_archs=arm": "", "xjail_activators_enable=YES": "WARNING: xjail_activators_archs names no architecture.\n",
	} {
		s := newService(t, settings)
		if status, _, errs := s.run("start"); (status == 0) != (want == "") || errs != want || s.log() != "" {
			t.Errorf("%s: status %d, %q", settings, status, errs)
		}
	}
	s := newService(t, "xjail_activators_archs=arm")
	if status, _, _ := s.run("onestart"); status != 0 || s.log() == "" {
		t.Errorf("onestart: status %d", status)
	}
}

// Shells and shellcheck read it.
func TestScriptSyntax(t *testing.T) {
	file := filepath.Join(t.TempDir(), "xjail")
	write(t, file, mustFiles(t, FreeBSD, boot())[0].Text)
	for _, argv := range [][]string{{"sh", "-n", file}, {"dash", "-n", file}, {"shellcheck", "-s", "dash", "-e", "SC1091,SC2034", file}} {
		t.Run(argv[0], func(t *testing.T) {
			if _, err := exec.LookPath(argv[0]); err != nil {
				t.Skip(err)
			}
			if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}
