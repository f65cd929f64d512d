package nxb

import (
	"bytes"
	"context"
	"debug/elf"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// entry is a file of a tree that the tests make. One of its fields says what it
// is; mode 0 means 0555.
type entry struct {
	data    []byte
	link    string // hard link to another path
	symlink string
	mode    os.FileMode
}

type fakeTree map[string]entry

// program puts a program into the tree.
func (f fakeTree) put(path string, e linked64) { f[path] = entry{data: e.bytes()} }

// make writes the tree.
func (f fakeTree) make(t testing.TB) *os.Root {
	t.Helper()
	dir := t.TempDir()
	for _, links := range []bool{false, true} {
		for name, e := range f {
			if links != (e.link != "") {
				continue
			}
			if err := e.write(dir, filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

func (e entry) write(dir, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	switch {
	case e.link != "":
		return os.Link(filepath.Join(dir, e.link), path)
	case e.symlink != "":
		return os.Symlink(e.symlink, path)
	}
	mode := e.mode
	if mode == 0 {
		mode = 0o555
	}
	if err := os.WriteFile(path, e.data, 0o600); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

func (f fakeTree) clone() fakeTree {
	c := fakeTree{}
	for k, v := range f {
		c[k] = v
	}
	return c
}

// version writes what tells the release.
func (f fakeTree) version(version, number string) {
	f["bin/freebsd-version"] = entry{data: []byte("#!/bin/sh\nUSERLAND_VERSION=\"" + version + "\"\n")}
	f["usr/include/sys/param.h"] = entry{data: []byte("#ifndef _SYS_PARAM_H_\n#define __FreeBSD_version " + number + "\t/* Master */\n")}
}

// small are names with the libraries that each needs on FreeBSD.
var small = map[string]string{
	"usr/bin/ld.lld": "libprivatellvm.so.19 libc++.so.1 libthr.so.3 libc.so.7", "usr/bin/bsdtar": "libarchive.so.7 libc.so.7",
	"usr/bin/find": "libc.so.7", "usr/bin/yacc": "libc.so.7", "bin/sh": "libedit.so.8 libc.so.7",
}

// sharedLibraries are those of the tree, by where they are and what they need.
// Nothing needs libunused.
var sharedLibraries = map[string]string{
	"lib/libc.so.7": "libsys.so.7", "lib/libsys.so.7": "", "lib/libthr.so.3": "libc.so.7 libsys.so.7",
	"lib/libedit.so.8": "libtinfow.so.9 libc.so.7", "lib/libtinfow.so.9": "libc.so.7", "lib/libc++.so.1": "libcxxrt.so.1 libc.so.7",
	"lib/libcxxrt.so.1": "libgcc_s.so.1 libc.so.7", "lib/libgcc_s.so.1": "libc.so.7", "usr/lib/libprivatellvm.so.19": "libc++.so.1 libc.so.7",
	"usr/lib/libarchive.so.7": "libz.so.6 libc.so.7", "lib/libz.so.6": "libc.so.7", "lib/libunused.so.1": "libc.so.7",
}

// baseTree is shaped like base.txz of 15.1, cut down.
func baseTree() fakeTree {
	f := fakeTree{}
	f.version("15.1-RELEASE-p1", "1501000")
	f.put("libexec/ld-elf.so.1", rtld(strings15))
	for path, needed := range sharedLibraries {
		lib := sharedLibrary(path, strings.Fields(needed)...)
		if path == "lib/libc.so.7" {
			lib.filters = map[int64]string{dtAuxiliary: "libsys.so.7"}
		}
		f.put(path, lib)
		e := f[path]
		e.mode = 0o444
		f[path] = e
	}
	f["usr/lib/libc.so"] = entry{data: []byte("GROUP ( /lib/libc.so.7 )\n"), mode: 0o444}
	for _, path := range append(Required(), linked...) {
		f.put(path, program(path, "libc.so.7"))
	}
	for path, needed := range small {
		f.put(path, program(path+"\x00compatible with GNU linkers", strings.Fields(needed)...))
	}
	f["usr/bin/ld"] = entry{symlink: "ld.lld"}
	f["usr/bin/tar"] = entry{symlink: "/usr/bin/bsdtar"}
	f.clang("19")
	f["usr/bin/gunzip"], f["usr/bin/gzcat"] = entry{link: "usr/bin/gzip"}, entry{link: "usr/bin/gzip"}
	f["sbin/sha256"], f["sbin/sha512"], f["sbin/sha1"] = entry{link: "sbin/md5"}, entry{link: "sbin/md5"}, entry{link: "sbin/md5"}
	f.put("rescue/rescue", static("rescue"))
	for _, name := range strings.Fields("cat cp sh sed gzip gunzip gzcat mv sysctl chown") {
		f["rescue/"+name] = entry{link: "rescue/rescue"}
	}
	for _, path := range strings.Fields("sbin/sysctl usr/bin/uname usr/bin/su usr/bin/ldd usr/sbin/nologin") {
		f.put(path, program(path, "libc.so.7"))
	}
	f.put("usr/bin/tr", program("tr", "libc.so.7"))
	f["usr/bin/zgrep"] = entry{data: []byte("#!/bin/sh\n")}
	return f
}

// clang puts a compiler into the tree.
func (f fakeTree) clang(version string) {
	f.put("usr/bin/clang", program("clang", strings.Fields(small["usr/bin/ld.lld"])...))
	for _, path := range strings.Fields("usr/bin/cc usr/bin/c++ usr/bin/cpp usr/bin/clang++ usr/bin/clang-cpp") {
		f[path] = entry{link: "usr/bin/clang"}
	}
	f[clangDir+"/"+version+"/include/stddef.h"] = entry{data: []byte("typedef long ptrdiff_t;\n"), mode: 0o444}
	f[clangDir+"/"+version+"/include/sanitizer/asan_interface.h"] = entry{data: []byte("void __asan(void);\n"), mode: 0o444}
}

// jailTree is a jail of the same release.
func jailTree(machine elf.Machine, big bool) fakeTree {
	f := fakeTree{}
	f.version("15.1-RELEASE-p3", "1501000")
	f.put("bin/sh", foreign(machine, big))
	f.put("usr/bin/cc", foreign(machine, big))
	f[clangDir+"/19/include/stddef.h"] = entry{data: []byte("typedef long ptrdiff_t;\n")}
	return f
}

func arm64Jail() fakeTree { return jailTree(elf.EM_AARCH64, false) }

func arm64(t testing.TB, jail *os.Root) Options {
	return Options{Target: lookup(t, "aarch64"), Jail: jail}
}

// planTwin plans and applies, and returns the manifest and where it is.
func planTwin(t *testing.T, base, jail fakeTree) (*Manifest, *os.Root) {
	t.Helper()
	root := jail.make(t)
	p, err := NewTwinPlan(context.Background(), base.make(t), arm64(t, root))
	if err != nil {
		t.Fatal(err)
	}
	m, err := p.Apply(context.Background(), root)
	if err != nil {
		t.Fatal(err)
	}
	return m, root
}

// contents are the regular files of a root, by path.
func contents(t *testing.T, root *os.Root) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	err := filepath.WalkDir(root.Name(), func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(root.Name(), path)
		switch {
		case d.Type().IsRegular():
			all[name], err = os.ReadFile(path)
		case d.IsDir():
			all[name+"/"] = nil
		default:
			target, _ := os.Readlink(path)
			all[name] = []byte("-> " + target)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// unchanged fails when a root is not as it was.
func unchanged(t *testing.T, root *os.Root, before map[string][]byte) {
	t.Helper()
	after := contents(t, root)
	for name, b := range before {
		if got, ok := after[name]; !ok || !bytes.Equal(got, b) {
			t.Errorf("%s changed or is gone", name)
		}
	}
	for name := range after {
		if _, ok := before[name]; !ok {
			t.Errorf("%s is new", name)
		}
	}
}

func paths(m *Manifest, kinds ...Kind) []string {
	var all []string
	for _, f := range m.Files {
		if len(kinds) == 0 || slices.Contains(kinds, f.Kind) {
			all = append(all, f.Path)
		}
	}
	return all
}
