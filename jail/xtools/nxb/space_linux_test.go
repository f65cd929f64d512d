package nxb

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
)

// inNamespace runs the test again in a user and mount namespace of its own, where
// it may mount; there it returns true.
func inNamespace(t *testing.T) bool {
	t.Helper()
	const key = "XJAIL_NXB_TEST"
	if os.Getenv(key) == t.Name() {
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			t.Fatal(err)
		}
		return true
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), key+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	switch {
	case err != nil && len(out) == 0:
		t.Skipf("no user namespaces here: %v", err)
	case err != nil:
		t.Errorf("in a namespace: %v\n%s", err, out)
	case !strings.Contains(string(out), "--- PASS: "+t.Name()):
		t.Skipf("in a namespace: %s", out)
	}
	return false
}

// mount puts a small file system at a new directory of the test.
func mount(t *testing.T, options string) *os.Root {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Skipf("cannot mount a tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

// Without room, in bytes or in files, nothing is left, and the kind says why.
func TestApplyNoSpace(t *testing.T) {
	if !inNamespace(t) {
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
	if !inNamespace(t) {
		return
	}
	m, root := planTwin(t, baseTree(), arm64Jail())
	point := root.Name() + "/" + Dir + "/usr/bin/find"
	if err := unix.Mount(root.Name()+"/"+Dir+"/usr/bin/find", point, "", unix.MS_BIND, ""); err != nil {
		t.Skip(err)
	}
	defer func() {
		if err := unix.Unmount(point, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}()
	before := contents(t, root)
	checkError(t, Remove(context.Background(), root, m), fault.Unsafe, "not removing what is mounted")
	unchanged(t, root, before)
}
