package main

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"
	"time"

	"mvdan.cc/sh/v3/pattern"
)

// found is a file that find looks at.
type found struct {
	name  string // as printed
	st    fs.FileInfo
	depth int
}

// test is a node of find's expression.
type test func(f *found) bool

// finder is one run of find.
type finder struct {
	p        *proc
	args     []string
	follow   bool
	depth    bool
	xdev     bool
	min, max int
	acts     bool // an action other than -prune was given
	prune    bool // of the file at hand
	stop     bool // -quit
	now      time.Time
	batches  []*batch
}

// batch collects the files of an -exec ... {} +.
type batch struct {
	command []string
	files   []string
	size    int
	failed  bool
}

func runFind(p *proc) int {
	f := &finder{p: p, args: p.args, max: 1 << 30, now: time.Now()}
	for len(f.args) > 0 && (f.args[0] == "-H" || f.args[0] == "-L" || f.args[0] == "-P") {
		f.follow = f.args[0] == "-L"
		f.args = f.args[1:]
	}
	var roots []string
	for len(f.args) > 0 && !startsExpression(f.args[0]) {
		roots = append(roots, f.args[0])
		f.args = f.args[1:]
	}
	if len(roots) == 0 {
		roots = []string{"."}
	}
	expression := test(func(*found) bool { return true })
	if len(f.args) > 0 {
		expression = f.or()
		if len(f.args) > 0 {
			p.fatal(1, "unexpected argument '%s'", f.args[0])
		}
	}
	if !f.acts {
		inner := expression
		expression = func(x *found) bool {
			if inner(x) {
				p.printf("%s\n", x.name)
			}
			return true
		}
	}
	for _, root := range roots {
		st, err := f.stat(root)
		if !p.fail(root, err) {
			f.walk(&found{root, st, 0}, expression, nil)
		}
	}
	for _, b := range f.batches {
		f.runBatch(b)
		p.failed = p.failed || b.failed
	}
	return 0
}

func startsExpression(arg string) bool {
	return len(arg) > 1 && arg[0] == '-' || arg == "(" || arg == "!" || arg == ")"
}

func (f *finder) stat(name string) (fs.FileInfo, error) {
	if f.follow {
		if st, err := os.Stat(f.p.path(name)); err == nil {
			return st, nil
		}
	}
	return os.Lstat(f.p.path(name))
}

// walk visits a file and what is below it. above are the directories that it
// is in: with -L a link can lead back to one.
func (f *finder) walk(x *found, expression test, above []fs.FileInfo) {
	if f.stop || f.p.ctx.Err() != nil {
		return
	}
	f.prune = false
	visit := func() {
		if x.depth >= f.min {
			expression(x)
		}
	}
	if !f.depth {
		visit()
	}
	if x.st.IsDir() && !f.prune && x.depth < f.max && !f.stop && f.enters(x, above) {
		entries, err := os.ReadDir(f.p.path(x.name))
		f.p.fail(x.name, err)
		for _, e := range entries {
			name := x.name + "/" + e.Name()
			if strings.HasSuffix(x.name, "/") {
				name = x.name + e.Name()
			}
			st, err := f.stat(name)
			if f.p.fail(name, err) {
				continue
			}
			f.walk(&found{name, st, x.depth + 1}, expression, append(above, x.st))
		}
	}
	if f.depth && !f.stop {
		visit()
	}
}

func (f *finder) enters(x *found, above []fs.FileInfo) bool {
	for _, dir := range above {
		if os.SameFile(dir, x.st) {
			f.p.warn("file system loop: %s", x.name)
			return false
		}
	}
	return !f.xdev || len(above) == 0 || statOf(above[0]).dev == statOf(x.st).dev
}

func (f *finder) peek() string {
	if len(f.args) == 0 {
		return ""
	}
	return f.args[0]
}

func (f *finder) take(of string) string {
	if len(f.args) == 0 {
		f.p.fatal(1, "missing argument to '%s'", of)
	}
	arg := f.args[0]
	f.args = f.args[1:]
	return arg
}

func (f *finder) or() test {
	left := f.and()
	for f.peek() == "-o" || f.peek() == "-or" {
		f.take("")
		a, b := left, f.and()
		left = func(x *found) bool { return a(x) || b(x) }
	}
	return left
}

