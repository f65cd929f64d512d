package doctor

import "golang.org/x/sys/unix"

func readSysctl(name string) (int, error) {
	n, err := unix.SysctlUint32(name)
	return int(int32(n)), err
}

func statVolume(path string) (volume, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return volume{}, err
	}
	return volume{
		Free: uint64(max(st.Bavail, 0)) * st.Bsize, Size: st.Blocks * st.Bsize,
		Files: st.Files, FilesFree: uint64(max(st.Ffree, 0)),
		NoExec: st.Flags&unix.MNT_NOEXEC != 0, NoSuid: st.Flags&unix.MNT_NOSUID != 0, ReadOnly: st.Flags&unix.MNT_RDONLY != 0,
	}, nil
}

// listMounts asks again when there are more than just before.
func listMounts() ([]mount, error) {
	for size := 64; ; size *= 2 {
		table := make([]unix.Statfs_t, size)
		n, err := unix.Getfsstat(table, unix.MNT_NOWAIT)
		if err != nil {
			return nil, err
		}
		if n == size {
			continue
		}
		var all []mount
		for _, st := range table[:n] {
			all = append(all, mount{
				On: unix.ByteSliceToString(st.Mntonname[:]), Type: unix.ByteSliceToString(st.Fstypename[:]),
				ReadOnly: st.Flags&unix.MNT_RDONLY != 0,
			})
		}
		return all, nil
	}
}

func kernelRelease() string {
	text, err := unix.Sysctl("kern.osrelease")
	if err != nil {
		return ""
	}
	return text
}
