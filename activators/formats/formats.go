// Package formats reads and writes sets of activators in the forms in which they
// are kept and published: binmiscctl(8) scripts, binfmt.d files, register lines,
// Debian's binfmts, JSON and others. One file a form.
//
// What is read is never run: scripts are followed by package shell, which starts
// no program and opens no file.
package formats

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/internal/fault"
)

// Set is what a file says.
type Set struct {
	Format string `json:"format"` // name of the form
	Kernel string `json:"kernel"` // "linux" or "freebsd": for whose table it is; "" when it does not say
	// Entries are in the order of a table that has registered them: the one that
	// is tried first at the front.
	Entries []activators.Entry `json:"entries"`
	Notes   []string           `json:"notes,omitempty"` // what was left out, and why
}

// The kernels, as activators.Status names them.
const (
	linux   = "linux"
	freebsd = "freebsd"
)

// The names of the forms. The last two are only read.
const (
	Binmiscctl = "binmiscctl" // a shell script of binmiscctl(8) commands
	RCScript   = "rc.d"       // a service of FreeBSD's rc(8)
	BinfmtD    = "binfmt.d"   // register lines, as binfmt.d(5) has them
	Register   = "register"   // a shell script that writes register lines
	Debian     = "debian"     // the files of update-binfmts(8)
	JSON       = "json"       // what xjail writes
	Nix        = "nix"        // boot.binfmt.registrations of NixOS
	Ansible    = "ansible"    // tasks
	List       = "list"       // the output of binmiscctl list and lookup
	Dump       = "dump"       // the files of binfmt_misc's directory
)

// textMax is more than any such file has, in bytes.
const textMax = 1 << 20

// form is one way to write entries down. fits tells by the content whether a
// text may be of it; of those that do the first is asked to read it.
type form struct {
	name string
	what string
	fits func(s *source) bool
	read func(s *source) (*Set, error)
}

func forms() []form {
	return []form{
		{JSON, "JSON, as xjail activator status --json writes it", fitsJSON, readJSON},
		{List, "the output of binmiscctl list", fitsList, readList},
		{Dump, "entries as binfmt_misc's files show them", fitsDump, readDump},
		{Debian, "binfmts files of Debian", fitsDebian, readDebian},
		{Nix, "boot.binfmt.registrations of NixOS", fitsNix, readNix},
		{Ansible, "tasks of ansible that xjail wrote", fitsAnsible, readAnsible},
		{BinfmtD, "register lines (binfmt.d)", fitsLines, readLines},
		{Register, "shell scripts with binmiscctl, update-binfmts or register lines", fitsScript, readScript},
	}
}

// ErrEmpty is the cause of the error about a text that has no entries and cannot
// have any: it is empty, or has comments only. ErrNoForm is that of a text of no
// known form.
var (
	ErrEmpty  = errors.New("it is empty, or has comments only")
	ErrNoForm = errors.New("it is of no known form")
)

// isEmpty tells whether a text has comments only, as all forms with comments
// that are lines have them.
func isEmpty(text string) bool {
	for line := range strings.Lines(text) {
		if !isComment(strings.TrimSpace(line)) {
			return false
		}
	}
	return true
}

