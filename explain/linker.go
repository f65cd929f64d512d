package explain

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// linker is a dynamic linker at its work: it finds what a program needs, and
// what that needs, breadth first.
type linker struct {
	e        *explainer
	libc     libc
	prefix   string // QEMU's, in which it looks first; "" for none
	native   bool   // the kernel maps its libraries, and refuses those on noexec mounts
	program  *object
	defaults []string
	cache    map[string][]string // nil: there is none
	loaded   map[string]*object  // by the name that was asked for
	order    []*object
}

// librariesMax bounds the libraries of one program.
const librariesMax = 2000

// loads follows the dynamic linker of f, whose name is in PT_INTERP and which
// was opened already; prefix is where an emulator looks first. It is nil when
// all libraries are found.
func (e *explainer) loads(f *elfFile, prefix string, native bool) *Verdict {
	s, ok := f.find(ptInterp)
	if !ok {
		return nil
	}
	interp := cString(f.at(s.off, min(s.fileSize, pathMax)))
	l := &linker{e: e, prefix: prefix, native: native, loaded: map[string]*object{}}
	g := l.openELF(interp)
	l.libc = libcOfFile(interp, g)
	l.prepare(f, g, interp)
	l.program = readObject(f, f.img.place.path, nil)
	l.order = []*object{l.program}
	// The linker is loaded already, under its own name.
	if g != nil {
		o := readObject(g, interp, nil)
		l.loaded[path.Base(interp)] = o
		if o.soname != "" {
			l.loaded[o.soname] = o
		}
	}
	for i := 0; i < len(l.order) && i < librariesMax; i++ {
		for _, name := range l.order[i].needed {
			if v := l.need(l.order[i], name); v != nil {
				return v
			}
		}
	}
	if v := l.versions(); v != nil {
		return v
	}
	if n := len(l.order) - 1; n > 0 {
		var paths []string
		for _, o := range l.order[1:] {
			paths = append(paths, o.path)
		}
		e.step(OK, fmt.Sprintf("all libraries of %s are there: %d", f.img.shown(), n), strings.Join(paths[:min(n, 6)], " "))
	}
	return nil
}

// prepare finds out where the linker looks.
func (l *linker) prepare(f, g *elfFile, interp string) {
	switch l.libc {
	case musl:
		l.defaults = []string{"/lib", "/usr/local/lib", "/usr/lib"}
		if text := l.read(l.muslPathFile(g, interp)); text != nil {
			l.defaults = splitList(string(text), ":\n")
		}
	case freebsdRTL:
		hints := parseHints(l.read("/var/run/ld-elf.so.hints"), f.bo)
		l.defaults = slices.Concat(hints, []string{"/lib", "/usr/lib"})
	case glibc:
		l.cache = parseCache(l.read("/etc/ld.so.cache"), f.bo)
		fallthrough
	default:
		l.defaults = []string{"/lib", "/usr/lib"}
		if g != nil {
			l.defaults = glibcDirs(g)
		}
	}
}

// muslPathFile is the file with the directories of a musl, below what its linker
// is installed in: /usr/local for /usr/local/lib/ld-musl-x86_64.so.1.
func (l *linker) muslPathFile(g *elfFile, interp string) string {
	name := ""
	if g != nil {
		name = muslPath(g)
	}
	if name == "" {
		base, _, _ := strings.Cut(path.Base(interp), ".so")
		name = "/etc/" + base + ".path"
	}
	return path.Join(path.Dir(path.Dir(interp)), name)
}

// guest is a path as it is opened: an emulator looks below its prefix first.
func (l *linker) guest(name string) (*place, bool) {
	if l.prefix != "" && path.IsAbs(name) {
		if p, d := l.e.w.lookup(path.Join(l.prefix, name)); d == nil {
			return p, true
		}
	}
	p, d := l.e.w.lookup(name)
	return p, d == nil
}

func (l *linker) read(name string) []byte {
	p, ok := l.guest(name)
	if !ok || !p.info.Mode.IsRegular() {
		return nil
	}
	f, err := l.e.w.Files.Open(p.path)
	if err != nil {
		return nil
	}
	defer f.Close()
	b, err := readAt(f, 0, int(min(p.info.Size, readMax)))
	if err != nil {
		return nil
	}
	return b
}

// openELF opens a library; nil when it is not there, or no ELF file.
func (l *linker) openELF(name string) *elfFile {
	p, ok := l.guest(name)
	if !ok || !p.info.Mode.IsRegular() {
		return nil
	}
	img := &image{name: name, place: p, role: asLoader}
	if l.e.read(img) != nil {
		return nil
	}
	return parseELF(img)
}

