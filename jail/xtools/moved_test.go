package xtools

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"testing"
)

const (
	hostDir   = "/usr/lib/x86_64-linux-gnu"
	targetDir = "/usr/lib/mips64el-linux-gnuabi64"
)

// searcherImage is a position-independent program as the linker lays out make: a
// relocation at 0x200, code at 0x1000, strings at 0x2000 with slack bytes behind them
// in their page.
func searcherImage(slack int) []byte {
	const code, data, relocs, sections = 0x1000, 0x2000, 0x200, 0x300
	text := make([]byte, data+pageSize)
	strings := "other\x00" + hostDir + "\x00more\x00"
	used := pageSize - slack
	at := data + used - len(strings)
	copy(text[at:], strings)
	le := binary.LittleEndian
	le.PutUint64(text[relocs:], 0x4000)
	le.PutUint32(text[relocs+8:], 8)
	le.PutUint64(text[relocs+16:], uint64(at+len("other\x00")))
	le.PutUint64(text[relocs+24:], 0x4008) // another pointer
	le.PutUint32(text[relocs+32:], 8)
	le.PutUint64(text[relocs+40:], uint64(at))
	b := &bytes.Buffer{}
	h := elf.Header64{Type: uint16(elf.ET_DYN), Machine: uint16(elf.EM_X86_64), Version: 1, Phoff: 64, Shoff: sections, Ehsize: 64, Phentsize: 56, Phnum: 3, Shentsize: 64, Shnum: 2}
	copy(h.Ident[:], elf.ELFMAG+"\x02\x01\x01")
	_ = binary.Write(b, le, h)
	segment := func(flags elf.ProgFlag, off, size uint64) elf.Prog64 {
		return elf.Prog64{Type: uint32(elf.PT_LOAD), Flags: uint32(flags), Off: off, Vaddr: off, Filesz: size, Memsz: size, Align: pageSize}
	}
	_ = binary.Write(b, le, []elf.Prog64{segment(elf.PF_R, 0, pageSize), segment(elf.PF_R|elf.PF_X, code, pageSize), segment(elf.PF_R, data, uint64(used))})
	copy(text, b.Bytes())
	b.Reset()
	_ = binary.Write(b, le, []elf.Section64{{}, {Type: uint32(withAddends), Off: relocs, Size: 48, Entsize: 24}})
	copy(text[sections:], b.Bytes())
	return text
}

func TestMoveString(t *testing.T) {
	text := searcherImage(100)
	before := bytes.Clone(text)
	if !moveString(text, hostDir, targetDir) || len(text) != len(before) {
		t.Fatal("nothing was changed")
	}
	file, err := elf.NewFile(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	at := binary.LittleEndian.Uint64(text[0x210:])
	said := make([]byte, len(targetDir)+1)
	if _, err := file.Progs[2].ReadAt(said, int64(at-file.Progs[2].Vaddr)); err != nil || string(said) != targetDir+"\x00" {
		t.Errorf("the pointer leads to %q, %v", said, err)
	}
	if !bytes.Equal(text[0x218:0x240], before[0x218:0x240]) {
		t.Error("another pointer is changed")
	}
	if !bytes.Contains(text, []byte("other\x00"+hostDir+"\x00more\x00")) {
		t.Error("the old string is gone, which others may end like")
	}
	again := searcherImage(20) // no room there, but behind the code
	binary.LittleEndian.PutUint64(again[64+56+32:], 64)
	binary.LittleEndian.PutUint64(again[64+56+40:], 64)
	if !moveString(again, hostDir, targetDir) || binary.LittleEndian.Uint64(again[0x210:])>>12 != 1 {
		t.Error("the room behind the code is not used")
	}
}

// Whatever is otherwise leaves the program as it is.
func TestMoveStringRefuses(t *testing.T) {
	where := bytes.Index(searcherImage(100), []byte(hostDir))
	for name, change := range map[string]func(text []byte) []byte{
		"no room":                 func([]byte) []byte { return searcherImage(20) },
		"named twice":             func(text []byte) []byte { copy(text[0x2100:], "\x00"+hostDir+"/x\x00"); return text },
		"part of a longer string": func(text []byte) []byte { text[where-1] = 'x'; return text },
		"no pointer":              func(text []byte) []byte { text[0x208] = 6; return text },
		"named by code": func(text []byte) []byte {
			binary.LittleEndian.PutUint32(text[0x1003:], uint32(where-0x1007))
			return text
		},
		"linked to fixed addresses": func(text []byte) []byte { text[16] = byte(elf.ET_EXEC); return text },
		"another machine":           func(text []byte) []byte { text[18] = byte(elf.EM_RISCV); return text },
		"a string that is writable": func(text []byte) []byte { text[64+2*56+4] = byte(elf.PF_R | elf.PF_W); return text },
		"cut off":                   func(text []byte) []byte { return text[:0x180] },
		"relocations outside":       func(text []byte) []byte { binary.LittleEndian.PutUint64(text[0x300+64+24:], 1<<60); return text },
	} {
		text := change(searcherImage(100))
		before := bytes.Clone(text)
		if moveString(text, hostDir, targetDir) || !bytes.Equal(text, before) {
			t.Errorf("%s: changed", name)
		}
	}
}

// The make of this machine is one of those that it is made for.
func TestMoveStringOfMake(t *testing.T) {
	text, err := os.ReadFile("/usr/bin/make")
	if err != nil || !bytes.Contains(text, []byte("\x00"+hostDir+"\x00")) {
		t.Skip("no make of Debian for amd64 is here")
	}
	if !moveString(text, hostDir, targetDir) {
		t.Error("it is not changed")
	}
}
