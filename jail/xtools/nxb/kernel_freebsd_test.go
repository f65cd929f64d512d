package nxb

import (
	"debug/elf"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/xjail/xjail/internal/fault"
)

// The machine's own base system, relocated into a root whose run-time linker and
// libraries are of another machine, runs there, whatever the environment says.
func TestKernelRelocated(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("chroot(2) is root's")
	}
	base, err := os.OpenRoot("/")
	if err != nil {
		t.Fatal(err)
	}
	defer base.Close()
	root := foreignRoot(t, base).make(t)
	p, err := NewTwinPlan(t.Context(), base, arm64(t, root))
	if fault.KindOf(err) == fault.NotFound {
		t.Skip(err) // a machine without a compiler
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Apply(t.Context(), root); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ env, command, want string }{
		{"X=1", "/nxb-bin/bin/sh -c 'echo $((6*7))'", "42\n"},
		{"LD_LIBRARY_PATH=/lib", "echo native | /nxb-bin/usr/bin/sed s/n/N/", "Native\n"},
		{"LD_PRELOAD=/lib/libc.so.7", "/nxb-bin/usr/bin/find /lib", "/lib\n/lib/libc.so.7\n"},
		{"X=1", "/nxb-bin/ld-elf.so.1 -v", "/nxb-bin/lib"},
		{"X=1", "/nxb-bin/usr/bin/cc -dumpmachine", p.Compiler.Triple + "\n"},
		{"X=1", "cd /tmp && echo 'int f(void){return 1;}' > f.c && /nxb-bin/usr/bin/cc -c f.c && echo ok", "ok\n"},
	} {
		cmd := exec.Command("/nxb-bin/bin/sh", "-c", tt.command)
		cmd.Env, cmd.Dir = []string{tt.env, "PATH=/nxb-bin/bin:/nxb-bin/usr/bin"}, "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root.Name()}
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), tt.want) {
			t.Errorf("%s %s: %q, %v; want %q", tt.env, tt.command, out, err, tt.want)
		}
	}
	b, err := root.ReadFile("tmp/f.o")
	if err == nil {
		err = CheckObject(b, lookup(t, "aarch64"))
	}
	if err != nil {
		t.Error(err)
	}
}

// foreignRoot is a root of the machine's release and of another machine.
func foreignRoot(t *testing.T, base *os.Root) fakeTree {
	t.Helper()
	jail := fakeTree{"tmp/.keep": {}}
	for _, name := range []string{"bin/freebsd-version", "usr/include/sys/param.h"} {
		if b, err := base.ReadFile(name); err == nil {
			jail[name] = entry{data: b}
		}
	}
	linker := rtld(strings15)
	linker.machine = elf.EM_AARCH64
	jail.put("libexec/ld-elf.so.1", linker)
	jail.put("lib/libc.so.7", foreign(elf.EM_AARCH64, false))
	return jail
}
