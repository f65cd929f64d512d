package nxb

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/xjail/xjail/internal/fault"
)

// xtoolsTree is shaped like nxb-bin of make native-xtools: static programs of the
// host, more than poudriere uses, the compiler's headers, and the directories of
// mtree. Its clang compiles for aarch64 and knows that it runs on amd64.
func xtoolsTree() fakeTree {
	f := fakeTree{}
	for _, path := range append(Required(), linked...) {
		f.put(path, static(path))
	}
	f.put("usr/bin/clang", static("aarch64-unknown-freebsd15.1\x00x86_64-unknown-freebsd15.1"))
	for _, name := range strings.Fields("cc c++ cpp clang++ clang-cpp") {
		f["usr/bin/"+name] = entry{link: "usr/bin/clang"}
	}
	f.put("usr/bin/ld.lld", static("lld"))
	f["usr/bin/ld"] = entry{symlink: "ld.lld"}
	f.put("usr/bin/bsdtar", static("bsdtar"))
	f["usr/bin/tar"] = entry{symlink: "/nxb-bin/usr/bin/bsdtar"}
	f.put("sbin/sysctl", static("sysctl"))
	f.put("bin/ps", static("ps"))
	f.put("usr/bin/grep", static("grep"))
	f["usr/bin/CC"] = entry{data: []byte("#!/bin/sh\n")}
	f["usr/lib/clang/19/include/stddef.h"] = entry{data: []byte("\n"), mode: 0o444}
	f["usr/share/man/man1/cc.1"] = entry{data: []byte("\n"), mode: 0o444}
	return f
}

// below puts a tree into a directory.
func (f fakeTree) below(dir string) fakeTree {
	c := fakeTree{}
	for name, e := range f {
		if e.link != "" {
			e.link = dir + "/" + e.link
		}
		c[dir+"/"+name] = e
	}
	return c
}

func TestXTools(t *testing.T) {
	for name, tree := range map[string]fakeTree{"nxb-bin": xtoolsTree(), "a directory with nxb-bin": xtoolsTree().below(Dir)} {
		t.Run(name, func(t *testing.T) {
			root := arm64Jail().make(t)
			o := arm64(t, root)
			o.Policy = func(string) (bool, string) { return true, "" }
			p, err := NewXToolsPlan(context.Background(), tree.make(t), nil, o)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := p.Close(); err != nil {
					t.Error(err)
				}
			}()
			m, err := p.Apply(context.Background(), root)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range append(append(Required(), Linked()...), "usr/bin/grep", "bin/ps") {
				if st, err := root.Lstat(Dir + "/" + name); err != nil || !st.Mode().IsRegular() {
					t.Errorf("%s: %v", name, err)
				}
			}
			checkXTools(t, m)
			if found, err := Verify(context.Background(), root, m); err != nil || found != nil {
				t.Errorf("%v, %v", found, err)
			}
		})
	}
}

func checkXTools(t *testing.T, m *Manifest) {
	t.Helper()
	if *m.Compiler != (Compiler{"usr/bin/cc", "19", "aarch64-unknown-freebsd15.1", ByDefault}) {
		t.Errorf("compiler %+v", m.Compiler)
	}
	var omitted []string
	for _, o := range m.Omitted {
		omitted = append(omitted, o.Path)
	}
	if want := []string{"sbin/sysctl", "usr/bin/CC", "usr/share/man/man1/cc.1"}; !slices.Equal(omitted, want) {
		t.Errorf("omitted %q, want %q", omitted, want)
	}
	for _, f := range m.Files {
		if f.Kind == Relocated || f.Kind == Library || f.Edits != nil {
			t.Errorf("%+v", f)
		}
	}
	if got := paths(m, Data); !slices.Equal(got, []string{"usr/lib/clang/19/include/stddef.h"}) || m.Unproved != nil {
		t.Errorf("headers %q, unproved %q", got, m.Unproved)
	}
	if m.Release.Number() != "15.1" || m.Source != NativeXTools {
		t.Errorf("%+v", m.Release)
	}
}

