package inventory

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/xjail/xjail/internal/fault"
)

// zip looks at the members of a zip: Python wheels, Android packages. Of what is
// no program only the first bytes are decompressed.
func (a *archive) zip(r io.ReaderAt, size int64, prefix string, depth int) error {
	z, err := zip.NewReader(r, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		if errors.Is(err, zip.ErrFormat) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
			err = fault.New(fault.Damaged, "get the archive again and compare its digest",
				"%s is a truncated or damaged zip archive", label(a.path, prefix))
		}
		return err
	}
	a.counts.Archives++
	if int64(len(z.File)) > a.opts.Limits.MaxEntries {
		return fault.New(fault.Unsafe, "", "%s is refused: more than %d members", label(a.path, prefix), a.opts.Limits.MaxEntries)
	}
	for _, f := range z.File {
		if err := a.ctx.Err(); err != nil {
			return err
		}
		switch mode := f.Mode(); {
		case mode.IsDir():
			a.counts.Directories++
		case mode.IsRegular():
			at := place{member: join(prefix, f.Name), depth: depth}
			if err := a.zipMember(f, at); err != nil {
				a.failedMember(at.member, err)
			}
		default:
			a.counts.Symlinks++
		}
	}
	return nil
}

// zipMember looks at one member; after an error the others can be read.
func (a *archive) zipMember(f *zip.File, at place) error {
	const encrypted = 1 // bit of the flags (APPNOTE 4.4.4)
	if f.Flags&encrypted != 0 {
		return fault.New(fault.Unsupported, "", "encrypted")
	}
	r, err := f.Open()
	if err != nil {
		return zipDamage(f, err)
	}
	defer r.Close()
	return zipDamage(f, a.member(r, int64(min(f.UncompressedSize64, 1<<62)), at))
}

// zipDamage gives an error of package zip its kind.
func zipDamage(f *zip.File, err error) error {
	var known *fault.Error
	switch {
	case err == nil, errors.As(err, &known):
		return err
	case errors.Is(err, zip.ErrAlgorithm):
		return fault.Wrap(fault.Unsupported, err, fmt.Sprintf("compressed by method %d", f.Method), "unpack it and name the directory")
	}
	return fault.Wrap(fault.Damaged, err, "damaged", "")
}

// nestedZip looks into a zip in an archive. A zip cannot be read from its start,
// so it is kept in memory.
func (a *archive) nestedZip(r io.Reader, at place) error {
	b, err := io.ReadAll(io.LimitReader(r, a.opts.MaxMember+1))
	if err != nil {
		return err
	}
	if int64(len(b)) > a.opts.MaxMember {
		a.failedMember(at.member, fault.New(fault.Unsupported, "unpack it and name the directory",
			"a zip of more than %d bytes in an archive is not looked into", a.opts.MaxMember))
		return nil
	}
	if err := a.zip(bytes.NewReader(b), int64(len(b)), at.member, at.depth); err != nil {
		a.failedMember(at.member, err)
	}
	return nil
}
