package explain

import (
	"bytes"
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
}

type appender interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

// elf makes it: a header, program headers, and one segment that is the whole
// file, loaded at address 0.
func elf(t testing.TB, s sample) string {
	t.Helper()
	a := row(t, s.arch)
	bo, is64 := a.Order.Binary().(appender), a.Class == 64
	half, ehsize, phsize := a.Class/8, 52, 32
	if is64 {
		ehsize, phsize = 64, 56
	}
	word := func(b []byte, v int) []byte {
		if is64 {
			return bo.AppendUint64(b, uint64(v))
		}
		return bo.AppendUint32(b, uint32(v))
	}
	data, at := []byte{}, ehsize+3*phsize
	here := func() int { return at + len(data) }
	interpAt := here()
	if s.interp != "" {
		data = append(data, s.interp+"\x00"...)
	}
	data = append(data, "\x00"+s.text+"\x00"...)
	strAt := here()
	data = append(data, 0)
	str := func(text string) int { n := here() - strAt; data = append(data, text+"\x00"...); return n }
	var tags [][2]int
	for _, n := range s.needed {
		tags = append(tags, [2]int{dtNeeded, str(n)})
	}
	if s.soname != "" {
		tags = append(tags, [2]int{dtSoname, str(s.soname)})
	}
	if s.runpath != "" {
		tags = append(tags, [2]int{dtRunpath, str(s.runpath)})
	}
	var needs, defs []byte
	libs := slices.Sorted(maps.Keys(s.wants))
	for i, lib := range libs {
		next := 32
		if i == len(libs)-1 {
			next = 0
		}
		needs = bo.AppendUint16(bo.AppendUint16(needs, 1), 1)
		for _, v := range []int{str(lib), 16, next, 0, 0, str(s.wants[lib]), 0} {
			needs = bo.AppendUint32(needs, uint32(v))
		}
	}
	for i, name := range s.has {
		next := 28
		if i == len(s.has)-1 {
			next = 0
		}
		defs = bo.AppendUint16(bo.AppendUint16(bo.AppendUint16(bo.AppendUint16(defs, 1), 0), 1), 1)
		for _, v := range []int{0, 20, next, str(name), 0} {
			defs = bo.AppendUint32(defs, uint32(v))
		}
	}
	for len(data)%8 != 0 {
		data = append(data, 0)
	}
	if len(needs) > 0 {
		tags = append(tags, [2]int{dtVerneed, here()}, [2]int{dtVerneedNum, len(libs)})
		data = append(data, needs...)
	}
	if len(defs) > 0 {
		tags = append(tags, [2]int{dtVerdef, here()}, [2]int{dtVerdefNum, len(s.has)})
		data = append(data, defs...)
	}
	tags = append(tags, [2]int{dtStrTab, strAt}, [2]int{dtNull, 0})
	dynAt := here()
	for _, tag := range tags {
		data = word(word(data, tag[0]), tag[1])
	}
	size := here()
	h := a.Header(s.osabi)[:24]
	kind := s.kind
	if kind == 0 {
		kind = typeExec
	}
	bo.PutUint16(h[16:], kind)
	entry := at
	if s.noEntry {
		entry = 0
	}
	h = word(word(word(h, entry), ehsize), 0)
	h = bo.AppendUint32(h, a.Flags.Value)
	h = bo.AppendUint16(bo.AppendUint16(bo.AppendUint16(h, uint16(ehsize)), uint16(phsize)), 3)
	h = append(h, make([]byte, ehsize-len(h))...)
	segment := func(kind uint32, off, n int) {
		if is64 {
			h = bo.AppendUint32(bo.AppendUint32(h, kind), 5)
			h = word(word(word(word(word(word(h, off), off), off), n), n), 8)
			return
		}
		h = bo.AppendUint32(h, kind)
		h = word(word(word(word(word(word(word(h, off), off), off), n), n), 5), 8)
	}
	segment(ptLoad, 0, size)
	if s.interp != "" {
		segment(ptInterp, interpAt, len(s.interp)+1)
	} else {
		segment(0, 0, 0)
	}
	segment(ptDynamic, dynAt, len(tags)*2*half)
	return string(h) + string(data)
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
	return &World{OS: "linux", Files: files, Root: "/", Dir: "/work", Path: "/usr/bin:/bin", UID: 1000, Groups: []uint32{1000},
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
		"/work":                  {mode: fs.ModeDir | 0o755},
		interp:                   file(elf(t, sample{arch: "amd64", kind: typeDyn, osabi: osabi, soname: path.Base(interp), text: "/lib/\x00/usr/lib/\x00/lib64/"})),
		"/bin/sh":                file(elf(t, sample{arch: "amd64", kind: typeDyn, osabi: osabi, interp: interp})),
		"/usr/bin/qemu-mips64":   file(elf(t, sample{arch: "amd64", osabi: osabi, text: qemuText(family, "mips64")})),
		"/usr/bin/qemu-aarch64":  file(elf(t, sample{arch: "amd64", osabi: osabi, text: qemuText(family, "aarch64")})),
		"/usr/bin/native-static": file(elf(t, sample{arch: "amd64", osabi: osabi})),
	}
}
