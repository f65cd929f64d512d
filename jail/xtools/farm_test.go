package xtools

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
)

// elfSpec is an ELF file that a test makes.
type elfSpec struct {
	machine uint16 // 62 is amd64, 183 aarch64
	interp  string
	soname  string
	needed  []string
	runpath string
	imports []string
	text    string // more bytes, that are loaded
}

const (
	amd64   = 62
	aarch64 = 183
	loader  = "/lib64/ld-linux-x86-64.so.2"
	// nearLoader is what programs of a farm ask for in its place.
	nearLoader = "/lib/x86_64-linux-gnu/ld.so"
)

// file makes it: a header, PT_LOAD of the whole file, PT_INTERP and PT_DYNAMIC,
// and the sections that debug/elf reads dynamic entries and symbols by.
func (e elfSpec) file() string {
	le := binary.LittleEndian
	str := []byte{0}
	name := func(s string) uint64 {
		at := len(str)
		str = append(append(str, s...), 0)
		return uint64(at)
	}
	var dyn []byte
	tag := func(t, v uint64) { dyn = le.AppendUint64(le.AppendUint64(dyn, t), v) }
	for _, n := range e.needed {
		tag(1, name(n))
	}
	if e.soname != "" {
		tag(14, name(e.soname))
	}
	if e.runpath != "" {
		tag(29, name(e.runpath))
	}
	tag(0, 0)
	sym := make([]byte, 24)
	for _, s := range e.imports {
		sym = le.AppendUint32(sym, uint32(name(s)))
		sym = append(sym, 0x12, 0, 0, 0) // global function, undefined
		sym = append(sym, make([]byte, 16)...)
	}
	const head, ph, sh = 64, 56, 64
	body := uint64(head + 3*ph + 4*sh)
	parts := [][]byte{append([]byte(e.interp), 0), str, dyn, sym, []byte("\x00" + e.text + "\x00")}
	var at []uint64
	end := body
	for _, p := range parts {
		end = (end + 7) &^ 7
		at = append(at, end)
		end += uint64(len(p))
	}
	b := []byte{0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	b = le.AppendUint16(le.AppendUint16(b, 3), e.machine)
	b = le.AppendUint32(b, 1)
	b = le.AppendUint64(le.AppendUint64(le.AppendUint64(b, 0), head), head+3*ph)
	b = le.AppendUint32(b, 0)
	for _, v := range []uint16{head, ph, 3, sh, 4, 0} {
		b = le.AppendUint16(b, v)
	}
	segment := func(kind uint32, off, size uint64) {
		b = le.AppendUint32(le.AppendUint32(b, kind), 4)
		for _, v := range []uint64{off, off, off, size, size, 8} {
			b = le.AppendUint64(b, v)
		}
	}
	segment(1, 0, end)
	if e.interp != "" {
		segment(3, at[0], uint64(len(parts[0])))
	} else {
		segment(0, 0, 0)
	}
	segment(2, at[2], uint64(len(dyn)))
	section := func(kind uint32, i int, link uint32, entry uint64) {
		b = le.AppendUint32(le.AppendUint32(b, 0), kind)
		off, size := uint64(0), uint64(0)
		if kind != 0 {
			off, size = at[i], uint64(len(parts[i]))
		}
		for _, v := range []uint64{0, off, off, size} {
			b = le.AppendUint64(b, v)
		}
		b = le.AppendUint32(le.AppendUint32(b, link), 0)
		b = le.AppendUint64(le.AppendUint64(b, 8), entry)
	}
	section(0, 0, 0, 0)
	section(3, 1, 0, 0)   // strings
	section(6, 2, 1, 16)  // dynamic
	section(11, 3, 1, 24) // symbols
	for i, p := range parts {
		b = append(b, make([]byte, int(at[i])-len(b))...)
		b = append(b, p...)
	}
	return string(b)
}

func program(needed ...string) string {
	return elfSpec{machine: amd64, interp: loader, needed: needed}.file()
}

// inFarm is a program as a farm has it.
func inFarm(text string) string { return strings.ReplaceAll(text, loader, nearLoader) }

func library(soname string, needed ...string) string {
	return elfSpec{machine: amd64, soname: soname, needed: needed}.file()
}

const libs = "usr/lib/x86_64-linux-gnu/"

func goodLoader() string {
	return elfSpec{machine: amd64, soname: "ld-linux-x86-64.so.2", text: preloadError + "\x00" + usualCache}.file()
}

// newBuild stages files as if they came out of packages.
func newBuild(t *testing.T, files map[string]string) *farmBuild {
	t.Helper()
	dir, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	if err := dir.Mkdir(farmStage, 0o755); err != nil {
		t.Fatal(err)
	}
	root, err := dir.OpenRoot(farmStage)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	s := &staged{root: root, links: map[string]string{}, owner: map[string]Package{}, special: map[string]bool{}}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, text := range files {
		h := &tar.Header{Name: "./" + name, Mode: 0o755, Size: int64(len(text)), Typeflag: tar.TypeReg}
		if target, link := strings.CutPrefix(text, "-> "); link {
			h.Typeflag, h.Linkname, h.Size, text = tar.TypeSymlink, target, 0, ""
		}
		if strings.HasPrefix(text, "setuid ") {
			text = text[7:]
			h.Mode, h.Size = 0o4755, int64(len(text))
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.readTar(tar.NewReader(&b), Package{Name: "p", Version: "1"}, func(string) bool { return true }); err != nil {
		t.Fatal(err)
	}
	host, err := arch.Lookup("amd64")
	if err != nil {
		t.Fatal(err)
	}
	target, err := arch.Lookup("mips64el")
	if err != nil {
		t.Fatal(err)
	}
	return &farmBuild{
		dir: dir, stage: s, host: host, target: target, policy: DefaultPolicy(), scripts: &scriptSet{}, objects: map[string]*object{},
		farm: &Farm{Files: map[string]FarmFile{}, Rejected: map[string]string{}},
	}
}

func TestFarm(t *testing.T) {
	b := newBuild(t, map[string]string{
		"bin/sed": program("libacl.so.1", "libc.so.6"), "usr/bin/uname2": elfSpec{machine: amd64, interp: loader, imports: []string{"uname"}}.file(),
		"usr/bin/find":           elfSpec{machine: amd64, interp: loader, imports: []string{"uname"}}.file(),
		"usr/bin/man":            elfSpec{machine: amd64, interp: loader, needed: []string{"libman.so"}, runpath: "/usr/lib/man-db"}.file(),
		"usr/bin/near":           elfSpec{machine: amd64, interp: loader, needed: []string{"libnear.so"}, runpath: "/" + libs + "near"}.file(),
		libs + "near/libnear.so": library("libnear.so"),
		"usr/bin/old":            elfSpec{machine: amd64, interp: loader, needed: []string{"libold.so.5"}}.file(),
		"usr/lib/libold.so.5":    library("libold.so.5"),
		"usr/bin/poor":           program("libgone.so.1"),
		"usr/bin/sh":             "#!/bin/sh\n", "usr/bin/su2": "setuid " + program(),
		"usr/bin/cc1":                       elfSpec{machine: amd64, interp: loader, text: "/usr/lib/gcc-cross/x/12/include"}.file(),
		"lib64/ld-linux-x86-64.so.2":        "-> /lib/x86_64-linux-gnu/ld-2.36.so",
		"lib/x86_64-linux-gnu/ld-2.36.so":   goodLoader(),
		"lib/x86_64-linux-gnu/libc.so.6":    library("libc.so.6", "ld-linux-x86-64.so.2"),
		libs + "ld-linux-x86-64.so.2":       "-> ld-2.36.so",
		libs + "libacl.so.1":                "-> libacl.so.1.1",
		libs + "libacl.so.1.1":              library("libacl.so.1", "libattr.so.1"),
		libs + "libattr.so.1":               library("libattr.so.1"),
		libs + "libunused.so.1":             library("libunused.so.1"),
		libs + "gconv/UTF-16.so":            library("UTF-16.so", "libc.so.6"),
		libs + "gconv/gconv-modules":        "module x\n",
		libs + "gawk/time.so":               library("time.so", "libc.so.6"),
		libs + "libfakeroot/libfakeroot.so": library("libfakeroot.so", "libc.so.6"),
	})
	programs := []string{"usr/bin/sed", "usr/bin/uname2", "usr/bin/find", "usr/bin/sh", "usr/bin/su2", "usr/bin/cc1", "usr/bin/none", "usr/bin/man", "usr/bin/near", "usr/bin/old", "usr/bin/poor"}
	if err := b.build(context.Background(), programs, []string{libs + "none.so"}); err != nil {
		t.Fatal(err)
	}
	var got []string
	root, err := b.dir.OpenRoot(farmRoot)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	_ = filepath.WalkDir(root.Name(), func(name string, d os.DirEntry, _ error) error {
		if !d.IsDir() {
			rel, _ := filepath.Rel(root.Name(), name)
			got = append(got, rel)
		}
		return nil
	})
	want := []string{
		"ldcache", libs + "ld.so", "usr/bin/cc1", "usr/bin/find", "usr/bin/near", "usr/bin/sed", libs + "near/libnear.so", "usr/bin/old", libs + "libold.so.5",
		libs + "gconv/UTF-16.so", libs + "gconv/gconv-modules", libs + "gawk/time.so", libs + "ld-linux-x86-64.so.2", libs + "libacl.so.1",
		libs + "libattr.so.1", libs + "libc.so.6", libs + "libfakeroot/libfakeroot.so", libs + "libfakeroot.so",
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the farm has\n%s", strings.Join(got, "\n"))
	}
	if text, _ := root.ReadFile("usr/bin/cc1"); !bytes.Contains(text, []byte("\x00/usr/lib/gcc/x/12/include\x00")) {
		t.Error("the compiler's paths are the cross compiler's")
	}
	if text, _ := root.ReadFile(libs + "ld.so"); bytes.Contains(text, []byte("cannot be preloaded")) {
		t.Error("the loader is not silent")
	}
	for name, why := range map[string]string{"usr/bin/uname2": "uname", "usr/bin/sh": "no program", "usr/bin/su2": "user", "usr/bin/none": "no program", "usr/bin/man": "of its own in /usr/lib/man-db", "usr/bin/poor": "libgone.so.1 is not to be found"} {
		if !strings.Contains(b.farm.Rejected[name], why) {
			t.Errorf("%s is rejected with %q", name, b.farm.Rejected[name])
		}
	}
	if text, _ := root.ReadFile("usr/bin/sed"); string(text) != inFarm(program("libacl.so.1", "libc.so.6")) {
		t.Error("sed has not the loader of the farm")
	}
	f := b.farm.Files["usr/bin/sed"]
	if err := CheckFile(root, File{Path: "/usr/bin/sed", Source: "usr/bin/sed", SHA256: f.SHA256}); err != nil {
		t.Error(err)
	}
	if err := CheckFile(root, File{Path: "/usr/bin/sed", Source: "usr/bin/find", SHA256: f.SHA256}); fault.KindOf(err) != fault.Mismatch {
		t.Errorf("another file: %v", err)
	}
}

func TestFarmRefuses(t *testing.T) {
	good := map[string]string{
		"usr/bin/sed": program("libc.so.6"), "usr/lib64/ld-linux-x86-64.so.2": goodLoader(), libs + "libc.so.6": library("libc.so.6"),
	}
	for name, tt := range map[string]struct {
		file, text string
		kind       fault.Kind
		says       string
	}{
		"a library is missing":             {"usr/bin/sed", program("libacl.so.1"), fault.NotFound, "/usr/bin/sed: library libacl.so.1"},
		"a library of a library":           {libs + "libc.so.6", library("libc.so.6", "libx.so.1"), fault.NotFound, "libc.so.6: library libx.so.1"},
		"a library of another machine":     {libs + "libc.so.6", elfSpec{machine: aarch64, soname: "libc.so.6"}.file(), fault.NotFound, "libc.so.6"},
		"a library by a path":              {"usr/bin/sed", program("/tmp/x.so"), fault.Unsupported, "/tmp/x.so"},
		"a program of another machine":     {"usr/bin/sed", elfSpec{machine: aarch64, interp: loader}.file(), fault.WrongArch, "/usr/bin/sed"},
		"a program that was cut":           {"usr/bin/sed", program("libc.so.6")[:470], fault.Damaged, "usr/bin/sed"},
		"a library that was cut":           {libs + "libc.so.6", library("libc.so.6")[:460], fault.Damaged, "libc.so.6"},
		"a program without its last bytes": {"usr/bin/sed", strings.TrimSuffix(elfSpec{machine: amd64, interp: loader, text: strings.Repeat("x", 4096)}.file(), "x\x00"), fault.Damaged, "cut short"},
		"another loader":                   {"usr/bin/sed", elfSpec{machine: amd64, interp: "/evil/ld.so"}.file(), fault.Unsupported, "/evil/ld.so"},
		"a loader that is not glibc's":     {"usr/lib64/ld-linux-x86-64.so.2", library("ld"), fault.Unsupported, "LD_PRELOAD"},
		"no loader":                        {"usr/lib64/ld-linux-x86-64.so.2", "-> /nowhere", fault.NotFound, "ld-linux"},
		"a symlink to itself":              {libs + "libc.so.6", "-> libc.so.6", fault.NotFound, "libc.so.6"},
		"a library outside of the package": {libs + "libc.so.6", "-> ../../../../../../etc/passwd", fault.NotFound, "libc.so.6"},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{}
			for k, v := range good {
				files[k] = v
			}
			files[tt.file] = tt.text
			err := newBuild(t, files).build(context.Background(), []string{"usr/bin/sed"}, nil)
			if fault.KindOf(err) != tt.kind || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v (kind %d)", err, fault.KindOf(err))
			}
		})
	}
}

