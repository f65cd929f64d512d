package extract

import (
	"os"

	"golang.org/x/sys/unix"
)

// mountsBelow names the mount points below a directory, as far as its name still
// leads to it; else mountOf and EBUSY guard what is mounted.
func mountsBelow(root *os.File) ([]string, error) {
	path := realPath(root)
	if path == "" {
		return nil, nil
	}
	table, err := MountTable()
	points := make([]string, len(table))
	for i := range table {
		points[i] = unix.ByteSliceToString(table[i].Mntonname[:])
	}
	return pointsBelow(points, path), err
}

// MountTable is what is mounted on the machine, getfsstat(2), whose error it gives.
// It asks again when there are more than just before.
func MountTable() ([]unix.Statfs_t, error) {
	for size := 64; ; size *= 2 {
		table := make([]unix.Statfs_t, size)
		n, err := unix.Getfsstat(table, unix.MNT_NOWAIT)
		if err != nil {
			return nil, err
		}
		if n < size {
			return table[:n], nil
		}
	}
}