// need loads one library, unless it is loaded.
func (l *linker) need(by *object, name string) *Verdict {
	if name == "" || l.loaded[name] != nil || l.isLoaded(name) {
		return nil
	}
	if l.libc == musl && muslOwn(name) {
		return nil
	}
	var passed []string
	for _, at := range l.candidates(by, name) {
		p, ok := l.guest(at)
		if !ok || p.info.Mode.IsDir() {
			continue
		}
		f := l.openELF(at)
		if f == nil {
			return l.damaged(by, name, at)
		}
		defer f.img.close() // all that matters of it is read here
		switch {
		case !l.same(f):
			passed = append(passed, fmt.Sprintf("%s is of %s", at, f.archText()))
			continue
		case f.tableErr != "":
			return l.damaged(by, name, at)
		}
		if _, cut := f.cut(); cut {
			return l.damaged(by, name, at)
		}
		if m := l.e.w.Files.Mount(p.path); l.native && m.NoExec {
			return l.noExec(by, name, at, m)
		}
		o := readObject(f, at, by)
		l.loaded[name] = o
		l.order = append(l.order, o)
		return nil
	}
	return l.absent(by, name, passed)
}

// isLoaded finds a library by its own name.
func (l *linker) isLoaded(name string) bool {
	return slices.ContainsFunc(l.order, func(o *object) bool { return o.soname == name && o.parent != nil })
}

// muslOwn are the names for which musl's linker, which is the C library, is
// taken (musl ldso/dynlink.c, load_library).
func muslOwn(name string) bool {
	if !strings.HasPrefix(name, "lib") {
		return false
	}
	for _, own := range []string{"c.", "pthread.", "rt.", "m.", "dl.", "util.", "xnet."} {
		if strings.HasPrefix(name[3:], own) {
			return true
		}
	}
	return strings.HasPrefix(name, "libc.musl-")
}

// same tells whether a library is one of the program's architecture. glibc goes
// on looking when its class or its machine is another.
func (l *linker) same(f *elfFile) bool {
	p := l.program.file
	return f.class == p.class && f.order == p.order && f.machine == p.machine && (p.archOf() == nil || f.flags&p.archOf().Flags.Mask == p.archOf().Flags.Value)
}

// candidates are the paths at which a library is looked for, in their order: the
// run paths, LD_LIBRARY_PATH, the cache, and the default directories (ld.so(8);
// rtld(1) of FreeBSD; musl's ldso/dynlink.c).
func (l *linker) candidates(by *object, name string) []string {
	if strings.Contains(name, "/") {
		if !path.IsAbs(name) {
			name = path.Join("/", l.e.w.Dir, name)
		}
		return []string{name}
	}
	var dirs []string
	if len(by.runpath) == 0 || l.libc == musl {
		for o := by; o != nil; o = o.parent {
			dirs = append(dirs, o.rpath...)
			if l.libc == musl {
				dirs = append(dirs, o.runpath...)
			}
		}
		dirs = append(dirs, l.program.rpath...)
	}
	dirs = append(dirs, l.libraryPath()...)
	dirs = append(dirs, by.runpath...)
	var list []string
	for _, dir := range dirs {
		if dir != "" || l.libc == glibc { // the working directory to glibc, nothing to others
			list = append(list, path.Join(dir, name))
		}
	}
	if !by.noDefault {
		list = append(list, l.cache[name]...)
		for _, dir := range l.defaults {
			list = append(list, path.Join(dir, name))
		}
	}
	return list
}

// libraryPath are the directories of LD_LIBRARY_PATH. glibc puts the program's
// directory in for $ORIGIN there as well.
func (l *linker) libraryPath() []string {
	list := l.e.w.LibraryPath
	switch {
	case list == "":
		return nil
	case l.libc == glibc:
		return l.program.expand(strings.ReplaceAll(list, ";", ":"))
	case l.libc == musl:
		return splitList(list, ":\n")
	}
	return splitList(list, ":;")
}

func (l *linker) absent(by *object, name string, passed []string) *Verdict {
	role := l.program.file.img.role
	v := Verdict{Stage: AtLoader, Cause: role.cause(LibraryAbsent), Remedy: l.e.libraryRemedy(name, l.program.file)}
	v.Message = fmt.Sprintf("%s needs the library %s, which is in none of the directories where it is looked for", by.path, unquoted(name))
	evidence := passed
	switch {
	case len(passed) > 0:
		v.Cause = role.cause(LibraryOther)
		v.Message = fmt.Sprintf("%s needs the library %s, and the one that is there is of another architecture: %s", by.path, unquoted(name), strings.Join(passed, ", "))
	default:
		if at := l.uncached(name); at != "" {
			v.Cause, v.Remedy = role.cause(LibraryCache), l.e.inJail("ldconfig")
			v.Message = fmt.Sprintf("%s needs the library %s: it is at %s, a directory of /etc/ld.so.conf, and /etc/ld.so.cache does not have it", by.path, unquoted(name), at)
		}
		evidence = append(evidence, "looked for: "+strings.Join(l.candidates(by, name), " "))
		if dir := l.nearby(name); dir != "" && v.Cause == role.cause(LibraryAbsent) {
			v.Message += ": it is in " + unquoted(dir)
			v.Remedy = l.e.withLibraries(dir)
		}
	}
	return l.e.bad(v, fmt.Sprintf("%s needs %s", by.path, unquoted(name)), evidence...)
}

