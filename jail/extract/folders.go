package extract

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/xjail/xjail/internal/fault"
)

// maxLinks is how many symbolic links one path may go through, MAXSYMLINKS of
// Linux and FreeBSD.
const maxLinks = 40

// openFolders is how many directories stay open. An archive goes from directory
// to directory, so that few are enough; two are in use at a time.
const openFolders = 32

// folder is an open directory below the root. Operations take one component
// only, so that no path is walked twice and no link on the way is followed.
type folder struct {
	path string
	root *os.Root
	file *os.File // the same directory, for calls that os.Root does not have
	used int64
}

func (f *folder) close() error { return errors.Join(f.file.Close(), f.root.Close()) }

// folders opens directories by their real path (one without symbolic links) and
// resolves the names of an archive to such paths.
type folders struct {
	top   *os.Root
	open  map[string]*folder
	clock int64
	last  *folder
	// known holds each directory of the root by its real path.
	known map[string]*attrs
	// implied makes the attributes of a directory that no entry described yet.
	implied func(path string) (*attrs, error)
}

// at opens the directory with that real path.
func (t *folders) at(path string) (*folder, error) {
	if t.last != nil && t.last.path == path {
		return t.last, nil
	}
	t.clock++
	f, ok := t.open[path]
	if !ok {
		var err error
		if f, err = t.enter(path); err != nil {
			return nil, err
		}
		if err = t.shrink(); err != nil {
			return nil, errors.Join(err, f.close())
		}
		t.open[path] = f
	}
	f.used = t.clock
	t.last = f
	return f, nil
}

// enter opens from the nearest ancestor that is open already.
func (t *folders) enter(path string) (*folder, error) {
	from, rest := t.top, path
	for dir := path; dir != "."; {
		dir, _ = split(dir)
		if up, ok := t.open[dir]; ok && dir != "." {
			from, rest = up.root, path[len(dir)+1:]
			break
		}
	}
	root, err := from.OpenRoot(rest)
	if err != nil {
		return nil, err
	}
	file, err := root.Open(".")
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return &folder{path: path, root: root, file: file}, nil
}

// shrink closes the directory that was not used for the longest time. The two
// youngest may be in use and are never that one.
func (t *folders) shrink() error {
	if len(t.open) < openFolders {
		return nil
	}
	var oldest *folder
	for _, f := range t.open {
		if oldest == nil || f.used < oldest.used {
			oldest = f
		}
	}
	delete(t.open, oldest.path)
	return oldest.close()
}

// drop closes the directory with that real path, for when it is replaced by
// another file. It is empty then, so that nothing below it is open.
func (t *folders) drop(path string) error {
	f, ok := t.open[path]
	if !ok {
		return nil
	}
	delete(t.open, path)
	if t.last == f {
		t.last = nil
	}
	return f.close()
}

// forget closes everything.
func (t *folders) forget() error {
	var errs error
	for path, f := range t.open {
		errs = errors.Join(errs, f.close())
		delete(t.open, path)
	}
	t.last = nil
	return errs
}

// walk is one resolution of a path.
type walk struct {
	name  string   // the entry, for messages
	todo  []string // components to come
	cur   string   // real path so far
	hops  int
	link  string // the last link gone through
	after int    // components of todo that come after that link's own text
}

// resolve finds the real path of the directory dir as a chroot into the root
// would: an absolute link starts again at the root. A link that climbs above
// the root or leads to what is not there is refused; create makes directories
// that are merely missing.
func (t *folders) resolve(entry, dir string, create bool) (string, error) {
	if t.known[dir] != nil {
		return dir, nil
	}
	w := &walk{name: entry, cur: "."}
	w.todo = strings.Split(dir, "/")
	for len(w.todo) > 0 {
		if err := t.step(w, create); err != nil {
			return "", err
		}
	}
	return w.cur, nil
}

// step takes the next component.
func (t *folders) step(w *walk, create bool) error {
	part := w.todo[0]
	ofLink := w.link != "" && len(w.todo) > w.after
	w.todo = w.todo[1:]
	switch part {
	case "", ".":
		return nil
	case "..": // only the text of a link can bring it here
		if w.cur == "." {
			return unsafe(w.name, "it goes through the symbolic link %s, which leads out of the root", w.link)
		}
		w.cur, _ = split(w.cur)
		return nil
	}
	next := join(w.cur, part)
	if len(next) > maxPath { // links can make a short name a long path
		return unsafe(w.name, "its path is longer than %d bytes", maxPath)
	}
	if t.known[next] != nil {
		w.cur = next
		return nil
	}
	f, err := t.at(w.cur)
	if err != nil {
		return err
	}
	return t.look(w, f, part, ofLink, create)
}

// look decides what to do with a component that is not a known directory.
func (t *folders) look(w *walk, f *folder, part string, ofLink, create bool) error {
	info, err := f.root.Lstat(part)
	switch {
	case errors.Is(err, os.ErrNotExist) && ofLink:
		return unsafe(w.name, "it goes through the symbolic link %s, which leads to %s, a directory that the archive has not made",
			w.link, quote(join(w.cur, part)))
	case errors.Is(err, os.ErrNotExist) && create:
		return t.imply(w, f, part)
	case err != nil:
		return err
	case info.Mode()&os.ModeSymlink != 0:
		return w.follow(f, part)
	case !info.IsDir():
		return damaged("%s: %s is not a directory", quote(w.name), quote(join(w.cur, part)))
	}
	w.cur = join(w.cur, part)
	return nil
}

// follow puts the text of a link before what is left of the path.
func (w *walk) follow(f *folder, part string) error {
	w.hops++
	if w.hops > maxLinks {
		return unsafe(w.name, "it goes through more than %d symbolic links", maxLinks)
	}
	text, err := f.root.Readlink(part)
	if err != nil {
		return err
	}
	w.link = quote(join(w.cur, part)) + " -> " + quote(text)
	w.after = len(w.todo)
	if strings.HasPrefix(text, "/") {
		w.cur = "."
	}
	w.todo = append(strings.Split(text, "/"), w.todo...)
	return nil
}

// imply makes a directory that has children before, or without, its own entry.
func (t *folders) imply(w *walk, f *folder, part string) error {
	path := join(w.cur, part)
	a, err := t.implied(path)
	if err != nil {
		return err
	}
	if err := f.root.Mkdir(part, workMode); err != nil {
		return naming(w.name, err)
	}
	t.known[path] = a
	w.cur = path
	return nil
}

// naming says which entry an error of the operating system is about, in place of
// os.Root's last component of the path.
func naming(entry string, err error) error {
	var perr *fs.PathError
	if errors.As(err, &perr) {
		err = perr.Err
	}
	var lerr *os.LinkError
	if errors.As(err, &lerr) {
		err = lerr.Err
	}
	return &os.PathError{Op: "extract", Path: entry, Err: err}
}

// damaged is the error of an archive that contradicts itself.
func damaged(format string, args ...any) error {
	return fault.New(fault.Damaged, "get the archive again and compare its digest", format, args...)
}

func quote(s string) string { return strconv.Quote(s) }
