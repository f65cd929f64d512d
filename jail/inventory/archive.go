package inventory

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"strings"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/extract"
)

// maxNested is how many archives deep a member is looked at: a Debian package
// in a tar is, a tar in that package is not.
const maxNested = 2

// maxName is the longest name of a member in bytes, PATH_MAX of Linux.
const maxName = 4096

// sniffed is how much of each member is looked at to see what it is.
const sniffed = tarBlock

// archive is a file on disk whose members are looked at.
type archive struct {
	*worker
	src  *source
	path string
	link *linked // set when the file has more names
}

// archive looks into a file that is compressed or an archive, and closes it.
func (w *worker) archive(fd int, st stat, k kind, src *source, link *linked) {
	a := &archive{worker: w, src: src, path: src.name(), link: link}
	f := os.NewFile(uintptr(fd), a.path)
	defer f.Close()
	var err error
	if k == zipFile {
		err = a.zip(f, st.size, "", 1)
	} else {
		err = a.contents(f, st.size, place{depth: 1, must: src.named})
	}
	if err != nil && w.ctx.Err() == nil {
		a.keep(Found{group: src.group, Path: a.path, Err: a.named(err), link: link})
	}
}

// named makes sure that an error names the file.
func (a *archive) named(err error) error {
	if strings.Contains(err.Error(), label(a.path, "")) {
		return err
	}
	return readError(a.path, err)
}

// place is where in an archive something is.
type place struct {
	member string // "" for the file itself
	depth  int    // archives that it is or is in
	must   bool   // to be neither a program nor an archive is an error
	part   bool   // a part of a Debian package, which was counted
}

// contents looks at a file, or a member of an archive, that is not a zip.
func (a *archive) contents(src io.Reader, size int64, at place) error {
	name := label(a.path, at.member)
	c, err := extract.Open(a.ctx, name, src, size, a.opts.Limits)
	if err != nil {
		return a.unopened(err, at)
	}
	defer c.Close() //nolint:errcheck // it was only read
	head, headErr := c.Peek()
	switch kind := sniff(head); {
	case kind == elf:
		return a.program(c, sizeOf(c, size), at.member)
	case kind == tarball:
		if !at.part {
			a.counts.Archives++
		}
		return c.EachMember(func(h *tar.Header, r io.Reader) error { return a.tarMember(h, r, at) })
	case kind == arLibrary:
		a.counts.Archives++
		return a.ar(c, at)
	case kind == unread:
		return notRead(name, head)
	case at.must && headErr != nil:
		return headErr
	case at.must:
		return fault.New(fault.Damaged, "", "%s: neither an ELF file nor an archive of a known kind", name)
	}
	return nil // a compressed text
}

// unopened passes over a compressed file that was found and of which nothing
// can be decompressed: nobody knows that it is an archive.
func (a *archive) unopened(err error, at place) error {
	if at.must || fault.KindOf(err) != fault.Damaged {
		return err
	}
	a.counts.Closed++
	return nil
}

// notRead is the error for an archive of a kind that is not read.
func notRead(name string, head []byte) error {
	for _, k := range unreadKinds {
		if bytes.HasPrefix(head, []byte(k.magic)) {
			return fault.New(fault.Unsupported, k.hint, "%s: %s is not looked into", name, k.name)
		}
	}
	return fault.New(fault.Unsupported, "", "%s is not looked into", name)
}

func (a *archive) tarMember(h *tar.Header, r io.Reader, at place) error {
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse:
		return a.member(r, h.Size, place{member: join(at.member, h.Name), depth: at.depth})
	case tar.TypeLink:
		a.counts.HardLinks++
	case tar.TypeSymlink:
		a.counts.Symlinks++
	case tar.TypeDir:
		a.counts.Directories++
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		a.counts.Special++
	}
	return nil
}

// join is the name of a member of the archive prefix, which is "" for the file
// itself.
func join(prefix, name string) string {
	for strings.HasPrefix(name, "./") {
		name = strings.TrimLeft(name[2:], "/")
	}
	if prefix == "" {
		return name
	}
	return prefix + ":" + name
}

// member looks at a regular file in an archive.
func (a *archive) member(r io.Reader, size int64, at place) error {
	a.counts.Files++
	a.tick()
	if len(at.member) > maxName {
		a.failedMember(at.member[:64]+"...", fault.New(fault.Damaged, "", "its name is longer than %d bytes", maxName))
		return nil
	}
	head := make([]byte, sniffed)
	n, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	head = head[:n]
	whole := io.MultiReader(bytes.NewReader(head), r)
	kind := sniff(head)
	switch {
	case kind == elf:
		return a.program(whole, size, at.member)
	case kind == other:
		return nil
	case !a.opts.Archives || at.depth >= maxNested:
		a.counts.Closed++
		return nil
	case kind == unread:
		a.failedMember(at.member, notRead(label(a.path, at.member), head))
		return nil
	case kind == zipFile:
		return a.nestedZip(whole, place{member: at.member, depth: at.depth + 1})
	}
	if err := a.contents(whole, size, place{member: at.member, depth: at.depth + 1}); err != nil {
		a.failedMember(at.member, err)
	}
	return nil
}

// tick counts a member for the progress.
func (a *archive) tick() {
	if a.seen++; a.seen >= batch {
		a.looked.Add(a.seen)
		a.seen = 0
	}
}

// failedMember adds the failure of a member after which others can be read.
func (a *archive) failedMember(name string, err error) {
	var known *fault.Error
	if !errors.As(err, &known) || !strings.Contains(known.Error(), label(a.path, name)) {
		err = fault.Wrap(fault.KindOf(err), err, label(a.path, name), "")
	}
	a.keep(Found{group: a.src.group, Path: a.path, Member: name, Err: err, link: a.link})
}

// program identifies an ELF file that is read from r. Its sections are at its
// end, so all of it is kept, up to MaxMember.
func (a *archive) program(r io.Reader, size int64, member string) error {
	a.body.Reset()
	a.body.Grow(int(min(max(size, 0), a.opts.MaxMember)) + 2*bytes.MinRead) // doubling it would cost twice the memory
	_, err := a.body.ReadFrom(io.LimitReader(r, a.opts.MaxMember+1))
	if err != nil {
		return err
	}
	body := &memberReader{b: a.body.Bytes()}
	if int64(len(body.b)) > a.opts.MaxMember {
		body.b, body.more = body.b[:a.opts.MaxMember], true
	}
	f := Found{group: a.src.group, Path: a.path, Member: member, link: a.link}
	if f.ID, f.Err = a.identifier.Identify(body); f.Err != nil {
		f.Err = fault.Wrap(fault.KindOf(f.Err), f.Err, f.Label(), "")
	}
	f.Cut = body.missed
	a.keep(f)
	return nil
}

// sizeOf is the size of the contents of a file of size bytes: nobody knows that of
// what is compressed.
func sizeOf(c *extract.Contents, size int64) int64 {
	if c.Compression() != "" {
		return 0
	}
	return size
}

// memberReader reads what was kept of a member, and notices when it was not
// enough.
type memberReader struct {
	b      []byte
	more   bool // the member is longer
	missed bool
}

// ReadAt implements io.ReaderAt.
func (m *memberReader) ReadAt(p []byte, off int64) (int, error) {
	n := 0
	if off < int64(len(m.b)) {
		n = copy(p, m.b[off:])
	}
	if n < len(p) {
		m.missed = m.missed || m.more
		return n, io.EOF
	}
	return n, nil
}
