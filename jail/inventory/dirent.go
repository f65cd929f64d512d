package inventory

import (
	"bytes"
	"encoding/binary"
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"
)

// pieceSize is how much of a directory is read at a time, in bytes.
const pieceSize = 32 << 10

// Where the fields of getdents(2) are. os.File.ReadDir does the same work, but
// asks for the type of an entry by the directory's name where the file system
// does not tell it, and a directory that was opened below another has none.
const (
	reclenAt = unsafe.Offsetof(unix.Dirent{}.Reclen)
	typeAt   = unsafe.Offsetof(unix.Dirent{}.Type)
	nameAt   = unsafe.Offsetof(unix.Dirent{}.Name)
)

// readDirent reads the next entries of a directory; 0 at its end.
func readDirent(fd int, buf []byte) (int, error) {
	for {
		n, err := unix.ReadDirent(fd, buf)
		if !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}

// cutEntry cuts the first entry off. The name is "" for one that was removed,
// and when the entry makes no sense.
func cutEntry(b []byte) (name string, kind uint8, rest []byte) {
	if len(b) <= int(nameAt) {
		return "", unix.DT_REG, nil
	}
	size := int(binary.NativeEndian.Uint16(b[reclenAt:]))
	if size <= int(nameAt) || size > len(b) {
		return "", unix.DT_REG, nil
	}
	entry := b[:size]
	if binary.NativeEndian.Uint64(entry) == 0 { // the number of the inode
		return "", unix.DT_REG, b[size:]
	}
	raw := entry[nameAt:]
	if end := bytes.IndexByte(raw, 0); end >= 0 {
		raw = raw[:end]
	}
	return string(raw), entry[typeAt], b[size:]
}

// entryKind is the type of an entry by the file's mode.
func entryKind(mode uint32) uint8 {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return unix.DT_REG
	case unix.S_IFDIR:
		return unix.DT_DIR
	case unix.S_IFLNK:
		return unix.DT_LNK
	}
	return unix.DT_FIFO
}
