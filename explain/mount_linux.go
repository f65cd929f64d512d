package explain

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// changed is the time of an inode's last change.
func changed(st *syscall.Stat_t) time.Time { return time.Unix(st.Ctim.Unix()) }

func mountOf(name string) Mount {
	var st unix.Statfs_t
	if err := unix.Statfs(name, &st); err != nil {
		return Mount{}
	}
	return mountFrom(&st, name)
}

func mountOfFile(f *os.File, name string) Mount {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &st); err != nil {
		return Mount{}
	}
	return mountFrom(&st, name)
}

// mountFrom looks for the mount point only where it will be told.
func mountFrom(st *unix.Statfs_t, name string) Mount {
	m := Mount{NoExec: st.Flags&unix.ST_NOEXEC != 0, NoSUID: st.Flags&unix.ST_NOSUID != 0}
	if m.NoExec || m.NoSUID {
		text, _ := os.ReadFile("/proc/self/mountinfo")
		m.Point = pointOf(string(text), name)
	}
	return m
}

// pointOf is the mount point that a path is below, by proc_pid_mountinfo(5): the
// longest one, and of equal ones the last, which covers the others.
func pointOf(mountinfo, name string) string {
	best := ""
	for line := range strings.Lines(mountinfo) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		point := unescape(fields[4])
		in := point == "/" || name == point || strings.HasPrefix(name, point+"/")
		if in && len(point) >= len(best) {
			best = point
		}
	}
	return best
}

// unescape replaces \040 and the like.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
