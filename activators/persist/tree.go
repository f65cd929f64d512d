package persist

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/xjail/xjail/internal/fault"
)

// Tree is the directory below which the files are: the machine's root, or that
// of an image, which no symbolic link in it leads out of.
type Tree struct {
	root    *os.Root
	dir     string
	machine bool
}

// Open opens a directory; "" and "/" are the machine.
func Open(dir string) (*Tree, error) {
	t := &Tree{dir: dir, machine: dir == "" || filepath.Clean(dir) == "/"}
	if t.machine {
		t.dir = "/"
	}
	var err error
	if t.root, err = os.OpenRoot(t.dir); err != nil {
		return nil, failure(err, "open "+t.dir)
	}
	return t, nil
}

// Close closes the directory.
func (t *Tree) Close() { t.root.Close() }

// Machine tells whether it is the machine's own root.
func (t *Tree) Machine() bool { return t.machine }

// name is a path within the root. The machine's directories may be symbolic
// links to anywhere, which an os.Root does not follow.
func (t *Tree) name(file string) (string, error) {
	dir, base := path.Split(path.Clean(file))
	if t.machine {
		target, err := resolve(dir)
		if err != nil {
			return "", failure(err, "look at "+dir)
		}
		dir = target
	}
	return strings.TrimPrefix(path.Join(dir, base), "/"), nil
}

// resolve follows the links of a directory, as far as there is one.
func resolve(dir string) (string, error) {
	target, err := filepath.EvalSymlinks(dir)
	if errors.Is(err, fs.ErrNotExist) && path.Clean(dir) != "/" {
		parent, base := path.Split(path.Clean(dir))
		target, err = resolve(parent)
		return path.Join(target, base), err
	}
	return target, err
}

// state is what is at a path.
type state struct {
	exists bool
	other  string // what it is, when it is neither a file nor a link
	mode   fs.FileMode
	text   string
	link   string
}

// textMax is more than any file of ours has, in bytes.
const textMax = 1 << 20

func (t *Tree) look(file string) (state, error) {
	name, err := t.name(file)
	if err != nil {
		return state{}, err
	}
	info, err := t.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return state{}, nil
	}
	if err != nil {
		return state{}, failure(err, "look at "+t.shown(file))
	}
	s := state{exists: true, mode: info.Mode().Perm()}
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		s.link, err = t.root.Readlink(name)
	case !info.Mode().IsRegular():
		s.other = "it is neither a file nor a symbolic link"
	case info.Size() > textMax:
		s.other = "it is too large to be a file of xjail's"
	default:
		s.text, err = t.read(name)
	}
	return s, failure(err, "read "+t.shown(file))
}

func (t *Tree) read(name string) (string, error) {
	f, err := t.root.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, textMax))
	return string(text), err
}

// shown is a path as a user sees it.
func (t *Tree) shown(file string) string { return path.Join(t.dir, file) }

// put writes a file or a link in one step.
func (t *Tree) put(f File) error {
	name, err := t.name(f.Path)
	if err != nil {
		return err
	}
	dir, base := path.Split(name)
	temp := path.Join(dir, "."+base+".xjail")
	err = t.root.MkdirAll(path.Clean(dir), 0o755)
	if err == nil {
		err = t.root.Remove(temp)
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = t.putTemp(temp, f)
	}
	if err == nil {
		err = t.root.Rename(temp, name)
	}
	if err != nil {
		_ = t.root.Remove(temp)
	}
	return failure(err, "write "+t.shown(f.Path))
}

func (t *Tree) putTemp(temp string, f File) error {
	if f.Link != "" {
		return t.root.Symlink(f.Link, temp)
	}
	file, err := t.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(f.Text)
	return errors.Join(err, file.Chmod(f.Mode), file.Sync(), file.Close())
}

func (t *Tree) remove(file string) error {
	name, err := t.name(file)
	if err != nil {
		return err
	}
	err = t.root.Remove(name)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return failure(err, "remove "+t.shown(file))
}

// failure is an error of the file system.
func failure(err error, what string) error {
	kind, hint := fault.Failed, ""
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		kind, hint = fault.Permission, "run it as root"
	case errors.Is(err, fs.ErrNotExist):
		kind = fault.NotFound
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		kind = fault.NoSpace
	}
	var perr *fs.PathError
	if errors.As(err, &perr) {
		err = perr.Err
	}
	return fault.Wrap(kind, err, what, hint)
}
