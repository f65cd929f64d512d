package xtools

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
)

// A native make looks for what a prerequisite -lNAME means in the directory of its
// own architecture's libraries, which is compiled in. In its copy that is the root's
// directory, whose name is longer in most cases: it goes where there is room, and the
// pointers to the old one lead to it.

// relative are the relocations of pointers into the same file: R_X86_64_RELATIVE and
// R_AARCH64_RELATIVE.
var relative = map[elf.Machine]uint32{elf.EM_X86_64: 8, elf.EM_AARCH64: 1027}

// withAddends is the kind of sections with relocations that say where to, elf(5).
const withAddends = elf.SHT_RELA //nolint:misspell // ELF's name

// moveString has a program say fresh where it says old, a string of its own to which
// only pointers among its data lead. Where anything is otherwise than that nothing is
// changed, and changed is false.
func moveString(text []byte, old, fresh string) (changed bool) {
	at := bytes.Index(text, []byte("\x00"+old+"\x00")) + 1
	file, err := elf.NewFile(bytes.NewReader(text))
	if at == 0 || bytes.Count(text, []byte(old)) != 1 || err != nil || file.Type != elf.ET_DYN || file.Class != elf.ELFCLASS64 || file.Data != elf.ELFDATA2LSB {
		return false
	}
	home := constantAt(file, at)
	if home < 0 {
		return false
	}
	p := file.Progs[home]
	address := p.Vaddr + uint64(at) - p.Off
	refs := pointersTo(text, file, address)
	if len(refs) == 0 || codeNames(text, file, address) {
		return false
	}
	for i := range file.Progs {
		if to, ok := constantRoom(text, file, i, len(fresh)+1); ok {
			q := file.Progs[i]
			for _, ref := range refs {
				binary.LittleEndian.PutUint64(text[ref:], q.Vaddr+uint64(to)-q.Off)
			}
			copy(text[to:], fresh)
			growSegment(text, i, uint64(to+len(fresh)+1)-q.Off)
			return true
		}
	}
	return false
}

// isConstant tells whether a segment is loaded as it is in the file, and stays so.
func isConstant(p *elf.Prog) bool {
	return p.Type == elf.PT_LOAD && p.Flags&elf.PF_W == 0 && p.Filesz == p.Memsz
}

// constantAt is the index of such a segment that has a place of the file; -1 for none.
func constantAt(file *elf.File, at int) int {
	for i, p := range file.Progs {
		if isConstant(p) && uint64(at) >= p.Off && uint64(at) < p.Off+p.Filesz {
			return i
		}
	}
	return -1
}

// constantRoom is where size bytes are free behind such a segment.
func constantRoom(text []byte, file *elf.File, i, size int) (to int, ok bool) {
	if !isConstant(file.Progs[i]) {
		return 0, false
	}
	return roomBehind(text, file, i, size)
}

// pointersTo are the places of the addends of relocations that make pointers to an
// address.
func pointersTo(text []byte, file *elf.File, address uint64) (refs []int) {
	const entry, info, addend = 24, 8, 16 // of an entry with an addend, elf(5)
	kind, ok := relative[file.Machine]
	for _, s := range file.Sections {
		if !ok || s.Type != withAddends || s.Offset > uint64(len(text)) || s.FileSize > uint64(len(text))-s.Offset {
			continue
		}
		for at := int(s.Offset); at+entry <= int(s.Offset+s.FileSize); at += entry {
			if binary.LittleEndian.Uint32(text[at+info:]) == kind && binary.LittleEndian.Uint64(text[at+addend:]) == address {
				refs = append(refs, at+addend)
			}
		}
	}
	return refs
}

// codeNames tells whether code may have an address relative to itself. That is known
// of amd64, whose instructions have the distance in four bytes of their own; elsewhere
// it is taken for granted that it has not.
func codeNames(text []byte, file *elf.File, address uint64) bool {
	for _, p := range file.Progs {
		if file.Machine != elf.EM_X86_64 || p.Type != elf.PT_LOAD || p.Flags&elf.PF_X == 0 || p.Off+p.Filesz > uint64(len(text)) {
			continue
		}
		for at := p.Off; at+4 <= p.Off+p.Filesz; at++ {
			distance := int64(int32(binary.LittleEndian.Uint32(text[at:])))
			if uint64(int64(p.Vaddr+at-p.Off)+4+distance) == address {
				return true
			}
		}
	}
	return false
}
