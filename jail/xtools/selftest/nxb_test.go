package selftest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/xtools"
	"github.com/xjail/xjail/jail/xtools/nxb"
)

// newNxbBench is a root of FreeBSD for arm64 whose /nxb-bin is well.
func newNxbBench(t *testing.T) *bench {
	t.Helper()
	root, _ := openDir(t)
	work, _ := openDir(t)
	b := &bench{jail: &fakeJail{t: t, work: work, says: map[string]outcome{}, files: map[string]string{}, fail: map[string]error{}}}
	n := &nxb.Manifest{Source: nxb.Twin, Compiler: &nxb.Compiler{Path: "usr/bin/cc", Triple: "aarch64-unknown-freebsd15.1", By: nxb.ByConfig}}
	b.Subject = &Subject{
		Manifest: &xtools.Manifest{Layout: xtools.NxbBin}, Nxb: n, Root: root, Host: lookup(t, "amd64"), Target: lookup(t, "aarch64"),
		Machine: "arm64", Work: work, Runner: b.jail,
	}
	links := ""
	for _, name := range []string{"bin/sh", "usr/bin/cc", "usr/bin/sed", "usr/bin/make"} {
		b.addNxb(t, name, nxb.Relocated)
		links += header + "/nxb-bin/" + name + "\n/nxb-bin/" + name + ":\n\tlibc.so.7 => /nxb-bin/lib/libc.so.7 (0x8222)\n\t[vdso] (0x7ff)\n"
	}
	b.addNxb(t, "usr/bin/clang.cfg", nxb.Config)
	b.well()
	b.jail.says["libraries"] = outcome{out: links}
	for _, r := range nxbRuns {
		b.jail.says[r.step()] = outcome{out: r.want}
	}
	for name, out := range map[string]string{"uname-m": "arm64\n", "arch": "", "make": "\n", "cc-machine": "aarch64-unknown-freebsd15.1\n", "cxx-machine": "aarch64-unknown-freebsd15.1\n"} {
		b.jail.says[name] = outcome{out: out}
	}
	b.jail.says["arch"] = outcome{status: absent}
	for _, name := range []string{"dpkg", "dpkg-architecture", "bash", "perl"} {
		b.jail.says[name] = outcome{status: absent}
	}
	return b
}

// addNxb puts a file into /nxb-bin.
func (b *bench) addNxb(t *testing.T, name string, kind nxb.Kind) {
	t.Helper()
	if err := b.Root.MkdirAll(path.Join(nxb.Dir, path.Dir(name)), 0o755); err != nil {
		t.Fatal(err)
	}
	at := path.Join(nxb.Dir, name)
	if err := errors.Join(b.Root.WriteFile(at, []byte(name), 0o755), b.Root.Chmod(at, 0o755)); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(name))
	b.Nxb.Files = append(b.Nxb.Files, nxb.File{Path: name, Kind: kind, Mode: 0o755, Size: int64(len(name)), After: hex.EncodeToString(sum[:])})
}

func TestNxbIsWell(t *testing.T) {
	for _, quick := range []bool{true, false} {
		b := newNxbBench(t)
		list := b.run(t, quick)
		if bad := slices.Concat(find(list, Failed), find(list, Skipped), find(list, Warning)); len(bad) > 0 {
			t.Errorf("quick %v: %+v", quick, list)
		}
		ran := strings.Join(b.jail.ran, "\n")
		if strings.Contains(ran, emulated+" ") == quick || !strings.Contains(ran, hybrid+" small-sh") || strings.Contains(ran, "small-m4") {
			t.Errorf("quick %v: ran %q", quick, b.jail.ran)
		}
		if strings.Contains(ran, "build-make") || strings.Contains(ran, "build-lto") || strings.Contains(ran, "cc-specs") {
			t.Errorf("quick %v: ran what is not for FreeBSD: %q", quick, b.jail.ran)
		}
		if got, want := len(find(list, OK)), map[bool]int{true: 6, false: 10}[quick]; got != want {
			t.Errorf("quick %v: %d checks, want %d: %q", quick, got, want, find(list, OK))
		}
	}
}

