package arch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/xjail/xjail/internal/fault"
)

// Identity is what an ELF file says of itself.
type Identity struct {
	// Arch is the row of the catalog, nil when there is none. Among rows that
	// differ in notes and attributes only it is the best guess, and Also names
	// the others.
	Arch *Arch    `json:"-"`
	Name string   `json:"arch"` // name of Arch, "" when it is nil
	Also []string `json:"also,omitempty"`

	Class      int    `json:"class"`
	Order      Order  `json:"order"`
	Machine    uint16 `json:"machine"`
	Flags      uint32 `json:"flags"` // e_flags
	OSABI      uint8  `json:"osabi"`
	ABIVersion uint8  `json:"abi_version"`
	ELFType    uint16 `json:"elf_type"` // e_type

	// OS is the system that the program is for: linux, freebsd, netbsd, openbsd,
	// dragonfly, hurd, kfreebsd (Debian GNU/kFreeBSD), solaris and others; ""
	// when nothing in the file says so. OSFrom says what did: note, osabi,
	// interpreter, library (the C library's name), or go (a Go program that bears
	// no mark of another system).
	OS     string `json:"os"`
	OSFrom string `json:"os_from,omitempty"`
	// OSVersion is what the ABI note holds: the oldest Linux kernel (3.2.0), or
	// FreeBSD's __FreeBSD_version (1302001).
	OSVersion string `json:"os_version,omitempty"`

	// Type is exec, pie, shared, object, core or other.
	Type   string `json:"type"`
	Interp string `json:"interp,omitempty"` // PT_INTERP
	// Static is set for exec and pie without an interpreter.
	Static bool `json:"static"`

	ABI   string `json:"abi,omitempty"`   // o32 n32 n64, oabi eabi5, elfv1 elfv2, lp64d ...
	Float string `json:"float,omitempty"` // hard or soft, where the file says so
	CPU   string `json:"cpu,omitempty"`   // armv5 armv6 armv7, spe, where the file says so

	entry  uint64
	needed bool // there is a DT_NEEDED or DT_SONAME
	isPIE  bool // DF_1_PIE
	goNote bool
}

// Limits on what a hostile file can make Identify read. The kernels read less:
// Linux refuses a program header table of more than 64 KiB.
const (
	maxTable    = 1 << 20 // bytes of a header table that are looked at
	maxContents = 1 << 16 // bytes of one note, dynamic or attribute section
	maxTotal    = 8 << 20 // bytes in all
	maxInterp   = 4096    // PATH_MAX
)

// image is an ELF file that is being read.
type image struct {
	r      io.ReaderAt
	bo     binary.ByteOrder
	is64   bool
	budget int    // bytes that may still be read
	err    error  // first error other than the end of the file
	free   []byte // of scratch, for what is read next

	loads   []span   // PT_LOAD
	nameAt  uint64   // offset of the dynamic string table
	nameOff []uint64 // DT_SONAME and DT_NEEDED: offsets in it
	scratch []byte
}

// scratchSize is enough for what is read of nearly every file.
const scratchSize = 32 << 10

// bytes reads n bytes at off, less at the end of the file, nothing when the
// place is impossible or the budget is used up.
func (f *image) bytes(off uint64, n uint64) []byte {
	n = min(n, uint64(f.budget))
	if n == 0 || off > math.MaxInt64-n {
		return nil
	}
	buf := f.take(n)
	got, err := f.r.ReadAt(buf, int64(off))
	if err != nil && !errors.Is(err, io.EOF) && f.err == nil {
		f.err = err
	}
	f.budget -= got
	return buf[:max(got, 0)]
}

// take gives n bytes of memory, of the scratch as long as that lasts.
func (f *image) take(n uint64) []byte {
	if n > uint64(len(f.free)) {
		return make([]byte, n)
	}
	buf := f.free[:n:n]
	f.free = f.free[n:]
	return buf
}

// word reads an address-sized field.
func (f *image) word(b []byte) uint64 {
	if f.is64 {
		return f.bo.Uint64(b)
	}
	return uint64(f.bo.Uint32(b))
}

// Identify says what the ELF file in r is. It looks at the header, the program
// headers, the section headers and the notes and attributes that they lead to;
// it reads no more than a few megabytes, whatever they say. Damage behind the
// header hides facts but is not an error.
//
// A file that is not ELF, or is cut within the header, gives an error of kind
// Damaged; a failing read one of kind Failed.
func Identify(r io.ReaderAt) (*Identity, error) {
	f := &image{r: r, budget: maxTotal}
	return f.identify()
}

