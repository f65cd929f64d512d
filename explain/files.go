package explain

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
)

// openFlags never block at a FIFO, and never follow a link that came to be in the
// meantime.
const openFlags = os.O_RDONLY | syscall.O_NONBLOCK | syscall.O_NOFOLLOW

// Machine is the file system of this process. Directories that may be searched
// and not read are no hindrance, as they are none to execve(2).
func Machine() Files { return machine{} }

type machine struct{}

func (machine) Lstat(name string) (Info, error) {
	st, err := os.Lstat(name)
	return infoOf(st, err)
}

func (machine) Readlink(name string) (string, error) { return os.Readlink(name) }

func (machine) ReadDir(name string) ([]string, error) {
	return namesOf(os.Open(name))
}

func (machine) Open(name string) (File, error) {
	return regular(os.OpenFile(name, openFlags, 0))
}

func (machine) Mount(name string) Mount { return mountOf(name) }

// Root is a directory that is, or will be, the root of the program. Nothing
// outside of it is looked at, whatever links are in it.
type Root struct {
	root *os.Root
	dir  string // where it is, without symlinks
}

// OpenRoot opens a directory as a root.
func OpenRoot(dir string) (*Root, error) {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &Root{root, dir}, nil
}

// Close closes it.
func (r *Root) Close() error { return r.root.Close() }

// Dir is where it is.
func (r *Root) Dir() string { return r.dir }

// below is a name as os.Root takes it.
func below(name string) string {
	if name = strings.TrimPrefix(path.Clean(name), "/"); name != "" {
		return name
	}
	return "."
}

// Lstat is Files.Lstat.
func (r *Root) Lstat(name string) (Info, error) {
	st, err := r.root.Lstat(below(name))
	return infoOf(st, err)
}

// Readlink is Files.Readlink.
func (r *Root) Readlink(name string) (string, error) { return r.root.Readlink(below(name)) }

// ReadDir is Files.ReadDir.
func (r *Root) ReadDir(name string) ([]string, error) { return namesOf(r.root.Open(below(name))) }

// Open is Files.Open.
func (r *Root) Open(name string) (File, error) {
	return regular(r.root.OpenFile(below(name), openFlags, 0))
}

// Mount is Files.Mount: of the file, or of its directory when it cannot be
// opened.
func (r *Root) Mount(name string) Mount {
	f, err := r.root.OpenFile(below(name), openFlags, 0)
	if err != nil {
		f, err = r.root.Open(below(path.Dir(name)))
	}
	if err != nil {
		return Mount{}
	}
	defer f.Close()
	return mountOfFile(f, path.Join(r.dir, name))
}

func infoOf(st fs.FileInfo, err error) (Info, error) {
	if err != nil {
		return Info{}, err
	}
	info := Info{Mode: st.Mode(), Size: st.Size()}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		info.UID, info.GID, info.Changed = sys.Uid, sys.Gid, changed(sys)
	}
	return info, nil
}

func namesOf(dir *os.File, err error) ([]string, error) {
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return dir.Readdirnames(-1)
}

var errNotRegular = errors.New("not a regular file")

// regular is f, unless something else came to be at its name.
func regular(f *os.File, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		f.Close()
		return nil, errors.Join(errNotRegular, err)
	}
	return f, nil
}
