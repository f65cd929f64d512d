package qemu

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/xjail/xjail/internal/fault"
)

// What a killed fetch left, unless one is running.
func TestFetchLeftovers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "emulators")
	if left := FetchLeftovers(dir); left != nil {
		t.Errorf("where nothing is: %q", left)
	}
	left := filepath.Join(dir, tempPrefix+"123")
	noError(t, os.MkdirAll(filepath.Join(left, "download"), 0o755))
	noError(t, os.WriteFile(filepath.Join(dir, "qemu-arm-static"), nil, 0o755))
	unlock, err := lockDir(dir)
	noError(t, err)
	if got := FetchLeftovers(dir); got != nil {
		t.Errorf("of a fetch that runs: %q", got)
	}
	if err := SweepFetch(dir); fault.KindOf(err) != fault.Locked {
		t.Errorf("swept while a fetch runs: %v", err)
	}
	unlock()
	if got := FetchLeftovers(dir); !slices.Equal(got, []string{left}) {
		t.Errorf("%q", got)
	}
	noError(t, SweepFetch(dir))
	if got := FetchLeftovers(dir); got != nil {
		t.Errorf("after sweeping: %q", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "qemu-arm-static")); err != nil {
		t.Error(err)
	}
}

// Files by their names alone, each directory once.
func TestPresent(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"qemu-arm-static", "qemu-mips64", "qemu-system-arm", "qemu-img", "qemu-vax-static", "arm"} {
		noError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o755))
	}
	link := filepath.Join(t.TempDir(), "link")
	noError(t, os.Symlink(dir, link))
	got := Present(FindOptions{Path: link + ":" + dir, Prefixes: []string{}})
	if want := []string{filepath.Join(link, "qemu-arm-static"), filepath.Join(link, "qemu-mips64")}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
