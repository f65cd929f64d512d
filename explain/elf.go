package explain

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/xjail/xjail/arch"
)

// Values of ELF, from the System V ABI.
const (
	elfMagic  = "\x7fELF"
	typeObj   = 1
	typeExec  = 2
	typeDyn   = 3
	typeCore  = 4
	ptLoad    = 1
	ptDynamic = 2
	ptInterp  = 3
)

// elfFile is an ELF file as far as kernels and linkers look at it.
type elfFile struct {
	img     *image
	class   int
	order   arch.Order
	bo      binary.ByteOrder
	ident   []byte // the first 16 bytes
	kind    uint16
	machine uint16
	flags   uint32
	entry   uint64
	phoff   uint64
	ehsize  uint16
	phsize  uint16
	phnum   uint16

	id       *arch.Identity
	segments []segment
	tableErr string // why the program headers could not be read
}

type segment struct {
	kind              uint32
	off, addr         uint64
	fileSize, memSize uint64
}

func isELF(header []byte) bool { return strings.HasPrefix(string(header), elfMagic) }

// parseELF reads the header as the kernels do: what lies beyond the end of the
// file is zeros. It is nil for what is not ELF.
func parseELF(img *image) *elfFile {
	if !isELF(img.header) {
		return nil
	}
	h := make([]byte, 64)
	copy(h, img.header)
	f := &elfFile{img: img, class: 32, order: arch.Little, ident: h[:16]}
	if h[4] == 2 {
		f.class = 64
	}
	if h[5] == 2 {
		f.order = arch.Big
	}
	f.bo = f.order.Binary()
	f.kind, f.machine = f.bo.Uint16(h[16:]), f.bo.Uint16(h[18:])
	if f.class == 64 {
		f.entry, f.phoff, f.flags = f.bo.Uint64(h[24:]), f.bo.Uint64(h[32:]), f.bo.Uint32(h[48:])
		f.ehsize, f.phsize, f.phnum = f.bo.Uint16(h[52:]), f.bo.Uint16(h[54:]), f.bo.Uint16(h[56:])
	} else {
		f.entry, f.phoff, f.flags = uint64(f.bo.Uint32(h[24:])), uint64(f.bo.Uint32(h[28:])), f.bo.Uint32(h[36:])
		f.ehsize, f.phsize, f.phnum = f.bo.Uint16(h[40:]), f.bo.Uint16(h[42:]), f.bo.Uint16(h[44:])
	}
	f.readSegments()
	return f
}

func (f *elfFile) headerSize() int {
	if f.class == 64 {
		return 64
	}
	return 52
}

func (f *elfFile) segmentSize() int {
	if f.class == 64 {
		return 56
	}
	return 32
}

// segmentsMax is what Linux reads of the program headers, in bytes
// (load_elf_phdrs; older kernels read a page). Programs that exist have far less.
const segmentsMax = 65536

func (f *elfFile) readSegments() {
	size := int(f.phnum) * f.segmentSize()
	switch {
	case int(f.phsize) != f.segmentSize():
		f.tableErr = fmt.Sprintf("the header says that a program header has %d bytes; it has %d", f.phsize, f.segmentSize())
		return
	case f.phnum == 0:
		f.tableErr = "it has no program headers"
		return
	case size > segmentsMax:
		f.tableErr = fmt.Sprintf("its program headers have %d bytes, %d at most", size, segmentsMax)
		return
	}
	b := f.at(f.phoff, uint64(size))
	if len(b) < size {
		f.tableErr = fmt.Sprintf("its program headers end at byte %d, and the file has %d", f.phoff+uint64(size), f.img.size())
		return
	}
	for ; len(b) >= f.segmentSize(); b = b[f.segmentSize():] {
		f.segments = append(f.segments, f.segment(b))
	}
}

func (f *elfFile) segment(b []byte) segment {
	if f.class == 64 {
		return segment{f.bo.Uint32(b), f.bo.Uint64(b[8:]), f.bo.Uint64(b[16:]), f.bo.Uint64(b[32:]), f.bo.Uint64(b[40:])}
	}
	w := func(at int) uint64 { return uint64(f.bo.Uint32(b[at:])) }
	return segment{f.bo.Uint32(b), w(4), w(8), w(16), w(20)}
}

