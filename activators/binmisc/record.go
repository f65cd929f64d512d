// Package binmisc is FreeBSD's table of activators, imgact_binmisc: the record
// that its kernel takes and gives, and the Table on the sysctl kern.binmisc. The
// codec, and all that decides, work on every system.
//
// Sources: FreeBSD sys/sys/imgact_binmisc.h and sys/kern/imgact_binmisc.c of
// 10.1 to 15.1, and what a kernel of 15.1 did when it was tried.
package binmisc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/internal/fault"
)

// RecordSize is the size of struct ximgact_binmisc_entry in bytes. It has only
// 32-bit integers and bytes, without padding, so that it is the same on every
// architecture; the integers are in the host's byte order.
const RecordSize = 1852

// Limits of sys/sys/imgact_binmisc.h, in bytes but the last.
const (
	NameMax        = 31                   // IBE_NAME_MAX without the NUL
	InterpreterMax = 1279                 // IBE_INTERP_LEN_MAX without the NUL, arguments included
	MagicMax       = activators.MagicMax  // IBE_MAGIC_MAX
	MatchMax       = activators.HeaderMax // IBE_MATCH_MAX, a page
	EntriesMax     = 64                   // IBE_MAX_ENTRIES
)

// Flags of a record, xbe_flags.
const (
	FlagEnabled = 1 << iota // IBF_ENABLED
	FlagUseMask             // IBF_USE_MASK
	FlagPreOpen             // IBF_PRE_OPEN; kernels before 13.2 keep it and ignore it
)

// Version is IBE_VERSION, the only one that there is.
const Version = 1

// Where the fields of the record are. Three spare integers follow the size.
const (
	atVersion     = 0
	atFlags       = 4
	atOffset      = 8
	atSize        = 12
	atName        = 28
	atInterpreter = 60
	atMagic       = 1340
	atMask        = 1596
)

// Record is struct ximgact_binmisc_entry without its spare integers, which the
// kernel never reads and clears.
type Record struct {
	Version     uint32
	Flags       uint32
	Offset      uint32 // of the magic in the file, in bytes
	Size        uint32 // of magic and mask, in bytes
	Name        [NameMax + 1]byte
	Interpreter [InterpreterMax + 1]byte // path and arguments, with a blank between each two
	Magic       [MagicMax]byte
	Mask        [MagicMax]byte
}

// Bytes is r as the kernel takes it: RecordSize bytes. order is the host's,
// binary.NativeEndian.
func (r *Record) Bytes(order binary.ByteOrder) []byte {
	b := make([]byte, RecordSize)
	order.PutUint32(b[atVersion:], r.Version)
	order.PutUint32(b[atFlags:], r.Flags)
	order.PutUint32(b[atOffset:], r.Offset)
	order.PutUint32(b[atSize:], r.Size)
	copy(b[atName:], r.Name[:])
	copy(b[atInterpreter:], r.Interpreter[:])
	copy(b[atMagic:], r.Magic[:])
	copy(b[atMask:], r.Mask[:])
	return b
}

// ParseRecord reads a record that the kernel gave. Another length or version, a
// size that is too large, and a string without an end are of kind fault.Damaged.
// Flags that are not known are no error: kernels before 13.2 keep any.
func ParseRecord(b []byte, order binary.ByteOrder) (*Record, error) {
	if len(b) != RecordSize {
		return nil, damaged("it has %d bytes, not %d", len(b), RecordSize)
	}
	r := &Record{
		Version: order.Uint32(b[atVersion:]), Flags: order.Uint32(b[atFlags:]),
		Offset: order.Uint32(b[atOffset:]), Size: order.Uint32(b[atSize:]),
	}
	copy(r.Name[:], b[atName:])
	copy(r.Interpreter[:], b[atInterpreter:])
	copy(r.Magic[:], b[atMagic:])
	copy(r.Mask[:], b[atMask:])
	switch {
	case r.Version != Version:
		return nil, damaged("it is of version %d, not %d", r.Version, Version)
	case r.Size > MagicMax:
		return nil, damaged("its magic has %d bytes, %d at most", r.Size, MagicMax)
	case bytes.IndexByte(r.Name[:], 0) < 0, bytes.IndexByte(r.Interpreter[:], 0) < 0:
		return nil, damaged("its name or its interpreter has no end")
	}
	return r, nil
}

// ParseRecords reads what kern.binmisc.list gives: records one after the other,
// the newest first.
func ParseRecords(b []byte, order binary.ByteOrder) ([]*Record, error) {
	if len(b)%RecordSize != 0 {
		return nil, damaged("%d bytes are no whole number of records of %d", len(b), RecordSize)
	}
	records := make([]*Record, 0, len(b)/RecordSize)
	for ; len(b) > 0; b = b[RecordSize:] {
		r, err := ParseRecord(b[:RecordSize], order)
		if err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	return records, nil
}

func damaged(format string, args ...any) error {
	return &fault.Error{Kind: fault.Damaged, What: "record of imgact_binmisc",
		Err: activators.Fail(activators.ErrInvalid, "", fmt.Errorf(format, args...), "")}
}

// NamedRecord is what lookup, remove, enable and disable take: the kernel reads
// version and name of it, and nothing else is set. A name that no entry can have
// is activators.ErrInvalid.
func NamedRecord(name string) (*Record, error) {
	r := &Record{Version: Version}
	if err := setString(r.Name[:], name); err != nil {
		return nil, activators.Fail(activators.ErrInvalid, fmt.Sprintf("%q cannot be the name of an activator", name), err, "")
	}
	return r, nil
}

// setString fills a field of the record, in which a NUL ends the string.
func setString(field []byte, s string) error {
	switch {
	case len(s) >= len(field):
		return fmt.Errorf("it has %d bytes, %d at most", len(s), len(field)-1)
	case bytes.IndexByte([]byte(s), 0) >= 0:
		return errors.New("it has a NUL")
	}
	copy(field, s)
	return nil
}
