package nxb

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/xjail/xjail/arch"
)

// inRoot is what a command says in a chroot of root.
func inRoot(t *testing.T, root *os.Root, env string, argv ...string) (string, error) {
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	cmd.Env, cmd.Dir = []string{env, "PATH=/nxb-bin/bin:/nxb-bin/usr/bin"}, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root.Name()}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// relocatedMachine is the machine's own base system, relocated into a root whose
// run-time linker and libraries are of another machine.
func relocatedMachine(t *testing.T) (*Manifest, *os.Root) {
	t.Helper()
	base, err := os.OpenRoot("/")
	if err != nil {
		t.Fatal(err)
	}
	defer base.Close()
	if _, err := base.Stat(clangPath); err != nil || os.Getuid() != 0 {
		t.Skip("chroot(2) is root's, and the machine must have a compiler")
	}
	root := foreignRoot(t, base).make(t)
	p, err := NewTwinPlan(t.Context(), base, arm64(t, root))
	if err != nil {
		t.Fatal(err)
	}
	m, err := p.Apply(t.Context(), root)
	for _, name := range []string{"bin/sh", "usr/bin/sed"} { // as poudriere does it
		if err == nil {
			err = root.Link(Dir+"/"+name, name)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return m, root
}

// It runs there, whatever the environment says.
func TestKernelRelocated(t *testing.T) {
	m, root := relocatedMachine(t)
	for _, tt := range relocatedRuns(m) {
		if out, err := inRoot(t, root, tt.env, "/nxb-bin/bin/sh", "-c", tt.command); err != nil || !strings.Contains(out, tt.want) {
			t.Errorf("%s %s: %q, %v; want %q", tt.env, tt.command, out, err, tt.want)
		}
	}
	for _, f := range m.Files { // rtld(1) lists what it would load, and from where
		if f.Kind != Relocated {
			continue
		}
		out, err := inRoot(t, root, "NX_TRACE_LOADED_OBJECTS=1", prefix+"/"+f.Path)
		if n := strings.Count(out, " => "); err != nil || n == 0 || n != strings.Count(out, " => "+prefix+"/lib/") {
			t.Errorf("%s loads %s, %v", f.Path, out, err)
		}
	}
	for _, name := range []string{"tmp/f.o", "tmp/f.so"} {
		f, err := root.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		if id, err := arch.Identify(f); err != nil || lookup(t, "aarch64").Accepts(id) != nil {
			t.Errorf("%s is %+v, %v", name, id, err)
		}
		f.Close()
	}
}
