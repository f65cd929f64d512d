package nxb

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/xjail/xjail/internal/fault"
)

// Every file that poudriere names is there, and sysctl is not.
func TestTwinNames(t *testing.T) {
	m, root := planTwin(t, baseTree(), arm64Jail())
	for _, name := range append(Required(), Linked()...) {
		// poudriere tests with -f, and then makes a hard link.
		if st, err := root.Lstat(Dir + "/" + name); err != nil || !st.Mode().IsRegular() || st.Mode().Perm() != 0o555 {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name := range contents(t, root) {
		if strings.HasPrefix(name, Dir) && strings.Contains(name, "sysctl") {
			t.Errorf("there is a %s", name)
		}
	}
	if got := len(Required()) + len(Linked()); got != 15+43 {
		t.Errorf("%d names, poudriere has 15 and 41+2", got)
	}
	if m.Source != Twin || m.Release.String() != "15.1-RELEASE-p1" || m.Host != "amd64" || m.Target != "aarch64" {
		t.Errorf("manifest of %+v", m)
	}
}

// Files differ from those of the base tree by the named strings alone.
func TestTwinBytes(t *testing.T) {
	base := baseTree()
	m, root := planTwin(t, base, arm64Jail())
	source := func(f *File) []byte {
		e := base[f.Source]
		if e.link != "" {
			e = base[e.link]
		}
		return e.data
	}
	for _, f := range m.Files {
		got, err := os.ReadFile(filepath.Join(root.Name(), Dir, f.Path))
		if err != nil {
			t.Fatal(err)
		}
		switch f.Kind {
		case Relocated:
			want := bytes.Replace(source(&f), []byte(interpreter), []byte(relocated), 1)
			if !bytes.Equal(got, want) {
				t.Errorf("%s: more than the interpreter changed", f.Path)
			}
		case Static, Library:
			if !bytes.Equal(got, source(&f)) || f.Before != f.After || f.Edits != nil {
				t.Errorf("%s changed", f.Path)
			}
		case Linker:
			want := source(&f)
			for _, r := range [][2]string{
				{"/lib:/usr/lib\x00", "/nxb-bin/lib\x00\x00"}, {"/var/run/ld-elf.so.hints\x00", "/nxb-bin/ld-elf.so.hints\x00"},
				{"/etc/libmap.conf\x00", "/nxb-bin/lm.conf\x00"}, {"\x00LD_\x00", "\x00NX_\x00"}, {interpreter, relocated},
			} {
				want = bytes.Replace(want, []byte(r[0]), []byte(r[1]), 1)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("run-time linker:\n%q\n%q", got, want)
			}
		}
	}
}

// The libraries are those that are needed, in one directory, and no others.
func TestTwinClosure(t *testing.T) {
	m, _ := planTwin(t, baseTree(), arm64Jail())
	want := "lib/libarchive.so.7 lib/libc++.so.1 lib/libc.so.7 lib/libcxxrt.so.1 lib/libedit.so.8 lib/libgcc_s.so.1 " +
		"lib/libprivatellvm.so.19 lib/libsys.so.7 lib/libthr.so.3 lib/libtinfow.so.9 lib/libz.so.6"
	if got := strings.Join(paths(m, Library), " "); got != want {
		t.Errorf("libraries\n%s\nwant\n%s", got, want)
	}
	if got := paths(m, Linker); len(got) != 1 || got[0] != linkerName {
		t.Errorf("run-time linkers %q", got)
	}
}

// Names that are one file in the base tree are one file in the layout, also
// those of symbolic links.
func TestTwinLinks(t *testing.T) {
	_, root := planTwin(t, baseTree(), arm64Jail())
	same := func(a, b string) bool {
		x, err := root.Stat(Dir + "/" + a)
		if err != nil {
			t.Fatal(err)
		}
		y, err := root.Stat(Dir + "/" + b)
		if err != nil {
			t.Fatal(err)
		}
		return os.SameFile(x, y)
	}
	for _, pair := range [][2]string{
		{"usr/bin/cc", "usr/bin/clang-cpp"}, {"usr/bin/ld", "usr/bin/ld.lld"}, {"sbin/md5", "sbin/sha512"},
		{"bin/cat", "rescue/rescue"}, {"usr/bin/gzip", "rescue/rescue"}, {"usr/bin/sed", "bin/cp"}, {"usr/sbin/chown", "bin/cp"},
	} {
		if !same(pair[0], pair[1]) {
			t.Errorf("%s and %s are two files", pair[0], pair[1])
		}
	}
	// These run others, or look for them in /rescue.
	for _, name := range []string{"bin/sh", "bin/mv"} {
		if same(name, "rescue/rescue") {
			t.Errorf("%s is that of /rescue", name)
		}
	}
}

func TestTwinWithoutRescue(t *testing.T) {
	root := arm64Jail().make(t)
	o := arm64(t, root)
	o.NoRescue = true
	p, err := NewTwinPlan(context.Background(), baseTree().make(t), o)
	if err != nil {
		t.Fatal(err)
	}
	if f := p.Lookup("bin/cat"); f == nil || f.Kind != Relocated || p.Lookup(rescueName) != nil {
		t.Errorf("bin/cat is %+v", f)
	}
}

// A program of /rescue that is a file of its own is not taken for another.
func TestTwinOtherRescue(t *testing.T) {
	base := baseTree()
	base.put("rescue/cat", static("another cat"))
	m, _ := planTwin(t, base, arm64Jail())
	if f := m.Lookup("bin/cat"); f.Kind != Relocated {
		t.Errorf("bin/cat is %+v", f)
	}
}

// A tree that lost its hard links gives the same layout.
func TestTwinCopied(t *testing.T) {
	base := baseTree()
	for name, e := range base {
		if e.link != "" && !strings.HasPrefix(name, "rescue") {
			base[name] = base[e.link]
		}
	}
	for name := range drivers { // they must be one file
		if name != clangPath {
			base[name] = entry{link: clangPath}
		}
	}
	m, _ := planTwin(t, base, arm64Jail())
	if f := m.Lookup("sbin/sha512"); f.Kind != Link {
		t.Errorf("%+v", f)
	}
	whole, _ := planTwin(t, baseTree(), arm64Jail())
	if m.Size() != whole.Size() {
		t.Errorf("%d bytes, %d with hard links", m.Size(), whole.Size())
	}
}

func TestTwinOmissions(t *testing.T) {
	base := baseTree()
	su := base["usr/bin/tr"]
	su.mode = 0o555 | os.ModeSetuid
	base["usr/bin/tr"] = su
	base["usr/bin/stat"] = entry{symlink: "nowhere"}
	base["usr/bin/printf"] = entry{symlink: "printf"}
	base.put("usr/bin/m4", program("m4", "libpam.so.6"))
	base.put("lib/libold.so.1", linked64{})
	old := sharedLibrary("old")
	old.filters = map[int64]string{29: "/usr/lib/private"} // DT_RUNPATH
	base.put("lib/libold.so.1", old)
	base.put("usr/bin/cut", program("cut", "libold.so.1"))
	base.put("usr/bin/as", program("GNU as", "libc.so.7"))
	base["usr/bin/grep"] = entry{data: []byte("#!/bin/sh\n")}
	m, _ := planTwin(t, base, arm64Jail())
	for name, want := range map[string]string{
		"usr/bin/tr": "set-id", "usr/bin/stat": "leads nowhere", "usr/bin/printf": "leads nowhere", "usr/bin/m4": "modules of PAM",
		"usr/bin/cut": "libold.so.1, which usr/bin/cut needs, cannot be a native library: it has DT_RUNPATH /usr/lib/private",
		"usr/bin/as":  "assembles for the host only", "usr/bin/grep": "a script",
		"sbin/sysctl": "poudriere runs it emulated", "usr/bin/uname": "tells the machine",
	} {
		i := slices.IndexFunc(m.Omitted, func(o Omission) bool { return o.Path == name })
		if i < 0 || !strings.Contains(m.Omitted[i].Reason, want) || m.Lookup(name) != nil {
			t.Errorf("%s is not omitted for %q: %+v", name, want, m.Omitted)
		}
	}
	if m.Lookup("lib/libold.so.1") != nil {
		t.Error("a library that nothing uses is there")
	}
}

// What a policy wants or does not want holds but for what must be and must not.
func TestPolicy(t *testing.T) {
	root := arm64Jail().make(t)
	o := arm64(t, root)
	o.Policy = func(name string) (bool, string) { return strings.HasSuffix(name, "sysctl"), "" }
	p, err := NewTwinPlan(context.Background(), baseTree().make(t), o)
	if err != nil {
		t.Fatal(err)
	}
	programs := paths(&p.Manifest, Relocated, Static, Link)
	programs = slices.DeleteFunc(programs, func(name string) bool { return name == rescueName })
	if want := slices.Sorted(slices.Values(Required())); !reflect.DeepEqual(programs, want) {
		t.Errorf("programs %q, want %q", programs, want)
	}
}

func TestTwinRefusals(t *testing.T) {
	tests := []struct {
		name   string
		change func(base, jail fakeTree)
		kind   fault.Kind
		text   string
	}{
		{"another release", func(b, _ fakeTree) { b.version("15.0-RELEASE-p4", "1500068") }, fault.Mismatch, "the base tree is of FreeBSD 15.0-RELEASE-p4, the jail of 15.1-RELEASE-p3"},
		{"another branch", func(_, j fakeTree) { j.version("15.1-STABLE", "1501500") }, fault.Mismatch, "15.1-STABLE"},
		{"another snapshot", func(b, j fakeTree) { b.version("16.0-CURRENT", "1600004"); j.version("16.0-CURRENT", "1600005") }, fault.Mismatch, "(1600004)"},
		{"two releases in one", func(b, _ fakeTree) { b.version("15.1-RELEASE", "1401000") }, fault.Damaged, "is of two releases"},
		{"no FreeBSD", func(b, _ fakeTree) { clear(b); b["etc/debian_version"] = entry{data: []byte("12")} }, fault.NotFound, "which FreeBSD"},
		{"no FreeBSD jail", func(_, j fakeTree) { clear(j); j["etc/debian_version"] = entry{data: []byte("12")} }, fault.NotFound, "the jail: nothing"},
		{"base of another machine", func(b, _ fakeTree) { e := rtld(strings15); e.machine = 183; b.put("libexec/ld-elf.so.1", e) }, fault.WrongArch, "it is aarch64, not amd64"},
		{"no run-time linker", func(b, _ fakeTree) { delete(b, "libexec/ld-elf.so.1") }, fault.NotFound, "run-time linker of the base tree"},
		{"unknown run-time linker", func(b, _ fakeTree) { b.put("libexec/ld-elf.so.1", rtld(strings15[1:4])) }, fault.Unsupported, "not a run-time linker that xjail knows"},
		{"a program of another machine", func(b, _ fakeTree) { e := program("x"); e.machine = 8; e.big = true; b.put("usr/bin/find", e) }, fault.WrongArch, "usr/bin/find of the base tree: it is mips64"},
		{"a truncated program", func(b, _ fakeTree) { e := b["usr/bin/find"]; e.data = e.data[:len(e.data)-1]; b["usr/bin/find"] = e }, fault.Damaged, "usr/bin/find of the base tree: truncated"},
		{"an empty program", func(b, _ fakeTree) { b["usr/bin/find"] = entry{} }, fault.Damaged, "usr/bin/find"},
		{"a missing library", func(b, _ fakeTree) { delete(b, "lib/libz.so.6") }, fault.NotFound, "library libz.so.6, which usr/lib/libarchive.so.7 needs: not in lib, usr/lib"},
		{"a missing filtee", func(b, _ fakeTree) {
			e := sharedLibrary("c")
			e.filters = map[int64]string{dtFilter: "libgone.so.1"}
			b.put("lib/libc.so.7", e)
		}, fault.NotFound, "libgone.so.1"},
		{"a library that is a link out", func(b, _ fakeTree) { b["lib/libz.so.6"] = entry{symlink: "../../../../../../../../etc/passwd"} }, fault.NotFound, "libz.so.6"},
		{"a library that is a script", func(b, _ fakeTree) { b["lib/libz.so.6"] = entry{data: []byte("GROUP ( libz.so.6 )\n")} }, fault.Damaged, "not an ELF file"},
		{"a library that is a circle", func(b, _ fakeTree) { b["lib/libz.so.6"] = entry{symlink: "libz.so.6"} }, fault.NotFound, "libz.so.6"},
		{"a truncated library", func(b, _ fakeTree) { e := b["lib/libz.so.6"]; e.data = e.data[:100]; b["lib/libz.so.6"] = e }, fault.Damaged, "libz.so.6"},
		{"a library of another machine", func(b, _ fakeTree) { e := sharedLibrary("z"); e.machine = 183; b.put("lib/libz.so.6", e) }, fault.WrongArch, "libz.so.6"},
		{"no make", func(b, _ fakeTree) { delete(b, "usr/bin/make") }, fault.NotFound, "has no usr/bin/make"},
		{"a set-id compiler", func(b, _ fakeTree) { e := b["usr/bin/awk"]; e.mode = 0o555 | os.ModeSetgid; b["usr/bin/awk"] = e }, fault.Unsupported, "usr/bin/awk of the base tree cannot be a native tool"},
		{"no clang", func(b, _ fakeTree) {
			delete(b, clangDir+"/19/include/stddef.h")
			delete(b, clangDir+"/19/include/sanitizer/asan_interface.h")
		}, fault.NotFound, "no clang"},
		{"two clangs", func(b, _ fakeTree) { b[clangDir+"/18/include/stddef.h"] = entry{} }, fault.NotFound, "2 versions 18 19"},
		{"cc is GCC", func(b, _ fakeTree) { b.put("usr/bin/cc", program("gcc", "libc.so.7")) }, fault.Unsupported, "usr/bin/cc of the base tree: it is not clang"},
		{"the jail has another clang", func(_, j fakeTree) {
			delete(j, clangDir+"/19/include/stddef.h")
			j[clangDir+"/18/include/stddef.h"] = entry{}
		}, fault.Mismatch, "clang 19, the jail's clang 18"},
		{"the jail has GCC", func(_, j fakeTree) { delete(j, clangDir+"/19/include/stddef.h") }, fault.Mismatch, "the jail's is none"},
		{"GNU ld", func(b, _ fakeTree) { b.put("usr/bin/ld.lld", program("GNU ld", "libc.so.7")) }, fault.Unsupported, "it is not LLD"},
		{"a dynamic rescue", func(b, _ fakeTree) { b.put("rescue/rescue", program("r", "libc.so.7")) }, fault.Unsupported, "rescue/rescue of the base tree: it is not static"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			base, jail := baseTree(), arm64Jail()
			tt.change(base, jail)
			root := jail.make(t)
			before := contents(t, root)
			_, err := NewTwinPlan(context.Background(), base.make(t), arm64(t, root))
			checkError(t, err, tt.kind, tt.text)
			unchanged(t, root, before)
		})
	}
}

func TestUsage(t *testing.T) {
	root := arm64Jail().make(t)
	for name, tt := range map[string]struct {
		o    Options
		kind fault.Kind
	}{
		"no target":   {Options{Jail: root}, fault.Usage},
		"no jail":     {Options{Target: lookup(t, "aarch64")}, fault.Usage},
		"the host's":  {Options{Target: host(t), Jail: root}, fault.Usage},
		"not FreeBSD": {Options{Target: lookup(t, "s390x"), Jail: root}, fault.Unsupported},
	} {
		if _, err := NewTwinPlan(context.Background(), root, tt.o); fault.KindOf(err) != tt.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A manifest is data: JSON keeps all of it, NULs in the edits as well.
func TestManifestJSON(t *testing.T) {
	m, root := planTwin(t, baseTree(), arm64Jail())
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var back Manifest
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(*m, back) {
		t.Error("JSON changed the manifest")
	}
	if found, err := Verify(context.Background(), root, &back); err != nil || found != nil {
		t.Errorf("%v, %v", found, err)
	}
}
