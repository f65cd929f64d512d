package inventory

import (
	"bytes"
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
)

// firstRead is how much of every file is read. The header, the program headers,
// the interpreter's name and the notes of nearly all programs are in it.
const firstRead = 1 << 10

// worker takes items from the queue. What it finds is its own until the end, so
// that nobody waits for anybody.
type worker struct {
	*scan
	found  []Found
	counts Counts
	mounts []string

	head       []byte
	entries    []byte // a piece of a directory
	identifier arch.Identifier
	body       bytes.Buffer // an ELF file in an archive
	seen       int64        // files not yet in scan.looked
}

func newWorker(s *scan) *worker {
	return &worker{scan: s, head: make([]byte, firstRead), entries: make([]byte, pieceSize)}
}

func (w *worker) run() {
	for {
		it, ok := w.queue.pop()
		if !ok {
			return
		}
		switch {
		case it.path != "" || it.dir == nil && it.names == nil:
			w.argument(it)
		case it.enter != "":
			w.enter(it.dir, it.enter)
		case it.dir != nil:
			w.files(it.dir, it.names)
			it.dir.release()
		default:
			w.listed(it.group, it.names)
		}
		w.looked.Add(w.seen)
		w.seen = 0
		w.queue.done()
	}
}

// source is a file on disk.
type source struct {
	group int
	dir   *dir   // nil: path is not relative to one
	path  string // the name in dir
	named bool   // by an argument
}

func (s *source) name() string {
	if s.dir == nil {
		return s.path
	}
	return s.dir.path(s.path)
}

// file looks at an open file and closes it.
func (w *worker) file(fd int, src source) {
	keep := w.examine(fd, &src)
	if !keep {
		_ = unix.Close(fd)
	}
	w.seen++
}

// examine says whether somebody else closes the file.
func (w *worker) examine(fd int, src *source) (kept bool) {
	st, err := look(fd)
	if err != nil {
		w.failed(src.group, src.name(), err)
		return false
	}
	if st.mode&unix.S_IFMT != unix.S_IFREG { // replaced since the directory was read
		w.counts.Special++
		return false
	}
	if src.dir != nil && st.mount != src.dir.mount && !w.opts.CrossMounts {
		w.mounts = append(w.mounts, src.name())
		return false
	}
	var link *linked
	if st.links > 1 && src.dir != nil {
		first := false
		if link, first = w.links.meet(st, src); !first {
			w.counts.HardLinks++
			return false
		}
	}
	w.counts.Files++
	n, err := preadFull(fd, w.head, 0)
	if err != nil {
		w.failed(src.group, src.name(), err)
		return false
	}
	head := w.head[:n]
	kind := sniff(head)
	switch {
	case kind == elf:
		w.identify(&fileReader{fd: fd, head: head, whole: n < len(w.head)}, src, link)
	case kind == other:
		w.notProgram(src, head)
	case !src.named && !w.opts.Archives:
		w.counts.Closed++
	default:
		w.archive(fd, st, kind, src, link)
		return true
	}
	return false
}

// identify identifies a file on disk.
func (w *worker) identify(r *fileReader, src *source, link *linked) {
	f := Found{group: src.group, Path: src.name(), link: link}
	if f.ID, f.Err = w.identifier.Identify(r); f.Err != nil {
		f.Err = fault.Wrap(fault.KindOf(f.Err), f.Err, Printable(f.Path), "")
	}
	w.keep(f)
}

// notProgram counts what nobody named, and refuses what somebody did.
func (w *worker) notProgram(src *source, head []byte) {
	if !src.named {
		return
	}
	_, err := arch.Identify(bytes.NewReader(head))
	w.fault(src.group, src.path, "", err)
}

func (w *worker) keep(f Found) { w.found = append(w.found, f) }

// fault adds a failure.
func (w *worker) fault(group int, path, member string, err error) {
	f := Found{group: group, Path: path, Member: member}
	f.Err = fault.Wrap(fault.KindOf(err), err, f.Label(), "")
	w.found = append(w.found, f)
}

// failed adds a failed system call, or another failure.
func (w *worker) failed(group int, path string, err error) {
	w.keep(Found{group: group, Path: path, Err: readError(path, err)})
}

// readError gives a failed system call its kind; the error of package os would
// name the path a second time.
func readError(path string, err error) error {
	kind, hint := fault.KindOf(err), ""
	switch {
	case errors.Is(err, fs.ErrNotExist):
		kind = fault.NotFound
	case errors.Is(err, fs.ErrPermission):
		kind = fault.Permission
	case errors.Is(err, unix.EMFILE):
		hint = "raise the number of open files: ulimit -n"
	}
	var perr *fs.PathError
	if errors.As(err, &perr) {
		err = perr.Err
	}
	return fault.Wrap(kind, err, Printable(path), hint)
}
