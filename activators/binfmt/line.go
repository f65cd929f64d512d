// Package binfmt is Linux's table of activators, binfmt_misc: the register line,
// the entry files, and the Table on a directory in which it is mounted. The
// codecs work on every system.
//
// Sources: Linux fs/binfmt_misc.c, Documentation/admin-guide/binfmt-misc.rst,
// and what Linux 6.18 does.
package binfmt

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/internal/fault"
)

// Limits of fs/binfmt_misc.c, in bytes.
const (
	LineMax   = 1920 // MAX_REGISTER_LENGTH
	lineMin   = 11
	nameMax   = 255 // NAME_MAX
	HeaderMax = 256 // BINPRM_BUF_SIZE: how much of a file is looked at
)

// delimiters are tried in this order. None is a hexadecimal digit, a letter of
// the flags or a backslash, which the kernel would misread.
const delimiters = ":|,;!%&~^@#=*?+\"'<>()[]{}$"

// EncodeLine is the line that registers e, for one write(2) to the file
// register. Magic and mask are always written as \xNN, since a raw NUL would
// cut them short in silence. A line cannot say that an entry is disabled:
// Enabled is ignored. What the kernel would refuse, cut or misread is
// activators.ErrInvalid, what it has not (arguments, PRE_OPEN)
// activators.ErrUnsupported.
func EncodeLine(e activators.Entry) ([]byte, error) {
	if err := check(e); err != nil {
		return nil, err
	}
	d := delimiter(e)
	if d == "" {
		return nil, invalid(e.Name, errors.New("its fields use every character that could separate them"), "use a simpler path or name")
	}
	kind, offset, magic, mask := "M", strconv.Itoa(e.Offset), escape(e.Magic), escape(e.Mask)
	if e.Extension != "" {
		kind, offset, magic, mask = "E", "", e.Extension, ""
	}
	line := d + strings.Join([]string{e.Name, kind, offset, magic, mask, e.Interpreter, letters(e.Flags)}, d)
	if len(line) > LineMax {
		return nil, invalid(e.Name, fmt.Errorf("its register line has %d bytes, %d at most", len(line), LineMax), "use a shorter magic or path")
	}
	return []byte(line), nil
}

func invalid(name string, why error, hint string) error {
	return activators.Fail(activators.ErrInvalid, fmt.Sprintf("activator %q", name), why, hint)
}

// check holds e against what both kernels and this one take.
func check(e activators.Entry) error {
	if err := e.Validate(); err != nil {
		return err
	}
	if len(e.Args) > 0 || e.Flags.PreOpen {
		return activators.Fail(activators.ErrUnsupported, fmt.Sprintf("activator %q", e.Name),
			errors.New("binfmt_misc knows neither arguments of an interpreter nor PRE_OPEN"), "set what the interpreter needs in its environment; the flag F is what PRE_OPEN is on FreeBSD")
	}
	if e.Extension == "" && e.Offset+len(e.Magic) > HeaderMax {
		return invalid(e.Name, fmt.Errorf("its magic of %d bytes at offset %d is not within the first %d bytes of a file, which is what Linux looks at", len(e.Magic), e.Offset, HeaderMax), "")
	}
	return nil
}

// delimiter is a character that no field holds.
func delimiter(e activators.Entry) string {
	for _, d := range delimiters {
		if !strings.ContainsRune(e.Name+e.Interpreter+e.Extension, d) {
			return string(d)
		}
	}
	return ""
}

func escape(b []byte) string {
	var s strings.Builder
	for _, c := range b {
		fmt.Fprintf(&s, `\x%02x`, c)
	}
	return s.String()
}

// letters are the flags in the order in which the kernel prints them.
func letters(f activators.Flags) string {
	f.PreOpen = false
	return f.String()
}

// ParseLine reads a register line as the kernel does: any delimiter, \xNN in
// magic and mask as the only escape, a raw NUL that ends the field, one newline
// at the end. What the kernel refuses is activators.ErrInvalid, of kind
// fault.Damaged. It takes all that the kernel does, also what Validate and
// EncodeLine refuse; whether the interpreter can be opened (flag F), and the
// names register and status, are for the kernel to say.
func ParseLine(line []byte) (activators.Entry, error) {
	e, err := parseLine(line)
	if err != nil {
		return activators.Entry{}, &fault.Error{Kind: fault.Damaged, What: "register line " + strconv.Quote(string(line)),
			Err: activators.Fail(activators.ErrInvalid, "", err, ""), Hint: "the form is :name:M:offset:magic:mask:interpreter:flags"}
	}
	return e, nil
}

// scanner goes through a line whose end is padded with delimiters, as the
// kernel pads it: a field that is missing is empty, and that the last one was
// is seen by where the scan ends.
type scanner struct {
	buf []byte
	pos int
	del byte
}

// padding is how many delimiters fs/binfmt_misc.c adds.
const padding = 8

var errShort = errors.New("a field is missing")

// field is what is before the next delimiter; a NUL before it is refused.
func (s *scanner) field() ([]byte, error) {
	start := s.pos
	for ; s.pos < len(s.buf); s.pos++ {
		switch s.buf[s.pos] {
		case s.del:
			s.pos++
			return s.buf[start : s.pos-1], nil
		case 0:
			return nil, errors.New("a field has a NUL")
		}
	}
	return nil, errShort
}

// escaped is a field in which \xNN may hide a delimiter, up to its first NUL.
func (s *scanner) escaped() ([]byte, error) {
	start := s.pos
	for s.pos < len(s.buf) {
		c := s.buf[s.pos]
		s.pos++
		if c == s.del {
			field, _, _ := bytes.Cut(s.buf[start:s.pos-1], []byte{0})
			return field, nil
		}
		if c != '\\' || s.at(s.pos) != 'x' {
			continue
		}
		if unhex(s.at(s.pos+1)) < 0 || unhex(s.at(s.pos+2)) < 0 {
			return nil, errors.New(`\x is not followed by two hexadecimal digits`)
		}
		s.pos += 3
	}
	return nil, errShort
}

