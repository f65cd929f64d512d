package nxb

import (
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// note is the mark of FreeBSD that lib/csu puts into every program.
const note = `__asm__(".section .note.tag,\"a\",@note\n.p2align 2\n.long 8,4,1\n.asciz \"FreeBSD\"\n.long 1501000\n.previous");` + "\n"

// linkerSource has the strings of rtld(1) where its source has them: in rtld_paths.h
// and in the table of its variables.
const linkerSource = `
const char *ld_elf_hints_default = "/var/run/ld-elf.so.hints";
const char *ld_path_libmap_conf = "/etc/libmap.conf";
const char *ld_path_rtld = "/libexec/ld-elf.so.1";
const char *ld_standard_library_path = "/lib:/usr/lib";
const char *ld_env_prefix = "LD_";
const char *basename = "ld-elf.so.1";
static const char *const names[] = {"BIND_NOT", "LIBRARY_PATH", "PRELOAD", "LIBMAP"};
const char *name(int i) { return names[i]; }
void _start(void) {}
`

// realFile is a file of a base tree that clang and LLD make, as FreeBSD's build does.
type realFile struct {
	path, source string
	flags        []string
}

func realFiles() []realFile {
	shared := func(name string, flags ...string) []string {
		return append([]string{"-shared", "-fPIC", "-Wl,-soname," + name}, flags...)
	}
	return []realFile{
		{"libexec/ld-elf.so.1", linkerSource, shared("ld-elf.so.1", "-Wl,-Bsymbolic", "-Wl,-O2")},
		{"lib/libsys.so.7", note + "int getpid(void) { return 1; }\n", shared("libsys.so.7")},
		{"lib/libc.so.7", note + "int getpid(void); int pid(void) { return getpid(); }\n", shared("libc.so.7", "lib/libsys.so.7", "-Wl,-f,libsys.so.7")},
		{"usr/bin/find", note + "int pid(void); void _start(void) { pid(); }\n", []string{"-pie", "-fPIE", "lib/libc.so.7", "-Wl,-dynamic-linker,/libexec/ld-elf.so.1"}},
		{"usr/bin/sort", note + "int pid(void); void _start(void) { pid(); }\n", []string{"-no-pie", "lib/libc.so.7", "-Wl,-dynamic-linker,/libexec/ld-elf.so.1"}},
		{"rescue/rescue", note + "void _start(void) {}\n", []string{"-static", "-no-pie"}},
	}
}

// Files that FreeBSD's compiler and linker make are what the builder of these tests
// makes of them: they are found whole, and differ by the strings alone.
func TestRealFiles(t *testing.T) {
	compiler := installedClang(t)
	ld := filepath.Join(filepath.Dir(compiler), "ld.lld")
	if _, err := os.Stat(ld); err != nil {
		t.Skip("no LLD beside ", compiler)
	}
	base := baseTree()
	dir := t.TempDir()
	for _, f := range realFiles() {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(f.path)), 0o755); err != nil {
			t.Fatal(err)
		}
		argv := slices.Concat([]string{"--target=x86_64-unknown-freebsd15.1", "--ld-path=" + ld, "-O2", "-nostdlib", "-x", "c", "-", "-x", "none", "-o", f.path}, f.flags)
		cmd := exec.Command(compiler, argv...)
		cmd.Dir, cmd.Stdin = dir, strings.NewReader(f.source)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", f.path, err, out)
		}
		b, err := os.ReadFile(filepath.Join(dir, f.path))
		if err != nil {
			t.Fatal(err)
		}
		base[f.path] = entry{data: b}
	}
	m, root := planTwin(t, base, arm64Jail())
	for path, kind := range map[string]Kind{"ld-elf.so.1": Linker, "lib/libsys.so.7": Library, "lib/libc.so.7": Library, "usr/bin/find": Relocated, "usr/bin/sort": Relocated, rescueName: Static} {
		if f := m.Lookup(path); f == nil || f.Kind != kind {
			t.Errorf("%s is %+v, not %s", path, f, kind)
		}
	}
	for _, path := range []string{"usr/bin/find", "usr/bin/sort"} {
		got, err := root.ReadFile(Dir + "/" + path)
		if err != nil || !bytes.Equal(got, bytes.Replace(base[path].data, []byte(interpreter+"\x00"), []byte(relocated+"\x00"), 1)) {
			t.Errorf("%s: more than the interpreter changed, %v", path, err)
		}
		f, err := elf.NewFile(bytes.NewReader(got))
		if err != nil {
			t.Fatal(err)
		}
		if libs, err := f.ImportedLibraries(); err != nil || !slices.Equal(libs, []string{"libc.so.7"}) {
			t.Errorf("%s needs %q, %v", path, libs, err)
		}
	}
	b, err := root.ReadFile(Dir + "/ld-elf.so.1")
	if err != nil || bytes.Contains(b, []byte("\x00LD_\x00")) || bytes.Contains(b, []byte("/libexec/")) || !bytes.Contains(b, []byte("\x00/nxb-bin/lib\x00")) {
		t.Errorf("the run-time linker: %v\n%q", err, b)
	}
}
