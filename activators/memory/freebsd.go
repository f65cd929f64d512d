package memory

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"syscall"

	"github.com/xjail/xjail/activators"
)

// Limits of FreeBSD sys/sys/imgact_binmisc.h, in bytes but the first.
const (
	freebsdEntries     = 64   // IBE_MAX_ENTRIES
	freebsdName        = 31   // IBE_NAME_MAX without the NUL
	freebsdInterpreter = 1279 // IBE_INTERP_LEN_MAX without the NUL
	freebsdMatch       = 4096 // IBE_MATCH_MAX, a page
)

// addFreeBSD is the sysctl kern.binmisc.add, with its checks in its order.
func (t *Table) addFreeBSD(e activators.Entry) error {
	if err := freebsdRecord(e); err != nil {
		return err
	}
	e = freebsdStored(e)
	full := len(e.Interpreter)
	for _, a := range e.Args {
		full += 1 + len(a)
	}
	text := e.Name + e.Interpreter + strings.Join(e.Args, " ")
	invalid := ""
	switch {
	case t.unprivileged:
		return failure(activators.ErrPermission, "register", e.Name, syscall.EPERM)
	case len(t.entries) >= freebsdEntries:
		return failure(activators.ErrFull, "register", e.Name, syscall.ENOSPC)
	case len(e.Magic) > activators.MagicMax:
		invalid = "magic"
	case !t.older && uint32(e.Offset)+uint32(len(e.Magic)) > freebsdMatch:
		invalid = "offset"
	case len(e.Name) > freebsdName, full > freebsdInterpreter:
		invalid = "length"
	case strings.ContainsFunc(text, func(r rune) bool { return r > 0x7f }):
		invalid = "ASCII"
	case !macros(e.Interpreter + " " + strings.Join(e.Args, " ")):
		invalid = "macro"
	}
	if invalid != "" {
		return failure(activators.ErrInvalid, "register", e.Name, fmt.Errorf("%s: %w", invalid, syscall.EINVAL))
	}
	return t.insert(e)
}

// freebsdRecord refuses what struct ximgact_binmisc_entry cannot express.
func freebsdRecord(e activators.Entry) error {
	f := e.Flags
	switch {
	case f.PreserveArgv0, f.OpenBinary, f.Credentials, f.FixBinary:
		return failure(activators.ErrUnsupported, "register", e.Name, errors.New("imgact_binmisc has no flags "+f.String()))
	case e.Extension != "":
		return failure(activators.ErrUnsupported, "register", e.Name, errors.New("imgact_binmisc knows no extensions"))
	case len(e.Mask) > 0 && len(e.Mask) != len(e.Magic):
		return failure(activators.ErrInvalid, "register", e.Name, errors.New("mask and magic differ in length"))
	case e.Offset < 0 || int64(e.Offset) > math.MaxUint32:
		return failure(activators.ErrInvalid, "register", e.Name, errors.New("the offset does not fit"))
	}
	return nil
}

// freebsdStored is e as the kernel keeps it: strings end at a NUL, and every
// run of blanks and tabs in the interpreter's string is one blank, also at its
// ends.
func freebsdStored(e activators.Entry) activators.Entry {
	e.Name = cString(e.Name)
	full := cString(strings.Join(append([]string{e.Interpreter}, e.Args...), " "))
	if full == "" && len(e.Name) == freebsdName+1 {
		// The NUL of an empty interpreter ends the name as well.
		e.Name = e.Name[:freebsdName]
	}
	words := strings.Split(squeeze(full), " ")
	e.Interpreter, e.Args = words[0], words[1:]
	if len(e.Args) == 0 {
		e.Args = nil
	}
	return e
}

func cString(s string) string {
	s, _, _ = strings.Cut(s, "\x00")
	return s
}

func squeeze(s string) string {
	var b strings.Builder
	for i := range len(s) {
		blank := s[i] == ' ' || s[i] == '\t'
		switch {
		case !blank:
			b.WriteByte(s[i])
		case i == 0 || s[i-1] != ' ' && s[i-1] != '\t':
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// macros tells whether every # is followed by another one or an a.
func macros(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] != '#' {
			continue
		}
		i++
		if i == len(s) || s[i] != '#' && s[i] != 'a' {
			return false
		}
	}
	return true
}

// matchesFreeBSD is imgact_binmisc_find_interpreter. An empty file reaches no
// activator. Without a mask the kernel compares a signed char with an unsigned
// one: a byte of 0x80 or more is never equal. Entries whose offset is out of
// the page, which it takes where their sum wraps, match nothing here; the real
// kernel panics.
func (t *Table) matchesFreeBSD(e activators.Entry, _ string, header []byte) bool {
	if len(header) == 0 || e.Offset+len(e.Magic) > freebsdMatch {
		return false
	}
	if len(e.Mask) == 0 {
		for _, b := range e.Magic {
			if b >= 0x80 {
				return false
			}
		}
	}
	return activators.Captures(e, header)
}
