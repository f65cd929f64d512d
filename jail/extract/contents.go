package extract

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/xjail/xjail/internal/fault"
)

// peekBytes of what is in a file are there to be looked at.
const peekBytes = 4 << 10

// smallSource is the size in bytes below which decompressing in a goroutine of
// its own costs more than it gives.
const smallSource = 1 << 20

// Contents are those of a file, decompressed when xz, zstd, gzip or bzip2
// compressed it (told by its content), to be read without unpacking anything.
type Contents struct {
	ctx    context.Context
	in     *source
	stream *tarStream
	plain  io.Seeker     // set when nothing compresses it and it can be seeked in
	head   []byte        // of the file itself
	peeker *bufio.Reader // nil when plain is set
	closer io.Closer
	opts   Options
}

// Open opens the contents of src, which is name in messages. size is that of src
// in bytes, -1 when nobody knows. Of opts the limits count: Open bounds what is
// decompressed, EachMember the members too.
//
// After ctx has ended src may still be in use for one Read. Errors are those of
// Archive, also those of reading.
func Open(ctx context.Context, name string, src io.Reader, size int64, opts Options) (*Contents, error) {
	opts.setLimits()
	in := &source{name: name, raw: src, total: size}
	buffered := bufio.NewReaderSize(in, bufferFor(size))
	head, err := buffered.Peek(min(buffered.Size(), peekBytes))
	if err != nil && !errors.Is(err, io.EOF) { // it may be shorter
		return nil, in.unread(err)
	}
	err = nil
	c := &Contents{ctx: ctx, in: in, opts: opts, head: head}
	codec, _ := compressionOf(ctx, head)
	in.format = codec.name
	switch {
	case codec.open == nil:
		c.openPlain(src, buffered)
	case size >= 0 && size < smallSource:
		err = c.openSmall(codec, buffered)
	default:
		in.ahead = newReadAhead(ctx, func() (io.ReadCloser, error) { return codec.open(buffered) })
		c.peeker = bufio.NewReaderSize(in.ahead, peekBytes)
		c.stream = &tarStream{r: c.peeker, limit: opts.MaxBytes}
	}
	if err != nil {
		return nil, c.blame(&sourceError{err})
	}
	return c, nil
}

// bufferFor is the size of the buffer for a file.
func bufferFor(size int64) int {
	if size < 0 || size > identifyBytes {
		return identifyBytes
	}
	return max(int(size), peekBytes)
}

// openPlain reads a file that can be seeked in without a buffer, so that what
// nobody wants of it is skipped.
func (c *Contents) openPlain(src io.Reader, buffered *bufio.Reader) {
	c.peeker = buffered
	c.stream = &tarStream{r: buffered, limit: c.opts.MaxBytes}
	seeker, at := seekable(src)
	if seeker == nil {
		return
	}
	if _, err := seeker.Seek(at-int64(buffered.Buffered()), io.SeekStart); err == nil {
		c.plain, c.stream.r, c.peeker = seeker, c.in, nil // a Peek would go on reading
	}
}

// openSmall decompresses without a goroutine.
func (c *Contents) openSmall(codec codec, src io.Reader) error {
	r, err := openSafely(func() (io.ReadCloser, error) { return codec.open(src) })
	if err != nil {
		return shortHeader(err)
	}
	c.closer = r
	c.peeker = bufio.NewReaderSize(panicSafe{r}, peekBytes)
	c.stream = &tarStream{r: c.peeker, limit: c.opts.MaxBytes}
	return nil
}

// openSafely makes an error of a panic, as readAhead does.
func openSafely(open func() (io.ReadCloser, error)) (r io.ReadCloser, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = gaveUp(p)
		}
	}()
	return open()
}

// panicSafe is a decompressor that fed with garbage may panic.
type panicSafe struct{ r io.Reader }

func (s panicSafe) Read(p []byte) (n int, err error) {
	defer func() {
		if r := recover(); r != nil {
			n, err = 0, gaveUp(r)
		}
	}()
	return s.r.Read(p)
}

// Compression is xz, zst, gz or bz2; "" for a file that is not compressed.
func (c *Contents) Compression() string { return c.in.format }

