package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"
)

// tarrer is one run of tar. u-root's tar knows neither -z nor -C, and extracts
// only whole archives.
type tarrer struct {
	p        *proc
	o        options
	names    []string
	dir      string
	strip    int
	excluded []func(string) bool
	links    map[inode]string
	dirs     []*tar.Header // their times are set last
	users    map[int]string
	groups   map[int]string
	messages io.Writer // what -v says
	self     fs.FileInfo
	matched  map[string]bool
}

func runTar(p *proc) int {
	// tar xf is tar -xf.
	if len(p.args) > 0 && p.args[0] != "" && p.args[0][0] != '-' {
		p.args = oldStyle(p.args)
	}
	o := p.options("cxtf:C:zjJvphOkmT:X:s:o", "create=c", "extract=x", "get=x", "list=t", "file=f", "directory=C", "gzip=z",
		"verbose=v", "preserve-permissions=p", "same-permissions=p", "dereference=h", "to-stdout=O", "keep-old-files=k", "touch=m",
		"strip-components=s", "exclude=X", "files-from=T", "no-same-owner=o", "bzip2=j", "xz=J")
	t := &tarrer{p: p, o: o, names: o.rest, dir: p.path(o.value('C', ".")), strip: o.number('s', 0),
		links: map[inode]string{}, messages: p.out, matched: map[string]bool{}}
	if o.has("C") && !p.isDir(o.value('C', "")) {
		p.fatal(2, "%s: cannot open: not a directory", o.value('C', ""))
	}
	for _, text := range o.values('X') {
		match, err := matcher(text, 0)
		if err != nil {
			p.fatal(2, "--exclude=%s: %v", text, err)
		}
		t.excluded = append(t.excluded, match)
	}
	if name := o.value('T', ""); name != "" {
		r, err := p.open(name)
		if err != nil {
			p.fatal(2, "%s: %s", name, reason(err))
		}
		p.fail(name, eachLine(r, func(line []byte, _ bool) bool {
			t.names = append(t.names, string(line))
			return true
		}))
		r.Close()
	}
	var err error
	switch {
	case strings.Count(modes(o), "c")+strings.Count(modes(o), "x")+strings.Count(modes(o), "t") != 1:
		p.badUsage("one of -c, -x and -t has to be given")
	case o.has("J") || o.has("cj") && o.has("c") && o.has("j"):
		p.fatal(2, "only gzip compression is supported")
	case o.has("c"):
		err = t.create()
	default:
		err = t.read()
	}
	if err != nil {
		p.warn("%s", reason(err))
		return 2
	}
	if p.failed {
		return 2
	}
	return 0
}

// modes are the different ones of -c, -x and -t.
func modes(o options) string {
	text := ""
	for _, c := range "cxt" {
		if o.has(string(c)) {
			text += string(c)
		}
	}
	return text
}

// oldStyle turns "xfC a.tar dir" into "-x -f a.tar -C dir".
func oldStyle(args []string) []string {
	var out []string
	rest := args[1:]
	for _, c := range args[0] {
		out = append(out, "-"+string(c))
		if strings.ContainsRune("fCTX", c) && len(rest) > 0 {
			out = append(out, rest[0])
			rest = rest[1:]
		}
	}
	return append(out, rest...)
}

func (t *tarrer) skips(name string) bool {
	name = strings.TrimSuffix(name, "/")
	for _, match := range t.excluded {
		for at := name; ; {
			if match(at) {
				return true
			}
			i := strings.IndexByte(at, '/')
			if i < 0 {
				break
			}
			at = at[i+1:]
		}
	}
	return false
}

func (t *tarrer) create() error {
	if len(t.names) == 0 {
		return errors.New("cowardly refusing to create an empty archive")
	}
	var out io.Writer = t.p.out
	if name := t.o.value('f', "-"); name != "-" {
		f, err := os.Create(t.p.path(name))
		if err != nil {
			return err
		}
		defer f.Close()
		if t.self, err = f.Stat(); err != nil {
			return err
		}
		out = f
	} else {
		t.messages = t.p.stderr
	}
	w := bufio.NewWriterSize(out, 64<<10)
	var archive io.Writer = w
	var z *gzip.Writer
	if t.o.has("z") {
		z = gzip.NewWriter(w)
		archive = z
	}
	t.users, t.groups = accountNames("/etc/passwd"), accountNames("/etc/group")
	tw := tar.NewWriter(archive)
	for _, name := range t.names {
		if err := t.add(tw, name); err != nil {
			return err
		}
	}
	err := tw.Close()
	if z != nil && err == nil {
		err = z.Close()
	}
	if err == nil {
		err = w.Flush()
	}
	return err
}

