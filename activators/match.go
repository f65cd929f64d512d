package activators

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
)

// pinned is a bit pattern at an absolute place of a file: what an entry wants.
// Bits outside of mask are free.
type pinned struct{ value, mask byte }

// pins calls f for each byte of the file of which e wants something, until f
// returns false. It tells whether f never did.
func (e Entry) pins(f func(at int, p pinned) bool) bool {
	for i := range e.Magic {
		p := e.pin(i)
		if p.mask != 0 && !f(e.Offset+i, p) {
			return false
		}
	}
	return true
}

// pin is what byte i of the magic wants. Without a mask it is all bits.
func (e Entry) pin(i int) pinned {
	mask := byte(0xff)
	if len(e.Mask) > 0 {
		mask = 0
		if i < len(e.Mask) {
			mask = e.Mask[i]
		}
	}
	return pinned{e.Magic[i] & mask, mask}
}

// pinAt is what e wants of the byte at an absolute place.
func (e Entry) pinAt(at int) pinned {
	if i := at - e.Offset; i >= 0 && i < len(e.Magic) {
		return e.pin(i)
	}
	return pinned{}
}

// matchesAll tells whether the magic of e wants nothing.
func matchesAll(e Entry) bool {
	return e.Extension == "" && e.pins(func(int, pinned) bool { return false })
}

// Captures tells whether e matches a file that begins with header, enabled or
// not. Bytes past the end of header count as zeros, as both kernels fill up
// short files: pass as much of a longer file as HeaderMax. An entry with an
// extension captures no header.
func Captures(e Entry, header []byte) bool {
	if e.Extension != "" {
		return false
	}
	return e.pins(func(at int, p pinned) bool {
		var b byte
		if at >= 0 && at < len(header) {
			b = header[at]
		}
		return b&p.mask == p.value
	})
}

// Covers tells whether every file that b matches is matched by a as well: a is
// more general than b, or the same.
func Covers(a, b Entry) bool {
	if a.Extension != "" {
		return a.Extension == b.Extension
	}
	// A pattern pins bits, all of them at once: the files of b are among those
	// of a when b pins all that a does, to the same values. An extension pins none.
	return a.pins(func(at int, p pinned) bool {
		q := b.pinAt(at)
		return q.mask&p.mask == p.mask && q.value&p.mask == p.value
	})
}

// Overlaps tells whether a file can match both a and b.
func Overlaps(a, b Entry) bool {
	if a.Extension != "" && b.Extension != "" {
		return a.Extension == b.Extension
	}
	return a.pins(func(at int, p pinned) bool {
		q := b.pinAt(at)
		return (p.value^q.value)&p.mask&q.mask == 0
	})
}

// Places in the ELF header, and its values, from the System V ABI.
const (
	elfOSABI  = 7
	elfType   = 16
	elfIdent  = 20 // what tells an architecture: up to and with e_machine
	elfFlags  = 48 // e_flags of 64-bit files
	elfFlags1 = 36 // and of 32-bit ones
	elfEnd    = 64
)

// Native refuses, with kind fault.Unsafe, an entry that could take programs of
// the host itself: one that matches this very program, any native executable of
// its kind, a shell script, every file, or one of the headers given (the
// emulator's own, for one). On Linux such an entry makes every exec fail, also
// that of the command that would remove it. Enabled or not does not matter.
func Native(e Entry, headers ...[]byte) error {
	if matchesAll(e) {
		return e.unsafe("", errEverything)
	}
	self, err := ownHeader()
	if err != nil {
		return fmt.Errorf("read the header of this program: %w", err)
	}
	return nativeTo(e, self, headers)
}

func nativeTo(e Entry, self []byte, headers [][]byte) error {
	if TakesLike(e, self) {
		return e.unsafe("the magic and mask must leave out this machine's own programs", errors.New("it would take this machine's own programs"))
	}
	if Captures(e, []byte("#!/bin/sh\n")) {
		return e.unsafe("", errors.New("it would take shell scripts"))
	}
	for _, h := range headers {
		if Captures(e, h) {
			return e.unsafe("choose an emulator for the programs of another architecture", errors.New("it would take its own interpreter"))
		}
	}
	return nil
}

// TakesLike tells whether e matches self, the start of a program, or a program
// that differs from self only in what those of one kind differ in: system
// (EI_OSABI), executable or PIE, entry point, sizes and counts. An entry that
// looks at nothing in the first bytes is judged by self alone, since the rest of
// a program is anything.
func TakesLike(e Entry, self []byte) bool {
	if Captures(e, self) {
		return true
	}
	if len(self) < elfEnd || !looksAt(e, elfIdent) {
		return false
	}
	flags := elfFlags
	if self[4] == 1 {
		flags = elfFlags1
	}
	return e.pins(func(at int, p pinned) bool {
		switch {
		case at == elfOSABI:
			return anyOf(p, self[at], 0, 3)
		case at == elfType || at == elfType+1:
			return typeByte(p, self, at)
		case at < elfIdent || at >= flags && at < flags+4:
			return self[at]&p.mask == p.value
		}
		return true
	})
}

// looksAt tells whether e wants anything of the first n bytes.
func looksAt(e Entry, n int) bool {
	return !e.pins(func(at int, _ pinned) bool { return at >= n })
}

func anyOf(p pinned, values ...byte) bool {
	return slices.ContainsFunc(values, func(v byte) bool { return v&p.mask == p.value })
}

// typeByte is for e_type, of which ET_EXEC (2) and ET_DYN (3) are programs.
func typeByte(p pinned, self []byte, at int) bool {
	low := elfType
	if self[5] == 2 {
		low++
	}
	if at == low {
		return anyOf(p, 2, 3)
	}
	return anyOf(p, 0)
}

// ownHeader is the first page of the program that is running. FreeBSD's kernel
// tells a program's path from a cache of names and may have forgotten it; the
// caller's argv[0] is then the next best.
var ownHeader = sync.OnceValues(func() ([]byte, error) {
	name, err := os.Executable()
	if err == nil && name != "" {
		return ReadHeader(name)
	}
	return ReadHeader(os.Args[0])
})

// OwnHeader is the first page of the program that is running: a program of this
// machine.
func OwnHeader() ([]byte, error) { return ownHeader() }

// ReadHeader reads as much of a file as a kernel looks at, for Captures and
// Native.
func ReadHeader(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, HeaderMax))
}
