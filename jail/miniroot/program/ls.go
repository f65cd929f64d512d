package main

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// lister is one run of ls.
type lister struct {
	p             *proc
	o             options
	users, groups map[int]string
	now           time.Time
	printed       bool // something stands above
}

// file is one line of a listing.
type file struct {
	name   string // as shown
	path   string // as opened
	st     fs.FileInfo
	s      stat
	target string
}

func runLs(p *proc) int {
	l := &lister{p: p, o: p.options("aAl1dRhinFprtSsLHkCcuUgoGqQxX",
		"all=a", "almost-all=A", "directory=d", "recursive=R", "human-readable=h", "inode=i",
		"numeric-uid-gid=n", "classify=F", "reverse=r", "size=s", "dereference=L", "color=U"), now: time.Now()}
	if l.o.has("lgo") {
		l.users, l.groups = accountNames("/etc/passwd"), accountNames("/etc/group")
	}
	names := l.o.rest
	if len(names) == 0 {
		names = []string{"."}
	}
	var files, dirs []file
	for _, name := range names {
		f, err := l.look(name, name, !l.o.has("ldF") || l.o.has("LH"))
		if err != nil {
			p.fail("cannot access "+name, err)
			l.p.failed = true
			continue
		}
		if f.st.IsDir() && !l.o.has("d") {
			dirs = append(dirs, f)
		} else {
			files = append(files, f)
		}
	}
	l.sort(files)
	l.sort(dirs)
	l.show(files, false)
	for _, d := range dirs {
		l.dir(d, len(names) > 1 || l.o.has("R"))
	}
	if p.failed {
		return 2
	}
	return 0
}

// look stats a name. Without -L a dangling link is shown as the link that it is.
func (l *lister) look(name, path string, follow bool) (file, error) {
	full := l.p.path(path)
	st, err := os.Lstat(full)
	if err != nil {
		return file{}, err
	}
	f := file{name: name, path: path, st: st}
	if st.Mode()&fs.ModeSymlink != 0 {
		if to, err := os.Stat(full); follow && err == nil {
			f.st = to
		} else if err != nil && l.o.has("L") {
			return file{}, err
		} else {
			f.target, _ = os.Readlink(full) // shown as far as it is known
		}
	}
	f.s = statOf(f.st)
	return f, nil
}

func (l *lister) dir(d file, heading bool) {
	entries, err := os.ReadDir(l.p.path(d.path))
	if l.p.fail("cannot open directory "+d.path, err) {
		return
	}
	if l.printed {
		l.p.printf("\n")
	}
	if heading {
		l.p.printf("%s:\n", d.path)
		l.printed = true
	}
	var names []string
	if l.o.has("a") {
		names = append(names, ".", "..")
	}
	for _, e := range entries {
		if e.Name()[0] != '.' || l.o.has("aA") {
			names = append(names, e.Name())
		}
	}
	var files []file
	for _, name := range names {
		f, err := l.look(name, strings.TrimRight(d.path, "/")+"/"+name, l.o.has("L"))
		if !l.p.fail("cannot access "+name, err) {
			files = append(files, f)
		}
	}
	l.sort(files)
	l.show(files, true)
	if !l.o.has("R") {
		return
	}
	for _, f := range files {
		if f.st.IsDir() && f.name != "." && f.name != ".." {
			l.dir(f, true)
		}
	}
}

func (l *lister) sort(files []file) {
	if l.o.has("U") && !l.o.has("tS") {
		return
	}
	slices.SortStableFunc(files, func(a, b file) int {
		order := 0
		switch l.o.last("tS") {
		case 't':
			order = l.time(b).Compare(l.time(a))
		case 'S':
			order = cmp.Compare(b.st.Size(), a.st.Size())
		}
		if order == 0 {
			order = strings.Compare(a.name, b.name)
		}
		if l.o.has("r") {
			order = -order
		}
		return order
	})
}

func (l *lister) time(f file) time.Time {
	switch l.o.last("cu") {
	case 'c':
		return f.s.ctime
	case 'u':
		return f.s.atime
	}
	return f.st.ModTime()
}

// show prints files, one a line.
func (l *lister) show(files []file, total bool) {
	long := l.o.has("lngo")
	if total && (long || l.o.has("s")) {
		blocks := int64(0)
		for _, f := range files {
			blocks += f.s.blocks
		}
		l.p.printf("total %s\n", l.blocks(blocks))
	}
	var rows [][]string
	for _, f := range files {
		rows = append(rows, l.row(f, long))
	}
	var width []int
	for _, row := range rows {
		for i, cell := range row[:len(row)-1] {
			if i == len(width) {
				width = append(width, 0)
			}
			width[i] = max(width[i], len(cell))
		}
	}
	for _, row := range rows {
		for i, cell := range row[:len(row)-1] {
			l.p.out.WriteString(pad(cell, width[i], !strings.HasPrefix(cell, leftMark)) + " ")
		}
		l.p.out.WriteString(row[len(row)-1] + "\n")
		l.printed = true
	}
}

