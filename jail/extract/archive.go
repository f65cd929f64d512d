package extract

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"strings"
	"sync/atomic"

	"github.com/klauspost/compress/zstd"
	"github.com/xjail/xjail/internal/fault"
)

// sourceError is an error that came with the data, not from making files.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }

// unpack reads an archive into s.
func unpack(ctx context.Context, src io.Reader, s *sink) error {
	in, err := openSource(ctx, src, s.opts)
	if err != nil {
		return err
	}
	defer in.close()
	s.report.SHA256 = in.digest
	s.meter.read = func() (int64, int64) { return in.read.Load(), in.total }
	stream, err := in.decompress(ctx, s.opts.MaxBytes)
	if err != nil {
		return err
	}
	s.report.Format = in.format
	err = s.unpackTar(stream)
	s.report.Read = in.read.Load()
	if err != nil {
		return in.blame(stream, err)
	}
	return in.unchanged()
}

// unpackTar uses archive/tar itself: archiver's Tar, a thin layer over it, hides
// the stream that has to be drained, and looks at ctx only between files.
func (s *sink) unpackTar(stream *tarStream) error {
	tr := tar.NewReader(stream)
	for {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		before := stream.count
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return s.endTar(stream, before)
		}
		// The names are checked here, whatever GODEBUG has archive/tar do.
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return &sourceError{err}
		}
		stream.entry = h.Name
		if err := s.putHeader(tr, h); err != nil {
			return err
		}
	}
}

func (s *sink) putHeader(tr *tar.Reader, h *tar.Header) error {
	switch h.Typeflag {
	case tar.TypeXGlobalHeader, 'V': // comments of git, the volume's name of GNU tar
		return s.count(h.Name)
	}
	e, err := parseHeader(h)
	if err != nil {
		return err
	}
	return s.put(e, func(f *os.File) error { return s.copyFrom(f, tr, e.size) })
}

// endTar makes sure that this is the end. archive/tar takes a stream that stops
// between two entries for a whole one, and a decompressor says that its input
// is truncated or corrupt only to whoever reads to its end.
func (s *sink) endTar(stream *tarStream, before int64) error {
	switch {
	case stream.count == 0:
		return damaged("the archive is empty")
	case stream.eof && !loneMark(stream.count-before, stream.tail):
		return &sourceError{io.ErrUnexpectedEOF}
	}
	for {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		_, err := stream.Read(s.buf)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return &sourceError{err}
		}
		s.meter.tick(s.report, false)
	}
}

// loneMark accepts one block of zeros as the end, as GNU tar does, where POSIX
// has two: read is what was read to find it, up to 511 bytes of padding
// included. More would be headers of an entry that is missing.
func loneMark(read int64, tail []byte) bool {
	return read >= tarBlock && read < 2*tarBlock && bytes.Equal(tail[len(tail)-tarBlock:], zeros[:tarBlock])
}

// source is an archive as it is on disk.
type source struct {
	name   string // of the file, "" when it has none
	raw    io.Reader
	total  int64 // bytes, -1 when not known
	read   atomic.Int64
	err    atomic.Pointer[error] // what reading failed with
	digest string
	format string
	spool  *os.File
	ahead  *readAhead
	again  hash.Hash // of what is extracted, when a digest was checked
}

// openSource finds out the size of src and checks its digest.
func openSource(ctx context.Context, src io.Reader, opts Options) (*source, error) {
	in := &source{raw: src, total: -1}
	if f, ok := src.(*os.File); ok {
		in.name = f.Name()
		if info, err := f.Stat(); err == nil && info.IsDir() {
			return nil, fault.New(fault.Damaged, "use dir:"+f.Name()+" for a directory", "%s is a directory, not an archive", f.Name())
		}
	}
	seeker, pos := seekable(src)
	if opts.SHA256 != "" {
		if seeker == nil {
			spool, err := os.CreateTemp("", "xjail-archive-*")
			if err != nil {
				return nil, err
			}
			in.spool, in.raw, seeker = spool, spool, spool
			return in, in.closeOn(errors.Join(os.Remove(spool.Name()), in.check(ctx, io.TeeReader(src, spool), opts, seeker, pos)))
		}
		if err := in.check(ctx, src, opts, seeker, pos); err != nil {
			return nil, err
		}
	}
	return in, in.measure(seeker, pos)
}

// closeOn closes the spool when there was an error.
func (in *source) closeOn(err error) error {
	if err != nil {
		in.close()
		if noSpace(err) {
			return fault.Wrap(fault.NoSpace, err, "keeping the archive until its digest is known",
				"set TMPDIR to a directory with enough space")
		}
	}
	return err
}

// seekable gives src as a seeker when it really can seek; a pipe has the method
// too.
func seekable(src io.Reader) (io.Seeker, int64) {
	s, ok := src.(io.Seeker)
	if !ok {
		return nil, 0
	}
	pos, err := s.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, 0
	}
	return s, pos
}

// measure finds the size of what is left of a seekable source.
func (in *source) measure(seeker io.Seeker, pos int64) error {
	if seeker == nil {
		return nil
	}
	end, err := seeker.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	in.total = end - pos
	_, err = seeker.Seek(pos, io.SeekStart)
	return err
}

