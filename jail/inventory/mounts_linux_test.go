package inventory

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/mounttest"
)

// What is mounted in a directory is left out: another file system, a bind mount
// of the same one, a file; and with CrossMounts all but proc is looked into.
func TestScanMounts(t *testing.T) {
	if !mounttest.Inside(t) {
		return
	}
	dir := tree(t, map[string]string{
		"tmpfs/": "", "bind/": "", "file": program("i386"), "proc/": "", "own/p": program("mips64"), "link": "-> tmpfs",
	})
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, m := range []struct {
		source, target, kind string
		flags                uintptr
	}{
		{"tmpfs", at("tmpfs"), "tmpfs", 0}, {at("own"), at("bind"), "", unix.MS_BIND}, {at("own/p"), at("file"), "", unix.MS_BIND}, {"proc", at("proc"), "proc", 0},
	} {
		mounttest.Mount(t, m.source, m.target, m.kind, m.flags, "")
	}
	if err := os.WriteFile(at("tmpfs/q"), []byte(program("amd64")), 0o644); err != nil {
		t.Fatal(err)
	}
	r := mustScan(t, Options{}, dir)
	wantLines(t, r, dir, "own/p mips64")
	if want := []string{at("bind"), at("file"), at("proc"), at("tmpfs")}; !slices.Equal(r.Mounts, want) {
		t.Errorf("%q, want %q", r.Mounts, want)
	}
	r = mustScan(t, Options{CrossMounts: true}, dir)
	wantLines(t, r, dir, "bind/p mips64", "file mips64", "own/p mips64", "tmpfs/q amd64")
	if want := []string{at("proc")}; !slices.Equal(r.Mounts, want) {
		t.Errorf("%q, want %q", r.Mounts, want)
	}
}