func TestNxbFinds(t *testing.T) {
	says := func(key, out string) func(*testing.T, *bench) {
		return func(_ *testing.T, b *bench) { b.jail.says[key] = outcome{out: out} }
	}
	link := func(old, new string) func(*testing.T, *bench) {
		return func(_ *testing.T, b *bench) {
			b.jail.says["libraries"] = outcome{out: strings.Replace(b.jail.says["libraries"].out, old, new, 1)}
		}
	}
	tests := []struct {
		name   string
		damage func(*testing.T, *bench)
		full   bool
		check  string
		result Result
		kind   fault.Kind
		shows  string
	}{
		{"another file", func(t *testing.T, b *bench) {
			if err := b.Root.WriteFile("nxb-bin/usr/bin/sed", []byte("USR/bin/sed"), 0o755); err != nil {
				t.Fatal(err)
			}
		}, false, "digests", Failed, fault.Mismatch, "/nxb-bin/usr/bin/sed: drifted"},
		{"a file that is gone", func(t *testing.T, b *bench) {
			if err := b.Root.Remove("nxb-bin/bin/sh"); err != nil {
				t.Fatal(err)
			}
		}, false, "digests", Failed, fault.Mismatch, "/nxb-bin/bin/sh: missing"},
		{"a library of the jail", link("=> /nxb-bin/lib/libc.so.7", "=> /lib/libc.so.7"), false, "link", Failed, fault.Failed, "/nxb-bin/bin/sh: libc.so.7 => /lib/libc.so.7"},
		{"a library that is not there", link("=> /nxb-bin/lib/libc.so.7", "=> not found"), false, "link", Failed, fault.Failed, "not found"},
		{"a linker that does not start", link("/nxb-bin/bin/sh:\n\tlibc.so.7 => /nxb-bin/lib/libc.so.7 (0x8222)\n", "Abort trap\n"), false, "link", Failed, fault.Failed, "/nxb-bin/bin/sh: it loads no library: Abort trap"},
		{"a linker that says nothing", says("libraries", ""), false, "link", Failed, fault.Failed, "4 of 4"},
		{"a sed that is killed", func(_ *testing.T, b *bench) {
			b.jail.says["small-environment"] = outcome{status: 134, err: "Abort trap"}
		}, false, "start", Failed, fault.Failed, "environment: ended by signal 6 Abort trap"},
		{"a make that says something else", says("small-make", "done\n"), false, "start", Failed, fault.Failed, `make: it says "done\n", want "made\n"`},
		{"a compiler of the host", says("hybrid cc-machine", "x86_64-unknown-freebsd15.1\n"), false, "compiler", Failed, fault.WrongArch, "want aarch64-unknown-freebsd15.1"},
		{"a compiler of another release", says("hybrid cc-machine", "aarch64-unknown-freebsd14.3\n"), false, "compiler", Failed, fault.WrongArch, "want aarch64-unknown-freebsd15.1"},
		{"headers beside the compiler", says("hybrid cc-include", " /nxb-bin/usr/lib/clang/19/include\n"), false, "compiler", Failed, fault.WrongArch, "cc-include speaks of /nxb-bin"},
		{"objects of the host", func(_ *testing.T, b *bench) { b.jail.files["hybrid threads"] = elfFile(amd64) }, false, "program threads", Failed, fault.WrongArch, "threads: it is amd64"},
		{"a path of the tools in what is built", func(_ *testing.T, b *bench) {
			b.jail.files["hybrid basic-g"] = elfFile(aarch64, section{".debug_str", "/nxb-bin/usr/include"})
		}, false, "program debug", Failed, fault.Mismatch, "/nxb-bin"},
		{"an emulator that cannot run what is built", func(_ *testing.T, b *bench) { b.jail.says["run-threads"] = outcome{status: 132} }, false, "program threads", Skipped, 0, "with the root's own tools neither"},
		{"a uname of the host", says("hybrid uname-m", "amd64\n"), false, "identity", Failed, fault.WrongArch, `"amd64", want "arm64"`},
		{"a uname of the host beside another word for the machine", func(_ *testing.T, b *bench) {
			b.Machine = "aarch64"
			b.jail.says["hybrid uname-m"] = outcome{out: "amd64\n"}
		}, false, "identity", Failed, fault.WrongArch, `"amd64", want "aarch64"`},
		{"an emulator that does not run uname", func(_ *testing.T, b *bench) { b.jail.says["uname-m"] = outcome{status: 139} }, false, "identity", Skipped, 0, "uname-m does not run"},
		{"an emulator that does not run uname, looked at longer", func(_ *testing.T, b *bench) { b.jail.says["uname-m"] = outcome{status: 139} }, true, "identity", Skipped, 0, "ended by signal 11"},
		{"a uname that runs without the tools", func(_ *testing.T, b *bench) { b.jail.says["hybrid uname-m"] = outcome{status: 134} }, true, "identity", Failed, fault.WrongArch, `"", want "arm64"`},
		{"an emulator whose shell runs no uname", func(_ *testing.T, b *bench) { b.jail.says["emulated uname"] = outcome{status: 127} }, true, "identity", OK, 0, "tell aarch64"},
		{"a uname of the host, and an emulator that runs no shell", func(_ *testing.T, b *bench) {
			b.jail.says["hybrid uname-m"] = outcome{out: "amd64\n"}
			b.jail.fail["emulated uname-m"] = errors.New("Illegal instruction")
		}, true, "identity", Failed, fault.WrongArch, `"amd64"`},
		{"an emulator whose shell runs no compiler", func(_ *testing.T, b *bench) {
			for _, c := range compilations {
				b.jail.says["emulated "+c.name] = outcome{status: 127}
			}
		}, true, "objects", Skipped, 0, "makes none"},
		{"another uname", says("emulated uname", "FreeBSD\n"), true, "identity", Failed, fault.WrongArch, "uname: native"},
		{"an emulator whose shell runs no programs", func(_ *testing.T, b *bench) { b.jail.says["alone-c"] = outcome{status: 127} }, true, "programs without tools", Warning, 0, "for an emulated shell"},
		{"an emulator that runs a program sometimes", func(_ *testing.T, b *bench) { b.jail.says["hybrid run-threads"] = outcome{status: 139} }, false, "program threads", Warning, 0, "the emulator does not always run it"},
		{"a program that the native tools make otherwise", func(_ *testing.T, b *bench) {
			b.jail.says["hybrid run-threads"] = outcome{status: 139}
			b.jail.files["hybrid threads"] = elfFile(aarch64, section{".text", "x"})
		}, false, "program threads", Failed, fault.Failed, "ended by signal 11"},
		{"an emulator that runs no shell", func(_ *testing.T, b *bench) {
			b.jail.says["hybrid run-threads"] = outcome{status: 132}
			b.jail.fail["emulated build-threads"] = errors.New("Illegal instruction")
		}, false, "program threads", Skipped, 0, "cannot be asked"},
		{"a program that is not built, and an emulator that runs no shell", func(_ *testing.T, b *bench) {
			b.jail.says["hybrid build-threads"] = outcome{status: 1, err: "ld: error: unable to find library -lpthread"}
			b.jail.fail["emulated build-threads"] = errors.New("Illegal instruction")
		}, false, "program threads", Failed, fault.Failed, "unable to find library"},
		{"a compiler that does not answer, emulated", func(_ *testing.T, b *bench) { b.jail.says["emulated cc-macros"] = outcome{status: 137} }, true, "compiler answers", Warning, 0, "cc-macros: ended by signal 9"},
		{"checks of configure that hang, emulated", func(_ *testing.T, b *bench) { b.jail.says["emulated configure"] = outcome{status: 137} }, true, "configure", Skipped, 0, "do not come to an end"},
		{"checks of configure that hang", func(_ *testing.T, b *bench) { b.jail.says["hybrid configure"] = outcome{status: 137} }, true, "configure", Failed, fault.Failed, "did not come to an end"},
		{"other macros", says("emulated cc-macros", "#define __FreeBSD__ 14\n"), true, "compiler answers", Failed, fault.Mismatch, "cc-macros"},
		{"another object", func(_ *testing.T, b *bench) {
			b.jail.files["hybrid o-2.o"] = elfFile(aarch64, section{".text", "x"})
		}, true, "objects", Failed, fault.Mismatch, "o-2.o: .text"},
		{"make by its path", says("hybrid configure", "uname_m=arm64\nmake_set=/nxb-bin/usr/bin/make\n"), true, "configure", Warning, 0, "make_set"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newNxbBench(t)
			tt.damage(t, b)
			list := b.run(t, !tt.full)
			for _, f := range list {
				if said := f.Message + "\n" + strings.Join(f.Evidence, "\n"); f.Check == tt.check && f.Result == tt.result && f.Kind == tt.kind && strings.Contains(said, tt.shows) {
					return
				}
			}
			t.Errorf("no %s of %q with kind %d and %q:\n%+v", tt.result, tt.check, tt.kind, tt.shows, list)
		})
	}
}

