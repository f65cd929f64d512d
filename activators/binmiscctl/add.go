package binmiscctl

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/xjail/xjail/activators"
)

// The kernels, as activators.Status names them.
const (
	linux   = "linux"
	freebsd = "freebsd"
)

// Limits of FreeBSD sys/sys/imgact_binmisc.h. Strings are in bytes, without the
// NUL.
const (
	entriesMax     = 64   // IBE_MAX_ENTRIES
	nameMax        = 31   // IBE_NAME_MAX - 1
	interpreterMax = 1279 // IBE_INTERP_LEN_MAX - 1
)

// verbatim is the option that only xjail's binmiscctl has; it has no letter.
const verbatim = 1

var addOptions = []option{
	{"set-enabled", 'e', false},
	{"interpreter", 'i', true},
	{"mask", 'M', true},
	{"magic", 'm', true},
	{"offset", 'o', true},
	{"size", 's', true},
	{"pre-open", 'p', false},
	{"verbatim", verbatim, false},
}

// addition is what the options of add say.
type addition struct {
	entry       activators.Entry
	interpreter string
	magic, mask *string // nil when not given; of repeated ones the last counts
	offset      int64
	size        int64 // 0 when not given
	verbatim    bool
}

func (c *call) parseAdd(args []string) (func() error, error) {
	a, err := c.addition(args)
	if err != nil {
		return nil, err
	}
	return func() error { return c.add(a) }, c.check(a)
}

// addition reads the name and the options of add.
func (c *call) addition(args []string) (*addition, error) {
	name, err := c.name(args)
	if err != nil {
		return nil, err
	}
	a := &addition{entry: activators.Entry{Name: name}}
	g := &getopt{args: args[1:], options: addOptions, posix: c.options.Posix, stderr: c.stderr}
	for {
		id, arg, ok := g.next()
		if !ok {
			break
		}
		if err := c.set(a, id, arg); err != nil {
			return nil, err
		}
	}
	return a, a.complete()
}

// set is one option of add.
func (c *call) set(a *addition, id byte, arg string) error {
	switch id {
	case 'e':
		a.entry.Enabled = true
	case 'p':
		a.entry.Flags.PreOpen = true
	case verbatim:
		a.verbatim = true
	case 'i':
		if c.kernel != linux && len(arg) > interpreterMax {
			return usagef("'interpreter' too large").with(fmt.Sprintf("it has %d bytes, %d at most", len(arg), interpreterMax))
		}
		a.interpreter = arg
	case 'm':
		a.magic = &arg
	case 'M':
		a.mask = &arg
	case 'o':
		a.offset = atol(arg)
	case 's':
		a.size = atol(arg)
		if a.size <= 0 || a.size > activators.MagicMax {
			return usagef("Error: Not valid '--size' value. (Must be > 0 and <= %d.)\n", activators.MagicMax)
		}
	default:
		return usagef("Unknown argument: '%c'", id)
	}
	return nil
}

// atol is atol(3): blanks, a sign, and as many digits as there are. What is out
// of range is the nearest number.
func atol(s string) int64 {
	s = strings.TrimLeft(s, " \t\n\v\f\r")
	negative := strings.HasPrefix(s, "-")
	if negative || strings.HasPrefix(s, "+") {
		s = s[1:]
	}
	var n int64
	for i := 0; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
		digit := int64(s[i] - '0')
		if n > (math.MaxInt64-digit)/10 {
			n = math.MaxInt64
			break
		}
		n = n*10 + digit
	}
	if negative {
		return -n
	}
	return n
}

// complete makes the entry of the options, in binmiscctl's order of checks.
func (a *addition) complete() error {
	if a.size == 0 {
		return usagef("Error: Missing '--size' argument")
	}
	if a.magic == nil {
		return usagef("Error: Missing magic argument")
	}
	var err error
	if a.entry.Magic, err = a.bytes(*a.magic); err != nil {
		return usagef("Error: invalid magic argument").with(err.Error())
	}
	if a.mask != nil {
		if a.entry.Mask, err = a.bytes(*a.mask); err != nil {
			return usagef("Error: invalid mask argument").with(err.Error())
		}
	}
	words := strings.FieldsFunc(a.interpreter, func(r rune) bool { return r == ' ' || r == '\t' })
	if len(words) == 0 {
		return usagef("Error: Missing 'interpreter' argument")
	}
	a.entry.Interpreter = words[0]
	if len(words) > 1 {
		a.entry.Args = words[1:]
	}
	return nil
}

