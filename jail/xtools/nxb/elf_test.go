package nxb

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
)

// linked64 is a linked 64-bit ELF file that the tests build. Everything that it
// has is loaded by one segment at loadAddress; text before and behind it is not.
type linked64 struct {
	machine  elf.Machine
	big      bool
	kind     elf.Type
	osabi    byte
	interp   string // PT_INTERP with its NUL
	note     uint32 // __FreeBSD_version
	dynamic  bool
	needed   []string
	filters  map[int64]string // DT_AUXILIARY and others that name something
	textRel  bool
	loaded   string // constants
	debug    string // not in any segment
	sections bool   // a table of (empty) section headers at the end
}

const loadAddress = 0x200000

const (
	headerSize  = 64
	segmentSize = 56
)

type byteOrder interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

func (e linked64) order() byteOrder {
	if e.big {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// part is a segment that the file has beside the one that loads everything.
type part struct {
	kind elf.ProgType
	data []byte
}

func (e linked64) parts() []part {
	var parts []part
	if e.interp != "" {
		parts = append(parts, part{elf.PT_INTERP, []byte(e.interp)})
	}
	if e.note != 0 {
		bo := e.order()
		b := bo.AppendUint32(nil, 8)
		b = bo.AppendUint32(bo.AppendUint32(b, 4), 1)
		parts = append(parts, part{elf.PT_NOTE, bo.AppendUint32(append(b, "FreeBSD\x00"...), e.note)})
	}
	return parts
}

// bytes lays the file out: header, program headers, parts, string table, dynamic
// section, constants; then what is not loaded.
func (e linked64) bytes() []byte {
	parts := e.parts()
	count := len(parts) + 1
	if e.dynamic {
		count++
	}
	at := headerSize + segmentSize*count
	var body, heads []byte
	for _, p := range parts {
		heads = e.segment(heads, p.kind, at+len(body), len(p.data))
		body = append(body, p.data...)
		body = append(body, make([]byte, -len(body)&7)...)
	}
	if e.dynamic {
		table, dyn := e.dynamicSection(at + len(body))
		body = append(body, table...)
		body = append(body, make([]byte, -len(body)&7)...)
		heads = e.segment(heads, elf.PT_DYNAMIC, at+len(body), len(dyn))
		body = append(body, dyn...)
	}
	body = append(body, e.loaded...)
	heads = e.segment(heads, elf.PT_LOAD, 0, at+len(body))
	body = append(body, e.debug...)
	shoff := 0
	if e.sections {
		shoff = at + len(body)
		body = append(body, make([]byte, 64*2)...)
	}
	return append(append(e.header(count, shoff), heads...), body...)
}

func (e linked64) header(count, shoff int) []byte {
	bo := e.order()
	data := byte(1)
	if e.big {
		data = 2
	}
	b := append([]byte("\x7fELF"), 2, data, 1, e.osabi, 0, 0, 0, 0, 0, 0, 0, 0)
	b = bo.AppendUint16(b, uint16(e.kind))
	b = bo.AppendUint16(b, uint16(e.machine))
	b = bo.AppendUint32(b, 1)
	b = bo.AppendUint64(b, loadAddress+0x1000)
	b = bo.AppendUint64(b, headerSize)
	b = bo.AppendUint64(b, uint64(shoff))
	b = bo.AppendUint32(b, 0)
	sections := 0
	if shoff != 0 {
		sections = 2
	}
	for _, v := range []int{headerSize, segmentSize, count, 64, sections, 0} {
		b = bo.AppendUint16(b, uint16(v))
	}
	return b
}

func (e linked64) segment(b []byte, kind elf.ProgType, off, size int) []byte {
	bo := e.order()
	b = bo.AppendUint32(b, uint32(kind))
	b = bo.AppendUint32(b, 4)
	align := 8
	if kind == elf.PT_NOTE {
		align = 4 // which is how its contents are padded
	}
	for _, v := range []int{off, loadAddress + off, loadAddress + off, size, size, align} {
		b = bo.AppendUint64(b, uint64(v))
	}
	return b
}

// dynamicSection is a string table at off and the entries that use it.
func (e linked64) dynamicSection(off int) (table, dyn []byte) {
	bo := e.order()
	table = []byte{0}
	entry := func(tag int64, value int) { dyn = bo.AppendUint64(bo.AppendUint64(dyn, uint64(tag)), uint64(value)) }
	name := func(tag int64, text string) {
		entry(tag, len(table))
		table = append(append(table, text...), 0)
	}
	for _, text := range e.needed {
		name(int64(elf.DT_NEEDED), text)
	}
	for tag, text := range e.filters {
		name(tag, text)
	}
	if e.textRel {
		entry(int64(elf.DT_TEXTREL), 0)
	}
	entry(int64(elf.DT_STRTAB), loadAddress+off)
	entry(int64(elf.DT_STRSZ), len(table))
	entry(int64(elf.DT_NULL), 0)
	return table, dyn
}

// What FreeBSD's amd64 has: programs, libraries, and static ones.

const testVersion = 1501000

// program is a dynamic program that needs libraries. what makes it different
// from others.
func program(what string, needed ...string) linked64 {
	return linked64{
		machine: elf.EM_X86_64, kind: elf.ET_DYN, osabi: 9, note: testVersion, interp: interpreter + "\x00",
		dynamic: true, needed: needed, loaded: "\x00" + what + "\x00", sections: true,
	}
}

func sharedLibrary(what string, needed ...string) linked64 {
	e := program(what, needed...)
	e.interp = ""
	return e
}

func static(what string) linked64 {
	e := program(what)
	e.kind, e.interp, e.dynamic = elf.ET_EXEC, "", false
	return e
}

// foreign is a program of a jail.
func foreign(machine elf.Machine, big bool) linked64 {
	e := program("foreign", "libc.so.7")
	e.machine, e.big = machine, big
	return e
}

func host(t testing.TB) *arch.Arch { return lookup(t, "amd64") }

func lookup(t testing.TB, name string) *arch.Arch {
	t.Helper()
	a, err := arch.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func read(t testing.TB, b []byte) *image {
	t.Helper()
	f, err := readImage(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// checkError fails unless err has a kind and says something.
func checkError(t *testing.T, err error, kind fault.Kind, text string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", text)
	}
	if fault.KindOf(err) != kind || !strings.Contains(err.Error(), text) {
		t.Errorf("error of kind %d: %v\nwant kind %d with %q", fault.KindOf(err), err, kind, text)
	}
}

// The builder must make what others take for ELF as well.
func TestBuilder(t *testing.T) {
	e := program("sed", "libc.so.7", "libm.so.5")
	f, err := elf.NewFile(bytes.NewReader(e.bytes()))
	if err != nil {
		t.Fatal(err)
	}
	names := 0
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			names++
		}
	}
	if f.Machine != elf.EM_X86_64 || f.OSABI != elf.ELFOSABI_FREEBSD || names != 2 {
		t.Errorf("built %+v", f.FileHeader)
	}
}

func TestNeeds(t *testing.T) {
	e := program("x", "libthr.so.3", "libc.so.7")
	e.filters = map[int64]string{dtAuxiliary: "libsys.so.7"}
	got, err := read(t, e.bytes()).needs()
	if err != nil || strings.Join(got, " ") != "libc.so.7 libsys.so.7 libthr.so.3" {
		t.Errorf("needs %q, %v", got, err)
	}
	e.filters = map[int64]string{dtFilter: "libsys.so.7"}
	if got, err = read(t, e.bytes()).needs(); err != nil || len(got) != 3 {
		t.Errorf("needs %q, %v", got, err)
	}
}

// Relocation changes the interpreter's name and nothing else.
func TestRelocateProgram(t *testing.T) {
	for name, e := range map[string]linked64{
		"pie":        program("sed", "libc.so.7"),
		"fixed":      {machine: elf.EM_X86_64, kind: elf.ET_EXEC, osabi: 9, interp: interpreter + "\x00", dynamic: true, needed: []string{"libc.so.7"}},
		"note only":  {machine: elf.EM_X86_64, kind: elf.ET_DYN, note: testVersion, interp: interpreter + "\x00", dynamic: true},
		"padded":     {machine: elf.EM_X86_64, kind: elf.ET_DYN, osabi: 9, interp: interpreter + "\x00\x00\x00\x00", dynamic: true},
		"big endian": {machine: elf.EM_PPC64, big: true, kind: elf.ET_DYN, osabi: 9, interp: interpreter + "\x00", dynamic: true},
	} {
		before := e.bytes()
		kind, edits, err := read(t, before).runnable()
		if err != nil || kind != Relocated {
			t.Errorf("%s: %s, %v", name, kind, err)
			continue
		}
		after := apply(t, before, edits)
		if want := bytes.Replace(before, []byte("/libexec/ld-elf.so.1\x00"), []byte("/nxb-bin/ld-elf.so.1\x00"), 1); !bytes.Equal(after, want) {
			t.Errorf("%s: more or less than the interpreter changed", name)
		}
		// On FreeBSD 15.1 it was 7 with /nxc-bin: /nxb-bin has one letter in common.
		if n := differing(before, after); n != 6 {
			t.Errorf("%s: %d bytes differ, not 6", name, n)
		}
	}
}

func TestStaticProgram(t *testing.T) {
	pie := static("pie")
	pie.kind, pie.dynamic = elf.ET_DYN, true
	for _, e := range []linked64{static("cc"), pie} {
		kind, edits, err := read(t, e.bytes()).runnable()
		if err != nil || kind != Static || edits != nil {
			t.Errorf("%s, %v, %v", kind, edits, err)
		}
	}
}

func TestRefusedPrograms(t *testing.T) {
	edit := func(change func(*linked64)) linked64 {
		e := program("x", "libc.so.7")
		change(&e)
		return e
	}
	tests := []struct {
		name string
		e    linked64
		text string
	}{
		{"another interpreter", edit(func(e *linked64) { e.interp = "/libexec/ld-elf32.so.1\x00" }), "its interpreter is"},
		{"relocated already", edit(func(e *linked64) { e.interp = relocated + "\x00" }), "its interpreter is"},
		{"no end", edit(func(e *linked64) { e.interp = interpreter }), "no end"},
		{"text behind the end", edit(func(e *linked64) { e.interp = interpreter + "\x00x\x00" }), "no end"},
		{"a library", sharedLibrary("lib", "libc.so.7"), "it is no program"},
		{"text relocations", edit(func(e *linked64) { e.textRel = true }), "text relocations"},
		{"rpath", edit(func(e *linked64) { e.filters = map[int64]string{int64(elf.DT_RPATH): "/usr/lib/private"} }), "DT_RPATH /usr/lib/private"},
		{"runpath", edit(func(e *linked64) { e.filters = map[int64]string{int64(elf.DT_RUNPATH): "$ORIGIN/../lib"} }), "DT_RUNPATH $ORIGIN/../lib"},
		{"absolute", edit(func(e *linked64) { e.needed = []string{"/lib/libc.so.7"} }), "by its path"},
		{"pam", edit(func(e *linked64) { e.needed = []string{"libpam.so.6"} }), "modules of PAM"},
		{"odd name", edit(func(e *linked64) { e.needed = []string{"lib\x1b[31m.so"} }), "impossible name"},
	}
	for _, tt := range tests {
		f := read(t, tt.e.bytes())
		_, _, err := f.runnable()
		if err == nil {
			_, err = f.needs()
		}
		if err == nil || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.text)
		}
	}
}