// Read reads a file of any of the forms, which it tells by its content; its name
// is that of an entry where the content has none. Nothing of it is run.
//
// What cannot be read of one entry does not lose the others: Notes says where it
// is and why. A text of no known form, or of which nothing could be read, is an
// error of kind fault.Damaged, with its line where there is one.
func Read(name string, text []byte) (*Set, error) {
	s := &source{name: name, text: string(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")))}
	if len(text) > textMax {
		return nil, s.damaged(0, fmt.Errorf("it has %d bytes, %d at most", len(text), textMax), "")
	}
	if isEmpty(s.text) {
		return nil, s.damaged(0, ErrEmpty, "")
	}
	for _, f := range forms() {
		if !f.fits(s) {
			continue
		}
		set, err := f.read(s)
		if err != nil {
			return nil, err
		}
		if len(set.Entries) == 0 && len(set.Notes) > 0 {
			return nil, s.damaged(0, fmt.Errorf("no entry could be read: %s", set.Notes[0]), "")
		}
		if set.Entries == nil {
			set.Entries = []activators.Entry{}
		}
		return set, nil
	}
	return nil, s.unknown()
}

// unknown is the error of a text of no form.
func (s *source) unknown() error {
	var known []string
	for _, f := range forms() {
		known = append(known, f.what)
	}
	why := ErrNoForm
	if strings.Contains(s.text, "\x00") || !utf8.ValidString(s.text) {
		why = errors.New("it is no text")
	}
	return s.damaged(0, why, "known are "+strings.Join(known, "; "))
}

// source is a text that is read.
type source struct {
	name string
	text string
}

// at names a line, the first of which is 1; 0 is the whole text.
func (s *source) at(line int) string {
	name := s.name
	if name == "" || name == "-" {
		name = "standard input"
	}
	if line == 0 {
		return name
	}
	return fmt.Sprintf("%s:%d", name, line)
}

func (s *source) damaged(line int, why error, hint string) error {
	return &fault.Error{Kind: fault.Damaged, What: s.at(line), Err: why, Hint: hint}
}

// base is the last part of the name, without what it ends with; "" where it says
// nothing.
func (s *source) base() string {
	base := path.Base(s.name)
	if s.name == "" || s.name == "-" || base == "/" || base == "." {
		return ""
	}
	for _, end := range []string{".conf", ".txt", ".list"} {
		base = strings.TrimSuffix(base, end)
	}
	return base
}

// builder is a table as what is read fills it: the newest in front, as in both
// kernels.
type builder struct {
	*source
	set Set
}

func newBuilder(s *source, format, kernel string) *builder {
	return &builder{source: s, set: Set{Format: format, Kernel: kernel}}
}

// note says what was left out or changed, once.
func (b *builder) note(line int, format string, args ...any) {
	text := b.at(line) + ": " + fmt.Sprintf(format, args...)
	const most = 200
	if len(b.set.Notes) < most && !slices.Contains(b.set.Notes, text) {
		b.set.Notes = append(b.set.Notes, text)
	}
}

func (b *builder) find(name string) int {
	return slices.IndexFunc(b.set.Entries, func(e activators.Entry) bool { return e.Name == name })
}

// entriesMax is more than any table has.
const entriesMax = 1000

// add puts e in front. Entries are never changed in place, so that a machine can
// go back to those that it had.
func (b *builder) add(e activators.Entry) {
	if len(b.set.Entries) == entriesMax {
		b.note(0, "it has more than %d entries: the rest is left out", entriesMax)
		return
	}
	e.Flags = e.Flags.Normal()
	b.set.Entries = append([]activators.Entry{e}, b.set.Entries...)
}

// replace is add for what removes an entry of the same name first, as systemd
// and update-binfmts do.
func (b *builder) replace(line int, e activators.Entry) {
	if b.remove(e.Name) {
		b.note(line, "%q is there twice: the later one replaces the earlier", e.Name)
	}
	b.add(e)
}

// append is add for a text that has the one that is tried first first.
func (b *builder) append(line int, e activators.Entry) {
	if b.find(e.Name) >= 0 {
		b.note(line, "%q is there twice: the first one is taken", e.Name)
		return
	}
	if len(b.set.Entries) == entriesMax {
		b.note(0, "it has more than %d entries: the rest is left out", entriesMax)
		return
	}
	e.Flags = e.Flags.Normal()
	b.set.Entries = append(b.set.Entries, e)
}

func (b *builder) remove(name string) bool {
	i := b.find(name)
	if i >= 0 {
		b.set.Entries = slices.Delete(slices.Clone(b.set.Entries), i, i+1)
	}
	return i >= 0
}

// why is an error without what it is about, for a note that says it already.
func why(err error) error {
	var f *fault.Error
	for errors.As(err, &f) && f.Err != nil {
		err = f.Err
	}
	return err
}
