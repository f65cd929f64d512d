package formats

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/xjail/xjail/activators"
)

// Debian's binfmts: the files of /usr/share/binfmts, with a key and a value on
// each line, and those of update-binfmts' own directory, whose lines have their
// meaning by their place. The name of an entry is that of its file; several files
// after one another have it in a comment that ends a path: # /usr/share/binfmts/X.

// debianKeys are the keys of update-binfmts(8), FORMAT FILES.
var debianKeys = []string{"package", "interpreter", "magic", "offset", "mask", "extension", "detector", "credentials", "preserve", "fix_binary"}

func fitsDebian(s *source) bool {
	if isAdmin(s.text) {
		return true
	}
	known, all := 0, 0
	for line := range strings.Lines(s.text) {
		line = strings.TrimSpace(line)
		if isComment(line) {
			continue
		}
		all++
		key, value, _ := cutBlank(line)
		if slices.Contains(debianKeys, key) && value != "" {
			known++
		}
	}
	return known > 1 && known > all/2
}

// isAdmin tells a file of /var/lib/binfmts.
func isAdmin(text string) bool {
	lines := strings.Split(text, "\n")
	if len(lines) < 6 || lines[1] != "magic" && lines[1] != "extension" {
		return false
	}
	_, err := strconv.Atoi(lines[2])
	return err == nil || lines[2] == ""
}

// cutBlank cuts a line after its first word.
func cutBlank(line string) (key, value string, found bool) {
	i := strings.IndexAny(line, " \t")
	if i < 0 {
		return line, "", false
	}
	return line[:i], strings.TrimSpace(line[i:]), true
}

// binfmts is an entry as Debian has it: values by key.
type binfmts struct {
	name   string
	line   int
	values map[string]string
}

func readDebian(s *source) (*Set, error) {
	b := newBuilder(s, Debian, linux)
	if isAdmin(s.text) {
		b.admin()
		return &b.set, nil
	}
	name := s.base()
	f := &binfmts{name: name, values: map[string]string{}}
	n := 0
	for line := range strings.Lines(s.text) {
		n++
		line = strings.TrimSpace(line)
		if file, ok := debianHeading(line); ok {
			b.debian(f)
			f = &binfmts{name: file, line: n, values: map[string]string{}}
			continue
		}
		if isComment(line) {
			continue
		}
		key, value, ok := cutBlank(line)
		switch {
		case !slices.Contains(debianKeys, key):
			b.note(n, "%s is not a key of update-binfmts, which ignores it", key)
		case !ok:
			b.note(n, "%s has no value", key)
		case f.values[key] != "":
			b.note(n, "%s is there twice: the later one counts", key)
		}
		if f.line == 0 {
			f.line = n
		}
		f.values[key] = value
	}
	b.debian(f)
	return &b.set, nil
}

// debianHeading is a comment that names the file of the lines after it.
func debianHeading(line string) (string, bool) {
	file, ok := strings.CutPrefix(line, "#")
	file = strings.TrimSpace(file)
	if !ok || strings.ContainsAny(file, " \t") || !strings.Contains(file, "/binfmts/") {
		return "", false
	}
	return path.Base(file), true
}

// admin reads the one entry of a file of /var/lib/binfmts: package, type,
// offset, magic, mask, interpreter, detector, credentials, preserve, fix_binary.
func (b *builder) admin() {
	lines := append(strings.Split(b.text, "\n"), make([]string, 10)...)
	f := &binfmts{name: b.base(), line: 1, values: map[string]string{
		lines[1]: lines[3], "offset": lines[2], "mask": lines[4], "interpreter": lines[5],
		"detector": lines[6], "credentials": lines[7], "preserve": lines[8], "fix_binary": lines[9],
	}}
	b.debian(f)
}

// debian adds an entry, or says why not.
func (b *builder) debian(f *binfmts) {
	if len(f.values) == 0 {
		return
	}
	e, err := f.entry()
	if e.Name == "" {
		e.Name = path.Base(e.Interpreter)
		b.note(f.line, "the name of the entry is that of its file, which is not known: it is called %q", e.Name)
	}
	if err != nil {
		b.note(f.line, "entry %q: %v", e.Name, err)
		return
	}
	if d := f.values["detector"]; d != "" {
		b.note(f.line, "entry %q: the detector %s decides as well, which no kernel does: update-binfmts registers its own program run-detectors", e.Name, d)
	}
	b.replace(f.line, e)
}

func (f *binfmts) entry() (activators.Entry, error) {
	e := activators.Entry{Name: f.name, Interpreter: f.values["interpreter"], Extension: f.values["extension"], Enabled: true}
	if e.Interpreter == "" {
		return e, errors.New("it has no interpreter")
	}
	err := f.pattern(&e)
	for _, flag := range []struct {
		key string
		set *bool
	}{{"credentials", &e.Flags.Credentials}, {"preserve", &e.Flags.PreserveArgv0}, {"fix_binary", &e.Flags.FixBinary}} {
		switch v := f.values[flag.key]; v {
		case "yes":
			*flag.set = true
		case "no", "":
		default:
			err = errors.Join(err, fmt.Errorf("%s is %q, neither yes nor no", flag.key, v))
		}
	}
	return e, err
}

func (f *binfmts) pattern(e *activators.Entry) (err error) {
	magic := f.values["magic"]
	if magic == "" && e.Extension != "" {
		return nil
	}
	if offset := f.values["offset"]; offset != "" {
		if e.Offset, err = strconv.Atoi(offset); err != nil || e.Offset < 0 {
			return fmt.Errorf("the offset %q is not a number from 0", offset)
		}
	}
	e.Magic, e.Mask = unescape(magic), unescape(f.values["mask"])
	switch {
	case e.Extension != "":
		return errors.New("it has a magic and an extension")
	case len(e.Magic) == 0:
		return errors.New("it has neither a magic nor an extension")
	case len(e.Mask) > 0 && len(e.Mask) != len(e.Magic):
		return fmt.Errorf("the mask has %d bytes, the magic %d", len(e.Mask), len(e.Magic))
	}
	return nil
}

// unescape reads \xNN as binfmt_misc does: everything else is itself.
func unescape(text string) activators.Hex {
	var out activators.Hex
	for len(text) > 0 {
		if strings.HasPrefix(text, `\x`) && len(text) >= 4 {
			if v, err := strconv.ParseUint(text[2:4], 16, 8); err == nil {
				out, text = append(out, byte(v)), text[4:]
				continue
			}
		}
		out, text = append(out, text[0]), text[1:]
	}
	return out
}

func itoa(n int) string { return strconv.Itoa(n) }