// add adds a name and what is below it. That something cannot be read is said,
// and the others are added; an error of the archive ends it.
func (t *tarrer) add(tw *tar.Writer, name string) error {
	if t.skips(name) {
		return nil
	}
	full := t.dir + "/" + name
	if path.IsAbs(name) {
		full = name
	}
	stat := os.Lstat
	if t.o.has("h") {
		stat = os.Stat
	}
	st, err := stat(full)
	if t.p.fail(name, err) {
		return nil
	}
	if t.self != nil && os.SameFile(t.self, st) {
		t.p.warn("%s: file is the archive; not dumped", name)
		t.p.failed = false
		return nil
	}
	if err := t.addOne(tw, name, full, st); err != nil || !st.IsDir() {
		return err
	}
	entries, err := os.ReadDir(full)
	t.p.fail(name, err)
	for _, e := range entries {
		if err := t.add(tw, strings.TrimRight(name, "/")+"/"+e.Name()); err != nil {
			return err
		}
	}
	return nil
}

func (t *tarrer) addOne(tw *tar.Writer, name, full string, st fs.FileInfo) error {
	link := ""
	if st.Mode()&fs.ModeSymlink != 0 {
		var err error
		if link, err = os.Readlink(full); t.p.fail(name, err) {
			return nil
		}
	}
	if st.Mode()&fs.ModeSocket != 0 {
		t.p.warn("%s: socket ignored", name)
		return nil
	}
	h, err := tar.FileInfoHeader(st, link)
	if t.p.fail(name, err) {
		return nil
	}
	s := statOf(st)
	h.Name = strings.TrimLeft(name, "/")
	if h.Name == "" {
		h.Name = "./"
	}
	if st.IsDir() && !strings.HasSuffix(h.Name, "/") {
		h.Name += "/"
	}
	h.Uname, h.Gname = t.users[int(s.uid)], t.groups[int(s.gid)]
	h.AccessTime, h.ChangeTime = time.Time{}, time.Time{}
	h.ModTime = h.ModTime.Truncate(time.Second) // no PAX header for each file
	if id, several := inodeOf(st); several {
		if first, ok := t.links[id]; ok {
			h.Typeflag, h.Linkname, h.Size = tar.TypeLink, first, 0
		}
		t.links[id] = h.Name
	}
	var f *os.File
	if h.Typeflag == tar.TypeReg {
		if f, err = os.Open(full); t.p.fail(name, err) {
			return nil
		}
		defer f.Close()
	}
	if err := tw.WriteHeader(h); err != nil {
		return err
	}
	if t.o.has("v") {
		fmt.Fprintln(t.messages, h.Name)
	}
	if f == nil || h.Size == 0 {
		return nil
	}
	n, err := io.Copy(tw, io.LimitReader(f, h.Size))
	if err == nil && n < h.Size {
		t.p.warn("%s: file shrank by %d bytes; padding with zeros", name, h.Size-n)
		_, err = io.CopyN(tw, zeros{}, h.Size-n)
	}
	return err
}

// zeros is a reader of zero bytes without end.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// read lists or extracts.
func (t *tarrer) read() error {
	in, err := t.p.open(t.o.value('f', "-"))
	if err != nil {
		return fmt.Errorf("%s: cannot open: %s", t.o.value('f', "-"), reason(err))
	}
	defer in.Close()
	archive, err := decompressed(in)
	if err != nil {
		return err
	}
	var root *os.Root
	if t.o.has("x") && !t.o.has("O") {
		if root, err = os.OpenRoot(t.dir); err != nil {
			return err
		}
		defer root.Close()
	}
	tr := tar.NewReader(archive)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return t.damaged(err)
		}
		if !t.wants(h.Name) {
			continue
		}
		if err := t.entry(root, h, tr); err != nil {
			return err
		}
	}
	for i := len(t.dirs) - 1; i >= 0; i-- {
		t.p.fail(t.dirs[i].Name, t.finishDir(root, t.dirs[i]))
	}
	for _, name := range t.names {
		if !t.matched[name] {
			t.p.warn("%s: Not found in archive", name)
		}
	}
	return nil
}

func (t *tarrer) damaged(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("unexpected EOF in archive")
	case errors.Is(err, tar.ErrHeader):
		return errors.New("this does not look like a tar archive")
	}
	return err
}

// decompressed looks at the first bytes, so that -z need not be given.
func decompressed(in io.Reader) (io.Reader, error) {
	br := bufio.NewReaderSize(in, 64<<10)
	head, err := br.Peek(6)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(head, []byte("\x1f\x8b")):
		return gzip.NewReader(br)
	case bytes.HasPrefix(head, []byte("BZh")):
		return bzip2.NewReader(br), nil
	case bytes.HasPrefix(head, []byte("\xfd7zXZ")), bytes.HasPrefix(head, []byte("\x28\xb5\x2f\xfd")):
		return nil, errors.New("only gzip and bzip2 compression are supported")
	}
	return br, nil
}

// wants tells whether an entry is one of the operands, or below one.
func (t *tarrer) wants(name string) bool {
	if t.skips(name) {
		return false
	}
	if len(t.names) == 0 {
		return true
	}
	for _, want := range t.names {
		stem := strings.TrimRight(want, "/")
		if strings.TrimRight(name, "/") == stem || strings.HasPrefix(name, stem+"/") {
			t.matched[want] = true
			return true
		}
	}
	return false
}

