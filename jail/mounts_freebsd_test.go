package jail

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
)

// kernelVersion is kern.osreldate.
func kernelVersion(t *testing.T) int {
	t.Helper()
	version, err := unix.SysctlUint32("kern.osreldate")
	if err != nil {
		t.Fatal(err)
	}
	return int(version)
}

func TestKernelBinds(t *testing.T) {
	s, files := kernelStore(t), kernelVersion(t) >= fileMounts
	var all sync.WaitGroup
	for i := range 4 {
		src, word := t.TempDir(), fmt.Sprintf("word%d", i)
		if err := os.WriteFile(filepath.Join(src, "f"), []byte(word), 0o644); err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			c := &Command{Binds: []Bind{{src, "/src", i%2 == 0}, {filepath.Join(src, "f"), "/etc/bound", true}}}
			names := []string{"/src/f", "/etc/bound"}
			if !files {
				c.Binds, names = c.Binds[:1], names[:1]
			}
			for _, name := range names {
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
