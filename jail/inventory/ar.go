package inventory

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/xjail/xjail/internal/fault"
)

// Sizes of the ar format (ar(5) of FreeBSD).
const (
	arMagic      = "!<arch>\n"
	arHeaderSize = 60
	arEnd        = "`\n"
	maxArNames   = 16 << 20 // bytes of a table of long names
)

// arReader reads an ar archive: a static library or a Debian package.
type arReader struct {
	r     io.Reader
	left  io.LimitedReader // of the member
	pad   int64
	names []byte // GNU's table of long names
}

// arError is damage in the form of the archive.
type arError struct{ text string }

func (e *arError) Error() string { return e.text }

func newArReader(r io.Reader) (*arReader, error) {
	magic := make([]byte, len(arMagic))
	if _, err := io.ReadFull(r, magic); err != nil {
		return nil, err
	}
	if string(magic) != arMagic {
		return nil, &arError{"it does not begin as an ar archive"}
	}
	return &arReader{r: r}, nil
}

// next goes to the next member and returns its name; a.left.N is its size.
// io.EOF is the end. Tables of symbols are passed over.
func (a *arReader) next() (string, error) {
	for {
		if err := a.skip(); err != nil {
			return "", err
		}
		field, err := a.header()
		if err != nil {
			return "", err
		}
		switch field {
		case "/", "/SYM64/":
			continue
		case "//":
			if a.names, err = a.table(); err != nil {
				return "", err
			}
			continue
		}
		name, err := a.name(field)
		if err != nil || !strings.HasPrefix(name, "__.SYMDEF") {
			return name, err
		}
	}
}

// skip passes over what is left of a member.
func (a *arReader) skip() error {
	want := a.left.N + a.pad
	n, err := io.CopyN(io.Discard, a.r, want)
	if errors.Is(err, io.EOF) && n < a.left.N {
		return io.ErrUnexpectedEOF
	}
	if errors.Is(err, io.EOF) { // the padding at the end may be missing
		err = nil
	}
	a.left.N, a.pad = 0, 0
	return err
}

// header reads the next header: the field of the name without its blanks.
func (a *arReader) header() (string, error) {
	h := make([]byte, arHeaderSize)
	if _, err := io.ReadFull(a.r, h); err != nil {
		return "", err // io.EOF only when there is nothing
	}
	if string(h[58:]) != arEnd {
		return "", &arError{"a header of a member is damaged"}
	}
	size, err := strconv.ParseInt(strings.TrimRight(string(h[48:58]), " "), 10, 64)
	if err != nil || size < 0 {
		return "", &arError{"the size of a member is no number"}
	}
	a.left = io.LimitedReader{R: a.r, N: size}
	a.pad = size % 2
	return strings.TrimRight(string(h[:16]), " "), nil
}

// table reads GNU's table of long names.
func (a *arReader) table() ([]byte, error) {
	if a.left.N > maxArNames {
		return nil, &arError{"its table of names is too long"}
	}
	want := a.left.N
	b, err := io.ReadAll(&a.left)
	if err == nil && int64(len(b)) < want {
		err = io.ErrUnexpectedEOF
	}
	return b, err
}

// name resolves the three ways in which a name can be written.
func (a *arReader) name(field string) (string, error) {
	if length, ok := strings.CutPrefix(field, "#1/"); ok { // BSD: before the contents
		n, err := strconv.ParseInt(length, 10, 32)
		if err != nil || n < 0 || n > a.left.N || n > maxName {
			return "", &arError{"the length of a name is wrong"}
		}
		b := make([]byte, n)
		if _, err := io.ReadFull(&a.left, b); err != nil {
			return "", io.ErrUnexpectedEOF
		}
		return string(bytes.TrimRight(b, "\x00")), nil
	}
	if at, ok := strings.CutPrefix(field, "/"); ok { // GNU: in the table
		n, err := strconv.ParseInt(at, 10, 32)
		if err != nil || n < 0 || n >= int64(len(a.names)) {
			return "", &arError{"a name is not in the table of names"}
		}
		name, _, _ := bytes.Cut(a.names[n:], []byte("\n"))
		return strings.TrimSuffix(string(name), "/"), nil
	}
	return strings.TrimSuffix(field, "/"), nil
}

// Read reads the member.
func (a *arReader) Read(p []byte) (int, error) {
	n, err := a.left.Read(p)
	if errors.Is(err, io.EOF) && a.left.N > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// debianBinary is the first member of a Debian package (deb(5)).
const debianBinary = "debian-binary"

// ar looks at the members of an ar archive.
func (a *archive) ar(r io.Reader, at place) error {
	in, err := newArReader(r)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	debian := false
	for n := int64(0); err == nil; n++ {
		var name string
		if name, err = in.next(); err != nil {
			break
		}
		if a.ctx.Err() != nil {
			return a.ctx.Err()
		}
		if n >= a.opts.Limits.MaxEntries {
			return fault.New(fault.Unsafe, "", "%s is refused: more than %d members", label(a.path, at.member), n)
		}
		debian = debian || n == 0 && name == debianBinary
		member := &arMember{a, in, at}
		if debian && isPart(name) {
			err = a.debianPart(member, in.left.N, name, at)
		} else {
			err = a.member(member, in.left.N, place{member: join(at.member, name), depth: at.depth})
		}
	}
	return a.arDamage(err, at)
}

// isPart tells whether a member of a Debian package is one of its two tars.
func isPart(name string) bool {
	return strings.HasPrefix(name, "data.tar") || strings.HasPrefix(name, "control.tar")
}

// debianPart looks into one of the tars of a Debian package. The files that it
// installs are named as they are there.
func (a *archive) debianPart(r io.Reader, size int64, name string, at place) error {
	part := place{member: at.member, depth: at.depth, must: true, part: true}
	if strings.HasPrefix(name, "control.tar") {
		part.member = join(at.member, name)
	}
	if strings.HasSuffix(name, ".lzma") {
		return fault.New(fault.Unsupported, "dpkg-deb -x FILE DIR, and name the directory",
			"%s: %s is not looked into", label(a.path, at.member), name)
	}
	return a.contents(r, size, part)
}

// arMember reads a member; its errors say what is wrong with the archive.
type arMember struct {
	a  *archive
	in *arReader
	at place
}

func (m *arMember) Read(p []byte) (int, error) {
	n, err := m.in.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = m.a.arDamage(err, m.at) // not the end, so it is not nil
	}
	return n, err
}

// arDamage says what is wrong with an ar archive; nil for its end.
func (a *archive) arDamage(err error, at place) error {
	var known *fault.Error
	var form *arError
	const hint = "get the archive again and compare its digest"
	switch {
	case err == nil, errors.As(err, &known):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fault.New(fault.Damaged, hint, "%s is truncated", label(a.path, at.member))
	case errors.As(err, &form):
		return fault.New(fault.Damaged, hint, "%s is damaged: %s", label(a.path, at.member), form.text)
	case errors.Is(err, io.EOF):
		return nil
	}
	return err
}