func (t *tarrer) entry(root *os.Root, h *tar.Header, r io.Reader) error {
	switch {
	case t.o.has("t"):
		t.list(h)
		return nil
	case t.o.has("O"):
		if h.Typeflag == tar.TypeReg {
			if _, err := io.Copy(t.p.out, r); err != nil {
				return t.damaged(err)
			}
		}
		return nil
	}
	if t.o.has("v") {
		t.p.printf("%s\n", h.Name)
	}
	name, ok := t.target(h.Name)
	if !ok {
		return nil
	}
	err := t.extract(root, name, h, r)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return t.damaged(err)
	}
	t.p.fail(h.Name, err)
	return nil
}

// target is the name in the directory that is extracted to. Nothing leaves it:
// what does is refused here, and os.Root does not follow links out.
func (t *tarrer) target(name string) (string, bool) {
	parts := strings.Split(strings.TrimRight(strings.TrimLeft(name, "/"), "/"), "/")
	for _, part := range parts {
		if part == ".." {
			t.p.warn("%s: member name contains '..'; skipping", name)
			return "", false
		}
	}
	if len(parts) <= t.strip {
		return "", false
	}
	clean := path.Clean(strings.Join(parts[t.strip:], "/"))
	return clean, clean != "/"
}

func (t *tarrer) extract(root *os.Root, name string, h *tar.Header, r io.Reader) error {
	if dir := path.Dir(name); dir != "." {
		if err := root.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if h.Typeflag == tar.TypeDir {
		if st, err := root.Stat(name); err != nil || !st.IsDir() {
			if err := root.Mkdir(name, 0o700); err != nil {
				return err
			}
		}
		kept := *h
		kept.Name = name
		t.dirs = append(t.dirs, &kept)
		return nil
	}
	if _, err := root.Lstat(name); err == nil {
		if t.o.has("k") {
			return fs.ErrExist
		}
		if err := root.Remove(name); err != nil {
			return err
		}
	}
	switch h.Typeflag {
	case tar.TypeReg:
		return t.extractFile(root, name, h, r)
	case tar.TypeSymlink:
		if err := root.Symlink(h.Linkname, name); err != nil {
			return err
		}
		return t.own(root.Lchown, name, h)
	case tar.TypeLink:
		first, ok := t.target(h.Linkname)
		if !ok {
			return errors.New("the target of the hard link is not extracted")
		}
		return root.Link(first, name)
	}
	t.p.warn("%s: a special file is not extracted", h.Name)
	return nil
}

func (t *tarrer) extractFile(root *os.Root, name string, h *tar.Header, r io.Reader) error {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = t.own(root.Lchown, name, h)
	}
	if err == nil {
		err = root.Chmod(name, t.mode(h))
	}
	if err == nil && !t.o.has("m") {
		err = root.Chtimes(name, h.ModTime, h.ModTime)
	}
	return err
}

// mode is the entry's mode, less the umask for ordinary users without -p.
func (t *tarrer) mode(h *tar.Header) fs.FileMode {
	mode := h.FileInfo().Mode() & (fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky)
	if os.Geteuid() != 0 && !t.o.has("p") {
		mode = mode & fs.ModePerm &^ umask()
	}
	return mode
}

// own gives a file away when this is root, as tar does.
func (t *tarrer) own(chown func(string, int, int) error, name string, h *tar.Header) error {
	if os.Geteuid() != 0 || t.o.has("o") {
		return nil
	}
	return chown(name, h.Uid, h.Gid)
}

func (t *tarrer) finishDir(root *os.Root, h *tar.Header) error {
	err := t.own(root.Lchown, h.Name, h)
	if err == nil {
		err = root.Chmod(h.Name, t.mode(h))
	}
	if err == nil && !t.o.has("m") {
		err = root.Chtimes(h.Name, h.ModTime, h.ModTime)
	}
	return err
}

func (t *tarrer) list(h *tar.Header) {
	if !t.o.has("v") {
		t.p.printf("%s\n", h.Name)
		return
	}
	owner, group := h.Uname, h.Gname
	if owner == "" {
		owner = fmt.Sprint(h.Uid)
	}
	if group == "" {
		group = fmt.Sprint(h.Gid)
	}
	name := h.Name
	switch h.Typeflag {
	case tar.TypeSymlink:
		name += " -> " + h.Linkname
	case tar.TypeLink:
		name += " link to " + h.Linkname
	}
	mode := modeString(h.FileInfo().Mode())
	if h.Typeflag == tar.TypeLink {
		mode = "h" + mode[1:]
	}
	ids := owner + "/" + group
	t.p.printf("%s %s %*d %s %s\n", mode, ids, max(1, 18-len(ids)), h.Size, h.ModTime.Format("2006-01-02 15:04"), name)
}
