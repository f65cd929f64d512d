package jail

import (
	"io"
	"io/fs"
	"os"

	"github.com/xjail/xjail/internal/rootpath"
)

// openFileIn opens files of a root from outside of it, as a program in it
// would find them, and only regular ones.
func openFileIn(root *os.Root) openFunc {
	return func(name string) (*os.File, error) { return rootpath.Open(root, name) }
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
