package xtools

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
)

// The revisions are those of gcc-12-mips64el-linux-gnuabi64 12.2.0-14cross1 and
// of gcc-12 12.2.0-14+deb12u1 of mips64el.
const (
	crossRevision = "(Debian 12.2.0-14) "
	ownRevision   = "(Debian 12.2.0-14+deb12u1) "
)

// compilerImage is a program as the linker lays out cc1: code at 0x401000, and
// strings at 0x402000 with slack bytes behind them in their page. The code has
// two references to the revision.
func compilerImage(slack int) []byte {
	const code, data = 0x1000, 0x2000
	text := make([]byte, data+pageSize)
	strings := "generator\x00" + crossRevision + "\x00pkgversion\x00"
	used := pageSize - slack
	copy(text[data+used-len(strings):], strings)
	address := uint32(0x400000 + data + used - len(strings) + len("generator\x00"))
	copy(text[code:], "\xbe")                                      // mov $address, %esi
	binary.LittleEndian.PutUint32(text[code+1:], address)          //
	copy(text[code+16:], "\x41\xb9")                               // mov $address, %r9d
	binary.LittleEndian.PutUint32(text[code+18:], address)         //
	binary.LittleEndian.PutUint32(text[code+32:], address-0x10000) // another one
	b := &bytes.Buffer{}
	h := elf.Header64{Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: 1, Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 2, Shentsize: 64}
	copy(h.Ident[:], elf.ELFMAG+"\x02\x01\x01")
	_ = binary.Write(b, binary.LittleEndian, h)
	_ = binary.Write(b, binary.LittleEndian, []elf.Prog64{
		{Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X), Off: code, Vaddr: 0x400000 + code, Filesz: 64, Memsz: 64, Align: pageSize},
		{Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R), Off: data, Vaddr: 0x400000 + data, Filesz: uint64(used), Memsz: uint64(used), Align: pageSize},
	})
	copy(text, b.Bytes())
	return text
}

