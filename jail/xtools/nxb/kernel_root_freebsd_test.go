package nxb

import (
	"debug/elf"
	"os"
	"testing"
)

// foreignRoot is a root of the machine's release and of another machine.
func foreignRoot(t *testing.T, base *os.Root) fakeTree {
	t.Helper()
	jail := fakeTree{"tmp/.keep": {}, "usr/bin/.keep": {}, "tmp/script": {data: []byte("#!/bin/sh\necho $0\n")}}
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

// run is a command of a shell, and some of what it says.
type run struct{ env, command, want string }

// relocatedRuns are what relocated programs must be able to do.
func relocatedRuns(m *Manifest) []run {
	return []run{
		{"X=1", "/nxb-bin/bin/sh -c 'echo $((6*7))'", "42\n"},
		{"X=1", "/bin/sh -c 'echo linked'", "linked\n"},
		{"X=1", "/nxb-bin/ld-elf.so.1 -v", "/nxb-bin/lib"},
		{"X=1", "printf 'b 2\\na 1\\n' | sort | awk '{ print $2 }'", "1\n2\n"},
		{"X=1", "id -u", "0\n"},
		{"LD_LIBRARY_PATH=/lib", "echo native | /usr/bin/sed s/n/N/", "Native\n"},
		{"LD_LIBRARY_PATH=/lib", "/tmp/script", "/tmp/script\n"},
		{"LD_PRELOAD=/lib/libc.so.7", "/nxb-bin/usr/bin/find /lib", "/lib\n/lib/libc.so.7\n"},
		{"X=1", "/nxb-bin/usr/bin/cc -dumpmachine", m.Compiler.Triple + "\n"},
		{"X=1", "cd /tmp && echo 'int f(void){return 1;}' > f.c && /nxb-bin/usr/bin/cc -c f.c && echo ok", "ok\n"},
		{"X=1", "cd /tmp && tar -cf f.tar f.c f.o && tar -tf f.tar", "f.c\nf.o\n"},
		{"X=1", "cd /tmp && cc -shared -nostdlib -o f.so f.o && nm f.so", " T f\n"},
	}
}
