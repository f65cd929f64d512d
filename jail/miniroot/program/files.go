package main

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// isDir follows symbolic links.
func (p *proc) isDir(name string) bool {
	st, err := os.Stat(p.path(name))
	return err == nil && st.IsDir()
}

// into is the name that source gets in a directory.
func into(dir, source string) string {
	return strings.TrimRight(dir, "/") + "/" + path.Base(source)
}

// ask asks on the standard error and takes the answer from the standard input.
func (p *proc) ask(format string, args ...any) bool {
	p.out.Flush()
	failed := p.failed
	p.warnNoNewline(format+"? ", args...)
	p.failed = failed
	var answer []byte
	var one [1]byte
	for {
		n, err := p.stdin.Read(one[:])
		if n > 0 && one[0] == '\n' || err != nil {
			break
		}
		answer = append(answer, one[:n]...)
	}
	return len(answer) > 0 && (answer[0] == 'y' || answer[0] == 'Y')
}

func (p *proc) warnNoNewline(format string, args ...any) {
	w := bufio.NewWriter(p.stderr)
	(&proc{name: p.name, out: &output{p: p, w: w}}).printf(p.name+": "+format, args...)
	if err := w.Flush(); err != nil {
		p.failed = true
	}
}

func runMkdir(p *proc) int {
	o := p.options("pm:v", "parents=p", "mode=m", "verbose=v")
	mode := fs.FileMode(0o777)
	if m := o.value('m', ""); m != "" {
		var err error
		if mode, err = changeMode(m, 0o777|fs.ModeDir, umask()); err != nil {
			p.fatal(1, "invalid mode %q", m)
		}
	}
	for _, dir := range o.operands(1, -1) {
		err := p.mkdir(dir, o.has("p"), o.has("v"))
		if p.fail("cannot create directory "+dir, err) {
			continue
		}
		if o.has("m") {
			p.fail(dir, os.Chmod(p.path(dir), mode&^fs.ModeDir))
		}
	}
	return 0
}

func (p *proc) mkdir(dir string, parents, verbose bool) error {
	err := os.Mkdir(p.path(dir), 0o777)
	if parent := dirname(dir); parents && errors.Is(err, fs.ErrNotExist) && parent != dir && parent != "." {
		if err := p.mkdir(parent, true, verbose); err != nil {
			return err
		}
		err = os.Mkdir(p.path(dir), 0o777)
	}
	switch {
	case err == nil && verbose:
		p.printf("%s: created directory '%s'\n", p.name, dir)
	case parents && err != nil && p.isDir(dir):
		return nil
	}
	return err
}

func runRmdir(p *proc) int {
	o := p.options("pv", "parents=p", "verbose=v")
	for _, dir := range o.operands(1, -1) {
		for !p.fail("failed to remove "+dir, syscall.Rmdir(p.path(dir))) {
			dir = dirname(dir)
			if !o.has("p") || dir == "." || dir == "/" {
				break
			}
		}
	}
	return 0
}

func runRm(p *proc) int {
	o := p.options("rRfidv", "recursive=r", "force=f", "verbose=v", "dir=d", "interactive=i", "preserve-root=d", "one-file-system=d")
	force := o.last("fi") == 'f'
	if len(o.rest) == 0 && !force {
		o.operands(1, -1)
	}
	r := remover{p: p, recursive: o.has("rR"), force: force, ask: o.last("fi") == 'i', dirs: o.has("d"), verbose: o.has("v")}
	for _, name := range o.rest {
		switch base := path.Base(name); {
		case base == "." && name != "" || base == "..":
			p.warn("refusing to remove '.' or '..' directory: skipping %s", name)
		case r.recursive && path.Clean(p.path(name)) == "/":
			p.warn("it is dangerous to operate recursively on '/': skipping %s", name)
		default:
			r.remove(name)
		}
	}
	return 0
}

type remover struct {
	p                                    *proc
	recursive, force, ask, dirs, verbose bool
}

// remove removes a name, and tells whether nothing of it is left.
func (r remover) remove(name string) bool {
	full := r.p.path(name)
	st, err := os.Lstat(full)
	if err != nil {
		if r.force && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)) {
			return true
		}
		return !r.p.fail("cannot remove "+name, err)
	}
	if !st.IsDir() {
		if r.ask && !r.p.ask("remove %s", name) {
			return false
		}
		return r.done(name, syscall.Unlink(full))
	}
	if !r.recursive && !r.dirs {
		return !r.p.fail("cannot remove "+name, syscall.EISDIR)
	}
	if r.recursive && !r.empty(name, full) {
		return false
	}
	if r.ask && !r.p.ask("remove directory %s", name) {
		return false
	}
	return r.done(name, syscall.Rmdir(full))
}