func (f *finder) and() test {
	left := f.not()
	for {
		switch f.peek() {
		case "-a", "-and":
			f.take("")
		case "", "-o", "-or", ")":
			return left
		}
		a, b := left, f.not()
		left = func(x *found) bool { return a(x) && b(x) }
	}
}

func (f *finder) not() test {
	switch f.peek() {
	case "!", "-not":
		f.take("")
		inner := f.not()
		return func(x *found) bool { return !inner(x) }
	case "(":
		f.take("")
		inner := f.or()
		if f.take("(") != ")" {
			f.p.fatal(1, "missing ')'")
		}
		return inner
	}
	return f.primary(f.take("expression"))
}

// primary parses a test, an option or an action.
func (f *finder) primary(name string) test {
	always := func(*found) bool { return true }
	switch name {
	case "-true":
		return always
	case "-false":
		return func(*found) bool { return false }
	case "-maxdepth", "-mindepth":
		n, err := strconv.Atoi(f.take(name))
		if err != nil || n < 0 {
			f.p.fatal(1, "%s: expected a positive number", name)
		}
		if name == "-maxdepth" {
			f.max = n
		} else {
			f.min = n
		}
		return always
	case "-depth", "-d":
		f.depth = true
		return always
	case "-xdev", "-mount":
		f.xdev = true
		return always
	case "-follow":
		f.follow = true
		return always
	case "-name", "-iname", "-path", "-ipath", "-wholename", "-lname":
		return f.glob(name, f.take(name))
	case "-regex":
		re, err := compile("^("+f.take(name)+")$", extended, false)
		if err != nil {
			f.p.fatal(1, "%v", err)
		}
		return func(x *found) bool { return re.MatchString(x.name) }
	case "-type":
		return f.types(f.take(name))
	case "-empty":
		return f.empty
	}
	if t := f.property(name); t != nil {
		return t
	}
	return f.action(name)
}

func (f *finder) glob(name, text string) test {
	mode := pattern.Mode(0)
	if strings.HasPrefix(name, "-i") {
		mode = pattern.NoGlobCase
	}
	match, err := matcher(text, mode)
	if err != nil {
		return func(x *found) bool { return path.Base(x.name) == text }
	}
	switch strings.TrimPrefix(strings.TrimPrefix(name, "-"), "i") {
	case "name":
		return func(x *found) bool { return match(path.Base(x.name)) }
	case "lname":
		return func(x *found) bool {
			target, err := os.Readlink(f.p.path(x.name))
			return err == nil && match(target)
		}
	}
	return func(x *found) bool { return match(x.name) }
}

func (f *finder) types(letters string) test {
	modes := map[string]fs.FileMode{
		"f": 0, "d": fs.ModeDir, "l": fs.ModeSymlink, "p": fs.ModeNamedPipe, "s": fs.ModeSocket,
		"b": fs.ModeDevice, "c": fs.ModeDevice | fs.ModeCharDevice,
	}
	var wanted []fs.FileMode
	for _, letter := range strings.Split(letters, ",") {
		mode, ok := modes[letter]
		if !ok {
			f.p.fatal(1, "unknown argument to -type: %s", letter)
		}
		wanted = append(wanted, mode)
	}
	return func(x *found) bool {
		for _, mode := range wanted {
			if x.st.Mode().Type() == mode {
				return true
			}
		}
		return false
	}
}

func (f *finder) empty(x *found) bool {
	switch {
	case x.st.Mode().IsRegular():
		return x.st.Size() == 0
	case x.st.IsDir():
		entries, err := os.ReadDir(f.p.path(x.name))
		return err == nil && len(entries) == 0
	}
	return false
}

// count parses +N, N and -N and compares with it.
func (f *finder) count(of, text string) func(int64) bool {
	digits := strings.TrimLeft(text, "+-")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || len(text)-len(digits) > 1 {
		f.p.fatal(1, "invalid argument '%s' to '%s'", text, of)
	}
	switch text[0] {
	case '+':
		return func(v int64) bool { return v > n }
	case '-':
		return func(v int64) bool { return v < n }
	}
	return func(v int64) bool { return v == n }
}

