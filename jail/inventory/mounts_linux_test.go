package inventory

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// inNamespace runs the test again in a user and mount namespace of its own,
// where it may mount. There it returns true.
func inNamespace(t *testing.T) bool {
	t.Helper()
	const key = "XJAIL_INVENTORY_TEST"
	if os.Getenv(key) == t.Name() {
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			t.Fatal(err)
		}
		return true
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), key+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if err != nil && len(out) == 0 {
		t.Skipf("no user namespaces here: %v", err)
	}
	switch {
	case err != nil:
		t.Errorf("in a namespace: %v\n%s", err, out)
	case !strings.Contains(string(out), "--- PASS: "+t.Name()):
		t.Skipf("in a namespace: %s", out)
	}
	return false
}

// What is mounted in a directory is left out: another file system, a bind mount
// of the same one, a file; and with CrossMounts all but proc is looked into.
func TestScanMounts(t *testing.T) {
	if !inNamespace(t) {
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
		if err := unix.Mount(m.source, m.target, m.kind, m.flags, ""); err != nil {
			t.Skipf("mount %s: %v", m.target, err)
		}
		defer unix.Unmount(m.target, unix.MNT_DETACH) //nolint:errcheck // the namespace ends too
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
