package binmisc

import (
	"encoding/binary"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/xjail/xjail/activators/tabletest"
)

// fake is FreeBSD's kernel as far as a Table sees it, at the level of bytes. It
// shares nothing with the code under test: records are read with tabletest's.
type fake struct {
	entries []tabletest.BinmiscRecord // the newest first
	loads   int                       // how often the module was loaded; 0 is not there
	nodes   map[string]int            // numbers of the nodes, other ones after each load

	compiled bool
	uid      int
	jailed   int32
	level    int32 // kern.securelevel
	release  int32 // kern.osreldate
	boot     []byte
	archs    string
	loadErr  error // of kldload

	calls   []string          // nodes of the table that were called with data
	sysctls func(name string) // called before each node is
	errs    map[string]error  // of nodes, instead of what they do
}

func newFake() *fake {
	f := &fake{release: 1501000, boot: []byte("0123456789abcdef"), archs: "amd64 i386", level: -1}
	f.load()
	return f
}

func (f *fake) load() {
	f.loads++
	f.nodes = map[string]int{}
	for i, child := range []string{"add", "remove", "disable", "enable", "lookup", "list"} {
		f.nodes["kern.binmisc."+child] = 0x7fffffff - 10*f.loads - i
	}
}

func (f *fake) unload() { f.entries, f.nodes = nil, map[string]int{} }

// values are the nodes that are not the table's.
func (f *fake) values() map[string][]byte {
	order := binary.NativeEndian
	return map[string][]byte{
		"kern.osreldate": order.AppendUint32(nil, uint32(f.release)), "kern.securelevel": order.AppendUint32(nil, uint32(f.level)),
		"security.jail.jailed": order.AppendUint32(nil, uint32(f.jailed)), "kern.supported_archs": []byte(f.archs + "\x00"), "kern.boot_id": f.boot,
	}
}

// oids are the fixed numbers of those nodes.
var oids = map[string][]int32{"kern.osreldate": {1, 24}, "kern.securelevel": {1, 9}, "security.jail.jailed": {14, 300, 301}, "kern.supported_archs": {1, 500}, "kern.boot_id": {1, 501}}

func (f *fake) sysctl(mib []int32, out, in []byte) (int, error) {
	if fmt.Sprint(mib) == "[0 3]" {
		return f.name2oid(string(in), out)
	}
	for name, number := range f.nodes {
		if fmt.Sprint(mib) == fmt.Sprint([]int32{1, 2147476959, int32(number)}) {
			return f.node(strings.TrimPrefix(name, "kern.binmisc."), out, in)
		}
	}
	for name, value := range f.values() {
		if fmt.Sprint(mib) == fmt.Sprint(oids[name]) && in == nil {
			return give(value, out)
		}
	}
	return 0, syscall.ENOENT
}

func (f *fake) name2oid(name string, out []byte) (int, error) {
	var mib []int32
	if number, ok := f.nodes[name]; ok {
		mib = []int32{1, 2147476959, int32(number)}
	} else if value := f.values()[name]; len(value) > 0 {
		mib = oids[name]
	}
	if mib == nil {
		return 0, syscall.ENOENT
	}
	var b []byte
	for _, n := range mib {
		b = binary.NativeEndian.AppendUint32(b, uint32(n))
	}
	return give(b, out)
}

// give is SYSCTL_OUT: the size alone without a buffer, what fits into a short
// one.
func give(value, out []byte) (int, error) {
	if out == nil {
		return len(value), nil
	}
	n := copy(out, value)
	if n < len(value) {
		return n, syscall.ENOMEM
	}
	return n, nil
}

// node is sysctl_root and sysctl_kern_binmisc: permission, then the record's
// length and version, then what the node is for.
func (f *fake) node(child string, out, in []byte) (int, error) {
	if f.sysctls != nil {
		f.sysctls(child)
	}
	if err := f.errs[child]; err != nil {
		return 0, err
	}
	if child == "list" {
		return f.list(out, in)
	}
	if child != "lookup" && (f.uid != 0 || f.jailed != 0) {
		return 0, syscall.EPERM
	}
	if in == nil {
		panic("the kernel would read its stack: " + child + " is called without data")
	}
	f.calls = append(f.calls, child)
	if len(in) < tabletest.BinmiscSize {
		return 0, syscall.EINVAL
	}
	r := sent(in[:tabletest.BinmiscSize])
	if r.Version != 1 {
		return 0, syscall.EINVAL
	}
	if child == "add" {
		return 0, f.add(r)
	}
	i := f.find(r.Name)
	if i < 0 {
		return 0, syscall.ENOENT
	}
	switch child {
	case "lookup":
		return give(f.entries[i].Bytes(), out)
	case "remove":
		f.entries = append(f.entries[:i:i], f.entries[i+1:]...)
	case "enable":
		f.entries[i].Flags |= 1
	case "disable":
		f.entries[i].Flags &^= 1
	}
	return 0, nil
}

