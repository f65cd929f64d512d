package main

import (
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"
)

func runDu(p *proc) int {
	o := p.options("ashkcd:xmbL", "all=a", "summarize=s", "human-readable=h", "total=c", "max-depth=d", "one-file-system=x", "bytes=b")
	depth := o.number('d', 1<<30)
	if o.has("s") {
		depth = 0
	}
	names := o.rest
	if len(names) == 0 {
		names = []string{"."}
	}
	total := int64(0)
	seen := map[inode]bool{}
	for _, name := range names {
		total += p.usage(o, name, 0, depth, seen)
	}
	if o.has("c") {
		p.printf("%s\ttotal\n", duSize(o, total))
	}
	return 0
}

// duSize is a count of bytes in the unit that was asked for.
func duSize(o options, bytes int64) string {
	switch o.last("hkmb") {
	case 'h':
		return human(bytes)
	case 'm':
		return strconv.FormatInt((bytes+1<<20-1)>>20, 10)
	case 'b':
		return strconv.FormatInt(bytes, 10)
	}
	return strconv.FormatInt((bytes+1023)/1024, 10)
}

// usage prints and returns the size of a tree; a file with several names counts once.
func (p *proc) usage(o options, name string, depth, most int, seen map[inode]bool) int64 {
	st, err := os.Lstat(p.path(name))
	if p.fail("cannot access '"+name+"'", err) {
		return 0
	}
	size := statOf(st).blocks * 512
	if o.has("b") {
		size = st.Size()
	}
	if id, several := inodeOf(st); several {
		if seen[id] {
			return 0
		}
		seen[id] = true
	}
	if st.IsDir() {
		entries, err := os.ReadDir(p.path(name))
		p.fail("cannot read directory '"+name+"'", err)
		for _, e := range entries {
			size += p.usage(o, strings.TrimRight(name, "/")+"/"+e.Name(), depth+1, most, seen)
		}
	}
	if depth == 0 || depth <= most && (st.IsDir() || o.has("a")) {
		p.printf("%s\t%s\n", duSize(o, size), name)
	}
	return size
}

func runDf(p *proc) int {
	o := p.options("hkPTia", "human-readable=h", "portability=P")
	mounts := mountTable()
	names := o.rest
	if len(names) == 0 {
		for _, m := range mounts {
			names = append(names, m.dir)
		}
	}
	rows := [][]string{{"Filesystem", "1K-blocks", "Used", "Available", "Use%", "Mounted on"}}
	if o.has("h") {
		rows[0][1], rows[0][3] = "Size", "Avail"
	}
	for _, name := range names {
		s, err := statfs(p.path(name))
		if p.fail(name, err) || len(o.rest) == 0 && s.total == 0 {
			continue
		}
		m := mountOf(mounts, p, name)
		used, percent := s.total-s.free, "-"
		if used+s.available > 0 {
			percent = strconv.FormatInt((used*100+used+s.available-1)/(used+s.available), 10) + "%"
		}
		size := func(n int64) string {
			if o.has("h") {
				return human(n)
			}
			return strconv.FormatInt(n/1024, 10)
		}
		rows = append(rows, []string{m.device, size(s.total), size(used), size(s.available), percent, m.dir})
	}
	if len(rows) == 1 {
		return 0
	}
	width := make([]int, 6)
	for _, row := range rows {
		for i, cell := range row {
			width[i] = max(width[i], len(cell))
		}
	}
	for _, r := range rows {
		p.printf("%-*s %*s %*s %*s %*s %s\n", width[0], r[0], width[1], r[1], width[2], r[2], width[3], r[3], width[4], r[4], r[5])
	}
	return 0
}

// mount is a line of /proc/self/mounts.
type mount struct{ device, dir string }

func mountTable() []mount {
	text, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return []mount{{"-", "/"}}
	}
	var all []mount
	for _, line := range strings.Split(string(text), "\n") {
		if f := strings.Fields(line); len(f) > 2 {
			all = append(all, mount{f[0], expandEscapes(f[1])}) // a space is \040
		}
	}
	return all
}

