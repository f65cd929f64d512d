package jail

import (
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// openFileIn opens files of a root from outside of it, as a program in it
// would find them, and only regular ones.
func openFileIn(root *os.Root) openFunc {
	return func(name string) (*os.File, error) {
		real, err := resolve(root, name)
		if err != nil {
			return nil, err
		}
		// A FIFO in the root would block an ordinary open for ever.
		f, err := root.OpenFile(real, os.O_RDONLY|unix.O_NONBLOCK, 0)
		if err != nil {
			return nil, err
		}
		if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
			f.Close()
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
		}
		return f, nil
	}
}

// statIn is os.Stat for a program in a root, from outside of it.
func statIn(root *os.Root) statFunc {
	return func(name string) (fs.FileInfo, error) {
		real, err := resolve(root, name)
		if err != nil {
			return nil, err
		}
		return root.Lstat(real)
	}
}

// readHead reads at most limit bytes of a file; nil when there is none.
func readHead(open openFunc, name string, limit int64) []byte {
	f, err := open(name)
	if err != nil {
		return nil
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit))
	if err != nil {
		return nil
	}
	return text
}
