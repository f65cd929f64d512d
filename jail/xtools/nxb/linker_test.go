package nxb

import (
	"bytes"
	"debug/elf"
	"slices"
	"strings"
	"testing"

	"github.com/xjail/xjail/internal/fault"
)

// The strings of run-time linkers: that of 15.1 as observed, and older ones as
// in rtld_paths.h and rtld.c of about 12 and 13, where the names of variables are
// compiled in.
var (
	strings15 = []string{"ld-elf.so.1", interpreter, "/lib:/usr/lib", "/var/run/ld-elf.so.hints", "/etc/libmap.conf", "LD_", "LIBRARY_PATH", "Shared object \"%s\" not found"}
	strings13 = []string{interpreter, "/lib/casper:/lib:/usr/lib", "/var/run/ld-elf.so.hints", "/etc/libmap.conf", "LD_",
		"LD_BIND_NOW", "LD_PRELOAD", "LD_LIBMAP", "LD_LIBMAP_DISABLE", "LD_LIBRARY_PATH", "LD_LIBRARY_PATH_FDS", "LD_TRACE_LOADED_OBJECTS_FMT1"}
	strings12 = slices.Delete(slices.Clone(strings13), 4, 5) // without "LD_" of its own
)

func rtld(constants []string) linked64 {
	e := sharedLibrary("")
	e.loaded = "\x00" + strings.Join(constants, "\x00") + "\x00"
	return e
}

func TestLinkerEdits(t *testing.T) {
	tests := []struct {
		name      string
		constants []string
		dirs      string
		changed   [][2]string
	}{
		{"15.1", strings15, "lib usr/lib", [][2]string{{"/lib:/usr/lib\x00", "/nxb-bin/lib\x00\x00"}, {"\x00LD_\x00", "\x00NX_\x00"}}},
		{"13", strings13, "lib/casper lib usr/lib", [][2]string{{"/lib/casper:/lib:/usr/lib\x00", "/nxb-bin/lib" + strings.Repeat("\x00", 14)}, {"\x00LD_", "\x00NX_"}}},
		{"12", strings12, "lib/casper lib usr/lib", [][2]string{{"/lib/casper:/lib:/usr/lib\x00", "/nxb-bin/lib" + strings.Repeat("\x00", 14)}, {"\x00LD_", "\x00NX_"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := rtld(tt.constants).bytes()
			l, err := readLinker(read(t, before))
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(l.dirs, " "); got != tt.dirs {
				t.Errorf("directories %q, want %q", got, tt.dirs)
			}
			want := bytes.Clone(before)
			for _, c := range append(tt.changed, [2]string{"/var/run/ld-elf.so.hints", "/nxb-bin/ld-elf.so.hints"},
				[2]string{"/etc/libmap.conf", "/nxb-bin/lm.conf"}, [2]string{interpreter, relocated}) {
				want = bytes.ReplaceAll(want, []byte(c[0]), []byte(c[1]))
			}
			if got := apply(t, before, l.edits); !bytes.Equal(got, want) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
}

// On FreeBSD 15.1 cmp -l counted 35 bytes with /nxc-bin. With /nxb-bin the b is in
// the place of another in two of the strings, and the c no longer in one.
func TestLinkerBytes(t *testing.T) {
	before := rtld(strings15).bytes()
	l, err := readLinker(read(t, before))
	if err != nil {
		t.Fatal(err)
	}
	if n := differing(before, apply(t, before, l.edits)); n != 35-2+1 {
		t.Errorf("%d bytes differ, not 34", n)
	}
}

// What debuggers read is not loaded, and stays.
func TestLinkerDebug(t *testing.T) {
	e := rtld(strings15)
	e.debug = "\x00LD_\x00LD_BIND_NOW\x00/lib:/usr/lib\x00"
	b := e.bytes()
	l, err := readLinker(read(t, b))
	if err != nil {
		t.Fatal(err)
	}
	for _, edit := range l.edits {
		if edit.Offset > int64(bytes.Index(b, []byte(e.debug))) {
			t.Errorf("edit %+v", edit)
		}
	}
}

func TestUnknownLinkers(t *testing.T) {
	without := func(text string) []string {
		return slices.DeleteFunc(slices.Clone(strings15), func(s string) bool { return s == text })
	}
	with := func(texts ...string) []string { return append(slices.Clone(strings15), texts...) }
	tests := []struct {
		name      string
		constants []string
		text      string
	}{
		{"no hints", without("/var/run/ld-elf.so.hints"), "hints\" 0 times"},
		{"no libmap", without("/etc/libmap.conf"), "libmap.conf\" 0 times"},
		{"no own path", without(interpreter), "0 times"},
		{"no standard path", without("/lib:/usr/lib"), "none of the standard library paths"},
		{"no prefix", without("LD_"), "neither the string"},
		{"hints twice", with("/var/run/ld-elf.so.hints"), "hints\" 2 times"},
		{"own path twice", with(interpreter), "2 times"},
		{"both standard paths", with("/lib/casper:/lib:/usr/lib"), "two standard library paths"},
		{"standard path twice", with("/lib:/usr/lib"), "two standard library paths"},
		{"prefix twice", with("LD_"), "\"LD_\" twice"},
		{"prefix twice in a row", slices.Insert(slices.Clone(strings15), 6, "LD_"), "\"LD_\" twice"},
		{"for 32 bits", []string{"/libexec/ld-elf32.so.1", "/lib32:/usr/lib32", "/var/run/ld-elf32.so.hints", "/etc/libmap32.conf", "LD_32_"}, "0 times"},
		{"half of the variables", slices.DeleteFunc(slices.Clone(strings12), func(s string) bool { return s == "LD_PRELOAD" }), "LD_PRELOAD"},
		{"part of a longer string", append(without("/etc/libmap.conf"), "/usr/etc/libmap.conf"), "0 times"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := readLinker(read(t, rtld(tt.constants).bytes()))
			checkError(t, err, fault.Unsupported, tt.text)
		})
	}
}

func TestNotALinker(t *testing.T) {
	_, err := readLinker(read(t, program("x").bytes()))
	checkError(t, err, fault.Damaged, "no run-time linker")
	symbol := rtld(strings15)
	symbol.needed = []string{"LD_DEBUG"}
	_, err = readLinker(read(t, symbol.bytes()))
	checkError(t, err, fault.Unsupported, "name of a symbol")
	static := rtld(strings15)
	static.kind = elf.ET_EXEC
	_, err = readLinker(read(t, static.bytes()))
	checkError(t, err, fault.Damaged, "no run-time linker")
}
