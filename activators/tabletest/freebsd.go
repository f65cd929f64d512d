package tabletest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// BinmiscRecord is FreeBSD's struct ximgact_binmisc_entry. It is laid out by
// hand here, so that the codec of package binmisc is held against another one.
type BinmiscRecord struct {
	Version, Flags, Offset, Size uint32
	Spare                        uint32 // the first of three
	Name, Interpreter            string
	Magic, Mask                  string // filled up with zeros
}

// Flags of a record.
const (
	Enabled = 1
	UseMask = 2
	PreOpen = 4
)

// BinmiscSize is the size of the record in bytes.
const BinmiscSize = 1852

// Bytes is r as the kernel takes it. Strings are not ended where they fill
// their field.
func (r BinmiscRecord) Bytes() []byte {
	b := make([]byte, BinmiscSize)
	for at, v := range map[int]uint32{0: r.Version, 4: r.Flags, 8: r.Offset, 12: r.Size, 16: r.Spare} {
		binary.NativeEndian.PutUint32(b[at:], v)
	}
	copy(b[28:60], r.Name)
	copy(b[60:1340], r.Interpreter)
	copy(b[1340:1596], r.Magic)
	copy(b[1596:1852], r.Mask)
	return b
}

// ParseBinmisc reads a record of 1852 bytes. What follows the magic's size is
// an error, since the kernel clears it.
func ParseBinmisc(b []byte) (BinmiscRecord, error) {
	if len(b) != BinmiscSize {
		return BinmiscRecord{}, fmt.Errorf("a record of %d bytes", len(b))
	}
	n := binary.NativeEndian.Uint32
	r := BinmiscRecord{Version: n(b), Flags: n(b[4:]), Offset: n(b[8:]), Size: n(b[12:]), Spare: n(b[16:])}
	size := int(min(r.Size, 256))
	var rest [4]string
	r.Name, rest[0], _ = strings.Cut(string(b[28:60]), "\x00")
	r.Interpreter, rest[1], _ = strings.Cut(string(b[60:1340]), "\x00")
	r.Magic, rest[2] = string(b[1340:1340+size]), string(b[1340+size:1596])
	r.Mask, rest[3] = string(b[1596:1596+size]), string(b[1596+size:])
	for i, s := range rest {
		if strings.Trim(s, "\x00") != "" {
			return r, fmt.Errorf("field %d of the record has %q behind its end", i, s)
		}
	}
	return r, nil
}

// FreeBSDKernel is a kernel, or a model of it, below the level of
// activators.Table: nothing is checked before the kernel sees it.
type FreeBSDKernel struct {
	Add    func(r BinmiscRecord) error
	Change func(node, name string) error // remove, enable or disable
	Lookup func(name string) (BinmiscRecord, error)
	List   func() ([]BinmiscRecord, error)
	// Sysctl calls a node of kern.binmisc: out is nil for a null pointer. It
	// returns how much came, or would. nil: the model knows entries, not bytes.
	Sysctl func(node string, out, in []byte) (int, error)
	// Interpreter makes an interpreter that Match can tell. nil: any path does.
	Interpreter func(t *testing.T, name string) string
	// Match is the name of the entry that is taken for a file of that content.
	Match func(t *testing.T, content string) string
	// First says that the kernel asks the table before it looks for native
	// programs, so that an entry that matches every file must not be tried.
	First bool
}

// BySysctl completes a kernel that has Sysctl.
func BySysctl(k FreeBSDKernel) FreeBSDKernel {
	k.Add = func(r BinmiscRecord) error {
		_, err := k.Sysctl("add", nil, r.Bytes())
		return err
	}
	k.Change = func(node, name string) error {
		_, err := k.Sysctl(node, nil, BinmiscRecord{Version: 1, Name: name}.Bytes())
		return err
	}
	k.Lookup = func(name string) (BinmiscRecord, error) {
		out := make([]byte, BinmiscSize)
		n, err := k.Sysctl("lookup", out, BinmiscRecord{Version: 1, Name: name}.Bytes())
		if err != nil {
			return BinmiscRecord{}, err
		}
		return ParseBinmisc(out[:n])
	}
	k.List = func() ([]BinmiscRecord, error) {
		n, err := k.Sysctl("list", nil, nil)
		if err != nil || n == 0 {
			return nil, err
		}
		out := make([]byte, n)
		if n, err = k.Sysctl("list", out, nil); err != nil {
			return nil, err
		}
		return parseList(out[:n])
	}
	return k
}

func parseList(b []byte) ([]BinmiscRecord, error) {
	var list []BinmiscRecord
	for at := 0; at < len(b); at += BinmiscSize {
		r, err := ParseBinmisc(b[at:min(len(b), at+BinmiscSize)])
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}

// RunFreeBSD holds a kernel to what FreeBSD 15.1 did when it was tried; create
// gives one with an empty table for each check.
func RunFreeBSD(t *testing.T, create func(t *testing.T) FreeBSDKernel) {
	t.Run("add", func(t *testing.T) { runAdd(t, create) })
	for _, c := range freebsdSequences {
		t.Run(c.name, func(t *testing.T) { c.run(t, create(t)) })
	}
	for _, c := range freebsdMatches {
		t.Run("match "+c.name, func(t *testing.T) { c.check(t, create(t)) })
	}
}

// wantErrno compares an error with an errno, 0 for none.
func wantErrno(t *testing.T, what string, err error, want syscall.Errno) {
	t.Helper()
	if want == 0 && err != nil || want != 0 && !errors.Is(err, want) {
		t.Errorf("%s: error %v, want %v", what, err, want)
	}
}

// plainRecord is an entry that works: a magic that no program has, and a mask.
func plainRecord(t *testing.T, k FreeBSDKernel, name string) BinmiscRecord {
	r := BinmiscRecord{Version: 1, Flags: Enabled | UseMask, Size: 4, Name: name, Interpreter: "/nonexistent/" + name, Magic: "xjt1", Mask: "\xff\xff\xff\xff"}
	if k.Interpreter != nil {
		r.Interpreter = k.Interpreter(t, name)
	}
	return r
}