// leftMark begins a cell that is filled up at its right.
const leftMark = "\x00"

func pad(cell string, width int, right bool) string {
	if right {
		return fmt.Sprintf("%*s", width, cell)
	}
	return fmt.Sprintf("%-*s", width-len(leftMark), cell[len(leftMark):])
}

func (l *lister) row(f file, long bool) []string {
	var row []string
	if l.o.has("i") {
		row = append(row, strconv.FormatUint(f.s.ino, 10))
	}
	if l.o.has("s") {
		row = append(row, l.blocks(f.s.blocks))
	}
	name := f.name + l.indicator(f)
	if !long {
		return append(row, name)
	}
	if f.target != "" {
		name = f.name + " -> " + f.target
	}
	user, group := nameOr(l.users, int(f.s.uid)), nameOr(l.groups, int(f.s.gid))
	if l.o.has("n") {
		user, group = strconv.Itoa(int(f.s.uid)), strconv.Itoa(int(f.s.gid))
	}
	row = append(row, leftMark+modeString(f.st.Mode()), strconv.FormatUint(f.s.nlink, 10))
	if !l.o.has("g") {
		row = append(row, leftMark+user)
	}
	if !l.o.has("oG") {
		row = append(row, leftMark+group)
	}
	return append(row, l.size(f), l.date(f), name)
}

func (l *lister) blocks(n int64) string {
	if l.o.has("h") {
		return human(n * 512)
	}
	return strconv.FormatInt((n+1)/2, 10)
}

func (l *lister) size(f file) string {
	switch {
	case f.st.Mode()&fs.ModeDevice != 0:
		return fmt.Sprintf("%d, %d", major(f.s.rdev), minor(f.s.rdev))
	case l.o.has("h"):
		return human(f.st.Size())
	}
	return strconv.FormatInt(f.st.Size(), 10)
}

// date is POSIX's: the year in place of the time when the file is more than
// six months old, or of the future.
func (l *lister) date(f file) string {
	t := l.time(f)
	const halfYear = 31556952 * time.Second / 2
	if age := l.now.Sub(t); age > halfYear || age < 0 {
		return t.Format("Jan _2  2006")
	}
	return t.Format("Jan _2 15:04")
}

// indicator is what -F and -p put after a name.
func (l *lister) indicator(f file) string {
	mode := f.st.Mode()
	switch {
	case mode.IsDir() && l.o.has("Fp"):
		return "/"
	case !l.o.has("F"):
	case mode&fs.ModeSymlink != 0 && !l.o.has("l"):
		return "@"
	case mode&fs.ModeNamedPipe != 0:
		return "|"
	case mode&fs.ModeSocket != 0:
		return "="
	case mode.IsRegular() && mode&0o111 != 0:
		return "*"
	}
	return ""
}

// modeString is the ten characters of ls -l.
func modeString(m fs.FileMode) string {
	text := []byte("-rwxrwxrwx")
	for i := range 9 {
		if m&(1<<(8-i)) == 0 {
			text[i+1] = '-'
		}
	}
	switch m.Type() {
	case fs.ModeDir:
		text[0] = 'd'
	case fs.ModeSymlink:
		text[0] = 'l'
	case fs.ModeNamedPipe:
		text[0] = 'p'
	case fs.ModeSocket:
		text[0] = 's'
	case fs.ModeDevice | fs.ModeCharDevice:
		text[0] = 'c'
	case fs.ModeDevice:
		text[0] = 'b'
	}
	special := func(at int, bit fs.FileMode, with, without byte) {
		if m&bit == 0 {
			return
		}
		if text[at] == 'x' {
			text[at] = with
		} else {
			text[at] = without
		}
	}
	special(3, fs.ModeSetuid, 's', 'S')
	special(6, fs.ModeSetgid, 's', 'S')
	special(9, fs.ModeSticky, 't', 'T')
	return string(text)
}

// human is a size as ls -h has it: rounded up, one digit after the point below 10.
func human(n int64) string {
	if n < 1024 {
		return strconv.FormatInt(n, 10)
	}
	f := float64(n)
	for _, unit := range "KMGTPE" {
		f /= 1024
		switch {
		case f < 9.95:
			return fmt.Sprintf("%.1f%c", ceil(f*10)/10, unit)
		case f < 1023.5 || unit == 'E':
			return fmt.Sprintf("%.0f%c", ceil(f), unit)
		}
	}
	return strconv.FormatInt(n, 10)
}

func ceil(f float64) float64 {
	whole := float64(int64(f))
	if f > whole {
		return whole + 1
	}
	return whole
}

// major and minor are Linux's encoding of device numbers (glibc's <sys/sysmacros.h>).
func major(dev uint64) uint64 { return dev>>8&0xfff | dev>>32&^0xfff }

func minor(dev uint64) uint64 { return dev&0xff | dev>>12&^0xff }
