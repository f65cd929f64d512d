package explain

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/arch"
)

// node is a file of a fake root.
type node struct {
	mode  fs.FileMode
	text  string
	link  string
	uid   uint32
	gid   uint32
	mount Mount
}

// fake is a file system in memory. Directories are made of the names of files.
type fake map[string]node

func (f fake) get(name string) (node, error) {
	if n, ok := f[name]; ok {
		return n, nil
	}
	for p := range f {
		if name == "/" || strings.HasPrefix(p, name+"/") {
			return node{mode: fs.ModeDir | 0o755}, nil
		}
	}
	if p := path.Dir(name); p != "/" {
		if n, err := f.get(p); err == nil && !n.mode.IsDir() {
			return node{}, syscall.ENOTDIR
		}
	}
	return node{}, fs.ErrNotExist
}

func (f fake) Lstat(name string) (Info, error) {
	n, err := f.get(name)
	if n.link != "" {
		n.mode = fs.ModeSymlink | 0o777
	}
	return Info{Mode: n.mode, UID: n.uid, GID: n.gid, Size: int64(len(n.text))}, err
}

func (f fake) Readlink(name string) (string, error) {
	n, err := f.get(name)
	return n.link, err
}

func (f fake) ReadDir(name string) ([]string, error) {
	names := map[string]bool{}
	for p := range f {
		if rest, ok := strings.CutPrefix(p, strings.TrimSuffix(name, "/")+"/"); ok {
			first, _, _ := strings.Cut(rest, "/")
			names[first] = true
		}
	}
	return slices.Sorted(maps.Keys(names)), nil
}

type memory struct{ *bytes.Reader }

func (memory) Close() error { return nil }

func (f fake) Open(name string) (File, error) {
	n, err := f.get(name)
	return memory{bytes.NewReader([]byte(n.text))}, err
}

func (f fake) Mount(name string) Mount { return f[name].mount }

func file(text string) node       { return node{mode: 0o755, text: text} }
func mode(m fs.FileMode) node     { return node{mode: m, text: "#!/bin/sh\n"} }
func link(to string) node         { return node{link: to} }
func on(n node, m Mount) node     { n.mount = m; return n }
func with(f fake, more fake) fake { f = maps.Clone(f); maps.Copy(f, more); return f }