func TestXToolsRefusals(t *testing.T) {
	tests := []struct {
		name   string
		change func(f fakeTree)
		kind   fault.Kind
		text   string
	}{
		{"a compiler for the host", func(f fakeTree) { f.put("usr/bin/clang", static("x86_64-unknown-freebsd15.1")) }, fault.WrongArch,
			"it compiles for x86_64-unknown-freebsd15.1, not for aarch64-unknown-freebsd15.1"},
		{"a compiler for a third machine", func(f fakeTree) { f.put("usr/bin/clang", static("armv7-unknown-freebsd15.1-gnueabihf")) }, fault.WrongArch, "it compiles for armv7"},
		{"a compiler for another release", func(f fakeTree) { f.put("usr/bin/clang", static("aarch64-unknown-freebsd14.3")) }, fault.Mismatch, "it compiles for aarch64-unknown-freebsd14.3"},
		{"an assembler for the host", func(f fakeTree) { f.put("usr/bin/as", static("x86_64-unknown-freebsd15.1")) }, fault.WrongArch, "usr/bin/as of the native-xtools"},
		{"a dynamic program", func(f fakeTree) { f.put("usr/bin/awk", program("awk", "libc.so.7")) }, fault.Unsupported, "it is dynamic"},
		{"a program of the jail's machine", func(f fakeTree) { e := static("awk"); e.machine = 183; f.put("usr/bin/awk", e) }, fault.WrongArch, "usr/bin/awk of the native-xtools: it is aarch64"},
		{"a truncated program", func(f fakeTree) { e := f["usr/bin/awk"]; e.data = e.data[:70]; f["usr/bin/awk"] = e }, fault.Damaged, "usr/bin/awk"},
		{"another release", func(f fakeTree) {
			e := static("aarch64-unknown-freebsd15.1")
			e.note = 1402000
			f.put("usr/bin/clang", e)
		}, fault.Mismatch, "the native-xtools is of FreeBSD 14.2, the jail of 15.1-RELEASE-p3"},
		{"no compiler", func(f fakeTree) {
			for name := range drivers {
				delete(f, name)
			}
		}, fault.NotFound, "has no usr/bin/cc"},
		{"nothing", func(f fakeTree) { clear(f); f["x"] = entry{} }, fault.NotFound, "no native-xtools"},
		{"a link out", func(f fakeTree) {
			f["usr/bin/awk"] = entry{symlink: "../../../../../../../../../../bin/sh"}
			delete(f, "bin/sh")
		}, fault.Unsupported, "usr/bin/awk of the native-xtools cannot be a native tool: the native-xtools has a link there that leads nowhere"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tree := xtoolsTree()
			tt.change(tree)
			root := arm64Jail().make(t)
			_, err := NewXToolsPlan(context.Background(), tree.make(t), nil, arm64(t, root))
			checkError(t, err, tt.kind, tt.text)
		})
	}
}

// Where the file does not tell, the manifest says that it does not.
func TestXToolsUnproved(t *testing.T) {
	tree := xtoolsTree()
	tree.put("usr/bin/clang", static("x86_64-unknown-freebsd")) // no version: in every clang's lists
	p, err := NewXToolsPlan(context.Background(), tree.make(t), nil, arm64(t, arm64Jail().make(t)))
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Unproved) != 1 || p.Compiler.By != "" || p.Compiler.Triple != "" {
		t.Errorf("unproved %q, compiler %+v", p.Unproved, p.Compiler)
	}
}

// The triple of a branch may lag behind its name.
func TestXToolsMinor(t *testing.T) {
	tree := xtoolsTree()
	tree.put("usr/bin/clang", static("aarch64-unknown-freebsd15.0\x00x86_64-unknown-freebsd15.0"))
	p, err := NewXToolsPlan(context.Background(), tree.make(t), nil, arm64(t, arm64Jail().make(t)))
	if err != nil {
		t.Fatal(err)
	}
	if p.Compiler.Triple != "aarch64-unknown-freebsd15.0" || p.Compiler.By != ByDefault || p.Unproved != nil {
		t.Errorf("%+v, unproved %q", p.Compiler, p.Unproved)
	}
	for triple, want := range map[string]string{
		"armv7-unknown-freebsd15.1-gnueabihf": "armv7-unknown-freebsd15-gnueabihf", "aarch64-unknown-freebsd14.3": "aarch64-unknown-freebsd14", "x": "x-freebsd",
	} {
		if got := withoutMinor(triple); got != want {
			t.Errorf("%s: %s, want %s", triple, got, want)
		}
	}
}

// A dynamic program among them is relocated when there is a base tree.
func TestXToolsWithBase(t *testing.T) {
	tree := xtoolsTree()
	tree.put("usr/bin/awk", program("awk", "libz.so.6"))
	root := arm64Jail().make(t)
	p, err := NewXToolsPlan(context.Background(), tree.make(t), baseTree().make(t), arm64(t, root))
	if err != nil {
		t.Fatal(err)
	}
	if got := paths(&p.Manifest, Library, Linker, Relocated); !slices.Equal(got, []string{"ld-elf.so.1", "lib/libc.so.7", "lib/libsys.so.7", "lib/libz.so.6", "usr/bin/awk"}) {
		t.Errorf("%q", got)
	}
	if _, err := p.Apply(context.Background(), root); err != nil {
		t.Error(err)
	}
	base := baseTree()
	base.version("15.0-RELEASE", "1500068")
	_, err = NewXToolsPlan(context.Background(), tree.make(t), base.make(t), arm64(t, arm64Jail().make(t)))
	checkError(t, err, fault.Mismatch, "the base tree is of FreeBSD 15.0-RELEASE")
}

// Triples are found wherever the blocks of a file end.
func TestTriplesOf(t *testing.T) {
	for _, at := range []int{0, 1, scanBlock - 10, scanBlock, scanBlock + scanOverlap - 5, scanBlock + scanOverlap, 2*scanBlock + 17} {
		text := strings.Repeat("x", at) + "\x00mips64-unknown-freebsd12.4\x00not-a-freebsd\x00%s-unknown-freebsd13.0\x00x86_64-freebsd13\x00i386-unknown-freebsd-elf\x00"
		got, err := triples(strings.NewReader(text))
		if err != nil || !slices.Equal(got, []string{"mips64-unknown-freebsd12.4"}) {
			t.Errorf("at %d: %q, %v", at, got, err)
		}
		if found, err := contains(strings.NewReader(text), "not-a-free"); err != nil || !found {
			t.Errorf("at %d: %v, %v", at, found, err)
		}
	}
}
