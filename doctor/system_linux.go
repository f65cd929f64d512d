package doctor

import (
	"bufio"
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

func readSysctl(string) (int, error) { return 0, errors.ErrUnsupported }

func statVolume(path string) (volume, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return volume{}, err
	}
	return volume{
		Free: st.Bavail * uint64(st.Bsize), Size: st.Blocks * uint64(st.Bsize),
		Files: st.Files, FilesFree: st.Ffree,
		NoExec: st.Flags&unix.ST_NOEXEC != 0, NoSuid: st.Flags&unix.ST_NOSUID != 0, ReadOnly: st.Flags&unix.ST_RDONLY != 0,
	}, nil
}

func listMounts() ([]mount, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all []mount
	for sc := bufio.NewScanner(f); sc.Scan(); {
		if m, ok := parseMount(sc.Text()); ok {
			all = append(all, m)
		}
	}
	return all, nil
}

func kernelRelease() string {
	text, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return strings.TrimSpace(string(text))
}
