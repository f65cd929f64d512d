package xtools

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
)

// driverImage is the file of a compiler's driver: the program cc, which decides
// what to run.
type driverImage struct {
	text []byte
	file *elf.File
}

// nativeDriver makes a cross compiler's driver look for libraries as a native one
// does. gcc.cc decides that by two variables, of which a native build has other
// values: cross_compile, "0" instead of "1", and target_system_root, NULL instead
// of "/". The first is found by its entry in the table of specs, the second
// beside it. A driver in which that cannot be found is left as it is, and changed
// is false: it finds the same libraries, and says so in other words.
//
// Only drivers that are linked to fixed addresses have these pointers in the
// file, and so it is with those of gcc.
func nativeDriver(text []byte) (changed bool) {
	file, err := elf.NewFile(bytes.NewReader(text))
	if err != nil || file.Type != elf.ET_EXEC || file.Class != elf.ELFCLASS64 || file.Data != elf.ELFDATA2LSB {
		return false
	}
	d := &driverImage{text, file}
	at := d.specVariable("cross_compile")
	if at < 0 || d.stringAt(d.word(at)) != "1" {
		return false
	}
	zero := d.addressOf("0")
	if zero == 0 {
		return false
	}
	binary.LittleEndian.PutUint64(text[at:], zero)
	for near := max(0, at-nearby); near <= at+nearby && near+8 <= len(text); near += 8 {
		if d.stringAt(d.word(near)) == "/" {
			clear(text[near : near+8])
		}
	}
	return true
}

// nearby is how far the two variables are from each other at most, bytes.
const nearby = 64

// specVariable is the offset of the variable of a spec, which is the third word
// of its entry in the table (struct spec_list: name, ptr, ptr_spec); -1 when there
// is none.
func (d *driverImage) specVariable(name string) int {
	address := d.addressOf(name)
	if address == 0 {
		return -1
	}
	pointer := binary.LittleEndian.AppendUint64(nil, address)
	for from := 0; ; {
		i := bytes.Index(d.text[from:], pointer)
		if i < 0 {
			return -1
		}
		at := from + i
		from = at + 1
		if at%8 != 0 || at+24 > len(d.text) || d.word(at+8) != 0 {
			continue
		}
		if v := d.offset(d.word(at + 16)); v >= 0 && v%8 == 0 && v+8 <= len(d.text) {
			return v
		}
	}
}

func (d *driverImage) word(at int) uint64 { return binary.LittleEndian.Uint64(d.text[at:]) }

// addressOf is where a string is loaded, 0 when it is not in the file.
func (d *driverImage) addressOf(s string) uint64 {
	i := bytes.Index(d.text, []byte("\x00"+s+"\x00"))
	if i < 0 {
		return 0
	}
	for _, p := range d.file.Progs {
		if at := uint64(i + 1); p.Type == elf.PT_LOAD && at >= p.Off && at < p.Off+p.Filesz {
			return at - p.Off + p.Vaddr
		}
	}
	return 0
}

// offset is where an address is in the file; -1 for none.
func (d *driverImage) offset(address uint64) int {
	for _, p := range d.file.Progs {
		if p.Type == elf.PT_LOAD && address >= p.Vaddr && address < p.Vaddr+p.Filesz {
			if at := address - p.Vaddr + p.Off; at < uint64(len(d.text)) {
				return int(at)
			}
		}
	}
	return -1
}

// stringAt is the string at an address; "" for none.
func (d *driverImage) stringAt(address uint64) string {
	at := d.offset(address)
	if at < 0 {
		return ""
	}
	n := bytes.IndexByte(d.text[at:min(len(d.text), at+16)], 0)
	if n < 0 {
		return ""
	}
	return string(d.text[at : at+n])
}
