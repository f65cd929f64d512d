package jail

import (
	"os"

	"golang.org/x/sys/unix"
)

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
