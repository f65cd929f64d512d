//go:build !linux

package jail

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// renameNew renames a directory, and never replaces more than an empty one.
func renameNew(from, to string) error {
	if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
		return &fs.PathError{Op: "rename", Path: to, Err: fs.ErrExist}
	}
	return os.Rename(from, to)
}

// flush writes every file system to its disk: sync(2) is what there is for
// whole trees.
func flush(string) error { return unix.Sync() }
