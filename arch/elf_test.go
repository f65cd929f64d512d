package arch

import "encoding/binary"

// elfFile is an ELF file that the tests build. Segments and sections hold
// their own contents, which are laid out one after another behind the tables.
type elfFile struct {
	class             int
	order             Order
	machine           uint16
	etype             uint16
	flags             uint32
	osabi, abiVersion byte
	entry             uint64
	segments          []part
	sections          []part
}

type part struct {
	kind  uint32
	data  []byte
	align uint64
}

// of is an executable of a.
func of(name string, etype uint16) *elfFile {
	a, err := Lookup(name)
	if err != nil {
		panic(err)
	}
	return &elfFile{class: a.Class, order: a.Order, machine: a.Machine, flags: a.Flags.Value, etype: etype, entry: 0x10000}
}

func (e *elfFile) segment(kind uint32, data []byte) *elfFile {
	e.segments = append(e.segments, part{kind, data, 4})
	return e
}

func (e *elfFile) section(kind uint32, data []byte) *elfFile {
	e.sections = append(e.sections, part{kind, data, 4})
	return e
}

func (e *elfFile) interp(path string) *elfFile { return e.segment(ptInterp, []byte(path+"\x00")) }

// byteOrder is what package encoding/binary's two orders can do.
type byteOrder interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

func (e *elfFile) bo() byteOrder { return e.order.Binary().(byteOrder) }

// note is one note with 4-byte padding.
func (e *elfFile) note(name string, kind uint32, desc []byte) []byte {
	n := append([]byte(name), 0)
	b := e.words(uint32(len(n)), uint32(len(desc)), kind)
	b = append(b, n...)
	b = append(b, make([]byte, roundUp(uint64(len(n)), 4)-uint64(len(n)))...)
	b = append(b, desc...)
	return append(b, make([]byte, roundUp(uint64(len(desc)), 4)-uint64(len(desc)))...)
}

func (e *elfFile) words(w ...uint32) []byte {
	var b []byte
	for _, v := range w {
		b = e.bo().AppendUint32(b, v)
	}
	return b
}

// long writes an address-sized word.
func (e *elfFile) long(b []byte, v uint64) []byte {
	if e.class == 64 {
		return e.bo().AppendUint64(b, v)
	}
	return e.bo().AppendUint32(b, uint32(v))
}

func (e *elfFile) dynamic(pairs ...uint64) *elfFile {
	var b []byte
	for _, v := range append(pairs, 0, 0) {
		b = e.long(b, v)
	}
	return e.segment(ptDynamic, b)
}

func (e *elfFile) sizes() (head, segment, section int) {
	if e.class == 64 {
		return 64, 56, 64
	}
	return 52, 32, 40
}

// library adds a dynamic segment with names in a string table; the load
// segment has the addresses of the file plus 0x400000.
func (e *elfFile) library(tag uint64, names ...string) *elfFile {
	table := []byte{0}
	var pairs []uint64
	for _, name := range names {
		pairs = append(pairs, tag, uint64(len(table)))
		table = append(append(table, name...), 0)
	}
	e.segments = append(e.segments, part{kind: ptLoad, data: table, align: 4})
	return e.dynamic(append(pairs, dtStrTab, loadAddress)...)
}

// loadAddress is p_vaddr of every segment that the tests build.
const loadAddress = 0x400000

// bytes lays the file out: header, segments' table, sections' table, contents.
func (e *elfFile) bytes() []byte {
	head, psize, ssize := e.sizes()
	phoff, shoff := 0, 0
	at := head
	if len(e.segments) > 0 {
		phoff, at = at, at+psize*len(e.segments)
	}
	if len(e.sections) > 0 {
		e.sections = append([]part{{}}, e.sections...) // SHN_UNDEF
		shoff, at = at, at+ssize*len(e.sections)
	}
	b := e.header(phoff, shoff)
	var contents []byte
	for _, p := range e.segments {
		b = e.appendSegment(b, p, uint64(at+len(contents)))
		contents = append(contents, p.data...)
	}
	for _, p := range e.sections {
		b = e.appendSection(b, p, uint64(at+len(contents)))
		contents = append(contents, p.data...)
	}
	return append(b, contents...)
}

func (e *elfFile) header(phoff, shoff int) []byte {
	head, psize, ssize := e.sizes()
	b := append([]byte(elfMagic), byte(e.class/32), 1, 1, e.osabi, e.abiVersion, 0, 0, 0, 0, 0, 0, 0)
	if e.order == Big {
		b[atData] = 2
	}
	bo := e.bo()
	b = bo.AppendUint16(b, e.etype)
	b = bo.AppendUint16(b, e.machine)
	b = bo.AppendUint32(b, 1)
	b = e.long(b, e.entry)
	b = e.long(b, uint64(phoff))
	b = e.long(b, uint64(shoff))
	b = bo.AppendUint32(b, e.flags)
	for _, v := range []int{head, psize, len(e.segments), ssize, len(e.sections), 0} {
		b = bo.AppendUint16(b, uint16(v))
	}
	return b
}

func (e *elfFile) appendSegment(b []byte, p part, off uint64) []byte {
	size := uint64(len(p.data))
	b = e.bo().AppendUint32(b, p.kind)
	if e.class == 64 {
		b = e.bo().AppendUint32(b, 4)
	}
	for _, v := range []uint64{off, loadAddress, 0, size, size} {
		b = e.long(b, v)
	}
	if e.class == 32 {
		b = e.bo().AppendUint32(b, 4)
	}
	return e.long(b, p.align)
}

func (e *elfFile) appendSection(b []byte, p part, off uint64) []byte {
	b = append(b, e.words(0, p.kind)...)
	for _, v := range []uint64{0, 0, off, uint64(len(p.data))} {
		b = e.long(b, v)
	}
	b = append(b, e.words(0, 0)...)
	b = e.long(b, p.align)
	return e.long(b, 0)
}