// empty removes what is in a directory. Its entries are looked at with Lstat,
// so that a symbolic link is removed and not followed.
func (r remover) empty(name, full string) bool {
	entries, err := os.ReadDir(full)
	if err != nil {
		return !r.p.fail("cannot remove "+name, err)
	}
	all := true
	for _, e := range entries {
		all = r.remove(name+"/"+e.Name()) && all
	}
	return all
}

func (r remover) done(name string, err error) bool {
	if r.p.fail("cannot remove "+name, err) {
		return false
	}
	if r.verbose {
		r.p.printf("removed '%s'\n", name)
	}
	return true
}

func runLn(p *proc) int {
	o := p.options("sfnrvTt:iP", "symbolic=s", "force=f", "no-dereference=n", "relative=r", "verbose=v", "no-target-directory=T", "target-directory=t")
	targets, dir, last := p.targets(o, 1)
	for _, target := range targets {
		link := last
		if dir != "" {
			link = into(dir, target)
		}
		p.fail(link, p.link(o, target, link))
	}
	return 0
}

// targets splits the operands of cp, mv and ln into the sources and either the
// directory that they go to or the one new name.
func (p *proc) targets(o options, least int) (sources []string, dir, name string) {
	if t := o.value('t', ""); t != "" {
		return o.operands(1, -1), t, ""
	}
	all := o.operands(least, -1)
	if len(all) == 1 { // ln TARGET
		return all, ".", ""
	}
	sources, name = all[:len(all)-1], all[len(all)-1]
	isDir := p.isDir(name)
	if o.has("n") && p.self.name == "ln" {
		if st, err := os.Lstat(p.path(name)); err == nil && st.Mode()&fs.ModeSymlink != 0 {
			isDir = false
		}
	}
	if isDir && !o.has("T") {
		return sources, name, ""
	}
	if len(sources) > 1 {
		p.fatal(1, "target '%s' is not a directory", name)
	}
	return sources, "", name
}

func (p *proc) link(o options, target, link string) error {
	full := p.path(link)
	if o.has("f") {
		if st, err := os.Lstat(full); err == nil && !st.IsDir() && (o.has("s") || !sameLinked(p.path(target), full)) {
			if err := os.Remove(full); err != nil {
				return err
			}
		}
	}
	if o.has("v") {
		p.printf("'%s' -> '%s'\n", link, target)
	}
	if !o.has("s") {
		return os.Link(p.path(target), full)
	}
	if o.has("r") {
		from, err := p.canonical(dirname(link), missingAny)
		if err != nil {
			return err
		}
		to, err := p.canonical(target, missingAny)
		if err != nil {
			return err
		}
		if target, err = filepath.Rel(from, to); err != nil {
			return err
		}
	}
	return os.Symlink(target, full)
}

// sameLinked tells that two names are one file already.
func sameLinked(a, b string) bool {
	sa, errA := os.Lstat(a)
	sb, errB := os.Lstat(b)
	return errA == nil && errB == nil && os.SameFile(sa, sb)
}

func runMkfifo(p *proc) int {
	o := p.options("m:", "mode=m")
	mode := fs.FileMode(0o666)
	if m := o.value('m', ""); m != "" {
		var err error
		if mode, err = changeMode(m, 0o666, umask()); err != nil {
			p.fatal(1, "invalid mode %q", m)
		}
	}
	for _, name := range o.operands(1, -1) {
		p.fail(name, syscall.Mkfifo(p.path(name), uint32(mode.Perm())))
	}
	return 0
}

func runMktemp(p *proc) int {
	o := p.options("duqtp:", "directory=d", "dry-run=u", "quiet=q", "tmpdir=p")
	o.operands(0, 1)
	dir, template := o.value('p', ""), "tmp.XXXXXXXXXX"
	if len(o.rest) == 1 {
		template = o.rest[0]
	}
	if o.has("t") || dir == "" && len(o.rest) == 0 {
		if t := p.getenv("TMPDIR"); t != "" {
			dir = t
		} else if dir == "" {
			dir = "/tmp"
		}
	}
	if dir != "" {
		template = strings.TrimRight(dir, "/") + "/" + template
	}
	name, err := p.makeTemp(template, o.has("d"), o.has("u"))
	if err != nil {
		if o.has("q") {
			return 1
		}
		p.fatal(1, "failed to create %s: %s", template, reason(err))
	}
	p.printf("%s\n", name)
	return 0
}

