package nxb

import (
	"cmp"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
)

// Limits on what a hostile file can make us read. Real ones have a dozen program
// headers (FreeBSD's kernel wants them within the first page) and some forty
// dynamic entries, of which a dozen are names of libraries.
const (
	maxSegments = 128
	maxDynamic  = 4096
	maxNeeded   = 512
	maxName     = 1024 // MAXPATHLEN
)

// Tags of the dynamic section, where debug/elf has none.
const (
	dtAuxiliary = 0x7ffffffd
	dtFilter    = 0x7fffffff
	dfTextRel   = 0x4
)

// image is a linked ELF file: a program or a shared library.
type image struct {
	*arch.Identity
	r        io.ReaderAt
	size     int64
	bo       binary.ByteOrder
	segments []segment
	dyn      map[int64][]uint64 // values of the dynamic section by tag
}

// segment is a program header.
type segment struct {
	kind              elf.ProgType
	off, addr, size   uint64 // size is p_filesz
	memory, alignment uint64
}

func (s segment) end() uint64 { return s.off + s.size }

// damaged is the error for a file that is not what it says.
func damaged(format string, args ...any) error {
	return fault.New(fault.Damaged, "", format, args...)
}

// readImage reads the headers of an ELF file of size bytes. Everything that they
// point to must be within the file.
func readImage(r io.ReaderAt, size int64) (*image, error) {
	id, err := arch.Identify(io.NewSectionReader(r, 0, size))
	if err != nil {
		return nil, err
	}
	f := &image{Identity: id, r: r, size: size, bo: id.Order.Binary(), dyn: map[int64][]uint64{}}
	if err := f.headers(); err != nil {
		return nil, err
	}
	return f, f.dynamic()
}

// bytes reads n bytes at off, all of them or an error.
func (f *image) bytes(off, n uint64) ([]byte, error) {
	if off > math.MaxInt64 || n > math.MaxInt64 || off+n > uint64(f.size) {
		return nil, damaged("truncated: %d bytes at %d of %d", n, off, f.size)
	}
	b := make([]byte, n)
	_, err := f.r.ReadAt(b, int64(off))
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return b, err
}

// word reads an address-sized field.
func (f *image) word(b []byte) uint64 {
	if f.Class == 64 {
		return f.bo.Uint64(b)
	}
	return uint64(f.bo.Uint32(b))
}

// headers reads the program headers, and sees that the file is whole.
func (f *image) headers() error {
	head, entry, field, tail := uint64(52), uint64(32), 4, 42
	if f.Class == 64 {
		head, entry, field, tail = 64, 56, 8, 54
	}
	h, err := f.bytes(0, head)
	if err != nil {
		return err
	}
	phoff, shoff := f.word(h[24+field:]), f.word(h[24+2*field:])
	size, num := uint64(f.bo.Uint16(h[tail:])), uint64(f.bo.Uint16(h[tail+2:]))
	sections := uint64(f.bo.Uint16(h[tail+4:])) * uint64(f.bo.Uint16(h[tail+6:]))
	if shoff != 0 && (shoff > uint64(f.size) || shoff+sections > uint64(f.size)) {
		return damaged("truncated: the section headers end at %d of %d bytes", shoff+sections, f.size)
	}
	if num == 0 || num > maxSegments || size != entry {
		return damaged("%d program headers of %d bytes", num, size)
	}
	table, err := f.bytes(phoff, num*size)
	if err != nil {
		return err
	}
	for ; len(table) > 0; table = table[size:] {
		if err := f.addSegment(table[:size]); err != nil {
			return err
		}
	}
	return nil
}

func (f *image) addSegment(b []byte) error {
	s := segment{kind: elf.ProgType(f.bo.Uint32(b))}
	if f.Class == 64 {
		s.off, s.addr, s.size, s.memory, s.alignment = f.bo.Uint64(b[8:]), f.bo.Uint64(b[16:]), f.bo.Uint64(b[32:]), f.bo.Uint64(b[40:]), f.bo.Uint64(b[48:])
	} else {
		w := func(i int) uint64 { return uint64(f.bo.Uint32(b[4*i:])) }
		s.off, s.addr, s.size, s.memory, s.alignment = w(1), w(2), w(4), w(5), w(7)
	}
	if s.off > uint64(f.size) || s.size > uint64(f.size) || s.end() > uint64(f.size) {
		return damaged("truncated: a segment ends at %d of %d bytes", s.end(), f.size)
	}
	f.segments = append(f.segments, s)
	return nil
}

