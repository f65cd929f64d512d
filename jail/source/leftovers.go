package source

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// aboutTemp begins the names of the files that become about.json.
const aboutTemp = "about-"

// Leftovers are what killed processes left in the cache and nobody uses: files
// that would have become about.json, and directories in which nothing is. Parts
// of downloads are none: the next download goes on with them.
func (c Cache) Leftovers() []string {
	entries, _ := os.ReadDir(c.Dir)
	var left []string
	for _, e := range entries {
		if !e.IsDir() || !validDigest(e.Name()) {
			continue
		}
		dir := filepath.Join(c.Dir, e.Name())
		f, err := tryDirLock(dir, unix.LOCK_SH)
		if err != nil || f == nil {
			continue
		}
		left = append(left, leftIn(dir)...)
		f.Close()
	}
	return left
}

// leftIn are the leftovers in the directory of a digest, or that itself.
func leftIn(dir string) []string {
	files, err := os.ReadDir(dir)
	if err == nil && len(files) == 0 {
		return []string{dir}
	}
	var left []string
	for _, f := range files {
		if strings.HasPrefix(f.Name(), aboutTemp) && f.Type().IsRegular() {
			left = append(left, filepath.Join(dir, f.Name()))
		}
	}
	return left
}

// RemoveLeftover removes a path that Leftovers gave, unless somebody uses the
// entry now.
func (c Cache) RemoveLeftover(path string) error {
	dir := path
	if filepath.Dir(path) != filepath.Clean(c.Dir) {
		dir = filepath.Dir(path)
	}
	f, err := tryDirLock(dir, unix.LOCK_EX)
	if f == nil || errors.Is(err, unix.EWOULDBLOCK) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	err = os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTEMPTY) {
		err = nil
	}
	_ = os.Remove(dir) // one with something in it stays
	c.RemoveEmpty()
	return err
}