// bytes reads a magic or a mask, which must be as long as --size says.
func (a *addition) bytes(text string) (activators.Hex, error) {
	b, err := Unescape(text)
	if err != nil {
		return nil, err
	}
	if int64(len(b)) != a.size {
		return nil, fmt.Errorf("it has %d bytes, and --size is %d", len(b), a.size)
	}
	return b, nil
}

// check refuses what no kernel should get, before it gets anything: the kernel
// takes some of it, and then panics or runs nothing any more.
func (c *call) check(a *addition) error {
	if a.offset < 0 || a.offset > activators.HeaderMax-a.size {
		return usagef("%s", invalidText).with(
			fmt.Sprintf("%d bytes at offset %d are not within the first %d bytes of a file", a.size, a.offset, activators.HeaderMax))
	}
	a.entry.Offset = int(a.offset)
	if c.kernel == linux {
		if err := c.linuxEntry(&a.entry); err != nil {
			return err
		}
	}
	err := a.entry.Validate()
	if err == nil {
		err = c.safe(a.entry)
	}
	return c.failure(err, a.entry.Name)
}

// linuxEntry makes e what binfmt_misc has: F is the same as PRE_OPEN, and it
// knows neither arguments nor macros.
func (c *call) linuxEntry(e *activators.Entry) error {
	e.Flags.FixBinary, e.Flags.PreOpen = e.Flags.PreOpen, false
	if len(e.Args) > 0 || strings.Contains(e.Interpreter, "#") {
		err := activators.Fail(activators.ErrUnsupported, fmt.Sprintf("interpreter %q", interpreterString(*e)),
			errors.New("binfmt_misc of Linux knows neither arguments of an interpreter nor the macros #a and ##"), "register a program that adds them")
		return c.failure(err, e.Name)
	}
	return nil
}

// interpreterHeaders is what begins the interpreter, when it is there: an entry
// that takes its own interpreter never works.
func interpreterHeaders(e activators.Entry) [][]byte {
	header, err := activators.ReadHeader(e.Interpreter)
	if err != nil || len(header) == 0 {
		return nil
	}
	return [][]byte{header}
}

// add registers the entry, with a mask of ones where none was given, unless it
// shall be sent as it is.
func (c *call) add(a *addition) error {
	e, add := a.entry, c.table.Add
	if !a.verbatim {
		e = e.Normal()
	}
	if v, ok := c.table.(verbatimAdder); ok {
		add = v.AddVerbatim
	}
	if err := add(e); err != nil {
		return c.failure(err, e.Name)
	}
	c.remark(a)
	return nil
}

// remark says what the kernel will make of the entry that nobody expects.
func (c *call) remark(a *addition) {
	if c.kernel == linux {
		return
	}
	if len(a.entry.Mask) == 0 && bytes.ContainsFunc(a.entry.Magic, func(r rune) bool { return r >= 0x80 }) {
		if a.verbatim {
			c.note("'%s' will never match: without --mask the kernel matches no byte of 0x80 or more", a.entry.Name)
		} else {
			c.note("'%s' got a mask of ones: without --mask the kernel matches no byte of 0x80 or more", a.entry.Name)
		}
	}
	if hasPathMacro(interpreterString(a.entry)) {
		c.note("'%s' breaks scripts whose #! interpreter it runs: the kernel then puts a wrong path in place of #a", a.entry.Name)
	}
}

// hasPathMacro finds #a, but not the a after ##.
func hasPathMacro(s string) bool {
	return strings.Contains(strings.ReplaceAll(s, "##", ""), "#a")
}
