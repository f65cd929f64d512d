package extract

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestPointsBelow(t *testing.T) {
	points := []string{"/", "/jail/a b/proc", "/jail", "/jailed"}
	for dir, want := range map[string][]string{
		"/jail": {"/jail/a b/proc"},
		"/":     {"/jail/a b/proc", "/jail", "/jailed"},
		"/ja":   nil,
	} {
		if got := pointsBelow(points, dir); !slices.Equal(got, want) {
			t.Errorf("below %s: %q, want %q", dir, got, want)
		}
	}
}

func TestRealPath(t *testing.T) {
	top, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(top)
	if err := os.MkdirAll("jail/sub", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("jail", "link"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"jail", "link", filepath.Join(top, "link/../jail")} {
		root, err := os.OpenRoot(name)
		if err != nil {
			t.Fatal(err)
		}
		dir, err := root.Open(".")
		if err != nil {
			t.Fatal(err)
		}
		if got, want := realPath(dir), top+"/jail"; got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
		_, _ = dir.Close(), root.Close()
	}
	moved, err := os.Open("jail/sub")
	if err != nil {
		t.Fatal(err)
	}
	defer moved.Close()
	if err := os.Rename("jail/sub", "jail/old"); err != nil {
		t.Fatal(err)
	}
	if got := realPath(moved); got != "" {
		t.Errorf("a directory that is gone is %s", got)
	}
	if err := os.Mkdir("jail/sub", 0o755); err != nil {
		t.Fatal(err)
	}
	if got := realPath(moved); got != "" {
		t.Errorf("another directory of that name is %s", got)
	}
}
