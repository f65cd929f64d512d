package nxb

import (
	"context"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
)

func TestConfig(t *testing.T) {
	m, root := planTwin(t, baseTree(), arm64Jail())
	want := "# The native compiler's target: the jail's.\n--target=aarch64-unknown-freebsd15.1\n-resource-dir=/usr/lib/clang/19\n"
	for _, name := range []string{"clang.cfg", "clang++.cfg", "clang-cpp.cfg"} {
		b, err := root.ReadFile(Dir + "/usr/bin/" + name)
		if err != nil || string(b) != want {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	if c := *m.Compiler; c != (Compiler{"usr/bin/cc", "19", "aarch64-unknown-freebsd15.1", ByConfig}) {
		t.Errorf("compiler %+v", c)
	}
	if got := paths(m, Data); got != nil {
		t.Errorf("headers %q beside the jail's", got)
	}
	if got := m.Beside("usr/bin/c++"); !slices.Equal(got, []string{"usr/bin/clang.cfg", "usr/bin/clang++.cfg", "usr/bin/clang-cpp.cfg"}) || m.Beside("usr/bin/sed") != nil {
		t.Errorf("beside the compiler: %q", got)
	}
}

// A jail without a compiler gets its headers from the twin.
func TestConfigWithoutHeaders(t *testing.T) {
	jail := arm64Jail()
	delete(jail, "usr/bin/cc")
	delete(jail, clangDir+"/19/include/stddef.h")
	m, root := planTwin(t, baseTree(), jail)
	want := []string{"usr/lib/clang/19/include/sanitizer/asan_interface.h", "usr/lib/clang/19/include/stddef.h"}
	if got := paths(m, Data); !slices.Equal(got, want) {
		t.Errorf("headers %q", got)
	}
	b, err := root.ReadFile(Dir + "/usr/bin/clang.cfg")
	if err != nil || strings.Contains(string(b), "-resource-dir") {
		t.Errorf("%q, %v", b, err)
	}
}

// Triples are those of FreeBSD's lib/clang/llvm.build.mk:
// ${TARGET_ARCH:C/amd64/x86_64/:C/[hs]f$//}-unknown-freebsd15.1, and -gnueabi or
// -gnueabihf for arm.
func TestTriples(t *testing.T) {
	for target, want := range map[string]string{
		"aarch64": "aarch64-unknown-freebsd15.1", "armv7": "armv7-unknown-freebsd15.1-gnueabihf", "armv6": "armv6-unknown-freebsd15.1-gnueabihf",
		"arm": "arm-unknown-freebsd15.1-gnueabi", "i386": "i386-unknown-freebsd15.1", "riscv64": "riscv64-unknown-freebsd15.1",
		"powerpc": "powerpc-unknown-freebsd15.1", "powerpc64": "powerpc64-unknown-freebsd15.1", "powerpc64le": "powerpc64le-unknown-freebsd15.1",
		"powerpcspe": "powerpcspe-unknown-freebsd15.1", "mips64": "mips64-unknown-freebsd15.1", "mipsel": "mipsel-unknown-freebsd15.1",
	} {
		b := &builder{o: Options{Target: lookup(t, target)}, jail: Release{Version: "15.1-RELEASE"}}
		if got := b.triple(); got != want {
			t.Errorf("%s: %s, want %s", target, got, want)
		}
	}
	b := &builder{o: Options{Target: lookup(t, "armv6")}, jail: Release{Version: "10.3-RELEASE"}}
	if got := b.triple(); got != "armv6-unknown-freebsd10.3-gnueabi" {
		t.Errorf("armv6 of 10.3: %s", got)
	}
}

// old is a twin and a jail of 13.2, whose clang reads no configuration file.
func old() (base, jail fakeTree) {
	base, jail = baseTree(), arm64Jail()
	base.version("13.2-RELEASE", "1302001")
	jail.version("13.2-RELEASE-p9", "1302001")
	for _, f := range []fakeTree{base, jail} {
		for name := range f {
			if strings.HasPrefix(name, clangDir) {
				delete(f, name)
			}
		}
		f[clangDir+"/14.0.5/include/stddef.h"] = entry{}
	}
	base.put("libexec/ld-elf.so.1", rtld(strings13))
	return base, jail
}

func TestLaunchers(t *testing.T) {
	base, jail := old()
	m, root := planTwin(t, base, jail)
	if c := m.Compiler; c.By != ByLauncher || c.Triple != "aarch64-unknown-freebsd13.2" || c.Version != "14.0.5" {
		t.Errorf("compiler %+v", c)
	}
	for name, mode := range drivers {
		f := m.Lookup(name)
		if f.Kind != Launcher || !strings.Contains(f.Text, "/nxb-bin/usr/bin/native-"+mode+" --target=aarch64-unknown-freebsd13.2 -resource-dir=/usr/lib/clang/14.0.5 ") {
			t.Errorf("%s: %+v", name, f)
		}
	}
	var info []os.FileInfo
	for _, mode := range modes {
		st, err := root.Stat(Dir + "/usr/bin/native-" + mode)
		if err != nil {
			t.Fatal(err)
		}
		info = append(info, st)
	}
	if !os.SameFile(info[0], info[1]) || !os.SameFile(info[0], info[2]) {
		t.Error("the compiler is there more than once")
	}
	if slices.ContainsFunc(m.Files, func(f File) bool { return f.Kind == Config }) || m.Beside("usr/bin/cc") != nil {
		t.Error("there are configuration files that nothing reads")
	}
}

// A launcher needs the shell that it names.
func TestLauncherShell(t *testing.T) {
	base, jail := old()
	root := jail.make(t)
	o := arm64(t, root)
	o.Policy = func(string) (bool, string) { return false, "" }
	p, err := NewTwinPlan(context.Background(), base.make(t), o)
	if err != nil {
		t.Fatal(err)
	}
	if p.Lookup(shell) == nil {
		t.Error("no shell")
	}
}

// The launcher passes arguments on as they are, and keeps -cc1 first.
func TestLauncherRuns(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "native-clang")
	show := "#!/bin/sh\nfor a; do echo \"[$a]\"; done\n"
	script := (&clang{triple: "armv7-unknown-freebsd13.2-gnueabihf", resource: "/usr/lib/clang/14.0.5"}).script(program)
	if err := os.WriteFile(program, []byte(show), 0o755); err != nil {
		t.Fatal(err)
	}
	launcher := filepath.Join(dir, "cc")
	if err := os.WriteFile(launcher, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	told := "[--target=armv7-unknown-freebsd13.2-gnueabihf]\n[-resource-dir=/usr/lib/clang/14.0.5]\n"
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, told},
		{[]string{"-c", "a b.c", "", "*"}, told + "[-c]\n[a b.c]\n[]\n[*]\n"},
		{[]string{"-cc1", "-E"}, "[-cc1]\n[-E]\n"},
		{[]string{"-cc1as", "x"}, "[-cc1as]\n[x]\n"},
	} {
		out, err := exec.Command("/bin/sh", append([]string{launcher}, tt.args...)...).Output()
		if err != nil || string(out) != tt.want {
			t.Errorf("%q: %q, %v; want %q", tt.args, out, err, tt.want)
		}
	}
}