func (s *scanner) at(i int) byte {
	if i < len(s.buf) {
		return s.buf[i]
	}
	return 0
}

// unhex is the value of a hexadecimal digit, or -1.
func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// unescape decodes as lib/string_helpers.c does with UNESCAPE_HEX: a backslash
// before anything but x stays, with what follows it.
func unescape(field []byte) activators.Hex {
	var out activators.Hex
	for i := 0; i < len(field); i++ {
		if field[i] != '\\' || i+1 == len(field) {
			out = append(out, field[i])
			continue
		}
		i++
		if field[i] != 'x' {
			out = append(out, '\\', field[i])
			continue
		}
		out = append(out, byte(unhex(field[i+1])<<4|unhex(field[i+2])))
		i += 2
	}
	return out
}

func parseLine(line []byte) (activators.Entry, error) {
	e := activators.Entry{Enabled: true}
	if len(line) < lineMin || len(line) > LineMax {
		return e, fmt.Errorf("it has %d bytes, not %d to %d", len(line), lineMin, LineMax)
	}
	if setFlag(&activators.Flags{}, line[0]) {
		// Linux 6.18 refuses it; before, padding and flags could not be told apart.
		return e, fmt.Errorf("a flag, %q, cannot be the delimiter", line[0])
	}
	s := &scanner{del: line[0], pos: 1}
	s.buf = append(bytes.Clone(line), bytes.Repeat(line[:1], padding)...)
	if err := s.name(&e); err != nil {
		return e, err
	}
	kind := s.at(s.pos)
	if s.at(s.pos+1) != s.del || kind != 'M' && kind != 'E' {
		return e, errors.New("the type is neither M nor E")
	}
	s.pos += 2
	pattern := s.magic
	if kind == 'E' {
		pattern = s.extension
	}
	if err := pattern(&e); err != nil {
		return e, err
	}
	return e, s.rest(&e, len(line))
}

func (s *scanner) name(e *activators.Entry) error {
	name, err := s.field()
	if err != nil {
		return err
	}
	e.Name = string(name)
	if e.Name == "" || e.Name == "." || e.Name == ".." || strings.Contains(e.Name, "/") || len(e.Name) > nameMax {
		return fmt.Errorf("%q cannot be a name", e.Name)
	}
	return nil
}

func (s *scanner) magic(e *activators.Entry) error {
	offset, err := s.field()
	if err != nil {
		return err
	}
	if e.Offset, err = kernelInt(string(offset)); err != nil {
		return err
	}
	magic, err := s.escaped()
	if err != nil {
		return err
	}
	mask, err := s.escaped()
	if err != nil {
		return err
	}
	if len(magic) == 0 {
		return errors.New("the magic is empty")
	}
	e.Magic, e.Mask = unescape(magic), unescape(mask)
	if len(e.Mask) > 0 && len(e.Mask) != len(e.Magic) {
		return fmt.Errorf("the mask has %d bytes, the magic %d", len(e.Mask), len(e.Magic))
	}
	if len(e.Magic) > HeaderMax || HeaderMax-len(e.Magic) < e.Offset {
		return fmt.Errorf("a magic of %d bytes at offset %d is not within the first %d bytes", len(e.Magic), e.Offset, HeaderMax)
	}
	return nil
}

// kernelInt reads a number as kstrtoint of lib/kstrtox.c does in base 10: one
// sign, digits, one newline. Nothing is 0.
func kernelInt(s string) (int, error) {
	if s == "" {
		return 0, nil
	}
	digits := strings.TrimSuffix(s, "\n")
	if len(digits) > 0 && (digits[0] == '+' || digits[0] == '-') {
		digits = digits[1:]
	}
	n, err := strconv.ParseUint(digits, 10, 31)
	if err != nil || s[0] == '-' && n > 0 {
		return 0, fmt.Errorf("the offset %q is not a number from 0", s)
	}
	return int(n), nil
}

// extension reads the fields of type E: offset and mask are there and unused.
func (s *scanner) extension(e *activators.Entry) error {
	if _, err := s.field(); err != nil {
		return err
	}
	ext, err := s.field()
	if err != nil {
		return err
	}
	if len(ext) == 0 || bytes.ContainsRune(ext, '/') {
		return fmt.Errorf("%q cannot be an extension", ext)
	}
	e.Extension = string(ext)
	_, err = s.field()
	return err
}

// rest reads interpreter and flags, which end at n, the end of the line.
func (s *scanner) rest(e *activators.Entry, n int) error {
	interpreter, err := s.field()
	if err != nil {
		return err
	}
	if len(interpreter) == 0 {
		return errors.New("the interpreter is empty")
	}
	e.Interpreter = string(interpreter)
	for setFlag(&e.Flags, s.at(s.pos)) {
		s.pos++
	}
	e.Flags = e.Flags.Normal()
	if s.at(s.pos) == '\n' {
		s.pos++
	}
	if s.pos != n {
		return errors.New("the flags are not P, O, C, F, or the last delimiter is missing")
	}
	return nil
}

// setFlag sets the flag of a letter and tells whether there is such a flag.
func setFlag(f *activators.Flags, letter byte) bool {
	switch letter {
	case 'P':
		f.PreserveArgv0 = true
	case 'O':
		f.OpenBinary = true
	case 'C':
		f.Credentials = true
	case 'F':
		f.FixBinary = true
	default:
		return false
	}
	return true
}