// Identifier identifies one file after another and uses its memory again. The
// zero value is ready; it is for one goroutine.
type Identifier struct{ image image }

// Identify is the function of that name. r is not kept.
func (x *Identifier) Identify(r io.ReaderAt) (*Identity, error) {
	f := &x.image
	if f.scratch == nil {
		f.scratch = make([]byte, scratchSize)
	}
	*f = image{r: r, budget: maxTotal, scratch: f.scratch, free: f.scratch, loads: f.loads[:0], nameOff: f.nameOff[:0]}
	defer func() { f.r = nil }()
	return f.identify()
}

func (f *image) identify() (*Identity, error) {
	id, h, err := f.header()
	if err != nil {
		return nil, err
	}
	f.readSegments(id, f.table(h.phoff, h.phnum, h.phentsize, f.segmentSize()))
	f.readSections(id, f.table(h.shoff, h.shnum, h.shentsize, f.sectionSize()))
	id.settle()
	f.guessOS(id)
	if f.err != nil {
		return nil, fault.Wrap(fault.Failed, f.err, "read ELF file", "")
	}
	id.choose(theCatalog())
	return id, nil
}

// IsELF tells whether a file that starts with head has ELF's magic number: no
// other is worth a call of Identify.
func IsELF(head []byte) bool {
	return len(head) >= len(elfMagic) && string(head[:len(elfMagic)]) == elfMagic
}

// tables is where an ELF header says that the tables are.
type tables struct {
	phoff, shoff         uint64
	phnum, shnum         uint64
	phentsize, shentsize uint64
}

const (
	headerSize32 = 52
	headerSize64 = 64
)

// notELF is the error for a file that cannot be identified.
func notELF(format string, args ...any) error {
	return fault.New(fault.Damaged, "", format, args...)
}

func (f *image) header() (*Identity, tables, error) {
	h := f.bytes(0, headerSize64)
	if f.err != nil {
		return nil, tables{}, fault.Wrap(fault.Failed, f.err, "read ELF header", "")
	}
	if !IsELF(h) {
		return nil, tables{}, notELF("not an ELF file")
	}
	if len(h) < headerSize32 {
		return nil, tables{}, notELF("the ELF header is cut: %d bytes", len(h))
	}
	id := &Identity{OSABI: h[atOSABI], ABIVersion: h[atABIVersion], Class: 32, Order: Little}
	switch {
	case h[atClass] != 1 && h[atClass] != 2:
		return nil, tables{}, notELF("unknown ELF class %d", h[atClass])
	case h[atData] != 1 && h[atData] != 2:
		return nil, tables{}, notELF("unknown ELF byte order %d", h[atData])
	case h[atVersion] != versionNow:
		return nil, tables{}, notELF("unknown ELF version %d", h[atVersion])
	case h[atClass] == 2 && len(h) < headerSize64:
		return nil, tables{}, notELF("the ELF header is cut: %d bytes", len(h))
	}
	if h[atClass] == 2 {
		id.Class, f.is64 = 64, true
	}
	if h[atData] == 2 {
		id.Order = Big
	}
	f.bo = id.Order.Binary()
	return id, f.fields(id, h), nil
}

// fields reads what follows e_ident.
func (f *image) fields(id *Identity, h []byte) tables {
	id.ELFType, id.Machine = f.bo.Uint16(h[atType:]), f.bo.Uint16(h[atMachine:])
	id.Flags = f.bo.Uint32(h[atFlags(id.Class):])
	size := 4
	if f.is64 {
		size = 8
	}
	id.entry = f.word(h[24:])
	rest := h[atFlags(id.Class)+6:] // behind e_flags and e_ehsize
	t := tables{
		phoff: f.word(h[24+size:]), shoff: f.word(h[24+2*size:]),
		phentsize: uint64(f.bo.Uint16(rest)), phnum: uint64(f.bo.Uint16(rest[2:])),
		shentsize: uint64(f.bo.Uint16(rest[4:])), shnum: uint64(f.bo.Uint16(rest[6:])),
	}
	f.extended(&t)
	return t
}

const manySegments = 0xffff // PN_XNUM

// extended reads the numbers that do not fit in the header: they are in the
// first section header.
func (f *image) extended(t *tables) {
	if t.shoff == 0 || (t.phnum != manySegments && t.shnum != 0) {
		return
	}
	first := f.bytes(t.shoff, uint64(f.sectionSize()))
	if len(first) < f.sectionSize() {
		return
	}
	s := f.section(first)
	if t.shnum == 0 {
		t.shnum = s.size
	}
	if t.phnum == manySegments {
		t.phnum = uint64(s.info)
	}
}

