//go:build linux || freebsd

package extract

import (
	"bytes"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// listXattrs reads the extended attributes of an open file; none where the file
// system has none.
func listXattrs(f *os.File) (map[string][]byte, error) {
	fd := int(f.Fd())
	names, err := xattrNames(fd)
	if err != nil || len(names) == 0 {
		if notSupported(err) {
			err = nil
		}
		return nil, err
	}
	out := map[string][]byte{}
	for _, name := range names {
		value := make([]byte, maxXattrs)
		n, err := unix.Fgetxattr(fd, name, value)
		if err != nil {
			continue // taken away in between, or not for this user
		}
		out[name] = bytes.Clone(value[:n])
	}
	return out, nil
}

// nextData gives the first run of data at or after off; a file system that knows
// no holes gives all of the file. Data and Hole are the whence of lseek(2).
func nextData(f *os.File, off, size int64) (start, end int64) {
	start, err := f.Seek(off, unix.SEEK_DATA)
	if errors.Is(err, unix.ENXIO) {
		return size, size
	}
	if err != nil {
		return off, size
	}
	if end, err = f.Seek(start, unix.SEEK_HOLE); err != nil {
		end = size
	}
	return min(start, size), min(end, size)
}
