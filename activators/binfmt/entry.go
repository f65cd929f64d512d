package binfmt

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/internal/fault"
)

// ParseEntry reads the file of an entry as the kernel prints it (entry_status
// of fs/binfmt_misc.c). Anything else is activators.ErrInvalid, of kind
// fault.Damaged.
func ParseEntry(name string, text []byte) (activators.Entry, error) {
	e, err := parseEntry(string(text))
	if err != nil {
		return activators.Entry{}, &fault.Error{Kind: fault.Damaged, What: fmt.Sprintf("entry %q of binfmt_misc", name),
			Err: activators.Fail(activators.ErrInvalid, "", err, "")}
	}
	e.Name = name
	return e, nil
}

func parseEntry(text string) (activators.Entry, error) {
	var e activators.Entry
	state, rest, ok := strings.Cut(text, "\ninterpreter ")
	if !ok || state != "enabled" && state != "disabled" {
		return e, errors.New("it does not begin with its state and its interpreter")
	}
	e.Enabled = state == "enabled"
	// The kernel prints a path with a newline as it is: the flags are the last
	// line of that name.
	at := strings.LastIndex(rest, "\nflags: ")
	if at < 0 {
		return e, errors.New("it has no flags")
	}
	e.Interpreter = rest[:at]
	flags, pattern, _ := strings.Cut(rest[at+len("\nflags: "):], "\n")
	for _, letter := range []byte(flags) {
		if !setFlag(&e.Flags, letter) {
			return e, fmt.Errorf("unknown flags %q", flags)
		}
	}
	return e, parsePattern(&e, pattern)
}

func parsePattern(e *activators.Entry, text string) error {
	text, whole := strings.CutSuffix(text, "\n")
	if !whole {
		return errors.New("it has no end")
	}
	if ext, ok := strings.CutPrefix(text, "extension ."); ok {
		e.Extension = ext
		return nil
	}
	lines := strings.Split(text, "\n")
	if len(lines) < 2 || len(lines) > 3 {
		return errors.New("it has neither an extension nor offset and magic")
	}
	offset, ok := strings.CutPrefix(lines[0], "offset ")
	var err error
	if e.Offset, err = strconv.Atoi(offset); err != nil || !ok || e.Offset < 0 {
		return fmt.Errorf("unknown line %q", lines[0])
	}
	if e.Magic, err = parseHex(lines[1], "magic "); err != nil || len(lines) == 2 {
		return err
	}
	e.Mask, err = parseHex(lines[2], "mask ")
	return err
}

func parseHex(line, label string) (activators.Hex, error) {
	digits, ok := strings.CutPrefix(line, label)
	if b, err := hex.DecodeString(digits); ok && err == nil {
		return b, nil
	}
	return nil, fmt.Errorf("unknown line %q", line)
}

// FormatEntry is the text of e's file as the kernel prints it, the inverse of
// ParseEntry.
func FormatEntry(e activators.Entry) []byte {
	var b bytes.Buffer
	state := "disabled"
	if e.Enabled {
		state = "enabled"
	}
	fmt.Fprintf(&b, "%s\ninterpreter %s\nflags: %s\n", state, e.Interpreter, letters(e.Flags.Normal()))
	if e.Extension != "" {
		fmt.Fprintf(&b, "extension .%s\n", e.Extension)
		return b.Bytes()
	}
	fmt.Fprintf(&b, "offset %d\nmagic %x\n", e.Offset, []byte(e.Magic))
	if len(e.Mask) > 0 {
		fmt.Fprintf(&b, "mask %x\n", []byte(e.Mask))
	}
	return b.Bytes()
}
