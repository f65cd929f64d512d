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
	points, err := mountPoints()
	return pointsBelow(points, path), err
}

// mountPoints asks again when there are more than just before.
func mountPoints() ([]string, error) {
	for size := 64; ; size *= 2 {
		table := make([]unix.Statfs_t, size)
		n, err := unix.Getfsstat(table, unix.MNT_NOWAIT)
		if err != nil {
			return nil, err
		}
		if n == size {
			continue
		}
		points := make([]string, n)
		for i := range points {
			points[i] = unix.ByteSliceToString(table[i].Mntonname[:])
		}
		return points, nil
	}
}