// What native-xtools made says another minor version, and has its own headers.
func TestNxbOfXTools(t *testing.T) {
	b := newNxbBench(t)
	b.Nxb.Compiler = &nxb.Compiler{Path: "usr/bin/cc", Triple: "aarch64-unknown-freebsd15.0", By: nxb.ByDefault}
	b.addNxb(t, "usr/lib/clang/19/include/stddef.h", nxb.Data)
	for i := range b.Nxb.Files {
		if b.Nxb.Files[i].Kind == nxb.Relocated {
			b.Nxb.Files[i].Kind = nxb.Static
		}
	}
	b.jail.says["libraries"] = outcome{}
	b.jail.says["hybrid cc-include"] = outcome{out: " /nxb-bin/usr/lib/clang/19/include\n"}
	if list := b.run(t, true); Failure(list) != nil {
		t.Errorf("%+v", list)
	}
	b.Nxb.Compiler.Triple = "" // it could not be told from the file
	if list := b.run(t, true); Failure(list) != nil {
		t.Errorf("%+v", list)
	}
	b.jail.says["cc-machine"] = outcome{out: "x86_64-unknown-freebsd15.1\n"}
	if err := Failure(b.run(t, true)); fault.KindOf(err) != fault.WrongArch {
		t.Errorf("%v", err)
	}
}

