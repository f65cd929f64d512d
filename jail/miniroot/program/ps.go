package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// process is what /proc says of a process (proc(5)).
type process struct {
	pid, ppid, pgid, sid, tty, threads int
	state, name, command               string
	uid                                int
	vsize, rss                         int64 // KiB
	ticks, start                       int64 // 1/100 s
}

// ticksPerSecond is USER_HZ, the unit of the times in /proc: 100 on every
// architecture of Linux but Alpha and IA-64.
const ticksPerSecond = 100

// psField is a column of ps.
type psField struct {
	name, title string
	left        bool
	value       func(p *proc, x *process) string
}

func psFields() []psField {
	num := strconv.Itoa
	user := func(_ *proc, x *process) string { return nameOr(accountNames("/etc/passwd"), x.uid) }
	cpu := func(_ *proc, x *process) string { return clock(x.ticks / ticksPerSecond) }
	return []psField{
		{"pid", "PID", false, func(_ *proc, x *process) string { return num(x.pid) }},
		{"ppid", "PPID", false, func(_ *proc, x *process) string { return num(x.ppid) }},
		{"pgid", "PGID", false, func(_ *proc, x *process) string { return num(x.pgid) }},
		{"sid", "SID", false, func(_ *proc, x *process) string { return num(x.sid) }},
		{"uid", "UID", false, func(_ *proc, x *process) string { return num(x.uid) }},
		{"user", "USER", true, user},
		{"tty", "TTY", true, func(_ *proc, x *process) string { return ttyName(x.tty) }},
		{"stat", "STAT", true, func(_ *proc, x *process) string { return x.state }},
		{"state", "S", true, func(_ *proc, x *process) string { return x.state }},
		{"time", "TIME", false, cpu},
		{"etime", "ELAPSED", false, func(_ *proc, x *process) string { return clock(elapsed(x)) }},
		{"vsz", "VSZ", false, func(_ *proc, x *process) string { return strconv.FormatInt(x.vsize, 10) }},
		{"rss", "RSS", false, func(_ *proc, x *process) string { return strconv.FormatInt(x.rss, 10) }},
		{"nlwp", "NLWP", false, func(_ *proc, x *process) string { return num(x.threads) }},
		{"comm", "COMMAND", true, func(_ *proc, x *process) string { return x.name }},
		{"args", "COMMAND", true, func(_ *proc, x *process) string { return x.command }},
	}
}

// psAliases are other names of columns.
var psAliases = map[string]string{"cmd": "args", "command": "args", "ucmd": "comm", "tt": "tty", "tname": "tty", "s": "state", "pgrp": "pgid", "euid": "uid", "euser": "user", "cputime": "time", "sess": "sid", "ruser": "user"}

func runPs(p *proc) int {
	all, columns := false, "pid,tty,time,comm=CMD"
	var only []string
	if len(p.args) > 0 && p.args[0] != "" && p.args[0][0] != '-' { // BSD: aux, ax
		letters := p.args[0]
		if strings.Trim(letters, "auxwfelj") != "" {
			p.badUsage("unknown option '%s'", letters)
		}
		all = strings.Contains(letters, "x") || strings.Contains(letters, "a")
		columns = "pid,tty,stat,time,args"
		if strings.Contains(letters, "u") {
			columns = "user,pid,vsz,rss,tty,stat,time,args"
		}
		p.args = p.args[1:]
	}
	o := p.options("eAaxfuo:p:wl", "pid=p", "format=o")
	all = all || o.has("eAax")
	if o.has("f") {
		columns = "user=UID,pid,ppid,tty,time,args=CMD"
	}
	if list := o.values('o'); list != nil {
		columns = strings.Join(list, ",")
	}
	if list := o.value('p', ""); list != "" {
		only = strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
	}
	list, err := processes()
	if p.fail("/proc", err) {
		return 1
	}
	self, sid := os.Getpid(), 0
	for _, x := range list {
		if x.pid == self {
			sid = x.sid
		}
	}
	list = slices.DeleteFunc(list, func(x *process) bool {
		if only != nil {
			return !slices.Contains(only, strconv.Itoa(x.pid))
		}
		return !all && x.sid != sid
	})
	p.psTable(columns, list)
	if only != nil && len(list) == 0 {
		return 1
	}
	return 0
}

