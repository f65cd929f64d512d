package jail

import (
	"bytes"
	"strconv"
	"strings"
	"time"
)

// procStat is what /proc/PID/stat of Linux says, proc_pid_stat(5).
type procStat struct {
	pid, parent int
	comm        string
	state       string
	cpu         time.Duration // user and system
	started     time.Duration // since the machine was started
	rss         int64         // pages
	threads     int
}

// clockTick is the unit of times in /proc/PID/stat: USER_HZ, which is 100 on every
// architecture that Go runs on.
const clockTick = time.Second / 100

// parseProcStat reads a line of /proc/PID/stat. The name may have any bytes in it,
// blanks and brackets too.
func parseProcStat(text []byte) (procStat, bool) {
	open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if open < 1 || end < open {
		return procStat{}, false
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text[:open])))
	rest := strings.Fields(string(text[end+1:]))
	if err != nil || len(rest) < 22 {
		return procStat{}, false
	}
	good := true
	number := func(field int) int64 {
		n, err := strconv.ParseInt(rest[field-3], 10, 64)
		good = good && err == nil
		return n
	}
	s := procStat{
		pid: pid, comm: string(text[open+1 : end]), state: rest[0], parent: int(number(4)),
		cpu: time.Duration(number(14)+number(15)) * clockTick, started: time.Duration(number(22)) * clockTick,
		threads: int(number(20)), rss: number(24),
	}
	return s, good
}

// parseNulls are the words of /proc/PID/cmdline, or of FreeBSD's kern.proc.args.
func parseNulls(text []byte) []string {
	text = bytes.TrimSuffix(text, []byte{0})
	if len(text) == 0 {
		return nil
	}
	return strings.Split(string(text), "\x00")
}

// parseStatus are the numbers of a process in all namespaces that it is in, the
// outermost first, of /proc/PID/status; and its effective user.
func parseStatus(text []byte) (nspid []int, uid uint32) {
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		fields := strings.Fields(value)
		switch name {
		case "NSpid":
			for _, f := range fields {
				n, err := strconv.Atoi(f)
				if err != nil {
					return nil, uid
				}
				nspid = append(nspid, n)
			}
		case "Uid":
			if len(fields) > 1 {
				n, _ := strconv.ParseUint(fields[1], 10, 32)
				uid = uint32(n)
			}
		}
	}
	return nspid, uid
}

// idRange is a line of /proc/PID/uid_map, user_namespaces(7).
type idRange struct{ inside, outside, count uint64 }

func parseIDMap(text []byte) []idRange {
	var list []idRange
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) != 3 {
			continue
		}
		a, err1 := strconv.ParseUint(f[0], 10, 32)
		b, err2 := strconv.ParseUint(f[1], 10, 32)
		n, err3 := strconv.ParseUint(f[2], 10, 33)
		if err1 == nil && err2 == nil && err3 == nil {
			list = append(list, idRange{a, b, n})
		}
	}
	return list
}

// idInside is what an id of this machine is in a jail; itself where nothing says.
func idInside(list []idRange, id uint32) uint32 {
	for _, m := range list {
		if n := uint64(id); n >= m.outside && n-m.outside < m.count {
			return uint32(n - m.outside + m.inside)
		}
	}
	return id
}

// descendants are the processes that descend from those given, without these.
func descendants(all map[int]procStat, roots map[int]bool) []int {
	children := map[int][]int{}
	for pid, s := range all {
		children[s.parent] = append(children[s.parent], pid)
	}
	var list, todo []int
	seen := map[int]bool{}
	for pid := range roots {
		todo, seen[pid] = append(todo, pid), true
	}
	for len(todo) > 0 {
		next := children[todo[0]]
		todo = todo[1:]
		for _, pid := range next {
			if !seen[pid] {
				seen[pid] = true
				list, todo = append(list, pid), append(todo, pid)
			}
		}
	}
	return list
}