// property is a test of what stat says; nil when the name is none.
func (f *finder) property(name string) test {
	switch name {
	case "-size":
		return f.size(f.take(name))
	case "-mtime", "-atime", "-ctime", "-mmin", "-amin", "-cmin":
		unit := 24 * time.Hour
		if strings.HasSuffix(name, "min") {
			unit = time.Minute
		}
		is := f.count(name, f.take(name))
		return func(x *found) bool { return is(int64(f.now.Sub(timeOf(name[1], x.st)) / unit)) }
	case "-newer", "-anewer", "-cnewer":
		reference := f.take(name)
		st, err := os.Stat(f.p.path(reference))
		if err != nil {
			f.p.fatal(1, "%s: %s", reference, reason(err))
		}
		which := name[1]
		if which == 'n' {
			which = 'm'
		}
		return func(x *found) bool { return timeOf(which, x.st).After(st.ModTime()) }
	case "-perm":
		return f.perm(f.take(name))
	case "-links":
		is := f.count(name, f.take(name))
		return func(x *found) bool { return is(int64(statOf(x.st).nlink)) } //nolint:gosec // a count
	case "-inum":
		is := f.count(name, f.take(name))
		return func(x *found) bool { return is(int64(statOf(x.st).ino)) } //nolint:gosec // compared only
	case "-user", "-uid":
		a := f.account("/etc/passwd", f.take(name))
		return func(x *found) bool { return int(statOf(x.st).uid) == a }
	case "-group", "-gid":
		a := f.account("/etc/group", f.take(name))
		return func(x *found) bool { return int(statOf(x.st).gid) == a }
	case "-nouser", "-nogroup":
		names := accountNames(map[string]string{"-nouser": "/etc/passwd", "-nogroup": "/etc/group"}[name])
		return func(x *found) bool {
			id := int(statOf(x.st).uid)
			if name == "-nogroup" {
				id = int(statOf(x.st).gid)
			}
			_, ok := names[id]
			return !ok
		}
	case "-readable", "-writable", "-executable":
		mode := map[string]uint32{"-readable": 4, "-writable": 2, "-executable": 1}[name]
		return func(x *found) bool { return syscall.Access(f.p.path(x.name), mode) == nil }
	}
	return nil
}

func (f *finder) account(file, name string) int {
	a, ok := findAccount(file, name)
	if !ok {
		f.p.fatal(1, "'%s' is not the name of a known user or group", name)
	}
	return a.id
}

func timeOf(which byte, st fs.FileInfo) time.Time {
	switch which {
	case 'a':
		return statOf(st).atime
	case 'c':
		return statOf(st).ctime
	}
	return st.ModTime()
}

// size is in blocks of 512 bytes, rounded up, or in the unit of its suffix.
func (f *finder) size(text string) test {
	unit := int64(512)
	if text != "" {
		if i := strings.IndexByte("bcwkMG", text[len(text)-1]); i >= 0 {
			unit = []int64{512, 1, 2, 1 << 10, 1 << 20, 1 << 30}[i]
			text = text[:len(text)-1]
		}
	}
	is := f.count("-size", text)
	return func(x *found) bool { return is((x.st.Size() + unit - 1) / unit) }
}

// perm is an exact mode, -all of these bits, or /any of them.
func (f *finder) perm(text string) test {
	kind := byte(0)
	if text != "" && (text[0] == '-' || text[0] == '/') {
		kind, text = text[0], text[1:]
	}
	mode, err := changeMode(text, 0, 0)
	if err != nil {
		f.p.fatal(1, "invalid mode '%s'", text)
	}
	want := unixBits(mode)
	return func(x *found) bool {
		bits := unixBits(x.st.Mode())
		switch kind {
		case '-':
			return bits&want == want
		case '/':
			return want == 0 || bits&want != 0
		}
		return bits == want
	}
}

// action parses what is done with a file.
func (f *finder) action(name string) test {
	p := f.p
	if name == "-prune" {
		return func(x *found) bool { f.prune = x.st.IsDir(); return true }
	}
	f.acts = true
	switch name {
	case "-print":
		return func(x *found) bool { p.printf("%s\n", x.name); return true }
	case "-print0":
		return func(x *found) bool { p.printf("%s\x00", x.name); return true }
	case "-printf":
		format := f.take(name)
		return func(x *found) bool { f.printf(format, x); return true }
	case "-ls":
		users, groups := accountNames("/etc/passwd"), accountNames("/etc/group")
		return func(x *found) bool {
			s := statOf(x.st)
			p.printf("%9d %6d %s %3d %-8s %-8s %8d %s %s\n", s.ino, (s.blocks+1)/2, modeString(x.st.Mode()), s.nlink,
				nameOr(users, int(s.uid)), nameOr(groups, int(s.gid)), x.st.Size(), x.st.ModTime().Format("Jan _2 15:04"), x.name)
			return true
		}
	case "-quit":
		return func(*found) bool { f.stop = true; return true }
	case "-delete":
		f.depth = true
		return f.remove
	case "-exec", "-execdir", "-ok":
		return f.exec(name)
	}
	p.fatal(1, "unknown predicate '%s'", name)
	return nil
}