// readMax bounds what is read of a file at once, in bytes.
const readMax = 4 << 20

// at is n bytes of the file at off, less at its end, nothing at an impossible
// place.
func (f *elfFile) at(off, n uint64) []byte {
	if off >= uint64(f.img.size()) || f.img.file == nil {
		return nil
	}
	n = min(n, uint64(f.img.size())-off, readMax)
	b, err := readAt(f.img.file, int64(off), int(n))
	if err != nil {
		return nil
	}
	return b
}

// offset is where in the file an address is.
func (f *elfFile) offset(addr uint64) (uint64, bool) {
	for _, s := range f.segments {
		if s.kind == ptLoad && addr >= s.addr && addr-s.addr < s.fileSize {
			return s.off + (addr - s.addr), true
		}
	}
	return 0, false
}

// find is the first segment of a kind.
func (f *elfFile) find(kind uint32) (segment, bool) {
	i := slices.IndexFunc(f.segments, func(s segment) bool { return s.kind == kind })
	if i < 0 {
		return segment{}, false
	}
	return f.segments[i], true
}

// headerCut tells whether the file ends within its ELF header.
func (f *elfFile) headerCut() bool { return f.img.size() < int64(f.headerSize()) }

// pageSize is what the maps of a program are rounded to, on most machines.
const pageSize = 4096

// cut is the end of the first segment that has pages beyond the end of the file:
// a program that touches them is killed with SIGBUS.
func (f *elfFile) cut() (uint64, bool) {
	pages := (uint64(f.img.size()) + pageSize - 1) / pageSize * pageSize
	for _, s := range f.segments {
		if end := s.off + s.fileSize; s.kind == ptLoad && (end > pages || end < s.off) {
			return end, true
		}
	}
	return 0, false
}

// fits tells whether the file is one of an architecture's.
func (f *elfFile) fits(a *arch.Arch) bool {
	return a.Class == f.class && a.Order == f.order && a.Machine == f.machine && f.flags&a.Flags.Mask == a.Flags.Value && f.ident[4] <= 2 && f.ident[5] <= 2
}

// identity is what package arch says of the file; an empty one when it is too
// damaged for that.
func (f *elfFile) identity() *arch.Identity {
	if f.id == nil {
		f.id = &arch.Identity{}
		if f.img.file != nil {
			if id, err := arch.Identify(f.img.file); err == nil {
				f.id = id
			}
		}
	}
	return f.id
}

// archOf is the row of the catalog, nil when there is none.
func (f *elfFile) archOf() *arch.Arch {
	if a := f.identity().Arch; a != nil {
		return a
	}
	for _, a := range arch.All() {
		if f.fits(a) {
			return a
		}
	}
	return nil
}

// archText names the architecture in messages.
func (f *elfFile) archText() string {
	if a := f.archOf(); a != nil {
		return a.Name
	}
	return fmt.Sprintf("an unknown architecture (e_machine 0x%x, %d-bit %s-endian)", f.machine, f.class, f.order)
}

// describe is the evidence of a header.
func (f *elfFile) describe() []string {
	lines := []string{fmt.Sprintf("class %d-bit, byte order %s, machine 0x%x, OSABI %d, ABI version %d, type %s, flags 0x%x",
		f.class, f.order, f.machine, f.ident[7], f.ident[8], typeText(f.kind), f.flags)}
	if id := f.identity(); id.Class != 0 {
		lines = append(lines, id.String())
	}
	return lines
}

func typeText(kind uint16) string {
	switch kind {
	case typeObj:
		return "REL"
	case typeExec:
		return "EXEC"
	case typeDyn:
		return "DYN"
	case typeCore:
		return "CORE"
	}
	return fmt.Sprintf("%d", kind)
}

// native is the architecture as which the kernel runs a file by itself, nil when
// it does not. Linux's amd64 does not look at the class: files of another one
// fail at their program headers.
func (w *World) native(f *elfFile) *arch.Arch {
	for _, a := range w.Natives {
		if f.fits(a) {
			return a
		}
	}
	return nil
}
