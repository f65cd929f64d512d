package jail

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/xjail/xjail/internal/fault"
)

// A jail with something mounted in its root stays whole, and what is mounted too.
func TestKernelDestroyRefusesMounts(t *testing.T) {
	s, source := kernelStore(t), t.TempDir()
	precious := filepath.Join(source, "precious")
	if err := os.WriteFile(precious, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(s.dir("j"), "root")
	dir, err := os.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	step := mountStep{Type: "nullfs", Source: source}
	if err := (hostKernel{}).Mount(int(dir.Fd()), "src", step.options("src")); err != nil {
		t.Fatal(err)
	}
	err = s.Destroy(t.Context(), "j")
	if point := filepath.Join(root, "src"); fault.KindOf(err) != fault.Unsafe || fault.HintOf(err) == "" {
		t.Errorf("%s is mounted: %v, hint %q", point, err, fault.HintOf(err))
	}
	for _, name := range []string{s.record("j"), filepath.Join(root, "bin/guest"), precious} {
		if _, err := os.Stat(name); err != nil {
			t.Error(err)
		}
	}
	if err := takeOff(hostKernel{}, realDir(t, root)); err != nil {
		t.Fatal(err)
	}
	if err := s.Destroy(t.Context(), "j"); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(precious); err != nil {
		t.Error(err)
	}
}

// realDir is a directory as mounts name it.
func realDir(t *testing.T, dir string) string {
	t.Helper()
	path, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	return path
}