// makeTemp replaces the last run of three or more X of a template.
func (p *proc) makeTemp(template string, dir, dry bool) (string, error) {
	end := strings.LastIndexByte(template, 'X') + 1
	start := len(strings.TrimRight(template[:end], "X"))
	if end-start < 3 {
		return "", errors.New("too few X's in the template")
	}
	for range 100 {
		name := template[:start] + randomName(end-start) + template[end:]
		var err error
		switch {
		case dry:
			_, err = os.Lstat(p.path(name))
			if errors.Is(err, fs.ErrNotExist) {
				return name, nil
			}
			err = fs.ErrExist
		case dir:
			err = os.Mkdir(p.path(name), 0o700)
		default:
			var f *os.File
			if f, err = os.OpenFile(p.path(name), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err == nil {
				err = f.Close()
			}
		}
		if !errors.Is(err, fs.ErrExist) {
			return name, err
		}
	}
	return "", fs.ErrExist
}

func runMv(p *proc) int {
	o := p.options("finuvTt:", "force=f", "interactive=i", "no-clobber=n", "update=u", "verbose=v", "no-target-directory=T", "target-directory=t")
	sources, dir, last := p.targets(o, 2)
	for _, source := range sources {
		target := last
		if dir != "" {
			target = into(dir, source)
		}
		if p.mayReplace(o, source, target) {
			p.move(o, source, target)
		}
	}
	return 0
}

// mayReplace asks what -n, -i and -u say about a target.
func (p *proc) mayReplace(o options, source, target string) bool {
	st, err := os.Lstat(p.path(target))
	if err != nil {
		return true
	}
	if o.has("u") {
		if src, err := os.Stat(p.path(source)); err == nil && !src.ModTime().After(st.ModTime()) {
			return false
		}
	}
	switch o.last("fin") {
	case 'n':
		return false
	case 'i':
		return p.ask("overwrite %s", target)
	}
	return true
}

func (p *proc) move(o options, source, target string) {
	err := p.rename(source, target)
	if errors.Is(err, syscall.EXDEV) {
		// Another file system: copy with everything, then remove.
		c := copier{p: p, recursive: true, preserve: true, links: map[inode]string{}}
		if st, statErr := os.Lstat(p.path(target)); statErr == nil && !st.IsDir() {
			err = os.Remove(p.path(target))
		} else {
			err = nil
		}
		if err == nil && c.copy(source, target, true) {
			remover{p: p, recursive: true, force: true}.remove(source)
		}
	}
	if !p.fail("cannot move "+source+" to "+target, err) && o.has("v") {
		p.printf("renamed '%s' -> '%s'\n", source, target)
	}
}

func (p *proc) rename(source, target string) error {
	from, to := p.path(source), p.path(target)
	if sameLinked(from, to) {
		return errors.New("they are the same file")
	}
	// syscall.Rename and not os.Rename: a file over an empty directory must fail
	// with the kernel's reason.
	return syscall.Rename(from, to)
}

func runCp(p *proc) int {
	o := p.options("arRpdPLHfinulsvTt:x", "archive=a", "recursive=r", "preserve=p", "no-dereference=P", "dereference=L",
		"force=f", "interactive=i", "no-clobber=n", "update=u", "link=l", "symbolic-link=s", "verbose=v",
		"no-target-directory=T", "target-directory=t")
	c := copier{
		p: p, recursive: o.has("arR"), preserve: o.has("ap"), force: o.has("f"), verbose: o.has("v"),
		hard: o.has("l"), soft: o.has("s"), links: map[inode]string{},
	}
	// Below a directory links are copied as links, as GNU and BSD do.
	c.follow = o.last("LPda") == 'L'
	c.keepLinks = o.has("ad")
	sources, dir, last := p.targets(o, 2)
	for _, source := range sources {
		target := last
		if dir != "" {
			target = into(dir, source)
		}
		if p.mayReplace(o, source, target) {
			c.copy(source, target, o.has("Pda") && o.last("LPda") != 'L' || c.recursive && !c.follow && o.last("H") == 0)
		}
	}
	return 0
}

// copier copies files and trees.
type copier struct {
	p                                  *proc
	recursive, preserve, force, follow bool
	verbose, hard, soft, keepLinks     bool
	links                              map[inode]string // copies of files with several names
}

// inode names a file of a system.
type inode struct{ dev, ino uint64 }

// copy copies one name; asLink copies a symbolic link as one. It tells whether
// all went well.
func (c *copier) copy(source, target string, asLink bool) bool {
	p := c.p
	stat := os.Stat
	if asLink {
		stat = os.Lstat
	}
	st, err := stat(p.path(source))
	if err != nil {
		return !p.fail("cannot copy "+source, err)
	}
	if sameFile(p.path(source), p.path(target)) && st.Mode()&fs.ModeSymlink == 0 {
		p.warn("'%s' and '%s' are the same file", source, target)
		return false
	}
	if st.IsDir() {
		return c.copyDir(source, target, st)
	}
	if c.verbose {
		p.printf("'%s' -> '%s'\n", source, target)
	}
	return !p.fail("cannot copy "+source+" to "+target, c.copyFile(source, target, st))
}

func (c *copier) copyDir(source, target string, st fs.FileInfo) bool {
	p := c.p
	if !c.recursive {
		p.warn("-r not specified; omitting directory '%s'", source)
		return false
	}
	if inside, err := c.isInside(source, target); err == nil && inside {
		p.warn("cannot copy a directory, '%s', into itself, '%s'", source, target)
		return false
	}
	entries, err := os.ReadDir(p.path(source))
	if p.fail("cannot copy "+source, err) {
		return false
	}
	made := false
	if !p.isDir(target) {
		if p.fail("cannot create directory "+target, os.Mkdir(p.path(target), st.Mode().Perm()|0o700)) {
			return false
		}
		made = true
	}
	ok := true
	for _, e := range entries {
		ok = c.copy(source+"/"+e.Name(), target+"/"+e.Name(), !c.follow) && ok
	}
	switch {
	case c.preserve:
		ok = !p.fail(target, keepAttributes(p.path(target), st)) && ok
	case made && st.Mode().Perm()&0o700 != 0o700:
		ok = !p.fail(target, os.Chmod(p.path(target), st.Mode().Perm()&^umask())) && ok
	}
	return ok
}

func (c *copier) isInside(source, target string) (bool, error) {
	s, err := c.p.canonical(source, missingAny)
	if err != nil {
		return false, err
	}
	t, err := c.p.canonical(target, missingAny)
	return strings.HasPrefix(t+"/", s+"/"), err
}

func (c *copier) copyFile(source, target string, st fs.FileInfo) error {
	from, to := c.p.path(source), c.p.path(target)
	if c.p.isDir(target) {
		return errors.New("cannot overwrite a directory with a file")
	}
	id, several := inodeOf(st)
	if first, ok := c.links[id]; several && ok && (c.keepLinks || c.preserve && c.recursive) {
		return replace(to, func() error { return os.Link(first, to) })
	}
	err := c.copyContent(from, to, source, st)
	if err == nil && c.preserve {
		err = keepAttributes(to, st)
	}
	if several {
		c.links[id] = to
	}
	return err
}

func (c *copier) copyContent(from, to, source string, st fs.FileInfo) error {
	switch mode := st.Mode(); {
	case c.hard:
		return replaceIf(c.force, to, func() error { return os.Link(from, to) })
	case c.soft:
		return replaceIf(c.force, to, func() error { return os.Symlink(source, to) })
	case mode&fs.ModeSymlink != 0:
		link, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return replace(to, func() error { return os.Symlink(link, to) })
	case mode&(fs.ModeNamedPipe|fs.ModeDevice|fs.ModeSocket) != 0 && c.recursive:
		return replace(to, func() error { return makeNode(to, st) })
	}
	err := copyData(from, to, st.Mode())
	if err != nil && c.force && !errors.Is(err, fs.ErrNotExist) {
		if os.Remove(to) == nil {
			err = copyData(from, to, st.Mode())
		}
	}
	return err
}

func copyData(from, to string, mode fs.FileMode) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode.Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	if closeErr := dst.Close(); err == nil {
		err = closeErr
	}
	return err
}

