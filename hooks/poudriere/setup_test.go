package poudriere

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/jail/source/releasetest"
)

// loginConf is the class default of FreeBSD 15.1, as far as environments go.
const loginConfText = "default:\\\n\t:passwd_format=sha512:\\\n\t:setenv=BLOCKSIZE=K:\\\n\t:path=/sbin /bin /usr/sbin /usr/bin:\n"

// writeRoot makes a root of FreeBSD that has what poudriere looks at.
func writeRoot(t *testing.T, dir, archName, version string) {
	t.Helper()
	a := mustArch(t, archName)
	for name, text := range map[string]string{
		"bin/sh":                    string(releasetest.Program(a)),
		"lib/libc.so.7":             string(releasetest.Program(a)),
		"usr/lib/crt1.o":            string(releasetest.Program(a)),
		"bin/freebsd-version":       "#!/bin/sh\n\nUSERLAND_VERSION=\"" + version + "\"\n",
		"etc/login.conf":            loginConfText,
		"etc/master.passwd":         "root::0:0::0:0:Charlie &:/root:/bin/sh\n",
		"usr/include/sys/param.h":   "#undef __FreeBSD_version\n#define __FreeBSD_version 1302001\t/* Master */\n",
		"usr/include/sys/mount.h":   "#define\tMNAMELEN\t1024\n",
		"usr/share/misc/magic":      "",
		"usr/bin/true":              string(releasetest.Program(a)),
		"libexec/ld-elf.so.1":       string(releasetest.Program(a)),
		"usr/share/examples/README": "",
	} {
		writeFile(t, filepath.Join(dir, name), text)
	}
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

func mustArch(t *testing.T, name string) *arch.Arch {
	t.Helper()
	a, err := arch.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// world is a machine with poudriere's configuration, a jail, and programs that
// are functions.
type world struct {
	*Poudriere
	subject  Subject
	programs map[string]func(argv []string) (string, error)
	called   []string
}

// newWorld is a FreeBSD machine's root, with a jail of mips64.
func newWorld(t *testing.T) *world {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := &world{programs: map[string]func([]string) (string, error){}}
	w.Poudriere = New(Config{Etc: filepath.Join(dir, "etc")})
	w.os, w.root = "freebsd", true
	w.find = func(program string) string {
		if w.programs[program] == nil {
			return ""
		}
		return "/fake/" + program
	}
	w.run = func(ctx context.Context, argv ...string) (string, error) {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		w.called = append(w.called, strings.Join(argv, " "))
		run := w.programs[filepath.Base(argv[0])]
		if run == nil {
			return "", errors.New("no such program: " + argv[0])
		}
		return run(argv[1:])
	}
	w.now = func() time.Time { return time.Unix(1700000000, 0) }
	w.subject = Subject{Name: "13mips64", Arch: mustArch(t, "mips64"), Root: filepath.Join(dir, "root"), Dir: filepath.Join(dir, "state")}
	writeRoot(t, w.subject.Root, "mips64", "13.2-RELEASE")
	writeFile(t, filepath.Join(w.Etc, "poudriere.conf"), "BASEFS="+dir+"/base\nNO_ZFS=yes\n")
	if err := os.MkdirAll(w.subject.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return w
}

// register plans and registers.
func (w *world) register(t *testing.T, req Request) (*Registration, error) {
	t.Helper()
	plan, err := w.Plan(t.Context(), w.subject, req)
	if err != nil {
		return nil, err
	}
	return w.Register(t.Context(), plan)
}

// wantNothing wants that poudriere knows no jail, and that nobody remembers one.
func (w *world) wantNothing(t *testing.T) {
	t.Helper()
	wantEmpty(t, w.Config)
	if entries, _ := os.ReadDir(w.subject.Dir); len(entries) > 0 {
		t.Errorf("left in the state directory: %v", entries)
	}
	if _, err := os.Lstat(filepath.Join(w.subject.Root, snapFile)); err == nil {
		t.Error("left: " + snapFile)
	}
}
