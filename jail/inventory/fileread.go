package inventory

import (
	"errors"
	"io"

	"golang.org/x/sys/unix"
)

// fileReader reads a file of which the first bytes were read already.
type fileReader struct {
	fd    int
	head  []byte
	whole bool // head is all of it
}

// ReadAt implements io.ReaderAt.
func (r *fileReader) ReadAt(b []byte, off int64) (int, error) {
	end := off + int64(len(b))
	if end <= int64(len(r.head)) || r.whole {
		n := 0
		if off < int64(len(r.head)) {
			n = copy(b, r.head[off:])
		}
		if n < len(b) {
			return n, io.EOF
		}
		return n, nil
	}
	n, err := preadFull(r.fd, b, off)
	if err == nil && n < len(b) {
		err = io.EOF
	}
	return n, err
}

// preadFull reads until b is full or the file ends.
func preadFull(fd int, b []byte, off int64) (int, error) {
	n := 0
	for n < len(b) {
		m, err := unix.Pread(fd, b[n:], off+int64(n))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return n, err
		}
		if m == 0 {
			break
		}
		n += m
	}
	return n, nil
}