func FuzzObject(f *testing.F) {
	f.Add([]byte(program("libc.so.6")))
	f.Add([]byte(library("x", "y")))
	f.Fuzz(func(t *testing.T, text []byte) {
		file := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(file, text, 0o644); err != nil {
			t.Fatal(err)
		}
		r, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if o, err := readObject("x", r); (o == nil) == (err == nil) {
			t.Errorf("%v, %v", o, err)
		}
	})
}

func subject(t *testing.T, target string) *Subject {
	t.Helper()
	a, err := arch.Lookup(target)
	if err != nil {
		t.Fatal(err)
	}
	host, err := arch.Lookup("amd64")
	if err != nil {
		t.Fatal(err)
	}
	return &Subject{Arch: a, Host: host}
}

func TestChoose(t *testing.T) {
	own := func(name, version string) Package { return Package{Name: name, Version: version, Arch: "mips64el"} }
	amd := func(name, version string, depends ...string) Package {
		return Package{Name: name, Version: version, Arch: "amd64", Depends: depends}
	}
	in := &Installed{Packages: map[string]Package{}, Owner: map[string]string{
		"usr/lib/mips64el-linux-gnuabi64/libacl.so.1": "libacl1", "usr/lib/mips64el-linux-gnuabi64/libz.so.1": "zlib1g",
	}}
	for _, p := range []Package{
		own("sed", "4.9-1+b2"), own("gcc-12", "12.2.0-14+deb12u1"), own("binutils-mips64el-linux-gnuabi64", "2.40-2"), own("xz-utils", "5.4.1-1"),
		own("libacl1", "2.3.1-3"), own("zlib1g", "1"), own("odd", "1"), own("perl-base", "1"), own("g++-13", "13.1-1"),
	} {
		in.Packages[p.Name] = p
	}
	index := map[string][]Package{}
	for _, p := range []Package{
		amd("sed", "4.9-0"), amd("sed", "4.9-1", "libacl1", "perl-base"), amd("libacl1", "2.3.1-4", "zlib1g"), amd("libacl1", "2.3.1-3+b1", "zlib1g"), amd("zlib1g", "2"),
		amd("gcc-12", "12.2.0-14+deb12u1"), amd("gcc-12-mips64el-linux-gnuabi64", "12.2.0-14cross5", "libisl23", "bison"), amd("libisl23", "0.25"),
		amd("binutils-mips64el-linux-gnuabi64", "2.40-2cross2"), amd("xz-utils", "5.4.1-2"), amd("perl-base", "1"), amd("bison", "1"),
		amd("g++-13-mips64el-linux-gnuabi64", "13.2-1"), amd("libc6", "2"),
	} {
		index[p.Name] = append(index[p.Name], p)
	}
	c := &chooser{subject: subject(t, "mips64el"), in: in, index: index, triplet: "mips64el-linux-gnuabi64", pairs: map[string]PackagePair{}, chosen: map[string]Package{}}
	for name, want := range map[string]struct {
		state State
		says  string
	}{
		"sed": {Native, "4.9-1"}, "gcc-12": {Native, "12.2.0-14cross5"}, "binutils-mips64el-linux-gnuabi64": {Native, "2.40-2cross2"},
		"xz-utils": {Drifted, "5.4.1-1 in the root, and of 5.4.1-2"}, "odd": {Missing, "odd"}, "g++-13": {Drifted, "13.1-1"},
	} {
		p, state, why := c.pick(name)
		if state != want.state || !strings.Contains(p.Version+why, want.says) {
			t.Errorf("%s: %s %s %s", name, state, p.Version, why)
		}
	}
	c.takeLibraries("libc6")
	var got []string
	for _, p := range c.packages() {
		got = append(got, p.Name+" "+p.Version)
	}
	want := []string{
		"binutils-mips64el-linux-gnuabi64 2.40-2cross2", "gcc-12-mips64el-linux-gnuabi64 12.2.0-14cross5", "libacl1 2.3.1-3+b1",
		"libc6 2", "libisl23 0.25", "sed 4.9-1", "zlib1g 2",
	}
	if !slices.Equal(got, want) {
		t.Errorf("chosen\n%s", strings.Join(got, "\n"))
	}
}

