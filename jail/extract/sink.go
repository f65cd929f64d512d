package extract

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/xjail/xjail/internal/fault"
)

// sink makes the files of a root, one entry after the other.
type sink struct {
	ctx     context.Context
	opts    Options
	dst     *os.Root
	folders *folders
	report  *Report
	meter   meter
	kept    map[string]*Metadata
	flags   map[string]string // file flags to set when everything is made
	claimed int64             // bytes of the files so far, by their headers
	buf     []byte
	refused map[[2]int]bool // owners that the kernel did not let us set
}

// copyBuffer is the piece in which file contents are read and looked at.
const copyBuffer = 256 << 10

func newSink(ctx context.Context, dst *os.Root, opts Options) (*sink, error) {
	opts.setLimits()
	s := &sink{
		ctx: ctx, opts: opts, dst: dst, report: &Report{}, meter: meter{call: opts.Progress},
		kept: map[string]*Metadata{}, flags: map[string]string{}, refused: map[[2]int]bool{},
		buf: make([]byte, copyBuffer),
	}
	s.folders = &folders{
		top: dst, open: map[string]*folder{}, known: map[string]*attrs{}, implied: s.implied,
	}
	s.folders.known["."] = nil // the root stays as it is when no entry describes it
	_, err := s.folders.at(".")
	return s, err
}

func (s *sink) close() error { return s.folders.forget() }

// implied counts a directory that no entry asked for: a name of 4 KiB would
// make 2 000 of them.
func (s *sink) implied(path string) (*attrs, error) {
	return &attrs{mode: 0o755, noOwner: true}, s.count(path)
}

// count is the limit on entries.
func (s *sink) count(path string) error {
	if s.report.Entries >= s.opts.MaxEntries {
		return tooMany(path, s.opts.MaxEntries)
	}
	s.report.Entries++
	return nil
}

// claim is the limit on bytes. It looks at what the header says, so that a file
// of holes is refused before it is made.
func (s *sink) claim(e *entry) error {
	if e.kind != regular {
		return nil
	}
	if e.size < 0 || e.size > s.opts.MaxBytes-s.claimed {
		return tooBig(e.path, s.opts.MaxBytes)
	}
	s.claimed += e.size
	return nil
}

// tooMany is the refusal of an archive with more entries than limit.
func tooMany(path string, limit int64) error {
	return fault.New(fault.Unsafe, "raise max_entries in the configuration if you trust the source",
		"%s is refused: more than %d entries", quote(path), limit)
}

func tooBig(path string, limit int64) error {
	return fault.New(fault.Unsafe, "raise max_bytes in the configuration if you trust the source",
		"%s is refused: with it more than %d bytes are unpacked", quote(path), limit)
}

// contents writes the contents of a regular file.
type contents func(f *os.File) error

// put makes one entry. Later entries win over earlier ones of the same name.
func (s *sink) put(e *entry, write contents) error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	if err := s.count(e.path); err != nil {
		return err
	}
	if err := s.claim(e); err != nil {
		return err
	}
	s.meter.tick(s.report, false)
	if e.kind == directory {
		return s.putDirectory(e)
	}
	dir, base := split(e.path)
	real, err := s.folders.resolve(e.path, dir, true)
	if err != nil {
		return s.named(e, err)
	}
	f, err := s.folders.at(real)
	if err != nil {
		return naming(e.path, err)
	}
	e.path = join(real, base)
	err = s.make(f, base, e, write)
	return s.named(e, err)
}

// named puts the entry's name on errors that have none.
func (s *sink) named(e *entry, err error) error {
	var known *fault.Error
	var read *sourceError
	if err == nil || errors.As(err, &known) || errors.As(err, &read) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return naming(e.path, err)
}

func (s *sink) make(f *folder, base string, e *entry, write contents) error {
	switch e.kind {
	case symlink:
		return s.putSymlink(f, base, e)
	case hardlink:
		return s.putHardlink(f, base, e)
	case charDevice, blockDevice, fifo:
		return s.putDevice(f, base, e)
	}
	return s.putFile(f, base, e, write)
}