func (f *image) segmentSize() int {
	if f.is64 {
		return 56
	}
	return 32
}

func (f *image) sectionSize() int {
	if f.is64 {
		return 64
	}
	return 40
}

// records is a header table: entries of which need bytes are looked at, size
// bytes apart.
type records struct {
	b    []byte
	size uint64
	need int
}

// table reads a header table of num entries.
func (f *image) table(off, num, size uint64, need int) records {
	if off == 0 || size < uint64(need) {
		return records{}
	}
	return records{f.bytes(off, min(num, maxTable/size)*size), size, need}
}

// next cuts the first entry off; nil when none is left. The last one may lack
// what is not looked at.
func (t *records) next() []byte {
	if len(t.b) < max(t.need, 1) {
		return nil
	}
	entry := t.b[:t.need]
	t.b = t.b[min(t.size, uint64(len(t.b))):]
	return entry
}

// span is a segment or a section.
type span struct {
	kind        uint32 // p_type or sh_type
	off, size   uint64
	align, addr uint64
	info        uint32
}

func (f *image) segment(b []byte) span {
	if f.is64 {
		return span{kind: f.bo.Uint32(b), off: f.bo.Uint64(b[8:]), addr: f.bo.Uint64(b[16:]), size: f.bo.Uint64(b[32:]), align: f.bo.Uint64(b[48:])}
	}
	return span{kind: f.bo.Uint32(b), off: f.word(b[4:]), addr: f.word(b[8:]), size: f.word(b[16:]), align: f.word(b[28:])}
}

func (f *image) section(b []byte) span {
	if f.is64 {
		return span{kind: f.bo.Uint32(b[4:]), off: f.bo.Uint64(b[24:]), size: f.bo.Uint64(b[32:]), info: f.bo.Uint32(b[44:]), align: f.bo.Uint64(b[48:])}
	}
	return span{kind: f.bo.Uint32(b[4:]), off: f.word(b[16:]), size: f.word(b[20:]), info: f.bo.Uint32(b[28:]), align: f.word(b[32:])}
}

// Types of segments and sections, from the System V ABI and its processor
// supplements.
const (
	ptLoad         = 1
	ptDynamic      = 2
	ptInterp       = 3
	ptNote         = 4
	ptMIPSABIFlags = 0x70000003
	shNote         = 7
	shAttributes   = 0x70000003 // SHT_ARM_ATTRIBUTES; other machines use the number for theirs
	shMIPSABIFlags = 0x7000002a
)

// e_machine values whose flags or attributes are looked at.
const (
	emMIPS      = 8
	emPPC       = 20
	emPPC64     = 21
	emARM       = 40
	emRISCV     = 243
	emLoongArch = 258
)

func (f *image) readSegments(id *Identity, table records) {
	var dynamic span
	for b := table.next(); b != nil; b = table.next() {
		s := f.segment(b)
		switch {
		case s.kind == ptLoad:
			f.loads = append(f.loads, s)
		case s.kind == ptDynamic && dynamic.kind == 0:
			dynamic = s
		case s.kind == ptInterp && id.Interp == "":
			id.Interp = cString(f.bytes(s.off, min(s.size, maxInterp)))
		case s.kind == ptNote:
			f.notes(id, s)
		case s.kind == ptMIPSABIFlags && id.Machine == emMIPS:
			id.mipsABIFlags(f.bytes(s.off, 24))
		}
	}
	if dynamic.kind == ptDynamic {
		f.dynamic(id, dynamic)
	}
}

// readSections finds what is not loaded, and the notes of a file without
// program headers.
func (f *image) readSections(id *Identity, table records) {
	for b := table.next(); b != nil; b = table.next() {
		s := f.section(b)
		switch {
		case s.kind == shNote:
			f.notes(id, s)
		case s.kind == shAttributes && id.Machine == emARM:
			id.armAttributes(f.bytes(s.off, min(s.size, maxContents)), f.bo)
		case s.kind == shMIPSABIFlags && id.Machine == emMIPS:
			id.mipsABIFlags(f.bytes(s.off, 24))
		}
	}
}

// Tags of the dynamic section.
const (
	dtNull   = 0
	dtNeeded = 1
	dtStrTab = 5
	dtSoname = 14
	dtFlags1 = 0x6ffffffb
	df1PIE   = 0x08000000
)

// maxNames bounds how many names of libraries are read.
const maxNames = 64