// replace makes a name anew, also where there is one already.
func replace(name string, create func() error) error { return replaceIf(true, name, create) }

func replaceIf(force bool, name string, create func() error) error {
	err := create()
	if force && errors.Is(err, fs.ErrExist) {
		if err = os.Remove(name); err == nil {
			err = create()
		}
	}
	return err
}

// keepAttributes gives a copy the owner, the mode and the times. That an
// ordinary user cannot give files away is no failure, as with cp -p.
func keepAttributes(name string, st fs.FileInfo) error {
	s := statOf(st)
	owned := os.Lchown(name, int(s.uid), int(s.gid)) == nil
	if st.Mode()&fs.ModeSymlink != 0 {
		return setTimes(name, s.atime, st.ModTime(), true)
	}
	mode := st.Mode() & (fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky)
	if !owned {
		mode &^= fs.ModeSetuid | fs.ModeSetgid
	}
	if err := os.Chmod(name, mode); err != nil {
		return err
	}
	return setTimes(name, s.atime, st.ModTime(), false)
}

// walk calls do with a name and everything below it, directories first.
// Symbolic links are not followed.
func (p *proc) walk(name string, do func(name string, st fs.FileInfo)) {
	st, err := os.Lstat(p.path(name))
	if p.fail(name, err) {
		return
	}
	do(name, st)
	if !st.IsDir() {
		return
	}
	entries, err := os.ReadDir(p.path(name))
	if p.fail(name, err) {
		return
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	for _, e := range entries {
		p.walk(strings.TrimRight(name, "/")+"/"+e.Name(), do)
	}
}

// stat is what the systems have beyond fs.FileInfo.
type stat struct {
	dev, ino, nlink, rdev uint64
	uid, gid              uint32
	blocks, blockSize     int64 // blocks are of 512 bytes
	atime, ctime          time.Time
}