func TestManifestRefusesPaths(t *testing.T) {
	good := `{"version":1,"farm":"cache/twins/x/root","files":[{"path":"/usr/bin/sed","source":"usr/bin/sed"}],"points":["/lib64"]}`
	if _, err := ParseManifest([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{
		"", "{}", strings.Replace(good, `"cache/twins/x/root"`, `"../x"`, 1), strings.Replace(good, "/usr/bin/sed", "usr/bin/sed", 1),
		strings.Replace(good, "/usr/bin/sed", "/usr/../../etc", 1), strings.Replace(good, `"/lib64"`, `"/"`, 1), strings.Replace(good, `:1,`, `:9,`, 1),
		strings.Replace(good, `"source":"usr/bin/sed"`, `"source":"/etc/shadow"`, 1),
	} {
		if _, err := ParseManifest([]byte(bad)); fault.KindOf(err) != fault.Damaged {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestSameRelease(t *testing.T) {
	r := Release{"debian", "bookworm"}
	drifted := Left{State: Drifted, Why: "bash is of version 5.2.15 in the root, and of 5.2.37 for amd64"}
	if err := sameRelease(r, []string{"usr/bin/sed"}, []Left{drifted, {State: Missing}}); err != nil {
		t.Error(err)
	}
	err := sameRelease(r, []string{"usr/bin/sed"}, []Left{{State: Missing}, drifted, drifted})
	if fault.KindOf(err) != fault.Mismatch || !strings.Contains(err.Error(), "5.2.15") || !strings.Contains(err.Error(), "5.2.37") {
		t.Errorf("another release: %v", err)
	}
	if err := sameRelease(r, nil, nil); fault.KindOf(err) != fault.NotFound {
		t.Errorf("nothing: %v", err)
	}
}
