package inventory

import "golang.org/x/sys/unix"

// look is fstat(2) with the number of the mount: bind mounts of one file system
// differ in nothing else. Kernels before 5.8 do not tell, and give the device.
func look(fd int) (stat, error) { return statx(fd, "", unix.AT_EMPTY_PATH) }

// lookAt is look for a name in a directory. Nothing is opened, no link is
// followed and nothing is mounted by it.
func lookAt(dir int, name string) (stat, error) {
	return statx(dir, name, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT)
}

func statx(dir int, name string, flags int) (stat, error) {
	var st unix.Statx_t
	const mask = unix.STATX_TYPE | unix.STATX_MODE | unix.STATX_NLINK | unix.STATX_INO | unix.STATX_SIZE | unix.STATX_MNT_ID
	if err := unix.Statx(dir, name, flags, mask, &st); err != nil {
		return stat{}, err
	}
	s := stat{mode: uint32(st.Mode), size: int64(st.Size), links: uint64(st.Nlink), dev: unix.Mkdev(st.Dev_major, st.Dev_minor), ino: st.Ino}
	s.mount = s.dev
	if st.Mask&unix.STATX_MNT_ID != 0 {
		s.mount = st.Mnt_id
	}
	return s, nil
}

// pseudo names the file system of an open directory when the kernel makes its
// files up: reading them may block, or mean something; "" for all others.
func pseudo(fd int) string {
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil {
		return ""
	}
	return pseudoTypes[uint32(st.Type)]
}

// pseudoTypes are values of f_type, from include/uapi/linux/magic.h and the
// file systems' sources (configfs, fusectl, mqueue).
var pseudoTypes = map[uint32]string{
	unix.PROC_SUPER_MAGIC: "proc", unix.SYSFS_MAGIC: "sysfs", unix.BINFMTFS_MAGIC: "binfmt_misc",
	unix.DEBUGFS_MAGIC: "debugfs", unix.TRACEFS_MAGIC: "tracefs", unix.SECURITYFS_MAGIC: "securityfs",
	unix.SELINUX_MAGIC: "selinuxfs", unix.SMACK_MAGIC: "smackfs", unix.CGROUP_SUPER_MAGIC: "cgroup",
	unix.CGROUP2_SUPER_MAGIC: "cgroup2", unix.RDTGROUP_SUPER_MAGIC: "resctrl", unix.BPF_FS_MAGIC: "bpf",
	unix.PSTOREFS_MAGIC: "pstore", unix.EFIVARFS_MAGIC: "efivarfs", unix.DEVPTS_SUPER_MAGIC: "devpts",
	unix.AUTOFS_SUPER_MAGIC: "autofs", unix.NSFS_MAGIC: "nsfs", unix.OPENPROM_SUPER_MAGIC: "openpromfs",
	unix.XENFS_SUPER_MAGIC: "xenfs", unix.HUGETLBFS_MAGIC: "hugetlbfs",
	0x62656570: "configfs", 0x65735543: "fusectl", 0x19800202: "mqueue",
}
