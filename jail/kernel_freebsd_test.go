package jail

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/xjail/xjail/internal/fault"
)

// checkNothingLeft looks that no mount, jail or view of the state is there.
func checkNothingLeft(t *testing.T, s Store) {
	t.Helper()
	dir, err := filepath.EvalSymlinks(s.Dir)
	if err != nil {
		t.Fatal(err)
	}
	all, err := hostKernel{}.Mounts()
	if left := mountsIn(all, dir); err != nil || len(left) > 0 {
		t.Errorf("mounted: %v, %v", left, err)
	}
	prisons, err := hostKernel{}.Prisons()
	for jid, path := range prisons {
		if below(path, dir) {
			t.Errorf("jail %d is left in %s", jid, path)
		}
	}
	if left, _ := os.ReadDir(s.views("j")); err != nil || len(left) > 0 {
		t.Errorf("views: %v, %v", left, err)
	}
}

func TestKernelCommands(t *testing.T) {
	s := kernelStore(t)
	const dev = "ctty fd full null ptmx pts random stderr stdin stdout urandom zero"
	tests := []struct {
		c      Command
		args   string
		status int
		said   string
	}{
		{Command{}, "print hello", 0, "hello"},
		{Command{}, "exit 42", 42, ""},
		{Command{}, "signal 15", 143, ""},
		{Command{}, "signal 9", 137, ""},
		{Command{}, "sysctl kern.hostname", 0, "j"},
		{Command{}, "sysctl kern.osrelease", 0, "13.2-RELEASE-p1"},
		{Command{}, "list /dev", 0, dev},
		{Command{}, "list /dev/fd", 0, "0 1 2"},
		{Command{}, "open /dev/null", 0, ""},
		{Command{}, "open /dev/mem", 99, "open /dev/mem: no such file or directory"},
		{Command{}, "whoami", 0, "0 0 [0] / /root"},
		{Command{User: "build", Dir: "/src"}, "whoami", 0, "1001 1002 [20 1002] /src /home/build"},
		{Command{User: "build"}, "write /etc/x y", 99, "open /etc/x: permission denied"},
		{Command{}, "leave", 0, ""},
	}
	for _, tt := range tests {
		status, said, err := run(context.Background(), s, &tt.c, strings.Fields(tt.args)...)
		if got := strings.Join(strings.Fields(said), " "); err != nil || status != tt.status || !sameNodes(tt.args, got, tt.said) {
			t.Errorf("%s: %d %q, %v, want %d %q", tt.args, status, got, err, tt.status, tt.said)
		}
		checkNothingLeft(t, s)
	}
}

// sameNodes compares words. The descriptors of a program are more by those that
// it opens itself, and not every kernel has each device node.
func sameNodes(args, got, want string) bool {
	if !strings.HasPrefix(args, "list ") {
		return got == want
	}
	has := " " + got + " "
	for _, bad := range []string{"mem", "io", "console", "devctl", "pci", "bpf", "klog", "da0", "md0", "ttyv0"} {
		if strings.Contains(has, " "+bad+" ") {
			return false
		}
	}
	return strings.Contains(has, " null ") && strings.Contains(want, "null") || strings.Contains(has, " 0 1 2 ")
}

func TestKernelBinds(t *testing.T) {
	s := kernelStore(t)
	var all sync.WaitGroup
	for i := range 4 {
		src, word := t.TempDir(), fmt.Sprintf("word%d", i)
		if err := os.WriteFile(filepath.Join(src, "f"), []byte(word), 0o644); err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			c := &Command{Binds: []Bind{{src, "/src", i%2 == 0}, {filepath.Join(src, "f"), "/etc/bound", true}}}
			for _, name := range []string{"/src/f", "/etc/bound"} {
				if status, said, err := run(context.Background(), s, c, "read", name); err != nil || status != 0 || said != word {
					t.Errorf("%s: %d %q, %v, want %q", name, status, said, err, word)
				}
			}
			status, said, err := run(context.Background(), s, c, "write", "/src/new", "x")
			if _, serr := os.Lstat(filepath.Join(src, "new")); err != nil || (status == 0) == (i%2 == 0) || (serr == nil) == (i%2 == 0) {
				t.Errorf("writing: %d %q, %v, %v", status, said, err, serr)
			}
		})
	}
	all.Wait()
}

func TestKernelHostileRoot(t *testing.T) {
	s := kernelStore(t)
	root := filepath.Join(s.dir("j"), "root")
	if err := os.Symlink("../../../..", filepath.Join(root, "out")); err != nil {
		t.Fatal(err)
	}
	c := &Command{Binds: []Bind{{t.TempDir(), "/out/mnt", false}}}
	if _, _, err := run(context.Background(), s, c, "print"); fault.KindOf(err) != fault.Unsafe {
		t.Errorf("a bind through a symlink: %v", err)
	}
	checkNothingLeft(t, s)
	if err := os.RemoveAll(filepath.Join(root, "dev")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/", filepath.Join(root, "dev")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := run(context.Background(), s, &Command{}, "print"); fault.KindOf(err) != fault.Unsafe {
		t.Errorf("/dev is a symlink: %v", err)
	}
}

// A command is killed with everything when its context ends, and what a killed
// xjail left goes with the next command and with destroy.
func TestKernelLeftovers(t *testing.T) {
	s := kernelStore(t)
	for _, clean := range []func() error{
		func() error { _, _, err := run(context.Background(), s, &Command{}, "print"); return err },
		func() error { return s.dropViews("j") },
	} {
		v, err := openView(hostKernel{}, s.views("j"))
		if err != nil {
			t.Fatal(err)
		}
		e := &entrance{Name: "j", Root: filepath.Join(s.dir("j"), "root"), Argv: []string{"guest"}}
		if _, _, err := prepare(v, e, 1501000); err != nil {
			t.Fatal(err)
		}
		if _, err := newPrison(e, v, guest{}); err != nil {
			t.Fatal(err)
		}
		v.lock.release()
		if err := clean(); err != nil {
			t.Error(err)
		}
		checkNothingLeft(t, s)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	go func() { // the first word says that the command runs
		_, _ = r.Read(make([]byte, 1))
		cancel()
	}()
	c := &Command{Argv: []string{"guest", "wait"}, Env: []string{guestVar + "=1"}, Stdout: w}
	if _, err := s.Exec(ctx, "j", c); fault.KindOf(err) != fault.Interrupted {
		t.Errorf("ended context: %v", err)
	}
	w.Close()
	r.Close()
}