func row(t testing.TB, name string) *arch.Arch {
	t.Helper()
	a, err := arch.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// sample describes an ELF file to be made.
type sample struct {
	arch    string
	kind    uint16 // typeExec when 0
	osabi   byte
	interp  string
	needed  []string
	soname  string
	runpath string
	wants   map[string]string // version by library
	has     []string
	text    string // anything, such as what an emulator says of itself
	noEntry bool
	linux   [3]uint32 // the oldest kernel that its ABI note names
}

type appender interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

// maker writes an ELF file: a header, three program headers, and one segment that
// is the whole file, loaded at address 0.
type maker struct {
	a     *arch.Arch
	bo    appender
	start int // of data in the file
	data  []byte
	strAt int
	tags  [][2]int
}

func elf(t testing.TB, s sample) string {
	t.Helper()
	a := row(t, s.arch)
	m := &maker{a: a, bo: a.Order.Binary().(appender)}
	m.start = m.sizes(52+3*32, 64+3*56)
	interpAt := m.here()
	if s.interp != "" {
		m.data = append(m.data, s.interp+"\x00"...)
	}
	m.data = append(m.data, "\x00"+s.text+"\x00"...)
	m.strAt = m.here()
	m.data = append(m.data, 0)
	m.names(s)
	m.versions(s)
	m.tags = append(m.tags, [2]int{dtStrTab, m.strAt}, [2]int{dtNull, 0})
	dynAt := m.here()
	for _, tag := range m.tags {
		m.data = m.word(m.word(m.data, tag[0]), tag[1])
	}
	h := m.header(s)
	h = m.segment(h, ptLoad, 0, m.here())
	switch {
	case s.interp != "":
		h = m.segment(h, ptInterp, interpAt, len(s.interp)+1)
	case s.linux != [3]uint32{}:
		h = m.segment(h, 4, m.note(s.linux), 32)
	default:
		h = m.segment(h, 0, 0, 0)
	}
	h = m.segment(h, ptDynamic, dynAt, len(m.tags)*2*a.Class/8)
	return string(h) + string(m.data)
}

// note writes a GNU ABI note (PT_NOTE is 4), and returns where it is.
func (m *maker) note(linux [3]uint32) int {
	at := m.here()
	for _, v := range []uint32{4, 16, 1} {
		m.data = m.bo.AppendUint32(m.data, v)
	}
	m.data = append(m.data, "GNU\x00\x00\x00\x00\x00"...)
	for _, v := range linux {
		m.data = m.bo.AppendUint32(m.data, v)
	}
	return at
}

func (m *maker) sizes(bits32, bits64 int) int {
	if m.a.Class == 64 {
		return bits64
	}
	return bits32
}

// here is where in the file the next byte of data goes.
func (m *maker) here() int { return m.start + len(m.data) }

func (m *maker) word(b []byte, v int) []byte {
	if m.a.Class == 64 {
		return m.bo.AppendUint64(b, uint64(v))
	}
	return m.bo.AppendUint32(b, uint32(v))
}

// str puts a string into the string table.
func (m *maker) str(text string) int {
	n := m.here() - m.strAt
	m.data = append(m.data, text+"\x00"...)
	return n
}

func (m *maker) names(s sample) {
	for _, n := range s.needed {
		m.tags = append(m.tags, [2]int{dtNeeded, m.str(n)})
	}
	if s.soname != "" {
		m.tags = append(m.tags, [2]int{dtSoname, m.str(s.soname)})
	}
	if s.runpath != "" {
		m.tags = append(m.tags, [2]int{dtRunpath, m.str(s.runpath)})
	}
}

// versions writes DT_VERNEED, one record of 16 bytes and its only version for
// each library, and DT_VERDEF, of 20 bytes and 8.
func (m *maker) versions(s sample) {
	var needs, defs []byte
	next := func(i, n, size int) int {
		if i == n-1 {
			return 0
		}
		return size
	}
	for i, lib := range slices.Sorted(maps.Keys(s.wants)) {
		needs = m.bo.AppendUint16(m.bo.AppendUint16(needs, 1), 1)
		for _, v := range []int{m.str(lib), 16, next(i, len(s.wants), 32), 0, 0, m.str(s.wants[lib]), 0} {
			needs = m.bo.AppendUint32(needs, uint32(v))
		}
	}
	for i, name := range s.has {
		for _, v := range []uint16{1, 0, 1, 1} {
			defs = m.bo.AppendUint16(defs, v)
		}
		for _, v := range []int{0, 20, next(i, len(s.has), 28), m.str(name), 0} {
			defs = m.bo.AppendUint32(defs, uint32(v))
		}
	}
	for len(m.data)%8 != 0 {
		m.data = append(m.data, 0)
	}
	if len(needs) > 0 {
		m.tags = append(m.tags, [2]int{dtVerneed, m.here()}, [2]int{dtVerneedNum, len(s.wants)})
		m.data = append(m.data, needs...)
	}
	if len(defs) > 0 {
		m.tags = append(m.tags, [2]int{dtVerdef, m.here()}, [2]int{dtVerdefNum, len(s.has)})
		m.data = append(m.data, defs...)
	}
}

func (m *maker) header(s sample) []byte {
	h := m.a.Header(s.osabi)[:24]
	m.bo.PutUint16(h[16:], cmp.Or(s.kind, typeExec))
	entry, size := m.start, m.sizes(52, 64)
	if s.noEntry {
		entry = 0
	}
	h = m.word(m.word(m.word(h, entry), size), 0)
	h = m.bo.AppendUint32(h, m.a.Flags.Value)
	for _, v := range []int{size, m.sizes(32, 56), 3} {
		h = m.bo.AppendUint16(h, uint16(v))
	}
	return append(h, make([]byte, size-len(h))...)
}

// segment adds a program header.
func (m *maker) segment(h []byte, kind uint32, off, n int) []byte {
	h = m.bo.AppendUint32(h, kind)
	if m.a.Class == 64 {
		h = m.bo.AppendUint32(h, 5)
	}
	for _, v := range []int{off, off, off, n, n} {
		h = m.word(h, v)
	}
	if m.a.Class == 32 {
		h = m.bo.AppendUint32(h, 5)
	}
	return m.word(h, 8)
}

// qemuText is what an emulator says of itself.
func qemuText(system, target string) string {
	return system + " CPU emulator (compiled for " + target + " emulation)"
}

// entry is an activator for an architecture, as xjail registers it.
func entry(t testing.TB, name, archName, interpreter string) Entry {
	t.Helper()
	p := row(t, archName).Pattern(arch.Any)
	return Entry{Entry: activators.Entry{Name: name, Interpreter: interpreter, Magic: p.Magic, Mask: p.Mask, Enabled: true}}
}

// linuxWorld is an amd64 machine, of which everybody sees the table.
func linuxWorld(t testing.TB, files fake, entries ...Entry) *World {
	return &World{OS: "linux", Files: files, Root: "/", Dir: "/home", Path: "/usr/bin:/bin", UID: 1000, Groups: []uint32{1000},
		Natives: []*arch.Arch{row(t, "amd64"), row(t, "i386")}, Kernel: "6.18.0",
		Table: Table{Where: "/proc/sys/fs/binfmt_misc", Entries: entries}}
}

// freebsdWorld is the same with FreeBSD.
func freebsdWorld(t testing.TB, files fake, entries ...Entry) *World {
	w := linuxWorld(t, files, entries...)
	w.OS, w.Kernel = "freebsd", "15.1-RELEASE"
	return w
}

// base is what a root of the machine has.
func base(t testing.TB, os string) fake {
	interp, osabi := "/lib64/ld-linux-x86-64.so.2", byte(0)
	if os == "freebsd" {
		interp, osabi = "/libexec/ld-elf.so.1", 9
	}
	family := map[string]string{"linux": "Linux", "freebsd": "BSD"}[os]
	return fake{
		"/home":                  {mode: fs.ModeDir | 0o755},
		interp:                   file(elf(t, sample{arch: "amd64", kind: typeDyn, osabi: osabi, soname: path.Base(interp), text: "/lib/\x00/usr/lib/\x00/lib64/"})),
		"/bin/sh":                file(elf(t, sample{arch: "amd64", kind: typeDyn, osabi: osabi, interp: interp})),
		"/usr/bin/qemu-mips64":   file(elf(t, sample{arch: "amd64", osabi: osabi, text: qemuText(family, "mips64")})),
		"/usr/bin/qemu-aarch64":  file(elf(t, sample{arch: "amd64", osabi: osabi, text: qemuText(family, "aarch64")})),
		"/usr/bin/native-static": file(elf(t, sample{arch: "amd64", osabi: osabi})),
	}
}