// psTable prints the columns; "name=title" gives one another title.
func (p *proc) psTable(columns string, list []*process) {
	var fields []psField
	for _, column := range strings.FieldsFunc(columns, func(r rune) bool { return r == ',' || r == ' ' }) {
		name, title, titled := strings.Cut(column, "=")
		if alias, ok := psAliases[name]; ok {
			name = alias
		}
		i := slices.IndexFunc(psFields(), func(f psField) bool { return f.name == name })
		if i < 0 {
			p.fatal(1, "unknown column '%s'", column)
		}
		f := psFields()[i]
		if titled {
			f.title = title
		}
		fields = append(fields, f)
	}
	var titles []string
	for _, f := range fields {
		titles = append(titles, f.title)
	}
	rows := [][]string{titles}
	if strings.Join(titles, "") == "" {
		rows = nil
	}
	for _, x := range list {
		var row []string
		for _, f := range fields {
			row = append(row, f.value(p, x))
		}
		rows = append(rows, row)
	}
	width := make([]int, len(fields))
	for _, row := range rows {
		for i, cell := range row {
			width[i] = max(width[i], len(cell))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			switch {
			case fields[i].left && i == len(row)-1:
				line.WriteString(cell)
			case fields[i].left:
				fmt.Fprintf(&line, "%-*s ", width[i], cell)
			default:
				fmt.Fprintf(&line, "%*s ", width[i], cell)
			}
		}
		p.printf("%s\n", strings.TrimRight(line.String(), " "))
	}
}

// processes reads /proc, in the order of the numbers. A process that ended
// while it was read is left out.
func processes() ([]*process, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var list []*process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if x, ok := readProcess(pid); ok {
			list = append(list, x)
		}
	}
	slices.SortFunc(list, func(a, b *process) int { return a.pid - b.pid })
	return list, nil
}

func readProcess(pid int) (*process, bool) {
	dir := "/proc/" + strconv.Itoa(pid)
	text, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return nil, false
	}
	x, ok := parseStat(string(text))
	if !ok {
		return nil, false
	}
	x.pid = pid
	if st, err := os.Stat(dir); err == nil {
		x.uid = int(statOf(st).uid)
	}
	command, err := os.ReadFile(dir + "/cmdline")
	x.command = string(bytes.ReplaceAll(bytes.TrimRight(command, "\x00"), []byte{0}, []byte{' '}))
	if err != nil || x.command == "" { // a thread of the kernel, or a zombie
		x.command = "[" + x.name + "]"
	}
	return x, true
}

// parseStat reads /proc/PID/stat. The name is in parentheses and may hold
// spaces and parentheses itself.
func parseStat(text string) (*process, bool) {
	open, end := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return nil, false
	}
	f := strings.Fields(text[end+1:])
	if len(f) < 22 { // field 3, the state, is f[0]
		return nil, false
	}
	n := func(field int) int64 {
		v, _ := strconv.ParseInt(f[field-3], 10, 64) // the kernel writes numbers
		return v
	}
	return &process{
		name: text[open+1 : end], state: f[0],
		ppid: int(n(4)), pgid: int(n(5)), sid: int(n(6)), tty: int(n(7)), threads: int(n(20)),
		ticks: n(14) + n(15), start: n(22), vsize: n(23) / 1024, rss: n(24) * int64(os.Getpagesize()) / 1024,
	}, true
}

// ttyName decodes the device number of a terminal.
func ttyName(device int) string {
	maj, min := device>>8&0xfff, device&0xff|device>>12&0xfff00
	switch {
	case device == 0:
		return "?"
	case maj >= 136 && maj <= 143:
		return "pts/" + strconv.Itoa((maj-136)<<20+min)
	case maj == 4 && min < 64:
		return "tty" + strconv.Itoa(min)
	case maj == 4:
		return "ttyS" + strconv.Itoa(min-64)
	}
	return "?"
}

// elapsed is how long a process runs, in seconds.
func elapsed(x *process) int64 {
	text, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return 0
	}
	up, err := time.ParseDuration(strings.Fields(string(text) + " 0")[0] + "s")
	if err != nil {
		return 0
	}
	return max(0, int64(up/time.Second)-x.start/ticksPerSecond)
}

func clock(seconds int64) string {
	return fmt.Sprintf("%02d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
}