// A file that is cut anywhere is refused: its section headers are the last of it.
func TestTruncated(t *testing.T) {
	whole := program("sed", "libc.so.7").bytes()
	for n := range whole {
		if _, err := readImage(bytes.NewReader(whole[:n]), int64(n)); err == nil {
			t.Fatalf("the first %d bytes of %d were taken", n, len(whole))
		} else if kind := fault.KindOf(err); kind != fault.Damaged {
			t.Fatalf("the first %d bytes: kind %d: %v", n, kind, err)
		}
	}
}

// Numbers that a file only claims do not cost anything.
func TestHugeCounts(t *testing.T) {
	le := binary.LittleEndian
	base := program("sed", "libc.so.7").bytes()
	for name, change := range map[string]func(b []byte){
		"program headers":     func(b []byte) { le.PutUint16(b[56:], 0xffff) },
		"no program headers":  func(b []byte) { le.PutUint16(b[56:], 0) },
		"size of headers":     func(b []byte) { le.PutUint16(b[54:], 0xffff) },
		"headers' place":      func(b []byte) { le.PutUint64(b[32:], 1<<63) },
		"sections' place":     func(b []byte) { le.PutUint64(b[40:], ^uint64(0)) },
		"interpreter's size":  func(b []byte) { le.PutUint64(b[headerSize+32:], ^uint64(0)) },
		"interpreter's place": func(b []byte) { le.PutUint64(b[headerSize+8:], ^uint64(0)-4) },
	} {
		b := bytes.Clone(base)
		change(b)
		f, err := readImage(bytes.NewReader(b), int64(len(b)))
		if err == nil {
			_, _, err = f.runnable()
		}
		if fault.KindOf(err) != fault.Damaged {
			t.Errorf("%s: %v", name, err)
		}
	}
	many := program("x")
	for range maxNeeded + 1 {
		many.needed = append(many.needed, "libc.so.7")
	}
	_, err := read(t, many.bytes()).needs()
	checkError(t, err, fault.Damaged, "dynamic entries")
}

func TestNative(t *testing.T) {
	linux := program("x")
	linux.osabi, linux.note, linux.interp = 0, 0, "/lib64/ld-linux-x86-64.so.2\x00"
	unmarked := sharedLibrary("x")
	unmarked.osabi, unmarked.note = 0, 0
	for _, tt := range []struct {
		e    linked64
		text string
	}{
		{foreign(elf.EM_AARCH64, false), "aarch64, not amd64"},
		{linux, "for linux, not for freebsd"},
		{unmarked, "does not name"},
	} {
		checkError(t, read(t, tt.e.bytes()).native(host(t)), fault.WrongArch, tt.text)
	}
}

// apply is what edits make of b, by another way than the package's.
func apply(t testing.TB, b []byte, edits []Edit) []byte {
	t.Helper()
	after := bytes.Clone(b)
	for _, e := range edits {
		if len(e.Old) != len(e.New) || string(b[e.Offset:e.end()]) != e.Old {
			t.Fatalf("edit %+v does not fit", e)
		}
		copy(after[e.Offset:], e.New)
	}
	return after
}

func differing(a, b []byte) int {
	n := 0
	for i := range a {
		if a[i] != b[i] {
			n++
		}
	}
	return n
}