// Peek returns the first bytes of the contents, as many as there are up to 4
// KiB, before anything is read. With a decompressor's error it returns what came
// before that.
func (c *Contents) Peek() ([]byte, error) {
	if c.peeker == nil {
		return c.head, nil
	}
	head, err := c.peeker.Peek(min(c.peeker.Size(), peekBytes))
	if err == nil || errors.Is(err, io.EOF) {
		return head, nil
	}
	return head, c.blame(&sourceError{err})
}

// Read reads the contents. Errors other than io.EOF name the file.
func (c *Contents) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.stream.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = c.blame(&sourceError{err})
	}
	return n, err
}

// EachMember calls visit with each member of the tar that the contents are.
// What visit leaves unread is skipped. An error of visit ends it and is
// returned as it is.
func (c *Contents) EachMember(visit func(h *tar.Header, r io.Reader) error) error {
	var r io.Reader = c.stream
	skipping := &seekStream{tarStream: c.stream, seeker: c.plain}
	if c.plain != nil {
		r = skipping
	}
	tr := tar.NewReader(r)
	for n := int64(0); ; n++ {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		before := c.stream.count
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return c.blame(c.endTar(max(before, skipping.skipped)))
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return c.blame(&sourceError{err})
		}
		c.stream.entry = h.Name
		if n >= c.opts.MaxEntries {
			return tooMany(h.Name, c.opts.MaxEntries)
		}
		member := &memberReader{c: c, r: tr}
		if err := visit(h, member); err != nil {
			return err
		}
		if err := c.pass(h, member); err != nil {
			return err
		}
	}
}

// pass reads what visit left of a member, so that what archive/tar reads for the
// next header is the header. Where it can seek it skips more than one byte by
// itself. The holes of a sparse file are not in the archive, and may be without
// end.
func (c *Contents) pass(h *tar.Header, member *memberReader) error {
	if isSparse(h) || c.plain != nil && h.Size-member.read > 1 {
		return nil
	}
	_, err := io.Copy(io.Discard, member)
	return err
}

// isSparse tells whether a member has holes, in GNU tar's forms.
func isSparse(h *tar.Header) bool {
	if h.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// memberReader reads a member; its errors say what is wrong with the archive.
type memberReader struct {
	c    *Contents
	r    io.Reader
	read int64
}

func (m *memberReader) Read(p []byte) (int, error) {
	if err := m.c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := m.r.Read(p)
	m.read += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		err = m.c.blame(&sourceError{err})
	}
	return n, err
}

// endTar is that of sink.
func (c *Contents) endTar(before int64) error {
	s := &sink{ctx: c.ctx, report: &Report{}, buf: make([]byte, peekBytes)}
	return s.endTar(c.stream, before)
}

func (c *Contents) blame(err error) error {
	if err == nil {
		return nil
	}
	stream := c.stream
	if stream == nil {
		stream = &tarStream{}
	}
	var known *fault.Error
	if read := c.in.err.Load(); read != nil && errors.As(*read, &known) {
		return *read // src is in an archive, and that one is at fault
	}
	return c.in.blame(stream, err)
}

// unread is a failure of reading the source itself.
func (in *source) unread(err error) error {
	var known *fault.Error
	if errors.As(err, &known) {
		return err
	}
	return fmt.Errorf("reading %s: %w", in.label(), err)
}

// Close ends the reading. src stays open.
func (c *Contents) Close() error {
	c.in.close()
	if c.closer != nil {
		return c.closer.Close()
	}
	return nil
}

// seekStream lets archive/tar skip what nobody reads.
type seekStream struct {
	*tarStream
	seeker  io.Seeker
	skipped int64 // count behind the last place that was skipped to
}

// Seek moves in the file as archive/tar asks: relative to where it is.
func (s *seekStream) Seek(offset int64, whence int) (int64, error) {
	at, err := s.seeker.Seek(offset, whence)
	if err == nil && whence == io.SeekCurrent && offset != 0 {
		s.count += offset
		s.skipped = s.count + 1 // the last byte is read
	}
	return at, err
}
