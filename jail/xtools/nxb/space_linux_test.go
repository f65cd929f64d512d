package nxb

import (
	"context"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/internal/mounttest"
)

// mount puts a small file system at a new directory of the test.
func mount(t *testing.T, options string) *os.Root {
	t.Helper()
	dir := t.TempDir()
	mounttest.Mount(t, "tmpfs", dir, "tmpfs", 0, options)
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

// Without room, in bytes or in files, nothing is left, and the kind says why.
func TestApplyNoSpace(t *testing.T) {
	if !mounttest.Inside(t) {
		return
	}
	p, _, _ := planned(t)
	for _, options := range []string{"size=64k", "nr_inodes=20", "nr_inodes=2", "ro"} {
		root := mount(t, options)
		_, err := p.Apply(context.Background(), root)
		kind := fault.NoSpace
		if options == "ro" {
			kind = fault.Permission
		}
		checkError(t, err, kind, "writing /nxb-bin")
		if fault.HintOf(err) == "" {
			t.Errorf("%s: no hint", options)
		}
		if left := contents(t, root); len(left) != 1 {
			t.Errorf("%s: it left %d files", options, len(left)-1)
		}
	}
}

// What is mounted below /nxb-bin is neither removed nor replaced.
func TestRemoveMounted(t *testing.T) {
	if !mounttest.Inside(t) {
		return
	}
	m, root := planTwin(t, baseTree(), arm64Jail())
	point := root.Name() + "/" + Dir + "/usr/bin/find"
	mounttest.Mount(t, point, point, "", unix.MS_BIND, "")
	before := contents(t, root)
	checkError(t, Remove(context.Background(), root, m), fault.Unsafe, "not removing what is mounted")
	unchanged(t, root, before)
}