// envOf catches how a script is started.
type envOf struct {
	*fakeJail
	jobs []Job
}

func (e *envOf) Run(ctx context.Context, job Job) (int, error) {
	e.jobs = append(e.jobs, job)
	return e.fakeJail.Run(ctx, job)
}

func TestNxbSides(t *testing.T) {
	b := newNxbBench(t)
	e := &envOf{fakeJail: b.jail}
	b.Runner = e
	b.run(t, false)
	for _, j := range e.jobs {
		at := slices.IndexFunc(j.Env, func(v string) bool { return strings.HasPrefix(v, "PATH=") })
		native := at >= 0 && strings.HasPrefix(j.Env[at], "PATH=/nxb-bin/sbin:/nxb-bin/bin:/nxb-bin/usr/sbin:/nxb-bin/usr/bin:/sbin:")
		if at < 0 || native != j.Tools || (j.Argv[0] == "/nxb-bin/bin/sh") != j.Tools || !j.Tools && strings.Contains(j.Env[at], "nxb") {
			t.Errorf("%v %q %q", j.Tools, j.Argv, j.Env)
		}
	}
}

// The trials of the small programs, with this machine's.
func TestNxbRuns(t *testing.T) {
	here := strings.NewReplacer("/nxb-bin/bin/", "/bin/", "/nxb-bin/usr/bin/", "/usr/bin/")
	for _, r := range nxbRuns {
		if slices.ContainsFunc(r.needs, func(name string) bool {
			_, err := exec.LookPath(path.Base(name))
			return err != nil
		}) {
			t.Logf("%s: this machine has not all of %q", r.name, r.needs)
			continue
		}
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "tmp"), 0o755); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("/bin/sh", "-c", here.Replace(r.script))
		cmd.Dir, cmd.Env = dir, append(os.Environ(), baseEnv...)
		var out, trouble bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &trouble
		if err := cmd.Run(); err != nil || out.String() != r.want {
			t.Errorf("%s: %v, says %q and %q, want %q", r.name, err, out.String(), trouble.String(), r.want)
		}
		if left, err := os.ReadDir(filepath.Join(dir, "tmp")); err != nil || len(left) > 0 {
			t.Errorf("%s leaves %v", r.name, left)
		}
	}
}

// An emulator that runs nothing says nothing about the tools, and one that names the
// architecture for the machine says the right thing.
func TestNxbOfPoorEmulators(t *testing.T) {
	b := newNxbBench(t)
	b.Machine = "aarch64" // and uname, told so by UNAME_m, says arm64
	if list := b.run(t, false); len(find(list, Failed))+len(find(list, Skipped)) > 0 {
		t.Errorf("%+v", list)
	}
	for _, quick := range []bool{true, false} {
		b := newNxbBench(t)
		for name := range b.jail.says {
			b.jail.fail[emulated+" "+name] = errors.New("Illegal instruction")
		}
		for _, p := range programs {
			b.jail.says["hybrid run-"+p.name] = outcome{status: 132}
			b.jail.fail[emulated+" build-"+p.name] = errors.New("Illegal instruction")
		}
		for _, name := range []string{"uname-m", "getconf"} {
			b.jail.says["hybrid "+name] = outcome{status: 132}
		}
		if list := b.run(t, quick); len(find(list, Failed)) > 0 || len(find(list, Skipped)) < 8 {
			t.Errorf("quick %v: %+v", quick, list)
		}
	}
}
