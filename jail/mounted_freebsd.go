package jail

import "golang.org/x/sys/unix"

func (hostKernel) Covering(fd int) (mountPoint, error) {
	var st unix.Statfs_t
	err := unix.Fstatfs(fd, &st)
	return mountPointOf(&st), err
}

// Mounts asks again when there are more than just before.
func (hostKernel) Mounts() ([]mountPoint, error) {
	for size := 64; ; size *= 2 {
		table := make([]unix.Statfs_t, size)
		n, err := unix.Getfsstat(table, unix.MNT_NOWAIT)
		if err != nil {
			return nil, err
		}
		if n == size {
			continue
		}
		list := make([]mountPoint, n)
		for i := range list {
			list[i] = mountPointOf(&table[i])
		}
		return list, nil
	}
}

func mountPointOf(st *unix.Statfs_t) mountPoint {
	return mountPoint{
		ID:   st.Fsid.Val,
		Type: unix.ByteSliceToString(st.Fstypename[:]),
		From: unix.ByteSliceToString(st.Mntfromname[:]),
		On:   unix.ByteSliceToString(st.Mntonname[:]),
	}
}

func (hostKernel) Unmount(id string, force bool) error {
	flags := unix.MNT_BYFSID
	if force {
		flags |= unix.MNT_FORCE
	}
	return unix.Unmount(id, flags)
}