// creating runs create and, when the name is taken, once more after what was
// there is gone.
func (s *sink) creating(f *folder, base, path string, create func() error) error {
	err := create()
	if err == nil {
		return nil
	}
	if _, lerr := f.root.Lstat(base); lerr != nil {
		return err
	}
	if err := s.replace(f, base, path); err != nil {
		return err
	}
	return create()
}

// replace removes the file, or the empty directory, of an earlier entry.
// Removing rather than overwriting keeps its other hard links as they are.
func (s *sink) replace(f *folder, base, path string) error {
	wasDir := s.isDirectory(path)
	if wasDir {
		if err := s.folders.drop(path); err != nil {
			return err
		}
	}
	if err := f.root.Remove(base); err != nil {
		if wasDir {
			return damaged("%s is there twice, as a directory that is not empty and as another file", quote(path))
		}
		return err
	}
	delete(s.folders.known, path)
	delete(s.kept, path)
	delete(s.flags, path)
	return nil
}

func (s *sink) putFile(f *folder, base string, e *entry, write contents) error {
	var file *os.File
	err := s.creating(f, base, e.path, func() (err error) {
		file, err = f.root.OpenFile(base, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		return err
	})
	if err != nil {
		return err
	}
	if err = write(file); err == nil {
		err = s.dress(file, e.path, &e.attrs, func() error { return s.setTimes(f, base, &e.attrs) })
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	s.report.Files++
	return nil
}

func (s *sink) putSymlink(f *folder, base string, e *entry) error {
	err := s.creating(f, base, e.path, func() error { return f.root.Symlink(e.target, base) })
	if err != nil {
		return err
	}
	s.report.Symlinks++
	if _, err := s.chown(e.path, &e.attrs, func() error { return f.root.Lchown(base, e.uid, e.gid) }); err != nil {
		return err
	}
	s.keepRest(e.path, &e.attrs)
	return s.setTimes(f, base, &e.attrs)
}

func (s *sink) putHardlink(f *folder, base string, e *entry) error {
	dir, name := split(e.target)
	real, err := s.folders.resolve(e.path, dir, false)
	if errors.Is(err, os.ErrNotExist) {
		return missingTarget(e)
	}
	if err != nil {
		return err
	}
	target := join(real, name)
	if e.target == "." || s.isDirectory(target) {
		return damaged("%s is a hard link to the directory %s", quote(e.path), quote(e.target))
	}
	if target == e.path {
		return nil // removing the old one first would lose both
	}
	err = s.creating(f, base, e.path, func() error { return s.dst.Link(target, e.path) })
	if errors.Is(err, os.ErrNotExist) {
		return missingTarget(e)
	}
	if err == nil {
		s.report.HardLinks++
	}
	return err
}

func missingTarget(e *entry) error {
	return damaged("%s is a hard link to %s, which the archive does not have before it", quote(e.path), quote(e.target))
}

func (s *sink) isDirectory(path string) bool {
	_, ok := s.folders.known[path]
	return ok
}

func (s *sink) putDevice(f *folder, base string, e *entry) error {
	if e.kind != fifo && !s.opts.Devices {
		if !s.opts.SkipDevices {
			return unsafe(e.path, "it is a %s device", deviceNames[e.kind])
		}
		s.keepDevice(e)
		return nil
	}
	err := s.creating(f, base, e.path, func() error { return mknod(f.file, base, e) })
	switch {
	case err == nil:
	case !notAllowed(err) && !notSupported(err):
		return err
	case e.kind == fifo || s.opts.SkipDevices:
		s.keepDevice(e)
		return nil
	default:
		return fault.Wrap(fault.Permission, err, "making the device "+quote(e.path), "make devices as root outside a user namespace, or leave them out")
	}
	s.report.Devices++
	owned, err := s.chown(e.path, &e.attrs, func() error { return f.root.Lchown(base, e.uid, e.gid) })
	if err != nil {
		return err
	}
	s.keepRest(e.path, &e.attrs)
	if err := f.root.Chmod(base, s.mode(e.path, &e.attrs, owned)); err != nil {
		return err
	}
	return s.setTimes(f, base, &e.attrs)
}

func (s *sink) keepDevice(e *entry) {
	m := s.keep(e.path)
	m.Device = &Device{Type: deviceNames[e.kind], Major: e.major, Minor: e.minor}
	m.Owner = &Owner{e.uid, e.gid, e.user, e.group}
	mode := e.mode
	m.Mode = &mode
	if !e.mtime.IsZero() {
		mtime := e.mtime.UTC()
		m.Time = &mtime
	}
	s.keepRest(e.path, &e.attrs)
}

// putDirectory makes a directory, or takes the one that is there. Its
// attributes wait for finish: a directory may be read-only and its time changes
// with each file in it.
func (s *sink) putDirectory(e *entry) error {
	if e.path == "." {
		s.folders.known["."] = &e.attrs
		s.report.Directories++
		return nil
	}
	dir, base := split(e.path)
	real, err := s.folders.resolve(e.path, dir, true)
	if err != nil {
		return s.named(e, err)
	}
	path := join(real, base)
	if _, ok := s.folders.known[path]; !ok {
		f, err := s.folders.at(real)
		if err != nil {
			return naming(e.path, err)
		}
		err = s.creating(f, base, path, func() error { return f.root.Mkdir(base, workMode) })
		if err != nil {
			return s.named(e, err)
		}
	}
	delete(s.kept, path)
	s.folders.known[path] = &e.attrs
	s.report.Directories++
	return nil
}

// dress gives an open file or directory its owner, extended attributes, times
// and mode. The order matters: chown(2) clears setuid and capabilities, a file
// that is not writable takes no attributes from its owner, and a directory that
// is not searchable no times.
func (s *sink) dress(f *os.File, path string, a *attrs, times func() error) error {
	owned := true
	if !a.noOwner {
		var err error
		if owned, err = s.chown(path, a, func() error { return f.Chown(a.uid, a.gid) }); err != nil {
			return err
		}
	}
	if err := s.setXattrs(f, path, a); err != nil {
		return err
	}
	if a.flags != "" {
		s.flags[path] = a.flags
	}
	if err := times(); err != nil {
		return err
	}
	return f.Chmod(s.mode(path, a, owned))
}

// chown sets an owner. Where that is not allowed (no privilege, or a number
// that the user namespace does not map) the owner is recorded.
func (s *sink) chown(path string, a *attrs, set func() error) (owned bool, err error) {
	pair := [2]int{a.uid, a.gid}
	if !s.refused[pair] {
		if err = set(); err == nil {
			return true, nil
		}
		if !notAllowed(err) && !invalid(err) {
			return false, err
		}
		s.refused[pair] = true
	}
	s.keep(path).Owner = &Owner{a.uid, a.gid, a.user, a.group}
	return false, nil
}

// mode is the mode to set. Setuid and setgid are left out, and recorded, when
// the file could not get its owner: they would lend whoever extracts it to
// everybody. On a directory setgid does no such thing.
func (s *sink) mode(path string, a *attrs, owned bool) os.FileMode {
	bits := a.mode
	if _, dir := s.folders.known[path]; !owned && !dir && bits&(modeSetuid|modeSetgid) != 0 {
		full := bits
		s.keep(path).Mode = &full
		bits &^= modeSetuid | modeSetgid
	}
	return fileMode(bits)
}

func fileMode(bits uint32) os.FileMode {
	m := os.FileMode(bits & 0o777)
	if bits&modeSetuid != 0 {
		m |= os.ModeSetuid
	}
	if bits&modeSetgid != 0 {
		m |= os.ModeSetgid
	}
	if bits&modeSticky != 0 {
		m |= os.ModeSticky
	}
	return m
}

// setXattrs sets what may be set and records the rest.
func (s *sink) setXattrs(f *os.File, path string, a *attrs) error {
	for name, value := range a.xattrs {
		if err := s.setXattr(f, path, name, value); err != nil {
			return err
		}
	}
	for word, text := range a.acls {
		value, ok := encodeACL(text)
		name := aclAttrs[word]
		if ok && name != "" && setXattr(f, name, value) == nil {
			continue
		}
		s.keepACL(path, word, text)
	}
	return nil
}

func (s *sink) setXattr(f *os.File, path, name string, value []byte) error {
	if settable(name) {
		err := setXattr(f, name, value)
		if err == nil {
			return nil
		}
		if noSpace(err) && !xattrTooBig(err) {
			return err
		}
		// Everything else is a matter of this file system, this user or this
		// value, not of the archive.
	}
	s.keepXattr(path, name, value)
	return nil
}

func (s *sink) keepXattr(path, name string, value []byte) {
	m := s.keep(path)
	if m.Xattrs == nil {
		m.Xattrs = map[string][]byte{}
	}
	m.Xattrs[name] = bytes.Clone(value)
}

func (s *sink) keepACL(path, word, text string) {
	m := s.keep(path)
	if m.ACLs == nil {
		m.ACLs = map[string]string{}
	}
	m.ACLs[word] = text
}

// keepRest records what symbolic links and devices cannot have on any host.
func (s *sink) keepRest(path string, a *attrs) {
	for name, value := range a.xattrs {
		s.keepXattr(path, name, value)
	}
	for word, text := range a.acls {
		s.keepACL(path, word, text)
	}
	if a.flags != "" {
		s.keep(path).Flags = a.flags
	}
}

func (s *sink) keep(path string) *Metadata {
	m := s.kept[path]
	if m == nil {
		m = &Metadata{Path: path}
		s.kept[path] = m
	}
	return m
}

func (s *sink) setTimes(f *folder, base string, a *attrs) error {
	if a.mtime.IsZero() {
		return nil
	}
	return setTimes(f.file, base, a.atime, a.mtime)
}

// finish gives the directories their attributes, the deepest first, then sets
// file flags, after which nothing can be changed any more, and closes the
// report.
func (s *sink) finish() error {
	paths := slices.Sorted(maps.Keys(s.folders.known))
	slices.Reverse(paths) // a directory comes after everything below it
	for _, path := range paths {
		if err := s.finishDirectory(path); err != nil {
			return err
		}
	}
	if err := s.finishFlags(); err != nil {
		return err
	}
	for _, m := range s.kept {
		s.report.Kept = append(s.report.Kept, *m)
	}
	slices.SortFunc(s.report.Kept, func(a, b Metadata) int { return cmp.Compare(a.Path, b.Path) })
	s.meter.tick(s.report, true)
	return nil
}

func (s *sink) finishDirectory(path string) error {
	a := s.folders.known[path]
	if a == nil {
		return nil
	}
	if err := s.ctx.Err(); err != nil {
		return err
	}
	f, err := s.folders.at(path)
	if err != nil {
		return naming(path, err)
	}
	err = s.dress(f.file, path, a, func() error { return s.setTimes(f, ".", a) })
	return s.named(&entry{path: path}, err)
}

// finishFlags sets the file flags of FreeBSD, files before the directories they
// are in.
func (s *sink) finishFlags() error {
	paths := slices.Sorted(maps.Keys(s.flags))
	slices.Reverse(paths)
	for _, path := range paths {
		err := setFlags(s.dst, path, s.flags[path])
		switch {
		case err == nil:
		case notAllowed(err) || notSupported(err):
			s.keep(path).Flags = s.flags[path]
		default:
			return naming(path, err)
		}
	}
	return nil
}

// copyFrom writes size bytes of r into f, with holes where r has blocks of
// zeros. A reader that ends early gives io.ErrUnexpectedEOF.
func (s *sink) copyFrom(f *os.File, r io.Reader, size int64) error {
	w := &holeWriter{file: f}
	if err := s.copyRange(w, r, size); err != nil {
		return err
	}
	return w.end()
}

func (s *sink) copyRange(w *holeWriter, r io.Reader, size int64) error {
	for size > 0 {
		n, err := io.ReadFull(r, s.buf[:min(size, copyBuffer)])
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return &sourceError{err}
		}
		if err := w.write(s.buf[:n]); err != nil {
			return err
		}
		size -= int64(n)
		s.wrote(int64(n))
		if err := s.ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// wrote counts bytes of file contents, holes included.
func (s *sink) wrote(n int64) {
	s.report.Bytes += n
	s.meter.tick(s.report, false)
}