// mountOf is the last mount that a name is below of.
func mountOf(mounts []mount, p *proc, name string) mount {
	full, err := p.canonical(name, missingNone)
	best := mount{"-", "-"}
	for _, m := range mounts {
		if err == nil && (m.dir == "/" || full == m.dir || strings.HasPrefix(full, m.dir+"/")) && (len(m.dir) >= len(best.dir) || best.device == "-") {
			best = m
		}
	}
	return best
}

// space are the sizes of a file system, in bytes.
type space struct{ total, free, available int64 }

func runStat(p *proc) int {
	o := p.options("Lc:tf", "dereference=L", "format=c", "printf=f")
	users, groups := accountNames("/etc/passwd"), accountNames("/etc/group")
	const long = "  File: %N\n  Size: %-15s Blocks: %-10b IO Block: %-6o %F\nDevice: %Hd,%Ld\tInode: %-11i Links: %h\n" +
		"Access: (%04a/%A)  Uid: (%5u/%8U)   Gid: (%5g/%8G)\nAccess: %x\nModify: %y\nChange: %z"
	format := o.value('c', long)
	for _, name := range o.operands(1, -1) {
		stat := os.Lstat
		if o.has("L") {
			stat = os.Stat
		}
		st, err := stat(p.path(name))
		if p.fail("cannot statx '"+name+"'", err) {
			continue
		}
		p.printf("%s\n", p.statText(format, name, st, users, groups))
	}
	return 0
}

// statText fills in a format of stat(1): a % with an optional width, and one letter.
func (p *proc) statText(format, name string, st fs.FileInfo, users, groups map[int]string) string {
	s := statOf(st)
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		start := i + 1
		for i++; i < len(format)-1 && strings.IndexByte("-0123456789HL", format[i]) >= 0; i++ {
		}
		spec := strings.Trim(format[start:i], "HL")
		high := strings.Contains(format[start:i], "H")
		value := p.statField(format[i], name, st, s)
		switch format[i] {
		case 'U':
			value = nameOr(users, int(s.uid))
		case 'G':
			value = nameOr(groups, int(s.gid))
		case 'd':
			if strings.ContainsAny(format[start:i], "HL") {
				value = strconv.FormatUint(minor(s.dev), 10)
				if high {
					value = strconv.FormatUint(major(s.dev), 10)
				}
			}
		}
		if digits, ok := strings.CutPrefix(spec, "0"); ok { // %s of Go does not fill with zeros
			n, _ := strconv.Atoi(digits) // digits, as scanned
			value, spec = strings.Repeat("0", max(0, min(n, 64)-len(value)))+value, ""
		}
		if len(spec) > 4 {
			spec = ""
		}
		fmt.Fprintf(&b, "%"+spec+"s", value)
	}
	return b.String()
}

