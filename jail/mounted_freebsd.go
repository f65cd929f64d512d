package jail

import (
	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/jail/extract"
)

func (hostKernel) Covering(fd int) (mountPoint, error) {
	var st unix.Statfs_t
	err := unix.Fstatfs(fd, &st)
	return mountPointOf(&st), err
}

func (hostKernel) Mounts() ([]mountPoint, error) {
	table, err := extract.MountTable()
	list := make([]mountPoint, len(table))
	for i := range table {
		list[i] = mountPointOf(&table[i])
	}
	return list, err
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
