package jail

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// renameNew renames a directory, and never replaces anything.
func renameNew(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		// A file system without that flag: rename(2) replaces an empty
		// directory at the most.
		return os.Rename(from, to)
	}
	return os.NewSyscallError("rename to "+to, err)
}

// flush writes the file system of dir to its disk: all that a source has put
// there, by whatever program.
func flush(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return os.NewSyscallError("syncfs", unix.Syncfs(int(f.Fd())))
}