func (f *fake) list(out, in []byte) (int, error) {
	switch {
	case in != nil:
		return 0, syscall.EPERM
	case out != nil && len(out) == 0:
		return 0, syscall.EINVAL
	}
	var b []byte
	for _, r := range f.entries {
		b = append(b, r.Bytes()...)
	}
	return give(b, out)
}

// sent is a record as it comes: strings that do not end in their field go on in
// the next one.
func sent(b []byte) tabletest.BinmiscRecord {
	n := binary.NativeEndian.Uint32
	r := tabletest.BinmiscRecord{Version: n(b), Flags: n(b[4:]), Offset: n(b[8:]), Size: n(b[12:]), Magic: string(b[1340:1596]), Mask: string(b[1596:])}
	r.Name, _, _ = strings.Cut(string(b[28:]), "\x00")
	r.Interpreter, _, _ = strings.Cut(string(b[60:]), "\x00")
	return r
}

func (f *fake) find(name string) int {
	for i, r := range f.entries {
		if r.Name == name {
			return i
		}
	}
	return -1
}

// add is imgact_binmisc_add_entry; releases before 13.2 look at neither flags
// nor offset.
func (f *fake) add(r tabletest.BinmiscRecord) error {
	modern := f.release >= 1302000
	switch {
	case modern && r.Flags&^7 != 0:
		return syscall.EINVAL
	case len(f.entries) == 64:
		return syscall.ENOSPC
	case r.Size > 256, modern && r.Offset+r.Size > 4096:
		return syscall.EINVAL
	case len(r.Name) > 32, len(r.Interpreter) >= 1280, !ascii(r.Name), !ascii(r.Interpreter), !sound(r.Interpreter):
		return syscall.EINVAL
	case f.find(r.Name) >= 0:
		return syscall.EEXIST
	}
	r.Name = r.Name[:min(len(r.Name), 31)]
	r.Interpreter = blanks(r.Interpreter)
	r.Magic, r.Mask = r.Magic[:r.Size], r.Mask[:r.Size]
	f.entries = append([]tabletest.BinmiscRecord{r}, f.entries...)
	return nil
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

func sound(s string) bool {
	for {
		_, rest, found := strings.Cut(s, "#")
		if !found {
			return true
		}
		if !strings.HasPrefix(rest, "#") && !strings.HasPrefix(rest, "a") {
			return false
		}
		s = rest[1:]
	}
}

// blanks makes one blank of every run of blanks and tabs.
func blanks(s string) string {
	s = strings.ReplaceAll(s, "\t", " ")
	for strings.Contains(s, "  ") {
		s = strings.ReplaceAll(s, "  ", " ")
	}
	return s
}

// match is imgact_binmisc_find_interpreter on the first page of a file.
func (f *fake) match(_ *testing.T, content string) string {
	if content == "" {
		return ""
	}
	page := make([]byte, 4096)
	copy(page, content)
	for _, r := range f.entries {
		if r.Flags&1 != 0 && taken(r, page) {
			return r.Name
		}
	}
	return ""
}

func taken(r tabletest.BinmiscRecord, page []byte) bool {
	for i := range int(r.Size) {
		b, m := page[int(r.Offset)+i], r.Magic[i]
		if r.Flags&2 != 0 {
			if (b^m)&r.Mask[i] != 0 {
				return false
			}
		} else if b != m || b >= 0x80 {
			return false
		}
	}
	return true
}

func (f *fake) modfind(name string) (int, error) {
	if name != "imgact_binmisc" || len(f.nodes) == 0 {
		return 0, syscall.ENOENT
	}
	return 400 + f.loads, nil
}

func (f *fake) kldfind(file string) (int, error) {
	if file != "imgact_binmisc.ko" || len(f.nodes) == 0 || f.compiled {
		return 0, syscall.ENOENT
	}
	return 7, nil
}

func (f *fake) kldload(name string) error {
	switch {
	case f.uid != 0, f.jailed != 0, f.level > 0:
		return syscall.EPERM
	case f.loadErr != nil:
		return f.loadErr
	case name != "imgact_binmisc":
		return syscall.ENOENT
	}
	f.load()
	return nil
}

func (f *fake) euid() int { return f.uid }

// The fake does what FreeBSD 15.1's kernel did when it was tried.
func TestFake(t *testing.T) {
	tabletest.RunFreeBSD(t, func(*testing.T) tabletest.FreeBSDKernel {
		f := newFake()
		return tabletest.BySysctl(tabletest.FreeBSDKernel{
			Sysctl: func(node string, out, in []byte) (int, error) { return f.node(node, out, in) },
			Match:  f.match,
		})
	})
}