func (f *finder) remove(x *found) bool {
	if x.name == "." {
		return true
	}
	var err error
	if x.st.IsDir() {
		err = syscall.Rmdir(f.p.path(x.name))
	} else {
		err = syscall.Unlink(f.p.path(x.name))
	}
	return !f.p.fail("cannot delete '"+x.name+"'", err)
}

func (f *finder) exec(name string) test {
	var command []string
	for {
		arg := f.take(name)
		if arg == ";" {
			break
		}
		if arg == "+" && len(command) > 0 && command[len(command)-1] == "{}" {
			b := &batch{command: command[:len(command)-1]}
			f.batches = append(f.batches, b)
			return func(x *found) bool {
				if b.size += len(x.name) + 1; b.size > 100<<10 {
					f.runBatch(b)
				}
				b.files = append(b.files, x.name)
				return true
			}
		}
		command = append(command, arg)
	}
	if len(command) == 0 {
		f.p.fatal(1, "%s: no command", name)
	}
	return func(x *found) bool {
		argv := make([]string, len(command))
		for i, arg := range command {
			argv[i] = strings.ReplaceAll(arg, "{}", x.name)
		}
		if name == "-ok" && !f.p.ask("%s", strings.Join(argv, " ")) {
			return false
		}
		return f.p.run(argv, f.p.stdin) == 0
	}
}

func (f *finder) runBatch(b *batch) {
	if len(b.files) == 0 {
		return
	}
	argv := append(append([]string{}, b.command...), b.files...)
	b.failed = f.p.run(argv, f.p.stdin) != 0 || b.failed
	b.files, b.size = nil, 0
}

// printf knows the directives of GNU find that scripts use.
func (f *finder) printf(format string, x *found) {
	s := statOf(x.st)
	text := expandEscapes(format)
	for text != "" {
		before, after, ok := strings.Cut(text, "%")
		f.p.out.WriteString(before)
		if !ok || after == "" {
			return
		}
		text = after[1:]
		switch after[0] {
		case 'p':
			f.p.out.WriteString(x.name)
		case 'f':
			f.p.out.WriteString(path.Base(x.name))
		case 'h':
			f.p.out.WriteString(dirname(x.name))
		case 'P':
			parts := strings.Split(x.name, "/")
			f.p.out.WriteString(strings.Join(parts[max(0, len(parts)-x.depth):], "/"))
		case 's':
			f.p.printf("%d", x.st.Size())
		case 'm':
			f.p.printf("%o", unixBits(x.st.Mode()))
		case 'M':
			f.p.out.WriteString(modeString(x.st.Mode()))
		case 'y':
			f.p.out.WriteString(strings.Replace(modeString(x.st.Mode())[:1], "-", "f", 1))
		case 'd':
			f.p.printf("%d", x.depth)
		case 'i':
			f.p.printf("%d", s.ino)
		case 'n':
			f.p.printf("%d", s.nlink)
		case 'U':
			f.p.printf("%d", s.uid)
		case 'G':
			f.p.printf("%d", s.gid)
		case 'u':
			f.p.out.WriteString(nameOr(accountNames("/etc/passwd"), int(s.uid)))
		case 'g':
			f.p.out.WriteString(nameOr(accountNames("/etc/group"), int(s.gid)))
		case 'l':
			target, err := os.Readlink(f.p.path(x.name))
			if err == nil {
				f.p.out.WriteString(target)
			}
		case 'T':
			if strings.HasPrefix(text, "@") {
				text = text[1:]
				f.p.printf("%d.%09d0", x.st.ModTime().Unix(), x.st.ModTime().Nanosecond())
			}
		case '%':
			f.p.out.WriteString("%")
		default:
			fmt.Fprintf(f.p.out, "%%%c", after[0])
		}
	}
}
