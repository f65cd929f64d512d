package doctor

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// mount is a mounted file system.
type mount struct {
	On, Type string
	ReadOnly bool
}

// volume is the file system of a path. Sizes are in bytes; Files is 0 where
// inodes are not counted.
type volume struct {
	Free, Size               uint64
	Files, FilesFree         uint64
	NoExec, NoSuid, ReadOnly bool
}

// parseMount reads a line of /proc/PID/mountinfo, proc_pid_mountinfo(5): after
// six fields, the fifth the mount point and the sixth its options, come any
// number of others, a hyphen, and the type.
func parseMount(line string) (mount, bool) {
	fields := strings.Fields(line)
	hyphen := slices.Index(fields, "-")
	if hyphen < 6 || hyphen+1 >= len(fields) {
		return mount{}, false
	}
	m := mount{On: unescape(fields[4]), Type: fields[hyphen+1]}
	m.ReadOnly = slices.Contains(strings.Split(fields[5], ","), "ro")
	if hyphen+3 < len(fields) {
		m.ReadOnly = m.ReadOnly || slices.Contains(strings.Split(fields[hyphen+3], ","), "ro")
	}
	return m, true
}

// unescape reads \040 and the like, by which blanks, newlines and backslashes
// are written there.
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

// below tells whether a path is dir or below it.
func below(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, string(filepath.Separator))+string(filepath.Separator))
}
