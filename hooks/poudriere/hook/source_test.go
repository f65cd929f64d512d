package hook

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/hooks/poudriere"
	"github.com/xjail/xjail/hooks/poudriere/poudrieretest"
	"github.com/xjail/xjail/jail/xtools/nxb"
)

// hookStubs stand for what run_hook asks of the rest of poudriere.
const hookStubs = `
build_url() { setvar "$1" ""; return 1; }
log_url() { setvar "$1" ""; return 1; }
_log_path() { setvar "$1" /nonexistent; }
unset UNAME_m UNAME_p
`

// runHook has poudriere's own run_hook run the hooks for an event.
func (r *runner) runHook(src *poudrieretest.Source, event string) poudrieretest.Result {
	r.t.Helper()
	script := poudrieretest.Stubs + hookStubs + src.Functions(r.t, "run_hook", "run_hook_file") +
		"HOOKDIR=" + quoted(filepath.Dir(r.plugins)) + "\nBUILDNAME=b; POUDRIERE_BUILD_TYPE=bulk\n" +
		"export UNAME_m=mips UNAME_p=mips64 UNAME_r=13.2-RELEASE\nexec 0<&-\nrun_hook " + event + "\n"
	return poudrieretest.Run(r.t, r.shell, script, r.environ()...)
}

func quoted(s string) string { return "'" + s + "'" }

// Poudriere runs the hooks, for every event, with those of others around them.
func TestPoudriereRunsHooks(t *testing.T) {
	src := poudrieretest.Checkout(t)
	for _, shell := range poudrieretest.Shells(t) {
		t.Run(poudrieretest.Name(shell), func(t *testing.T) {
			r := newRunner(t, shell)
			r.tools(r.root)
			r.write(filepath.Join(r.ref, "bin/sh"), "sh")
			for _, event := range poudriereEvents(r.machine) {
				if got := r.runHook(src, event); got.Status != 0 {
					t.Errorf("%s: %+v", event, got)
				}
			}
			if text, _ := os.ReadFile(filepath.Join(r.dir, "ran")); strings.Count(string(text), "/bulk.sh") != 4*3 {
				t.Errorf("the hooks of others ran otherwise: %s", text)
			}
			if _, err := os.Stat(filepath.Join(r.ref, "nxb-bin/usr/bin/cc")); err != nil {
				t.Error("jail mount has not copied the tools:", err)
			}
			for _, fault := range []string{"panics", "killed", "fails", "usage"} {
				r.env[standIn] = fault
				if got := r.runHook(src, "bulk start"); got.Status != 0 || got.Stdout != "" || got.Stderr != "" {
					t.Errorf("%s: %+v", fault, got)
				}
			}
			delete(r.env, standIn)
			// The one stop that there is ends poudriere, with the sentence before its own.
			_ = os.Remove(r.emulator)
			got := r.runHook(src, "bulk start")
			if got.Status == 0 || !strings.Contains(got.Stdout, "is gone") || !strings.Contains(got.Stderr, "plugins/xjail/bulk.sh for 'bulk:start' returned non-zero") {
				t.Errorf("%+v", got)
			}
		})
	}
}

// What jail mount leaves, poudriere's setup_xdev wires: every program that its
// make.nxb.conf names is there and runs on this machine, and what it links is
// what was there. qemu_install puts the activator's emulator into the reference.
// Then jail start lays over what is left.
func TestPoudriereWiresTools(t *testing.T) {
	src := poudrieretest.Checkout(t)
	for _, shell := range poudrieretest.Shells(t) {
		t.Run(poudrieretest.Name(shell), func(t *testing.T) {
			r := newRunner(t, shell)
			r.tools(r.root, append(nxb.Linked(), "usr/bin/grep", "usr/bin/tr", "sbin/sysctl")...)
			for _, name := range append(nxb.Linked(), "usr/bin/grep", "usr/bin/tr", "sbin/sysctl", "usr/bin/cc", "etc/x", "tmp/x") {
				r.write(filepath.Join(r.ref, name), "emulated")
			}
			r.goesOn("bulk", "start")
			r.goesOn("jail", "mount", r.ref)
			script := poudrieretest.Stubs + src.Functions(t, "setup_xdev", "qemu_install") +
				fmt.Sprintf("EMULATOR=%s\nsetup_xdev %s mips\nqemu_install %s\n", quoted(r.entry().Interpreter), quoted(r.ref), quoted(r.ref))
			if got := poudrieretest.Run(t, shell, script); got.Status != 0 {
				t.Fatalf("%+v", got)
			}
			r.wantMakeConf()
			if _, err := os.Stat(filepath.Join(r.ref, r.emulator)); err != nil {
				t.Error(err)
			}
			before := r.native()
			if slices.Contains(before, "grep") || !slices.Contains(before, "sed") || slices.Contains(before, "sh") {
				t.Errorf("poudriere links %q", before)
			}
			r.goesOn("jail", "start")
			after := r.native()
			for name, want := range map[string]bool{"grep": true, "tr": true, "sed": true, "sysctl": false, "sh": false, "cc": false} {
				if slices.Contains(after, name) != want {
					t.Errorf("%s: native %v, want %v", name, !want, want)
				}
			}
		})
	}
}

// wantMakeConf holds the reference to what its make.nxb.conf names.
func (r *runner) wantMakeConf() {
	r.t.Helper()
	text, err := os.ReadFile(filepath.Join(r.ref, "etc/make.nxb.conf"))
	if err != nil {
		r.t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		_, name, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok {
			continue
		}
		n++
		f, err := os.Open(filepath.Join(r.ref, name))
		if err != nil {
			r.t.Error(err)
			continue
		}
		id, err := arch.Identify(f)
		f.Close()
		if err != nil || arch.Host().Accepts(id) != nil || id.Interp != "" && id.Interp != rtld {
			r.t.Errorf("%s: %v %v", name, id, err)
		}
	}
	if n < len(nxb.Required()) {
		r.t.Errorf("make.nxb.conf: %s", text)
	}
}

// make.conf of the plugin is what make(1) reads: each variable is set when its
// file exists, and no other way.
func TestMakeConf(t *testing.T) {
	m := newMachine(t)
	if _, err := m.config().InstallPlugin(poudriere.Plugin{Program: exeOf(t), Limit: 1e9}, false, false); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(m.config().PluginDir(), "make.conf"))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	seen := []string{}
	for i := 0; i < len(lines); i += 3 {
		name, file, ok := strings.Cut(lines[i+1], "=")
		if lines[i] != ".if exists("+file+")" || !ok || lines[i+2] != ".endif" || !strings.HasPrefix(file, "/nxb-bin/usr/bin/") {
			t.Errorf("%q", lines[i:i+3])
		}
		seen = append(seen, name)
	}
	for _, name := range []string{"AR", "STRIP_CMD", "OBJDUMP", "READELF"} {
		if !slices.Contains(seen, name) {
			t.Errorf("%s is not set", name)
		}
	}
	// To the ports tree STRIP is an option of install(1).
	if slices.Contains(seen, "STRIP") {
		t.Error("STRIP is set")
	}
}

func exeOf(t *testing.T) string {
	t.Helper()
	name, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return name
}
