package inventory

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
)

// maxDepth is how many directories deep a walk goes. A path of PATH_MAX (4096)
// bytes has no more components: no program could name what lies deeper.
const maxDepth = 2048

// dir is an open directory. Its descriptor stays open until everything in it
// was taken from the queue.
type dir struct {
	parent *dir
	name   string // the argument for the topmost
	group  int
	depth  int
	mount  uint64
	fd     int
	uses   atomic.Int32
}

func (d *dir) release() {
	if d.uses.Add(-1) == 0 {
		_ = unix.Close(d.fd) // it was only read
	}
}

// path is put together when somebody asks: most directories have nothing to
// tell, and deep ones would hold much memory.
func (d *dir) path(name string) string {
	parts := []string{name}
	for ; d.parent != nil; d = d.parent {
		parts = append(parts, d.name)
	}
	var b strings.Builder
	if d.name != "." {
		b.WriteString(strings.TrimSuffix(d.name, "/"))
		b.WriteByte('/')
	}
	for i := len(parts) - 1; i >= 0; i-- {
		b.WriteString(parts[i])
		if i > 0 {
			b.WriteByte('/')
		}
	}
	return b.String()
}

// openFlags neither follow a link nor wait for a pipe.
const (
	openFlags    = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC | unix.O_NOCTTY
	openDirFlags = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_DIRECTORY | unix.O_CLOEXEC
)

// argument looks at what was named: links are followed.
func (w *worker) argument(it item) {
	info, err := os.Stat(it.path)
	switch {
	case err != nil:
		w.failed(it.group, it.path, err)
	case info.IsDir():
		w.top(it.group, it.path)
	case info.Mode().IsRegular():
		fd, err := open(unix.AT_FDCWD, it.path, openFlags&^unix.O_NOFOLLOW)
		if err != nil {
			w.failed(it.group, it.path, err)
			return
		}
		w.file(fd, source{group: it.group, path: it.path, named: true})
	default:
		w.fault(it.group, it.path, "", fault.New(fault.Damaged, "", "not a regular file"))
	}
}

// top begins a walk.
func (w *worker) top(group int, path string) {
	fd, err := open(unix.AT_FDCWD, path, openDirFlags&^unix.O_NOFOLLOW)
	if err != nil {
		w.failed(group, path, err)
		return
	}
	d := &dir{name: filepath.Clean(path), group: group, fd: fd}
	st, err := look(fd)
	kind := pseudo(fd)
	if err == nil && kind != "" {
		err = fault.New(fault.Unsafe, "name the files that are meant",
			"not looked into: its files are made up by the kernel (%s)", kind)
	}
	if err != nil {
		_ = unix.Close(fd)
		w.failed(group, path, err)
		return
	}
	d.mount = st.mount
	w.walk(d)
}

// enter opens a directory that was found, unless something is mounted there.
func (w *worker) enter(parent *dir, name string) {
	defer parent.release()
	st, err := lookAt(parent.fd, name)
	if err != nil {
		w.failed(parent.group, parent.path(name), err)
		return
	}
	crossing := st.mount != parent.mount
	if crossing && !w.opts.CrossMounts {
		w.mounts = append(w.mounts, parent.path(name))
		return
	}
	if parent.depth+1 >= maxDepth {
		w.fault(parent.group, parent.path(name), "", fault.New(fault.Damaged, "", "not looked into: more than %d directories deep", maxDepth))
		return
	}
	fd, err := open(parent.fd, name, openDirFlags)
	if err != nil {
		w.failed(parent.group, parent.path(name), err)
		return
	}
	d := &dir{parent: parent, name: name, group: parent.group, depth: parent.depth + 1, mount: st.mount, fd: fd}
	if crossing && pseudo(fd) != "" {
		_ = unix.Close(fd)
		w.mounts = append(w.mounts, parent.path(name))
		return
	}
	w.walk(d)
}

// walk reads a directory: its files are looked at here or by whoever has time.
func (w *worker) walk(d *dir) {
	d.uses.Store(1)
	defer d.release()
	w.counts.Directories++
	for w.ctx.Err() == nil {
		n, err := readDirent(d.fd, w.entries)
		if err != nil {
			w.failed(d.group, d.path("."), err)
			return
		}
		if n == 0 {
			return
		}
		w.entriesOf(d, w.entries[:n])
	}
}

// entriesOf hands out what a piece of a directory has.
func (w *worker) entriesOf(d *dir, entries []byte) {
	var dirs []item
	var files []string
	for len(entries) > 0 {
		name, kind, rest := cutEntry(entries)
		entries = rest
		if kind == unix.DT_UNKNOWN {
			st, err := lookAt(d.fd, name)
			if err != nil {
				w.failed(d.group, d.path(name), err)
				continue
			}
			kind = entryKind(st.mode)
		}
		switch {
		case name == "" || name == "." || name == "..":
		case kind == unix.DT_REG:
			files = append(files, name)
		case kind == unix.DT_DIR:
			dirs = append(dirs, item{dir: d, enter: name})
		case kind == unix.DT_LNK:
			w.counts.Symlinks++
		default:
			w.counts.Special++
		}
	}
	w.hand(d, dirs)
	for len(files) > batch {
		w.hand(d, []item{{dir: d, names: files[:batch]}})
		files = files[batch:]
	}
	w.files(d, files)
}

// hand pushes items that use d.
func (w *worker) hand(d *dir, items []item) {
	if len(items) > 0 {
		d.uses.Add(int32(len(items)))
		w.queue.push(items...)
	}
}

// files looks at regular files of a directory.
func (w *worker) files(d *dir, names []string) {
	for _, name := range names {
		if w.ctx.Err() != nil {
			return
		}
		fd, err := open(d.fd, name, openFlags)
		if err != nil {
			w.failed(d.group, d.path(name), err)
			continue
		}
		w.file(fd, source{group: d.group, dir: d, path: name})
	}
}

// listed looks at the files of a list.
func (w *worker) listed(group int, names []string) {
	for _, name := range names {
		if w.ctx.Err() != nil {
			return
		}
		st, err := lookAt(unix.AT_FDCWD, name)
		if err != nil {
			w.failed(group, name, err)
			continue
		}
		switch st.mode & unix.S_IFMT {
		case unix.S_IFREG:
			fd, err := open(unix.AT_FDCWD, name, openFlags)
			if err != nil {
				w.failed(group, name, err)
				continue
			}
			w.file(fd, source{group: group, path: name})
		case unix.S_IFDIR:
			w.counts.Directories++
		case unix.S_IFLNK:
			w.counts.Symlinks++
		default:
			w.counts.Special++
		}
	}
}

// open is openat(2), again when a signal interrupts it.
func open(dir int, name string, flags int) (int, error) {
	for {
		fd, err := unix.Openat(dir, name, flags, 0)
		if !errors.Is(err, unix.EINTR) {
			return fd, err
		}
	}
}