// installedClang is a clang of this machine that reads configuration files, and
// its version.
func installedClang(t *testing.T) string {
	t.Helper()
	for _, name := range []string{os.Getenv("XJAIL_CLANG"), "clang-21", "clang-20", "clang-19", "clang-18", "clang-17", "clang-16"} {
		if path, err := exec.LookPath(name); err == nil {
			if path, err = filepath.EvalSymlinks(path); err == nil {
				return path
			}
		}
	}
	t.Skip("no clang 16 or newer; XJAIL_CLANG names one")
	return ""
}

// A real clang of all of FreeBSD's names, hard links of one file as in the
// layout, does what its configuration files say.
func TestRealClang(t *testing.T) {
	compiler := installedClang(t)
	bin := filepath.Join(t.TempDir(), "usr/bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(compiler)
	if err == nil {
		err = os.WriteFile(filepath.Join(bin, "clang"), b, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	for name := range drivers {
		if name != clangPath {
			if err := os.Link(filepath.Join(bin, "clang"), filepath.Join(bin, filepath.Base(name))); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, target := range []string{"aarch64", "armv7", "i386", "riscv64", "powerpc64", "powerpc64le", "mips64", "mipsel"} {
		t.Run(target, func(t *testing.T) { compiles(t, bin, lookup(t, target)) })
	}
}

func compiles(t *testing.T, bin string, target *arch.Arch) {
	builder := &builder{o: Options{Target: target}, jail: Release{Version: "15.1-RELEASE"}, files: map[string]*File{}, plan: &Plan{}}
	c := &clang{version: "19", triple: builder.triple(), resource: "/usr/lib/clang/19"}
	if err := builder.configure(c); err != nil {
		t.Fatal(err)
	}
	for _, mode := range modes {
		f := builder.files["usr/bin/"+mode+".cfg"]
		if err := os.WriteFile(filepath.Join(bin, mode+".cfg"), []byte(f.Text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name := range drivers {
		cc := filepath.Join(bin, filepath.Base(name))
		for arg, want := range map[string]string{"-dumpmachine": c.triple, "-print-resource-dir": c.resource, "-print-target-triple": c.triple} {
			// clang spells mips64's ABI out in the latter.
			if out, err := exec.Command(cc, arg).CombinedOutput(); err != nil || !strings.HasPrefix(string(out), want) {
				t.Errorf("%s %s: %q, %v; want %s", name, arg, out, err, want)
			}
		}
		if drivers[name] == "clang" {
			if err := Probe(context.Background(), cc, target); err != nil {
				t.Error(err)
			}
		}
	}
	out, err := exec.Command(filepath.Join(bin, "cc"), "-print-search-dirs").Output()
	if _, libraries, _ := strings.Cut(string(out), "libraries:"); err != nil || strings.Contains(libraries, bin) {
		t.Errorf("libraries: %s, %v", libraries, err)
	}
}

// What the default target's object says is found out by compiling.
func TestProbe(t *testing.T) {
	object := foreign(elf.EM_AARCH64, false)
	object.kind, object.interp, object.dynamic = elf.ET_REL, "", false
	data := filepath.Join(t.TempDir(), "answer.o")
	if err := os.WriteFile(data, object.bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	cc := filepath.Join(t.TempDir(), "cc")
	write := func(script string) {
		if err := os.WriteFile(cc, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(`while [ "$1" != -o ]; do shift; done; cp ` + data + ` "$2"`)
	if err := Probe(context.Background(), cc, lookup(t, "aarch64")); err != nil {
		t.Error(err)
	}
	checkError(t, Probe(context.Background(), cc, lookup(t, "armv7")), fault.WrongArch, "it is for aarch64, not for armv7")
	write("echo no such target >&2; exit 1")
	checkError(t, Probe(context.Background(), cc, lookup(t, "armv7")), fault.Failed, "no such target")
	write("exit 0")
	if err := Probe(context.Background(), cc, lookup(t, "armv7")); err == nil {
		t.Error("no object, no error")
	}
	checkError(t, CheckObject(program("x").bytes(), host(t)), fault.Damaged, "no object file")
}
