package binmisc

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/xjail/xjail/activators"
)

// NewRecord is e as a record. What a record cannot say is
// activators.ErrUnsupported (flags and extensions of Linux) or
// activators.ErrInvalid (what does not fit). Whether the kernel should get it is
// for Table.Check to say.
func NewRecord(e activators.Entry) (*Record, error) {
	if err := linuxOnly(e); err != nil {
		return nil, err
	}
	r, err := NamedRecord(e.Name)
	if err != nil {
		return nil, err
	}
	if err := setString(r.Interpreter[:], command(e)); err != nil {
		return nil, invalid(e, "", "its interpreter with arguments: %w", err)
	}
	switch {
	case len(e.Magic) > MagicMax:
		return nil, invalid(e, "", "its magic has %d bytes, %d at most", len(e.Magic), MagicMax)
	case len(e.Mask) > 0 && len(e.Mask) != len(e.Magic):
		return nil, invalid(e, "", "its mask has %d bytes, its magic %d", len(e.Mask), len(e.Magic))
	case e.Offset < 0 || int64(e.Offset) > math.MaxUint32:
		return nil, invalid(e, "", "its offset %d does not fit into 32 bits", e.Offset)
	}
	r.Flags, r.Offset, r.Size = flagsOf(e), uint32(e.Offset), uint32(len(e.Magic))
	copy(r.Magic[:], e.Magic)
	copy(r.Mask[:], e.Mask)
	return r, nil
}

// command is the interpreter with its arguments as the kernel keeps it. There
// is no quoting.
func command(e activators.Entry) string {
	return strings.Join(append([]string{e.Interpreter}, e.Args...), " ")
}

func flagsOf(e activators.Entry) uint32 {
	flags := uint32(0)
	if e.Enabled {
		flags |= FlagEnabled
	}
	if len(e.Mask) > 0 {
		flags |= FlagUseMask
	}
	if e.Flags.PreOpen {
		flags |= FlagPreOpen
	}
	return flags
}

// Entry is r as an entry. The kernel has made one blank of every run of blanks
// and tabs, but keeps one at either end: a leading one gives an empty
// interpreter, a trailing one an empty last argument. A mask counts only with
// FlagUseMask.
func (r *Record) Entry() activators.Entry {
	words := strings.Split(cString(r.Interpreter[:]), " ")
	e := activators.Entry{
		Name: cString(r.Name[:]), Interpreter: words[0],
		Offset:  int(min(uint64(r.Offset), uint64(math.MaxInt))),
		Enabled: r.Flags&FlagEnabled != 0,
		Flags:   activators.Flags{PreOpen: r.Flags&FlagPreOpen != 0},
	}
	if len(words) > 1 {
		e.Args = words[1:]
	}
	size := min(r.Size, MagicMax)
	e.Magic = bytes.Clone(r.Magic[:size])
	if r.Flags&FlagUseMask != 0 {
		e.Mask = bytes.Clone(r.Mask[:size])
	}
	return e
}

func cString(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return string(b)
}

func invalid(e activators.Entry, hint, format string, args ...any) error {
	return activators.Fail(activators.ErrInvalid, fmt.Sprintf("activator %q", e.Name), fmt.Errorf(format, args...), hint)
}

// linuxOnly refuses what only binfmt_misc has.
func linuxOnly(e activators.Entry) error {
	f := e.Flags
	f.PreOpen = false
	why, hint := "", ""
	switch {
	case f != activators.Flags{}:
		why, hint = fmt.Sprintf("imgact_binmisc has no flags %s", f), "PRE_OPEN is what the flag F is on Linux"
	case e.Extension != "":
		why, hint = "imgact_binmisc looks at the content of files, not at extensions of their names", "give a magic"
	default:
		return nil
	}
	return activators.Fail(activators.ErrUnsupported, fmt.Sprintf("activator %q", e.Name), errors.New(why), hint)
}
