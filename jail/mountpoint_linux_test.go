package jail

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// However a path is written and whatever symlinks there are, what is opened is
// in the root.
func FuzzDescend(f *testing.F) {
	f.Add("a/\na/l -> ../..\n", "/a/l/outside/x")
	f.Add("l -> /etc\n", "l/../l")
	f.Fuzz(func(t *testing.T, tree, name string) {
		if len(tree) > 300 || len(name) > 300 || strings.ContainsRune(name, 0) {
			return
		}
		root := plant(t, tree)
		fd := openTest(t, root.Name())
		dir, err := descend(fd, name, true)
		if err != nil {
			return
		}
		defer unix.Close(dir)
		real, err := os.Readlink(fdPath(dir))
		top, _ := filepath.EvalSymlinks(root.Name())
		if err != nil || !below(real, top) {
			t.Errorf("descend(%q) = %s, %v", name, real, err)
		}
	})
}