// nearby finds a library beside its program, where builds and unpacked archives
// have them. An activator's interpreter gets no environment of its own.
func (l *linker) nearby(name string) string {
	if l.program.file.img.role == asEmulator || strings.Contains(name, "/") {
		return ""
	}
	own := path.Dir(l.program.path)
	for _, dir := range []string{own, path.Join(own, "lib"), path.Join(own, ".libs"), path.Join(own, "../lib"), path.Join(own, "../lib64")} {
		if f := l.openELF(path.Join(dir, name)); f != nil && l.same(f) {
			return dir
		}
	}
	return ""
}

// uncached finds a library that ldconfig would find.
func (l *linker) uncached(name string) string {
	if l.libc != glibc {
		return ""
	}
	list := func(dir string) []string { return l.e.names(dir) }
	for _, dir := range confDirs(l.read, list) {
		if f := l.openELF(path.Join(dir, name)); f != nil && l.same(f) {
			return path.Join(dir, name)
		}
	}
	return ""
}

func (l *linker) damaged(by *object, name, at string) *Verdict {
	v := Verdict{Stage: AtLoader, Cause: l.program.file.img.role.cause(LibraryWrong), Remedy: l.e.libraryRemedy(name, l.program.file)}
	v.Message = fmt.Sprintf("%s, which %s needs, is no whole ELF file", at, by.path)
	return l.e.bad(v, fmt.Sprintf("%s needs %s", by.path, unquoted(name)), v.Message)
}

func (l *linker) noExec(by *object, name, at string, m Mount) *Verdict {
	v := Verdict{Stage: AtLoader, Cause: l.program.file.img.role.cause(LibraryNoExec), Remedy: l.e.remount(m, "exec")}
	v.Message = fmt.Sprintf("%s, which %s needs, is on %s, which is mounted noexec: it cannot be mapped", at, by.path, mountText(m))
	return l.e.bad(v, fmt.Sprintf("%s needs %s", by.path, unquoted(name)), v.Message)
}

// versions checks that each library defines the symbol versions that are wanted
// of it. A library without any is taken as it is; musl does not look.
func (l *linker) versions() *Verdict {
	if l.libc == musl {
		return nil
	}
	for _, o := range l.order {
		for _, want := range o.wants {
			lib := l.named(want.library)
			if lib == nil || lib.has == nil || lib.has[want.name] || want.weak {
				continue
			}
			v := Verdict{Stage: AtLoader, Cause: l.program.file.img.role.cause(LibraryOld), Remedy: l.e.oldRemedy(want, l.program.file)}
			v.Message = fmt.Sprintf("%s needs the version %s of %s, and %s has it not%s", o.path, want.name, want.library, lib.path, newest(lib, want.name))
			return l.e.bad(v, fmt.Sprintf("%s needs %s of %s", o.path, want.name, want.library), v.Message)
		}
	}
	return nil
}

func (l *linker) named(name string) *object {
	if o := l.loaded[name]; o != nil {
		return o
	}
	for _, o := range l.order {
		if o.soname == name {
			return o
		}
	}
	return nil
}

// newest is the highest version of the same kind that a library has: GLIBC_2.36
// for a GLIBC_2.38.
func newest(lib *object, want string) string {
	i := strings.IndexByte(want, '_')
	if i < 0 {
		return ""
	}
	best := ""
	for v := range lib.has {
		if strings.HasPrefix(v, want[:i+1]) && (best == "" || laterVersion(v[i+1:], best[i+1:])) {
			best = v
		}
	}
	if best == "" {
		return ""
	}
	return ", its newest is " + best
}

// laterVersion compares 2.38 and 2.4 number by number. What begins with no digit
// is no version.
func laterVersion(a, b string) bool {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range max(len(x), len(y)) {
		p, q := numberAt(x, i), numberAt(y, i)
		if p != q {
			return p > q
		}
	}
	return false
}

func numberAt(parts []string, i int) int {
	if i >= len(parts) || parts[i] == "" || len(parts[i]) > 6 {
		return -1
	}
	n := 0
	for _, c := range parts[i] {
		if c < '0' || c > '9' {
			return -1
		}
		n = 10*n + int(c-'0')
	}
	return n
}