// check compares the digest of all of r with the expected one.
func (in *source) check(ctx context.Context, r io.Reader, opts Options, seeker io.Seeker, pos int64) error {
	want := strings.ToLower(strings.TrimSpace(opts.SHA256))
	if raw, err := hex.DecodeString(want); err != nil || len(raw) != sha256.Size {
		return fault.New(fault.Usage, "sha256sum prints the right form", "%q is not a SHA-256 digest: it takes 64 hexadecimal digits", opts.SHA256)
	}
	h := sha256.New()
	n, err := io.Copy(h, io.LimitReader(&ctxReader{ctx, r}, opts.MaxBytes+1))
	switch {
	case err != nil:
		return fmt.Errorf("reading %s: %w", in.label(), err)
	case n > opts.MaxBytes:
		return tooBig(in.label(), opts.MaxBytes)
	}
	in.digest = hex.EncodeToString(h.Sum(nil))
	if in.digest != want {
		return fault.New(fault.Mismatch, "get the archive again, or correct the digest",
			"%s has the SHA-256 %s, not the expected %s", in.label(), in.digest, want)
	}
	in.again = sha256.New()
	if in.spool != nil {
		pos = 0
	}
	return in.measure(seeker, pos)
}

// unchanged makes sure that what was extracted is what the digest was checked
// of: the file may have been replaced in between.
func (in *source) unchanged() error {
	if in.again == nil || hex.EncodeToString(in.again.Sum(nil)) == in.digest {
		return nil
	}
	return fault.New(fault.Mismatch, "keep others from writing it", "%s changed while it was extracted", in.label())
}

func (in *source) label() string {
	if in.name == "" {
		return "the archive"
	}
	return in.name
}

// Read counts the bytes and keeps the error, to tell a failing disk from a
// damaged archive.
func (in *source) Read(p []byte) (int, error) {
	n, err := in.raw.Read(p)
	in.read.Add(int64(n))
	if in.again != nil {
		in.again.Write(p[:n])
	}
	if err != nil && !errors.Is(err, io.EOF) {
		in.err.Store(&err)
	}
	return n, err
}

func (in *source) close() {
	if in.ahead != nil {
		in.ahead.stop()
	}
	if in.spool != nil {
		_ = in.spool.Close() // it has no name any more
	}
}

// decompress recognises the format and returns the tar inside.
func (in *source) decompress(ctx context.Context, limit int64) (*tarStream, error) {
	buffered := bufio.NewReaderSize(in, identifyBytes)
	head, err := buffered.Peek(identifyBytes)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading %s: %w", in.label(), err)
	}
	c, err := identify(ctx, head, in.label())
	if err != nil {
		return nil, err
	}
	in.format = c.name
	var tarball io.Reader = buffered
	if c.open != nil {
		in.ahead = newReadAhead(ctx, func() (io.ReadCloser, error) { return c.open(buffered) })
		tarball = in.ahead
	} else if in.total < 0 {
		in.ahead = newReadAhead(ctx, func() (io.ReadCloser, error) { return io.NopCloser(buffered), nil })
		tarball = in.ahead
	}
	return &tarStream{r: tarball, limit: limit}, nil
}

// blame turns an error of the stream into what is wrong with the archive.
func (in *source) blame(stream *tarStream, err error) error {
	var bad *sourceError
	if !errors.As(err, &bad) {
		return err
	}
	if ctxErr := contextError(bad.err); ctxErr != nil {
		return ctxErr
	}
	var known *fault.Error
	if errors.As(bad.err, &known) {
		return known
	}
	if read := in.err.Load(); read != nil {
		return fmt.Errorf("reading %s: %w", in.label(), *read)
	}
	if errors.Is(bad.err, zstd.ErrWindowSizeExceeded) {
		return fault.New(fault.Unsafe, "compress it again without --long",
			"%s needs more than %d bytes of memory to decompress", in.label(), int64(maxWindow))
	}
	where := "before its first entry"
	if stream.entry != "" {
		where = "in or after the entry " + quote(stream.entry)
	}
	switch name, isNUL := stream.nulName(); {
	case errors.Is(bad.err, tar.ErrHeader) && isNUL:
		return unsafe(name, "its name holds a NUL byte")
	case errors.Is(bad.err, tar.ErrHeader) && stream.entry == "" && stream.count <= tarBlock:
		return notTar(in.label(), in.format, stream.tail)
	case errors.Is(bad.err, io.ErrUnexpectedEOF), errors.Is(bad.err, io.EOF):
		return damaged("%s is truncated %s", in.label(), where)
	}
	return damaged("%s is damaged %s: %w", in.label(), where, bad.err)
}

func contextError(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// tarBlock is the unit of a tar in bytes.
const tarBlock = 512

// tailBytes is how much of what was read last is kept to explain an error.
const tailBytes = 8 << 10

// tarStream is the decompressed tar: it counts, limits, and remembers the last
// bytes.
type tarStream struct {
	r     io.Reader
	count int64
	limit int64
	entry string // the last header read
	eof   bool
	tail  []byte
}

func (t *tarStream) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	t.count += int64(n)
	t.eof = n == 0 && errors.Is(err, io.EOF)
	t.remember(p[:n])
	if t.count > t.limit {
		return n, tooBig(t.entry, t.limit)
	}
	return n, err
}

func (t *tarStream) remember(p []byte) {
	if len(p) >= tailBytes {
		t.tail = append(t.tail[:0], p[len(p)-tailBytes:]...)
		return
	}
	if len(t.tail)+len(p) > 2*tailBytes {
		t.tail = append(t.tail[:0], t.tail[len(t.tail)-tailBytes:]...)
	}
	t.tail = append(t.tail, p...)
}

// nulName finds the path with a NUL byte in the PAX header that archive/tar has
// just refused without a word about the reason.
func (t *tarStream) nulName() (string, bool) {
	for _, key := range []string{" path=", " linkpath="} {
		_, value, ok := bytes.Cut(t.tail, []byte(key))
		if !ok {
			continue
		}
		value, _, _ = bytes.Cut(value, []byte("\n"))
		if bytes.IndexByte(value, 0) >= 0 {
			return string(value), true
		}
	}
	return "", false
}

// ctxReader ends a long copy with its context.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (r *ctxReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