func (p *proc) statField(letter byte, name string, st fs.FileInfo, s stat) string {
	when := func(t time.Time) string { return t.Format("2006-01-02 15:04:05.000000000 -0700") }
	unsigned := func(n uint64) string { return strconv.FormatUint(n, 10) }
	switch letter {
	case '%':
		return "%"
	case 'a':
		return strconv.FormatUint(uint64(unixBits(st.Mode())), 8)
	case 'A':
		return modeString(st.Mode())
	case 'b':
		return strconv.FormatInt(s.blocks, 10)
	case 'B':
		return "512"
	case 'd':
		return unsigned(s.dev)
	case 'D':
		return strconv.FormatUint(s.dev, 16)
	case 'f':
		return strconv.FormatUint(uint64(unixBits(st.Mode())|typeBits(st.Mode())), 16)
	case 'F':
		return kindOf(st)
	case 'g':
		return unsigned(uint64(s.gid))
	case 'h':
		return unsigned(s.nlink)
	case 'i':
		return unsigned(s.ino)
	case 'n':
		return name
	case 'N':
		if target, err := os.Readlink(p.path(name)); err == nil && st.Mode()&fs.ModeSymlink != 0 {
			return "'" + name + "' -> '" + target + "'"
		}
		return "'" + name + "'"
	case 'o':
		return strconv.FormatInt(s.blockSize, 10)
	case 's':
		return strconv.FormatInt(st.Size(), 10)
	case 't':
		return strconv.FormatUint(major(s.rdev), 16)
	case 'T':
		return strconv.FormatUint(minor(s.rdev), 16)
	case 'u':
		return unsigned(uint64(s.uid))
	case 'x':
		return when(s.atime)
	case 'X':
		return strconv.FormatInt(s.atime.Unix(), 10)
	case 'y':
		return when(st.ModTime())
	case 'Y':
		return strconv.FormatInt(st.ModTime().Unix(), 10)
	case 'z':
		return when(s.ctime)
	case 'Z':
		return strconv.FormatInt(s.ctime.Unix(), 10)
	}
	return "?"
}

// typeBits are the bits of a mode that say the kind of file (inode(7)).
func typeBits(m fs.FileMode) uint32 {
	switch m.Type() {
	case fs.ModeDir:
		return 0o040000
	case fs.ModeSymlink:
		return 0o120000
	case fs.ModeNamedPipe:
		return 0o010000
	case fs.ModeSocket:
		return 0o140000
	case fs.ModeDevice:
		return 0o060000
	case fs.ModeDevice | fs.ModeCharDevice:
		return 0o020000
	}
	return 0o100000
}

func kindOf(st fs.FileInfo) string {
	switch st.Mode().Type() {
	case fs.ModeDir:
		return "directory"
	case fs.ModeSymlink:
		return "symbolic link"
	case fs.ModeNamedPipe:
		return "fifo"
	case fs.ModeSocket:
		return "socket"
	case fs.ModeDevice:
		return "block special file"
	case fs.ModeDevice | fs.ModeCharDevice:
		return "character special file"
	}
	if st.Size() == 0 {
		return "regular empty file"
	}
	return "regular file"
}

// runUlimit shows and sets limits of resources (ulimit of the shell).
func runUlimit(p *proc) int {
	letters := ""
	for _, l := range limits {
		letters += string(l.letter)
	}
	o := p.options("HSa" + letters)
	letter := o.last(letters)
	if letter == 0 {
		letter = 'f'
	}
	o.operands(0, 1)
	for _, l := range limits {
		switch {
		case o.has("a"):
			p.printf("%-28s (-%c) %s\n", l.name, l.letter, p.limit(l, o.has("H")))
		case l.letter != letter:
		case len(o.rest) == 0:
			p.printf("%s\n", p.limit(l, o.has("H")))
		default:
			p.fail("cannot modify limit", p.setLimit(l, o))
		}
	}
	return 0
}

func (p *proc) limit(l limit, hard bool) string {
	soft, top, err := getLimit(l.resource)
	p.fail(l.name, err)
	if hard {
		soft = top
	}
	if soft == unlimited {
		return "unlimited"
	}
	return strconv.FormatUint(soft/l.unit, 10)
}

func (p *proc) setLimit(l limit, o options) error {
	soft, hard, err := getLimit(l.resource)
	if err != nil {
		return err
	}
	value := unlimited
	switch text := o.rest[0]; text {
	case "unlimited":
	case "hard":
		value = hard
	case "soft":
		value = soft
	default:
		n, err := strconv.ParseUint(text, 10, 40)
		if err != nil {
			p.fatal(1, "%s: invalid number", text)
		}
		value = n * l.unit
	}
	if o.has("S") || !o.has("H") {
		soft = value
	}
	if o.has("H") || !o.has("S") {
		hard = value
	}
	return setLimit(l.resource, soft, hard)
}
