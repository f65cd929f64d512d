package extract

import (
	"os"
	"path/filepath"
	"strings"
)

// pointsBelow are those of the mount points that are below a directory, which has
// an absolute path without links.
func pointsBelow(points []string, dir string) []string {
	var below []string
	prefix := strings.TrimSuffix(dir, "/") + "/"
	for _, point := range points {
		if strings.HasPrefix(point, prefix) && point != dir {
			below = append(below, point)
		}
	}
	return below
}

// realPath is the absolute path of an open directory, without links, as tables of
// mounts have it; "" when the name that it was opened by leads elsewhere by now.
func realPath(dir *os.File) string {
	path, err := filepath.Abs(dir.Name())
	if err != nil {
		return ""
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return ""
	}
	there, err := os.Lstat(path)
	if err != nil {
		return ""
	}
	if here, err := dir.Stat(); err != nil || !os.SameFile(here, there) {
		return ""
	}
	return path
}
