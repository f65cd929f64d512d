package formats

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/xjail/xjail/activators"
)

// What binmiscctl(8) prints: blocks of lines with a label, the newest first.

func fitsList(s *source) bool {
	return strings.HasPrefix(firstLine(s.text), "name: ") && strings.Contains(s.text, "\nmagic size: ")
}

// firstLine is the first one that is not empty.
func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimLeft(text, " \t\r\n"), "\n")
	return line
}

// listed is an entry of the list as far as it was read.
type listed struct {
	activators.Entry
	line int
	size int
	last *activators.Hex // where a line without a label goes on
	err  error
	at   int // the line of err
}

func readList(s *source) (*Set, error) {
	b := newBuilder(s, List, freebsd)
	var e *listed
	n := 0
	for line := range strings.Lines(s.text) {
		n++
		line = strings.TrimRight(line, "\r\n")
		label, value, _ := strings.Cut(strings.TrimLeft(line, " \t"), ":")
		switch {
		case strings.TrimSpace(line) == "":
			continue
		case label == "name":
			b.finish(e)
			e = &listed{line: n}
			e.Name = strings.TrimPrefix(value, " ")
			continue
		case e == nil:
			b.note(n, "ignored: %q", line)
			continue
		}
		if err := e.set(line, label, value); err != nil && e.err == nil {
			e.err, e.at = err, n
		}
	}
	b.finish(e)
	return &b.set, nil
}

// set reads one line.
func (e *listed) set(line, label, value string) (err error) {
	switch label {
	case "interpreter":
		words := strings.Fields(value)
		if len(words) == 0 {
			return errors.New("the interpreter is empty")
		}
		e.Interpreter = words[0]
		if len(words) > 1 {
			e.Args = words[1:]
		}
	case "flags":
		return e.setFlags(value)
	case "magic size":
		e.size, err = strconv.Atoi(strings.TrimSpace(value))
	case "magic offset":
		e.Offset, err = strconv.Atoi(strings.TrimSpace(value))
	case "magic":
		e.last = &e.Magic
		return e.bytes(value)
	case "mask":
		e.last = &e.Mask
		return e.bytes(value)
	default:
		return e.bytes(line)
	}
	return err
}

func (e *listed) setFlags(value string) error {
	for _, f := range strings.Fields(value) {
		switch f {
		case "ENABLED":
			e.Enabled = true
		case "USE_MASK":
		case "PRE_OPEN":
			e.Flags.PreOpen = true
		default:
			return fmt.Errorf("unknown flag %q", f)
		}
	}
	return nil
}

func (e *listed) bytes(text string) error {
	if e.last == nil {
		return fmt.Errorf("unknown line %q", text)
	}
	for _, word := range strings.Fields(text) {
		digits, ok := strings.CutPrefix(word, "0x")
		v, err := strconv.ParseUint(digits, 16, 8)
		if !ok || err != nil || len(*e.last) == activators.MagicMax {
			return fmt.Errorf("%q is not a byte of magic or mask", word)
		}
		*e.last = append(*e.last, byte(v))
	}
	return nil
}

// finish adds an entry when it is whole.
func (b *builder) finish(e *listed) {
	if e == nil {
		return
	}
	at, err := e.at, e.err
	if err == nil {
		at, err = e.line, e.whole()
	}
	if err != nil {
		b.note(at, "entry %q: %v", e.Name, err)
		return
	}
	b.append(e.line, e.Entry)
}

func (e *listed) whole() error {
	switch {
	case e.Interpreter == "":
		return errors.New("it has no interpreter")
	case len(e.Magic) != e.size:
		return fmt.Errorf("its magic has %d bytes, not the %d of its size", len(e.Magic), e.size)
	case len(e.Mask) > 0 && len(e.Mask) != e.size:
		return fmt.Errorf("its mask has %d bytes, not the %d of its size", len(e.Mask), e.size)
	}
	return nil
}