// only is the one segment of a kind; nil when there is none.
func (f *image) only(kind elf.ProgType) (*segment, error) {
	var found *segment
	for i, s := range f.segments {
		if s.kind != kind {
			continue
		}
		if found != nil {
			return nil, damaged("two segments %v", kind)
		}
		found = &f.segments[i]
	}
	return found, nil
}

// offset is where the file has what is loaded at addr, and how many bytes of the
// segment follow.
func (f *image) offset(addr uint64) (off, rest uint64, ok bool) {
	for _, s := range f.segments {
		if s.kind == elf.PT_LOAD && addr >= s.addr && addr-s.addr < s.size {
			return s.off + addr - s.addr, s.size - (addr - s.addr), true
		}
	}
	return 0, 0, false
}

// dynamic reads PT_DYNAMIC, as the run-time linker does; the section headers may
// say otherwise or be gone.
func (f *image) dynamic() error {
	s, err := f.only(elf.PT_DYNAMIC)
	if err != nil || s == nil {
		return err
	}
	field := uint64(f.Class / 8)
	if s.size > maxDynamic*2*field {
		return damaged("a dynamic section of %d bytes", s.size)
	}
	b, err := f.bytes(s.off, s.size)
	if err != nil {
		return err
	}
	for uint64(len(b)) >= 2*field {
		tag, value := f.word(b), f.word(b[field:])
		if tag == uint64(elf.DT_NULL) {
			return nil
		}
		f.dyn[int64(tag)] = append(f.dyn[int64(tag)], value)
		b = b[2*field:]
	}
	return damaged("the dynamic section has no end")
}

// strings are the values of a tag that index the string table.
func (f *image) strings(tag int64) ([]string, error) {
	values := f.dyn[tag]
	if len(values) > maxNeeded {
		return nil, damaged("%d dynamic entries of tag %#x", len(values), tag)
	}
	var names []string
	for _, v := range values {
		name, err := f.name(v)
		if err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, nil
}

// table is the dynamic string table's place in the file.
func (f *image) table() (off, size uint64, err error) {
	at, n := f.dyn[int64(elf.DT_STRTAB)], f.dyn[int64(elf.DT_STRSZ)]
	if len(at) != 1 || len(n) != 1 {
		return 0, 0, damaged("%d dynamic string tables", len(at))
	}
	off, rest, ok := f.offset(at[0])
	if !ok || n[0] > rest {
		return 0, 0, damaged("the dynamic string table is not in the file")
	}
	return off, n[0], nil
}

func (f *image) name(index uint64) (string, error) {
	off, size, err := f.table()
	if err != nil {
		return "", err
	}
	if index >= size {
		return "", damaged("a name at %d of a string table of %d bytes", index, size)
	}
	b, err := f.bytes(off+index, min(size-index, maxName))
	if err != nil {
		return "", err
	}
	name, _, ok := strings.Cut(string(b), "\x00")
	if !ok || name == "" || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' }) {
		return "", damaged("the dynamic section has an impossible name")
	}
	return name, nil
}

// textRelocations tells whether the run-time linker would have to write to code.
func (f *image) textRelocations() bool {
	flags := f.dyn[int64(elf.DT_FLAGS)]
	return f.dyn[int64(elf.DT_TEXTREL)] != nil || len(flags) > 0 && flags[0]&dfTextRel != 0
}

// searchPath is the file's own DT_RPATH or DT_RUNPATH, "" when it has none.
func (f *image) searchPath() (string, error) {
	for _, tag := range []elf.DynTag{elf.DT_RPATH, elf.DT_RUNPATH} {
		paths, err := f.strings(int64(tag))
		if err != nil {
			return "", err
		}
		if len(paths) > 0 {
			return fmt.Sprintf("%v %s", tag, paths[0]), nil
		}
	}
	return "", nil
}

// libraries are the names that the run-time linker loads with the file: what it
// needs, and what it is a filter for.
func (f *image) libraries() ([]string, error) {
	var all []string
	for _, tag := range []int64{int64(elf.DT_NEEDED), dtAuxiliary, dtFilter} {
		names, err := f.strings(tag)
		if err != nil {
			return nil, err
		}
		all = append(all, names...)
	}
	return all, nil
}

// native refuses a file that is not of the host's machine and FreeBSD.
func (f *image) native(host *arch.Arch) error {
	if host.Accepts(f.Identity) != nil {
		is := f.Name
		if is == "" {
			is = fmt.Sprintf("%d-bit e_machine %#x", f.Class, f.Machine)
		}
		return fault.New(fault.WrongArch, "", "it is %s, not %s", is, host.Name)
	}
	if f.OS != "freebsd" {
		return fault.New(fault.WrongArch, "", "it is a program for %s, not for freebsd", cmp.Or(f.OS, "a system that it does not name"))
	}
	return nil
}
