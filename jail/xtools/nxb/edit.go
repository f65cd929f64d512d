package nxb

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/xjail/xjail/internal/fault"
)

// Edit is bytes of a file that are overwritten by others of the same number.
type Edit struct {
	Offset int64  `json:"offset"`
	Old    string `json:"old"`
	New    string `json:"new"` // padded with NULs
}

// overwrite is the edit that puts text in the place of old, at off.
func overwrite(off int64, old, text string) (Edit, error) {
	if len(text) > len(old) {
		return Edit{}, fmt.Errorf("%q does not fit in the place of %q", text, old)
	}
	return Edit{Offset: off, Old: old, New: text + strings.Repeat("\x00", len(old)-len(text))}, nil
}

// end is the offset behind the edit.
func (e Edit) end() int64 { return e.Offset + int64(len(e.Old)) }

// order sorts edits and refuses those that overlap.
func order(edits []Edit) error {
	slices.SortFunc(edits, func(a, b Edit) int { return int(a.Offset - b.Offset) })
	for i := 1; i < len(edits); i++ {
		if edits[i].Offset < edits[i-1].end() {
			return fmt.Errorf("the edits at %d and %d overlap", edits[i-1].Offset, edits[i].Offset)
		}
	}
	return nil
}

// edited reads r with the edits, which are in order, applied.
type edited struct {
	r     io.Reader
	edits []Edit
	at    int64
}

func (e *edited) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	for _, edit := range e.edits {
		// The part of New that lies within p[:n].
		from, to := max(edit.Offset, e.at), min(edit.end(), e.at+int64(n))
		if from < to {
			copy(p[from-e.at:to-e.at], edit.New[from-edit.Offset:to-edit.Offset])
		}
	}
	e.at += int64(n)
	return n, err
}

// compare fails unless two files of size bytes are the same but for the edits,
// which begin as Old and end as New. It looks at the bytes themselves, and so
// depends on nothing that wrote them.
func compare(before, after io.ReaderAt, size int64, edits []Edit) error {
	const block = 1 << 16
	a, b := make([]byte, block), make([]byte, block)
	for at := int64(0); at < size; at += block {
		n := min(block, size-at)
		if err := readBoth(before, after, a[:n], b[:n], at); err != nil {
			return err
		}
		if bytes.Equal(a[:n], b[:n]) {
			continue
		}
		for i := range n {
			if a[i] != b[i] && !covered(edits, at+i, a[i], b[i]) {
				return fault.New(fault.Mismatch, "", "byte %d differs: %#x became %#x", at+i, a[i], b[i])
			}
		}
	}
	for _, e := range edits {
		old, text := make([]byte, len(e.Old)), make([]byte, len(e.New))
		if err := readBoth(before, after, old, text, e.Offset); err != nil {
			return err
		}
		if string(old) != e.Old || string(text) != e.New {
			return fault.New(fault.Mismatch, "", "at %d is %q, which became %q", e.Offset, old, text)
		}
	}
	return nil
}

func readBoth(before, after io.ReaderAt, a, b []byte, at int64) error {
	for _, side := range []struct {
		r io.ReaderAt
		b []byte
	}{{before, a}, {after, b}} {
		if n, err := side.r.ReadAt(side.b, at); n < len(side.b) {
			return fmt.Errorf("reading at %d: %w", at, errors.Join(io.ErrUnexpectedEOF, err))
		}
	}
	return nil
}

// covered tells whether an edit changes the byte at at from one value to another.
func covered(edits []Edit, at int64, from, to byte) bool {
	for _, e := range edits {
		if at >= e.Offset && at < e.end() {
			return e.Old[at-e.Offset] == from && e.New[at-e.Offset] == to
		}
	}
	return false
}
