package jail

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/arch"
)

// kernelStore is a state with one jail, of the host's own architecture, whose
// only program is /bin/guest. The machine must be one that may be changed.
func kernelStore(t *testing.T) Store {
	t.Helper()
	if os.Getenv("XJAIL_TEST_KERNEL") != "1" || os.Geteuid() != 0 {
		t.Skip("XJAIL_TEST_KERNEL=1 and root: this test mounts, and makes jails")
	}
	s := newStore(t, "j")
	l, err := s.lock("j", unix.LOCK_EX)
	if err != nil {
		t.Fatal(err)
	}
	l.release()
	root := filepath.Join(s.dir("j"), "root")
	for _, dir := range []string{"bin", "etc", "root", "home/build", "src", "usr/include/sys"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string][]byte{
		"bin/guest":               staticProgram(t),
		"bin/freebsd-version":     []byte("USERLAND_VERSION=\"13.2-RELEASE-p1\"\n"),
		"usr/include/sys/param.h": []byte("#define __FreeBSD_version 1302001\n"),
		"etc/passwd":              []byte("root:*:0:0::/root:/bin/guest\nbuild:*:1001:1002::/home/build:/bin/guest\n"),
		"etc/group":               []byte("wheel:*:0:root\nbuild:*:1002:\nstaff:*:20:build\n"),
	} {
		if err := os.WriteFile(filepath.Join(root, name), text, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.save(&Record{Version: recordVersion, Name: "j", Arch: arch.Host().Name, Root: root}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { checkNothingLeft(t, s) })
	return s
}

// run runs /bin/guest with arguments, and returns what it says.
func run(ctx context.Context, s Store, c *Command, args ...string) (status int, said string, err error) {
	c.Argv = append([]string{"guest"}, args...)
	c.Env = append(c.Env, guestVar+"=1")
	var out bytes.Buffer
	f, done, err := pipeTo(&out)
	if err != nil {
		return 0, "", err
	}
	c.Stdout, c.Stderr = f, f
	status, err = s.Exec(ctx, "j", c)
	f.Close()
	<-done
	return status, strings.TrimSpace(out.String()), err
}
