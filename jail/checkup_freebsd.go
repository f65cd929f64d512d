package jail

import "golang.org/x/sys/unix"

// kernelRuns is for Linux's options.
func kernelRuns(string) (has, known bool) { return false, false }

// noexec is the mount point of the file system that a file is on, when it is
// mounted noexec, else "".
func noexec(path string) string {
	var st unix.Statfs_t
	if unix.Statfs(path, &st) != nil || st.Flags&unix.MNT_NOEXEC == 0 {
		return ""
	}
	return unix.ByteSliceToString(st.Mntonname[:])
}