func TestSetRevision(t *testing.T) {
	text := compilerImage(100)
	before := bytes.Clone(text)
	if !setRevision(text, ownRevision) || len(text) != len(before) {
		t.Fatal("nothing was changed")
	}
	file, err := elf.NewFile(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	strings := file.Progs[1]
	for _, at := range []int{0x1001, 0x1012} {
		address := uint64(binary.LittleEndian.Uint32(text[at:]))
		said := make([]byte, len(ownRevision)+1)
		if _, err := strings.ReadAt(said, int64(address-strings.Vaddr)); err != nil || string(said) != ownRevision+"\x00" {
			t.Errorf("the instruction at %#x has %#x, which is %q in the segment, %v", at, address, said, err)
		}
	}
	if strings.Memsz != strings.Filesz || strings.Filesz > pageSize {
		t.Errorf("the segment is of %d and %d bytes", strings.Filesz, strings.Memsz)
	}
	// All else is as it was, the old string included: others may end like it.
	for i := range text {
		header := i >= 64+56 && i < 64+2*56
		code := i >= 0x1001 && i < 0x1005 || i >= 0x1012 && i < 0x1016
		if text[i] != before[i] && !header && !code && i < 0x3000-100 {
			t.Errorf("byte %#x is changed", i)
		}
	}
}

// Whatever is not as in gcc leaves the program as it is.
func TestSetRevisionRefuses(t *testing.T) {
	where := bytes.Index(compilerImage(100), []byte(crossRevision))
	for name, change := range map[string]func(text []byte) []byte{
		"no room":                     func([]byte) []byte { return compilerImage(20) },
		"something in the room":       func(text []byte) []byte { text[0x3000-80] = 1; return text },
		"another instruction":         func(text []byte) []byte { text[0x1000] = 0x68; return text },
		"no reference":                func(text []byte) []byte { clear(text[0x1000:0x1016]); return text },
		"the address in data":         func(text []byte) []byte { copy(text[0x2100:], text[0x1001:0x1005]); return text },
		"two revisions":               func(text []byte) []byte { copy(text[0x2200:], "\x00(Debian 11.2.0-1) \x00"); return text },
		"none":                        func(text []byte) []byte { text[where] = '['; return text },
		"position independent":        func(text []byte) []byte { text[16] = byte(elf.ET_DYN); return text },
		"another machine":             func(text []byte) []byte { text[18] = byte(elf.EM_AARCH64); return text },
		"strings that are writable":   func(text []byte) []byte { text[64+56+4] = byte(elf.PF_R | elf.PF_W); return text },
		"cut off":                     func(text []byte) []byte { return text[:0x3000-90] },
		"another segment in the room": func(text []byte) []byte { binary.LittleEndian.PutUint64(text[64+8:], 0x2ff0); return text },
	} {
		text := change(compilerImage(100))
		before := bytes.Clone(text)
		if setRevision(text, ownRevision) || !bytes.Equal(text, before) {
			t.Errorf("%s: changed", name)
		}
	}
	if text := compilerImage(100); setRevision(text, "") || setRevision(text, crossRevision) {
		t.Error("no other revision, and something was changed")
	}
}

func TestRevisionIn(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for name, content := range map[string]string{
		"gcc": "x\x00" + ownRevision + "\x00", "two": "\x00" + ownRevision + "\x00y\x00" + crossRevision + "\x00",
		"odd": "\x00(Debian 12%n) \x00", "long": "\x00(Debian 1" + string(bytes.Repeat([]byte("2"), 80)) + ") \x00",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{"gcc": ownRevision, "two": "", "odd": "", "long": "", "missing": "", ".": ""} {
		if got := revisionIn(root, name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// The package's smallest program is asked, and only where the twin has another
// revision of a compiler.
func TestReadRevisions(t *testing.T) {
	s := subject(t, "mips64el")
	var err error
	if s.Root, err = os.OpenRoot(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	defer s.Root.Close()
	files := map[string]string{"usr/bin/gcc-12": "\x00" + ownRevision + "\x00", "usr/lib/cc1": "\x00(Debian 9.9-9) \x00", "usr/bin/as": "\x00" + ownRevision + "\x00", "usr/bin/cpp-12": "\x00" + ownRevision + "\x00"}
	c := &chooser{subject: s, triplet: "mips64el-linux-gnuabi64", pairs: map[string]PackagePair{
		"gcc-12":   {Version: "12.2.0-14+deb12u1", Twin: "gcc-12-mips64el-linux-gnuabi64", TwinVer: "12.2.0-14cross1"},
		"cpp-12":   {Version: "12.2.0-14", Twin: "cpp-12-mips64el-linux-gnuabi64", TwinVer: "12.2.0-14+b1"},
		"binutils": {Version: "2.40-2", Twin: "binutils", TwinVer: "2.40-3"},
	}}
	var found []candidate
	for name, pkg := range map[string]string{"usr/lib/cc1": "gcc-12", "usr/bin/gcc-12": "gcc-12", "usr/bin/as": "binutils", "usr/bin/cpp-12": "cpp-12"} {
		if err := s.Root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := s.Root.WriteFile(name, []byte(files[name]), 0o600); err != nil {
			t.Fatal(err)
		}
		size := int64(1)
		if name == "usr/lib/cc1" {
			size = 2
		}
		found = append(found, candidate{name: name, original: Original{Package: pkg, Size: size}})
	}
	c.readRevisions(found)
	if len(c.revisions) != 1 || c.revisions["gcc-12-mips64el-linux-gnuabi64"] != ownRevision {
		t.Errorf("%q", c.revisions)
	}
}

func FuzzSetRevision(f *testing.F) {
	f.Add(compilerImage(100))
	f.Add(compilerImage(20))
	f.Fuzz(func(t *testing.T, text []byte) {
		before := bytes.Clone(text)
		if !setRevision(text, ownRevision) && !bytes.Equal(text, before) {
			t.Error("changed, and said that it was not")
		}
	})
}
