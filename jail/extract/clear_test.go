package extract

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/xjail/xjail/internal/fault"
)

func TestClearFollowsNothing(t *testing.T) {
	root, outside := jailed(t)
	before := canary(t, outside)
	for name, target := range map[string]string{"up": "..", "etc": outside + "/etc", "file": "../etc/passwd"} {
		if err := root.Symlink(target, name); err != nil {
			t.Fatal(err)
		}
	}
	if err := root.MkdirAll("a/b/c", 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range 3 * clearBatch / 2 { // more than one batch
		if err := root.WriteFile(fmt.Sprintf("a/%d", i), nil, 0o000); err != nil {
			t.Fatal(err)
		}
	}
	if err := root.Chmod("a/b", 0); err != nil {
		t.Fatal(err)
	}
	if err := root.Chmod("a", 0o500); err != nil {
		t.Fatal(err)
	}
	if err := Clear(context.Background(), root); err != nil {
		t.Fatal(err)
	}
	isEmpty(t, root)
	if canary(t, outside) != before {
		t.Error("outside changed")
	}
}

// A tree may be deeper than file descriptors, stack and PATH_MAX.
func TestClearOfADeepTree(t *testing.T) {
	root := newRoot(t)
	at, err := root.OpenRoot(".")
	if err != nil {
		t.Fatal(err)
	}
	if err := root.Mkdir(".xjail-clear-1", 0o755); err != nil { // a name that Clear would take
		t.Fatal(err)
	}
	name := strings.Repeat("n", 100)
	for range 1000 {
		if err := at.Mkdir(name, 0o700); err != nil {
			t.Fatal(err)
		}
		next, err := at.OpenRoot(name)
		if err != nil {
			t.Fatal(err)
		}
		_ = at.Close()
		at = next
	}
	_ = at.Close()
	limitFiles(t, 250)
	if err := Clear(context.Background(), root); err != nil {
		t.Fatal(err)
	}
	isEmpty(t, root)
}

func TestClearEndsWithItsContext(t *testing.T) {
	root := newRoot(t)
	if err := root.WriteFile("a", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	checkError(t, Clear(ctx, root), fault.Interrupted)
	lstat(t, root, "a")
}

// What a flag holds has another exit status than a broken disk, and a hint.
func TestClearOfHeldFiles(t *testing.T) {
	for errno, want := range map[syscall.Errno]fault.Kind{
		syscall.EPERM: fault.Permission, syscall.EACCES: fault.Permission, syscall.EIO: fault.Failed,
	} {
		err := held(&os.PathError{Op: "removeat", Path: "etc/f", Err: errno})
		if fault.KindOf(err) != want || (fault.HintOf(err) != "") != (want == fault.Permission) || !errors.Is(err, errno) {
			t.Errorf("%v: %v, kind %v, hint %q", errno, err, fault.KindOf(err), fault.HintOf(err))
		}
	}
}

func TestClearOfAClosedRoot(t *testing.T) {
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	_ = root.Close()
	if err := Clear(context.Background(), root); err == nil {
		t.Error("no error")
	}
}