func (f *image) dynamic(id *Identity, s span) {
	var strTab uint64
	f.eachDynamic(s, func(tag, value uint64) {
		switch tag {
		case dtNeeded, dtSoname:
			f.nameOff = append(f.nameOff, value)
		case dtStrTab:
			strTab = value
		case dtFlags1:
			id.isPIE = value&df1PIE != 0
		}
	})
	id.needed = len(f.nameOff) > 0
	at, ok := offsetOf(strTab, f.loads)
	if !ok {
		f.nameOff = f.nameOff[:0]
	}
	f.nameAt, f.nameOff = at, f.nameOff[:min(len(f.nameOff), maxNames)]
}

// nearNames is how far apart in bytes names may be to be read at once.
const nearNames = 16 << 10

// eachName calls do with the names of DT_SONAME and DT_NEEDED until it says
// that it has enough.
func (f *image) eachName(do func(name []byte) bool) {
	if len(f.nameOff) == 0 {
		return
	}
	first, last := slices.Min(f.nameOff), slices.Max(f.nameOff)
	var all []byte
	if last-first <= nearNames {
		all = f.bytes(f.nameAt+first, last-first+maxName)
	}
	for _, off := range f.nameOff {
		name := all[min(off-first, uint64(len(all))):]
		if last-first > nearNames {
			name = f.bytes(f.nameAt+off, maxName)
		}
		if do(untilNUL(name[:min(len(name), maxName)])) {
			return
		}
	}
}

// eachDynamic calls do with the entries of a dynamic section, up to DT_NULL.
func (f *image) eachDynamic(s span, do func(tag, value uint64)) {
	half := 4
	if f.is64 {
		half = 8
	}
	for b := f.bytes(s.off, min(s.size, maxContents)); len(b) >= 2*half; b = b[2*half:] {
		if f.word(b) == dtNull {
			return
		}
		do(f.word(b), f.word(b[half:]))
	}
}

// maxName is more than the name of a library that tells a system has.
const maxName = 64

// offsetOf finds where in the file an address is.
func offsetOf(addr uint64, loads []span) (uint64, bool) {
	for _, s := range loads {
		if addr >= s.addr && addr-s.addr < s.size {
			return s.off + (addr - s.addr), true
		}
	}
	return 0, false
}

// settle draws the conclusions of the header and what it leads to.
func (id *Identity) settle() {
	id.Type = id.kind()
	id.Static = id.Interp == "" && (id.Type == "exec" || id.Type == "pie")
	id.ABI = id.abi()
	id.flagFloat()
}

// kind names e_type. A PIE and a shared library are both ET_DYN: an
// interpreter or DF_1_PIE makes it a program; without either, a file that
// needs no library, is none itself and has an entry is a static PIE of an
// older linker.
func (id *Identity) kind() string {
	switch id.ELFType {
	case 1:
		return "object"
	case 2:
		return "exec"
	case 4:
		return "core"
	case 3:
		if id.Interp != "" || id.isPIE || (!id.needed && id.entry != 0) {
			return "pie"
		}
		return "shared"
	}
	return "other"
}

// guessOS asks what tells a system, the surest first. A note has done so
// already.
func (f *image) guessOS(id *Identity) {
	if id.OS != "" {
		return
	}
	if os := osabiNames[id.OSABI]; os != "" {
		id.OS, id.OSFrom = os, "osabi"
		return
	}
	if os := id.linkerOS(id.Interp); os != "" {
		id.OS, id.OSFrom = os, "interpreter"
		return
	}
	f.eachName(func(name []byte) bool {
		if os := id.libraryOS(string(name)); os != "" {
			id.OS, id.OSFrom = os, "library"
		}
		return id.OS != ""
	})
	// Go's linker marks FreeBSD's, NetBSD's and OpenBSD's programs, and links
	// those of Solaris dynamically: what remains is Linux.
	if id.OS == "" && id.goNote {
		id.OS, id.OSFrom = "linux", "go"
	}
}

// osabiNames are the EI_OSABI values of operating systems (gABI).
var osabiNames = map[uint8]string{
	1: "hpux", 2: "netbsd", osabiGNU: "linux", 6: "solaris", 7: "aix", 8: "irix", osabiFreeBSD: "freebsd",
	10: "tru64", 12: "openbsd", 13: "openvms", 14: "nonstop", 15: "aros", 16: "fenixos", 17: "cloudabi", 18: "openvos",
}

// linkerOS knows the system by the path of its dynamic linker, as the catalog
// has it for this architecture: /lib/ld.so.1 is Linux on MIPS, and Solaris on
// SPARC. Others have one path everywhere.
func (id *Identity) linkerOS(path string) string {
	for _, l := range theCatalog().linkers()[path] {
		if l.arch.fits(id.Class, id.Order, id.Machine, id.Flags) {
			return l.os
		}
	}
	switch {
	case path == "/usr/libexec/ld-elf.so.1" || path == "/libexec/ld-elf32.so.1":
		return "freebsd"
	case path == "/usr/libexec/ld.elf_so" || path == "/libexec/ld.elf_so":
		return "netbsd"
	case path == "/usr/libexec/ld.so":
		return "openbsd"
	case path == "/usr/libexec/ld-elf.so.2":
		return "dragonfly"
	case strings.HasPrefix(path, "/system/bin/linker"):
		return "linux"
	}
	return linuxLinker(path[strings.LastIndex(path, "/")+1:])
}

// linuxLinker is "linux" for a name that only linkers of Linux have.
func linuxLinker(name string) string {
	for _, prefix := range []string{"ld-linux", "ld-musl-", "ld-uClibc", "ld64.so."} {
		if strings.HasPrefix(name, prefix) {
			return "linux"
		}
	}
	return ""
}

// libraryOS knows the system by the name of its C library or dynamic linker.
func (id *Identity) libraryOS(name string) string {
	switch name {
	case "libc.so.6", "libc.so.6.1", "libc.so":
		return "linux" // glibc; bionic and musl
	case "libc.so.7":
		return "freebsd"
	case "libc.so.8":
		return "dragonfly"
	case "libc.so.12":
		return "netbsd"
	case "libc.so.0.3":
		return "hurd"
	}
	if strings.HasPrefix(name, "libc.musl-") {
		return "linux"
	}
	for _, dir := range []string{"/lib/", "/lib64/", "/lib32/"} {
		if os := id.linkerOS(dir + name); os != "" {
			return os
		}
	}
	return ""
}

// linker is a dynamic linker of an architecture and a system.
type linker struct {
	arch *Arch
	os   string
}

// linkers are the dynamic linkers of the catalog by path.
func (c *catalog) linkers() map[string][]linker {
	c.linkersOnce.Do(func() {
		c.byLinker = map[string][]linker{}
		for _, a := range c.rows {
			for _, os := range slices.Sorted(maps.Keys(a.Linkers)) {
				for _, path := range a.Linkers[os] {
					c.byLinker[path] = append(c.byLinker[path], linker{a, os})
				}
			}
		}
	})
	return c.byLinker
}

// choose sets the row: the one whose e_flags bits are most special, and among
// rows with one pattern the first with a condition that holds, the first
// conditions of all rows before the second ones; else the first row.
func (id *Identity) choose(c *catalog) {
	var space [8]*Arch
	fit := space[:0]
	for _, a := range c.rows {
		if a.Machine != id.Machine || !a.fits(id.Class, id.Order, id.Machine, id.Flags) {
			continue
		}
		if len(fit) > 0 && a.Flags.Mask != fit[0].Flags.Mask {
			if a.Flags.Mask < fit[0].Flags.Mask {
				continue
			}
			fit = fit[:0]
		}
		fit = append(fit, a)
	}
	if len(fit) == 0 {
		return
	}
	id.Arch = id.likeliest(fit)
	id.Name = id.Arch.Name
	for _, a := range fit {
		if a != id.Arch {
			id.Also = append(id.Also, a.Name)
		}
	}
}

func (id *Identity) likeliest(fit []*Arch) *Arch {
	for i := range 4 {
		for _, a := range fit {
			if i < len(a.when) && a.when[i].holds(id) {
				return a
			}
		}
	}
	return fit[0]
}

func (c condition) holds(id *Identity) bool {
	return (c.CPU == "" || c.CPU == id.CPU) && (c.Float == "" || c.Float == id.Float) && (c.OS == "" || c.OS == id.OS)
}

// String is what people read: mips64 linux pie dynamic /lib64/ld.so.1.
func (id *Identity) String() string {
	words := []string{id.describe(), id.OS, id.Type}
	switch {
	case id.Interp != "":
		words = append(words, "dynamic", fmt.Sprintf("%q", id.Interp))
	case id.Static:
		words = append(words, "static")
	}
	return strings.Join(slices.DeleteFunc(words, func(s string) bool { return s == "" }), " ")
}

// untilNUL is b up to its first NUL.
func untilNUL(b []byte) []byte {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		return b[:i]
	}
	return b
}

// cString is b up to its first NUL.
func cString(b []byte) string { return string(untilNUL(b)) }
