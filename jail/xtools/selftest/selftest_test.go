package selftest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/xtools"
)

// fakeJail answers what a script asks by the names of its steps.
type fakeJail struct {
	t    *testing.T
	work *os.Root
	// says are answers to steps, "SIDE STEP" before "STEP". One that is not there
	// says nothing, well.
	says map[string]outcome
	// files are what steps make, by the name of the file.
	files map[string]string
	fail  map[string]error // by "SIDE STEP"
	ran   []string
}

func side(job Job) string {
	if job.Tools {
		return hybrid
	}
	return emulated
}

// Run implements Runner.
func (j *fakeJail) Run(_ context.Context, job Job) (int, error) {
	script := path.Base(job.Argv[1])
	text, err := j.work.ReadFile(path.Join(job.Work, script))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		rest, ok := strings.CutPrefix(line, "echo '"+mark)
		if !ok {
			continue
		}
		name := strings.TrimSuffix(strings.TrimSpace(rest), "'")
		key := side(job) + " " + name
		fmt.Fprintln(job.Output, mark+name)
		j.ran = append(j.ran, key)
		if err := j.fail[key]; err != nil {
			return 0, err
		}
		j.answer(job, strings.TrimSuffix(script, ".sh")+"/"+name, key, name)
	}
	return 0, nil
}

func (j *fakeJail) answer(job Job, at, key, name string) {
	o, ok := j.says[key]
	if !ok {
		o = j.says[name]
	}
	for ext, text := range map[string]string{".out": o.out, ".err": o.err, ".rc": fmt.Sprintln(o.status)} {
		if err := j.work.WriteFile(path.Join(job.Work, at+ext), []byte(text), 0o644); err != nil {
			j.t.Fatal(err)
		}
	}
	made := func(list []string) {
		for _, name := range list {
			text, ok := j.files[side(job)+" "+name]
			if !ok {
				text, ok = j.files[name]
			}
			if !ok {
				text = elfFile(aarch64, section{".text", name})
			}
			_ = j.work.WriteFile(path.Join(job.Work, name), []byte(text), 0o755)
		}
	}
	for _, p := range programs {
		if name == "build-"+p.name && o.status == 0 {
			made(p.made)
		}
	}
	for _, c := range compilations {
		if name == c.name && o.status == 0 {
			made(c.files)
		}
	}
}

// bench is a subject in which all is well.
type bench struct {
	*Subject
	jail *fakeJail
	farm string
}

func openDir(t *testing.T) (*os.Root, string) {
	t.Helper()
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root, dir
}

func lookup(t *testing.T, name string) *arch.Arch {
	t.Helper()
	a, err := arch.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func newBench(t *testing.T) *bench {
	t.Helper()
	farm, dir := openDir(t)
	root, _ := openDir(t)
	work, _ := openDir(t)
	b := &bench{farm: dir, jail: &fakeJail{t: t, work: work, says: map[string]outcome{}, files: map[string]string{}, fail: map[string]error{}}}
	b.Subject = &Subject{
		Manifest: &xtools.Manifest{Env: []string{"MAKE_HOST=aarch64-unknown-linux-gnu"}}, Farm: farm, Root: root, Host: lookup(t, "amd64"), Target: lookup(t, "aarch64"),
		Policy: xtools.DefaultPolicy(), Machine: "aarch64", Work: work, Runner: b.jail,
	}
	b.add(t, "/usr/bin/sed", "sed", "4.9-1")
	b.add(t, "/usr/bin/tar", "tar", "1.34+dfsg-1.2")
	b.add(t, "/usr/bin/dash", "dash", "0.5.12-2")
	b.well()
	return b
}

// add puts a file on both sides.
func (b *bench) add(t *testing.T, name, pkg, version string) {
	t.Helper()
	text := elfFile(amd64, section{".text", name})
	sum := sha256.Sum256([]byte(text))
	if err := os.MkdirAll(filepath.Join(b.farm, path.Dir(name)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b.farm, name), []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := b.Root.MkdirAll(path.Dir(name[1:]), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := b.Root.WriteFile(name[1:], []byte("emulated"), 0o755); err != nil {
		t.Fatal(err)
	}
	st, err := b.Root.Lstat(name[1:])
	if err != nil {
		t.Fatal(err)
	}
	b.Manifest.Files = append(b.Manifest.Files, xtools.File{
		Path: name, Source: name[1:], Kind: xtools.Program, Package: pkg, Version: version, SHA256: hex.EncodeToString(sum[:]), Size: int64(len(text)), Pays: true,
		Original: &xtools.Original{Size: st.Size(), Mode: st.Mode(), MTime: st.ModTime(), Package: pkg, Version: version},
	})
}

// well are answers of a jail in which nothing is wrong.
func (b *bench) well() {
	for name, out := range map[string]string{
		"start":   "== /usr/bin/sed\nsed (GNU sed) 4.9\n\nstatus=0\n== /usr/bin/tar\ntar (GNU tar) 1.34\n\nstatus=0\n== /usr/bin/dash\n\nstatus=0\n",
		"uname-m": "aarch64\n", "arch": "aarch64\n", "make": "aarch64-unknown-linux-gnu\n", "dpkg": "arm64\n", "dpkg-architecture": "arm64\n", "getconf": "64\n",
		"cc-machine": "aarch64-linux-gnu\n", "cxx-machine": "aarch64-linux-gnu\n", "configure": "uname_m=aarch64\nsort=B,a,b\n",
	} {
		b.jail.says[name] = outcome{out: out}
	}
	for _, name := range []string{"gcc", "gxx", "clang", "clangxx"} {
		b.jail.says[name+"-machine"] = outcome{status: absent}
	}
	for _, p := range programs {
		b.jail.says["run-"+p.name] = outcome{out: p.want}
		b.jail.says["alone-"+p.name] = outcome{out: p.want}
	}
}

func (b *bench) run(t *testing.T, quick bool) []Finding {
	t.Helper()
	list, err := Run(context.Background(), b.Subject, Options{Quick: quick})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func find(list []Finding, result Result) (names []string) {
	for _, f := range list {
		if f.Result == result {
			names = append(names, f.Check)
		}
	}
	return names
}

func TestAllIsWell(t *testing.T) {
	for _, quick := range []bool{true, false} {
		b := newBench(t)
		list := b.run(t, quick)
		if bad := append(find(list, Failed), append(find(list, Skipped), find(list, Warning)...)...); len(bad) > 0 || Failure(list) != nil {
			t.Errorf("quick %v: %+v", quick, list)
		}
		compared := strings.Contains(strings.Join(b.jail.ran, "\n"), emulated+" ")
		if compared == quick {
			t.Errorf("quick %v: ran %q", quick, b.jail.ran)
		}
		if got, want := len(find(list, OK)), map[bool]int{true: 10, false: 15}[quick]; got != want {
			t.Errorf("quick %v: %d checks, want %d: %q", quick, got, want, find(list, OK))
		}
	}
}

// A root without a compiler has nothing to try of it, and that is said.
func TestNoCompiler(t *testing.T) {
	b := newBench(t)
	for _, name := range []string{"cc", "cxx"} {
		b.jail.says[name+"-machine"] = outcome{status: absent}
	}
	list := b.run(t, false)
	if got := strings.Join(find(list, Skipped), " "); got != "compiler" || Failure(list) != nil {
		t.Errorf("skipped %q, failed %v", got, Failure(list))
	}
	for _, ran := range b.jail.ran {
		if strings.Contains(ran, "build-") {
			t.Errorf("%s was run", ran)
		}
	}
}

func TestFinds(t *testing.T) {
	says := func(key, out string) func(*testing.T, *bench) {
		return func(_ *testing.T, b *bench) { b.jail.says[key] = outcome{out: out} }
	}
	tests := []struct {
		name   string
		damage func(*testing.T, *bench)
		check  string
		result Result
		kind   fault.Kind
		shows  string // in the message or the evidence
	}{
		{"a program of another architecture", func(t *testing.T, b *bench) {
			b.replace(t, "/usr/bin/sed", elfFile(aarch64))
		}, "architecture", Failed, fault.WrongArch, "/usr/bin/sed: it is aarch64"},
		{"a program that is cut short", func(t *testing.T, b *bench) { b.replace(t, "/usr/bin/sed", "\x7fELF") }, "architecture", Failed, fault.Damaged, "/usr/bin/sed"},
		{"another file", func(t *testing.T, b *bench) {
			b.replace(t, "/usr/bin/sed", elfFile(amd64, section{".text", "other"}))
		}, "digests", Failed, fault.Mismatch, "/usr/bin/sed"},
		{"a file that is gone", func(t *testing.T, b *bench) {
			if err := b.Farm.Remove("usr/bin/tar"); err != nil {
				t.Fatal(err)
			}
		}, "digests", Failed, fault.Mismatch, "/usr/bin/tar"},
		{"uname", func(t *testing.T, b *bench) { b.add(t, "/usr/bin/uname", "coreutils", "9.1-1") }, "policy", Failed, fault.Failed, "tells the architecture"},
		{"a package of another version", func(_ *testing.T, b *bench) { b.Manifest.Files[0].Version = "4.8-1" }, "package versions", Failed, fault.Mismatch, "sed 4.8-1 stands in for sed 4.9-1"},
		{"a package of another revision", func(_ *testing.T, b *bench) { b.Manifest.Files[0].Version = "4.9-1cross1" }, "package versions", OK, 0, "4.9-1cross1"},
		{"a program replaced in the root", func(t *testing.T, b *bench) {
			if err := b.Root.WriteFile("usr/bin/sed", []byte("newer"), 0o755); err != nil {
				t.Fatal(err)
			}
		}, "replaced", Warning, 0, "/usr/bin/sed"},
		{"a program of another version", says("hybrid start", "== /usr/bin/sed\nsed (GNU sed) 4.8\n\nstatus=0\n== /usr/bin/tar\ntar 1.34\nstatus=0\n== /usr/bin/dash\nstatus=0\n"), "start", Failed, fault.Mismatch, "/usr/bin/sed: it says"},
		{"a version that only begins alike", says("hybrid start", "== /usr/bin/sed\nsed (GNU sed) 4.91\n\nstatus=0\n== /usr/bin/tar\ntar 1.34\nstatus=0\n== /usr/bin/dash\nstatus=0\n"), "start", Failed, fault.Mismatch, "/usr/bin/sed: it says"},
		{"a program that does not start", says("hybrid start", "== /usr/bin/sed\nsed: error while loading shared libraries: libacl.so.1\n\nstatus=127\n== /usr/bin/tar\ntar 1.34\nstatus=0\n== /usr/bin/dash\nstatus=0\n"), "start", Failed, fault.Failed, "libacl.so.1"},
		{"a program that says something else", says("emulated start", "== /usr/bin/sed\nsed (GNU sed) 4.9 with more\n\nstatus=0\n== /usr/bin/tar\ntar (GNU tar) 1.34\n\nstatus=0\n== /usr/bin/dash\n\nstatus=0\n"), "versions", Failed, fault.Mismatch, "with more"},
		{"what bash and make say that they were built for", func(_ *testing.T, b *bench) {
			b.jail.says["hybrid start"] = outcome{out: "== /usr/bin/sed\nsed 4.9 (x86_64-pc-linux-gnu)\n\nstatus=0\n== /usr/bin/tar\ntar 1.34\nstatus=0\n== /usr/bin/dash\nstatus=0\n"}
			b.jail.says["emulated start"] = outcome{out: "== /usr/bin/sed\nsed 4.9 (s390x-ibm-linux-gnu)\n\nstatus=0\n== /usr/bin/tar\ntar 1.34\nstatus=0\n== /usr/bin/dash\nstatus=0\n"}
		}, "versions", Warning, 0, "s390x-ibm-linux-gnu"},
		{"a uname of the host", says("hybrid uname-m", "x86_64\n"), "identity", Failed, fault.WrongArch, `uname-m: "x86_64", want "aarch64"`},
		{"a make of the host", says("hybrid make", "x86_64-pc-linux-gnu\n"), "identity", Failed, fault.WrongArch, "x86_64-pc-linux-gnu"},
		{"perl of the host", says("hybrid perl", "archname='x86_64-linux'\n"), "identity", Failed, fault.WrongArch, "perl"},
		{"a compiler of the host", says("hybrid cc-machine", "x86_64-linux-gnu\n"), "compiler", Failed, fault.WrongArch, "want aarch64-linux-gnu"},
		{"a compiler that says where the tools are", says("hybrid cc-libgcc", "/dev/nxb/lib/libgcc.a\n"), "compiler", Failed, fault.WrongArch, "cc-libgcc speaks of /dev/nxb"},
		{"other predefined macros", says("hybrid cc-macros", "#define __SSE2__ 1\n"), "compiler answers", Failed, fault.Mismatch, "cc-macros: native \"#define __SSE2__ 1\""},
		{"another sysroot", says("emulated cc-sysroot", "/\n"), "compiler answers", Failed, fault.Mismatch, "cc-sysroot"},
		{"a compiler that passes code on", func(_ *testing.T, b *bench) {
			b.jail.says["hybrid cc-specs"] = outcome{out: "crtn.o%s \n"}
			b.jail.says["emulated cc-specs"] = outcome{out: "crtn.o%s %{fopenacc|fopenmp:crtoffloadend%O%s}\n", err: "OFFLOAD_TARGET_NAMES=nvptx-none\nOFFLOAD_TARGET_DEFAULT=1\n"}
		}, "compiler answers", Warning, 0, "cc-specs"},
		{"a compiler that knows the processor", func(_ *testing.T, b *bench) { // of ppc64el
			b.jail.says["hybrid cc-specs"] = outcome{out: "%{fopenacc|fopenmp:crtoffloadend%O%s}\n%(asm_default)\n\n"}
			b.jail.says["emulated cc-specs"] = outcome{out: "%{fopenacc|fopenmp:crtoffloadend%O%s}\n%:local_cpu_detect(asm)\n%{mcpu=native:%<mcpu=native %:local_cpu_detect(cpu)}  %{mtune=native:%<mtune=native %:local_cpu_detect(tune)}\n"}
		}, "compiler answers", Warning, 0, "cc-specs"},
		{"a compiler with another default for the assembler", func(_ *testing.T, b *bench) {
			b.jail.says["hybrid cc-specs"] = outcome{out: "-mpower8\n"}
			b.jail.says["emulated cc-specs"] = outcome{out: "%:local_cpu_detect(asm)\n"}
		}, "compiler answers", Failed, fault.Mismatch, "cc-specs"},
		{"a compiler that passes code on by itself", func(_ *testing.T, b *bench) {
			b.jail.says["hybrid cc-v"] = outcome{err: "OFFLOAD_TARGET_NAMES=nvptx-none\n"}
			b.jail.says["emulated cc-v"] = outcome{}
		}, "compiler answers", Failed, fault.Mismatch, "cc-v"},
		{"objects of the host", func(_ *testing.T, b *bench) { b.jail.files["hybrid threads"] = elfFile(amd64) }, "program threads", Failed, fault.WrongArch, "threads: it is amd64"},
		{"objects of the host, where the root has no better", func(_ *testing.T, b *bench) {
			b.jail.files["hybrid threads"] = elfFile(amd64)
			b.jail.says["emulated run-threads"] = outcome{status: 1}
		}, "program threads", Failed, fault.WrongArch, "threads: it is amd64"},
		{"a path of the tools in what is built", func(_ *testing.T, b *bench) {
			b.jail.files["hybrid basic-g"] = elfFile(aarch64, section{".debug_str", "/dev/nxb/include"})
		}, "program debug", Failed, fault.Mismatch, "/dev/nxb"},
		{"a program that is not built", func(_ *testing.T, b *bench) {
			b.jail.says["hybrid build-lto"] = outcome{status: 1, err: "plugin needed to handle lto object\n"}
		}, "program lto", Failed, fault.Failed, "plugin needed"},
		{"a program that is not built by either side", func(_ *testing.T, b *bench) {
			b.jail.says["build-static"] = outcome{status: 1, err: "cannot find -lc\n"}
		}, "program static", Skipped, 0, "cannot find -lc"},
		{"a program that runs wrong", says("hybrid run-c", "nonsense\n"), "program c", Failed, fault.Failed, `says "nonsense"`},
		{"a program that runs only with tools", func(_ *testing.T, b *bench) { b.jail.says["alone-c"] = outcome{status: 127, err: "not found"} }, "programs without tools", Failed, fault.Failed, "status 127"},
		{"another order of sort", says("hybrid configure", "uname_m=aarch64\nsort=a,b,B\n"), "configure", Failed, fault.Mismatch, `sort: native "a,b,B", emulated "B,a,b"`},
		{"a check that stops", func(_ *testing.T, b *bench) {
			b.jail.says["hybrid configure"] = outcome{status: 2, err: "syntax error"}
		}, "configure", Failed, fault.Failed, "syntax error"},
		{"what bash says of itself", func(_ *testing.T, b *bench) {
			b.jail.says["hybrid configure"] = outcome{out: "bash_versinfo=x86_64-pc-linux-gnu\n"}
			b.jail.says["emulated configure"] = outcome{out: "bash_versinfo=aarch64-unknown-linux-gnu\n"}
		}, "configure", Warning, 0, "$MACHTYPE"},
		{"another object", func(_ *testing.T, b *bench) {
			b.jail.files["hybrid o-2.o"] = elfFile(aarch64, section{".text", "x"})
		}, "objects", Failed, fault.Mismatch, "o-2.o: .text"},
		{"a compiler of another package", func(_ *testing.T, b *bench) {
			b.jail.files["hybrid o-2.o"] = elfFile(aarch64, section{".text", "x"}, section{".comment", mine})
			b.jail.files["emulated o-2.o"] = elfFile(aarch64, section{".text", "x"}, section{".comment", own})
		}, "objects", OK, 0, "12.2.0-14+deb12u1"},
		{"code in another order, as is known", func(_ *testing.T, b *bench) {
			b.Manifest.Files[0].Kind = xtools.Chooser
			b.jail.files["hybrid o-2.o"] = elfFile(aarch64, section{".text", "x"})
		}, "objects", Warning, 0, "o-2.o: .text"},
		{"other code where nothing is put into order", func(_ *testing.T, b *bench) {
			b.Manifest.Files[0].Kind = xtools.Chooser
			b.jail.files["hybrid o-0g.o"] = elfFile(aarch64, section{".text", "x"})
		}, "objects", Failed, fault.Mismatch, "o-0g.o: .text"},
		{"an archive that differs", func(_ *testing.T, b *bench) { b.jail.files["hybrid o-l.a"] = "!<arch>\nx" }, "objects", Failed, fault.Mismatch, "o-l.a"},
		{"a shell that is gone", func(_ *testing.T, b *bench) { b.jail.fail["hybrid start"] = fault.New(127, "", "/bin/sh: not found") }, "start", Failed, 127, "/bin/sh: not found"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			tt.damage(t, b)
			full := slices.Contains([]string{"identity", "versions", "compiler answers", "programs without tools", "configure", "objects"}, tt.check)
			list := b.run(t, !full)
			for _, f := range list {
				if f.Check != tt.check || f.Result != tt.result {
					continue
				}
				if said := f.Message + "\n" + strings.Join(f.Evidence, "\n"); f.Kind == tt.kind && strings.Contains(said, tt.shows) {
					return
				}
			}
			t.Errorf("no %s of %q with kind %d and %q:\n%+v", tt.result, tt.check, tt.kind, tt.shows, list)
		})
	}
}

func (b *bench) replace(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(b.farm, name), []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

// A full disk is no fault of the tools.
func TestNoSpace(t *testing.T) {
	b := newBench(t)
	b.jail.fail["hybrid build-c"] = fmt.Errorf("write: %w", syscall.ENOSPC)
	if list, err := Run(context.Background(), b.Subject, Options{Quick: true}); !errors.Is(err, syscall.ENOSPC) || Failure(list) != nil {
		t.Errorf("%v, %+v", err, list)
	}
}

// A choice without the compiler is tried without what it would build.
func TestChoiceWithoutCompiler(t *testing.T) {
	b := newBench(t)
	b.Manifest.Only = []string{"/usr/bin/sed"}
	list := b.run(t, true)
	if names := find(list, Skipped); !slices.Equal(names, []string{"compiler"}) || Failure(list) != nil {
		t.Errorf("%+v", list)
	}
	b.add(t, "/usr/bin/aarch64-linux-gnu-gcc-12", "gcc-12", "12.2.0-14")
	if names := find(b.run(t, true), Skipped); slices.Contains(names, "compiler") {
		t.Errorf("the compiler was chosen, and not tried: %q", names)
	}
}

// A root may have compilers by long names only.
func TestCompilerByLongName(t *testing.T) {
	b := newBench(t)
	b.jail.says["cc-machine"], b.jail.says["cxx-machine"] = outcome{status: absent}, outcome{status: absent}
	b.add(t, "/usr/bin/aarch64-linux-gnu-gcc-12", "gcc-12", "12.2.0-14")
	b.jail.says["aarch64-linux-gnu-gcc-12-machine"] = outcome{out: "aarch64-linux-gnu\n"}
	b.jail.says["start"] = outcome{out: b.jail.says["start"].out + "== /usr/bin/aarch64-linux-gnu-gcc-12\ngcc 12.2.0\nstatus=0\n"}
	list := b.run(t, true)
	if got := strings.Join(find(list, Skipped), " "); got != "programs of C++" || Failure(list) != nil {
		t.Errorf("skipped %q: %+v", got, list)
	}
}

// Whoever gives up gets an error, and no finding of what was broken off.
func TestInterrupted(t *testing.T) {
	b := newBench(t)
	ctx, cancel := context.WithCancel(context.Background())
	b.jail.fail["hybrid build-c"] = errors.New("the jail's first process was killed")
	b.Runner = runnerFunc(func(c context.Context, job Job) (int, error) {
		n, err := b.jail.Run(c, job)
		if err != nil {
			cancel()
		}
		return n, err
	})
	list, err := Run(ctx, b.Subject, Options{})
	if fault.KindOf(err) != fault.Interrupted {
		t.Errorf("the error is %v", err)
	}
	if f := Failure(list); f != nil {
		t.Errorf("found %v", f)
	}
}

type runnerFunc func(context.Context, Job) (int, error)

func (f runnerFunc) Run(ctx context.Context, job Job) (int, error) { return f(ctx, job) }

// The script runs each step in a shell of its own, with nothing to read, and
// keeps what each said apart.
func TestScript(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil || runtime.GOOS == "windows" {
		t.Skip("no sh")
	}
	work, dir := openDir(t)
	tt := &test{report: &report{}, s: &Subject{Work: work}}
	tt.s.Runner = runnerFunc(func(ctx context.Context, job Job) (int, error) {
		file := filepath.Join(dir, job.Work, path.Base(job.Argv[1]))
		text, err := os.ReadFile(file)
		if err != nil {
			return 0, err
		}
		cmd := exec.CommandContext(ctx, sh, "-c", strings.ReplaceAll(string(text), "cd "+Dir, "cd "+quote(filepath.Join(dir, job.Work))))
		cmd.Stdout, cmd.Stderr = job.Output, job.Output
		err = cmd.Run()
		return cmd.ProcessState.ExitCode(), err
	})
	found, err := tt.steps(context.Background(), hybrid, hybrid, []step{
		{"one", "x=5; echo out; echo err >&2"},
		{"two", "cat; echo \"[$x]\"; exit 7"},
		{"quoted", "echo " + quote("it's $HOME")},
		{"last", "printf 'no newline'"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]outcome{
		"one": {true, 0, "out\n", "err\n"}, "two": {true, 7, "[]\n", ""}, "quoted": {true, 0, "it's $HOME\n", ""}, "last": {true, 0, "no newline", ""},
	} {
		if found[name] != want {
			t.Errorf("%s: %+v, want %+v", name, found[name], want)
		}
	}
}

// The probe's lines are all of the form that is compared, and it comes to an end
// with the programs of this machine.
func TestProbeScript(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a hundred programs")
	}
	for _, shell := range []string{"sh", "bash"} {
		file, err := exec.LookPath(shell)
		if err != nil {
			continue
		}
		cmd := exec.Command(file, "-c", "CC=\n"+probeText)
		cmd.Dir = t.TempDir()
		cmd.Env = append(os.Environ(), "LC_ALL=C")
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", shell, err)
		}
		values := parseCache(string(out))
		if len(values) < 50 {
			t.Errorf("%s: %d checks: %s", shell, len(values), out)
		}
		seen := map[string]bool{}
		for _, v := range values {
			if seen[v[0]] || strings.ContainsAny(v[0], "/$'\"") {
				t.Errorf("%s: %q twice, or no name", shell, v[0])
			}
			seen[v[0]] = true
		}
	}
}

func TestCompareCaches(t *testing.T) {
	wrong, _ := compareCaches("a=1\nb=two\nlines\nd=4\n", "a=1\nb=two\nother\nc=3\n")
	if got := strings.Join(wrong, "; "); got != `b: native "lines", emulated "other"; c: native "", emulated "3"; d: only the native side found it` {
		t.Error(got)
	}
}

// A text of the jail cannot move the cursor, nor fill the screen.
func TestEvidence(t *testing.T) {
	lines := []string{"\x1b[2Jx" + strings.Repeat("y", 2*lineMax)}
	for range 40 {
		lines = append(lines, "z")
	}
	got := short(lines)
	if len(got) != evidenceMax+1 || len(got[0]) > lineMax+3 || strings.Contains(got[0], "\x1b") || got[evidenceMax] != "and 29 more lines" {
		t.Errorf("%q", got)
	}
}

func TestFollower(t *testing.T) {
	late := make(chan string, 1)
	f := newFollower(func(step string) { late <- step })
	defer f.stop()
	fmt.Fprintf(f, "%sfirst\nsh: oops\n%ssec", mark, mark)
	fmt.Fprint(f, "ond\n")
	f.timer.Reset(time.Nanosecond)
	if step := <-late; step != "second" {
		t.Errorf("late: %q", step)
	}
	if got := f.rest(); got != ": sh: oops" {
		t.Errorf("rest = %q", got)
	}
}

// script puts a script on both sides, and what runs it.
func (b *bench) script(t *testing.T) {
	t.Helper()
	b.add(t, "/usr/bin/pod2man", "perl", "5.36.0-7")
	b.replace(t, "/usr/bin/pod2man", "#!/usr/lib/x86_64-linux-gnu/nxb-bin/perl -T\n1;\n")
	b.Manifest.Files[len(b.Manifest.Files)-1].Kind = xtools.Script
	b.resum(t, len(b.Manifest.Files)-1)
	b.add(t, "/usr/bin/perl", "perl-base", "5.36.0-7")
	last := len(b.Manifest.Files) - 1
	perl := b.Manifest.Files[last]
	perl.Kind = xtools.Interpreter
	b.Manifest.Files, b.Manifest.Interpreters = b.Manifest.Files[:last], []xtools.File{perl}
	b.put(t, "usr/lib/x86_64-linux-gnu/perl/5.36/auto/Data/Dumper/Dumper.so", elfFile(amd64))
	b.put(t, "usr/lib/x86_64-linux-gnu/perl-base/auto/re/re.so", elfFile(amd64))
	b.put(t, "usr/lib/x86_64-linux-gnu/libauto/auto/x/x.so", elfFile(amd64))
	b.Manifest.Trees = []xtools.Tree{{Path: "/usr/lib/x86_64-linux-gnu", Source: "usr/lib/x86_64-linux-gnu"}}
	for name, out := range map[string]string{
		"perl-own": "archname='aarch64-linux-gnu';\n", "perl-native": "archname='aarch64-linux-gnu';\n",
		"perl-modules": "== Data::Dumper\n\nstatus=0\n== re\n\nstatus=0\n", "perl-scripts": "== /usr/bin/pod2man\n/usr/bin/pod2man syntax OK\n\nstatus=0\n",
		"own-modules": "", "own-scripts": "",
	} {
		b.jail.says[name] = outcome{out: out}
	}
}

func (b *bench) put(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(b.farm, path.Dir(name)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b.farm, name), []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

// resum writes the digest of what is there into the manifest.
func (b *bench) resum(t *testing.T, i int) {
	t.Helper()
	text, err := b.Farm.ReadFile(b.Manifest.Files[i].Source)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(text)
	b.Manifest.Files[i].SHA256 = hex.EncodeToString(sum[:])
}

func TestScripts(t *testing.T) {
	const noModule = "== Data::Dumper\nCan't locate loadable object\n\nstatus=2\n== re\n\nstatus=0\n"
	ownModule := outcome{out: "== Data::Dumper\n\nstatus=0\n"}
	for name, tt := range map[string]struct {
		says   map[string]outcome
		result Result
		kind   fault.Kind
		shows  string
	}{
		"well":                          {nil, OK, 0, "1 scripts and 2 compiled modules"},
		"a perl of the host":            {map[string]outcome{"perl-native": {out: "archname='x86_64-linux-gnu';\n"}}, Failed, fault.WrongArch, `native "archname='x86_64-linux-gnu';"`},
		"a perl that does not start":    {map[string]outcome{"perl-native": {status: 127, err: "libcrypt.so.1"}}, Failed, fault.Failed, "libcrypt.so.1"},
		"an own perl that does not":     {map[string]outcome{"perl-own": {status: 127, err: "qemu"}}, Skipped, 0, "qemu"},
		"a module that is gone":         {map[string]outcome{"perl-modules": {out: noModule}, "own-modules": ownModule}, Failed, fault.Failed, "Data::Dumper: Can't locate"},
		"a module that nobody loads":    {map[string]outcome{"perl-modules": {out: noModule}}, Skipped, 0, "Data::Dumper: Can't locate"},
		"a script that is not compiled": {map[string]outcome{"perl-scripts": {out: "== /usr/bin/pod2man\nCan't locate X.pm\n\nstatus=2\n"}, "own-scripts": {out: "== /usr/bin/pod2man\nOK\n\nstatus=0\n"}}, Failed, fault.Failed, "/usr/bin/pod2man: Can't locate X.pm"},
		"a perl that dies in between":   {map[string]outcome{"perl-scripts": {}, "own-scripts": {out: "== /usr/bin/pod2man\nOK\n\nstatus=0\n"}}, Failed, fault.Failed, "/usr/bin/pod2man"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.script(t)
			for step, o := range tt.says {
				b.jail.says[step] = o
			}
			list := b.run(t, true)
			i := slices.IndexFunc(list, func(f Finding) bool { return f.Check == "scripts" })
			if i < 0 {
				t.Fatalf("not tried: %+v", list)
			}
			if f := list[i]; f.Result != tt.result || f.Kind != tt.kind || !strings.Contains(f.Message+strings.Join(f.Evidence, "\n"), tt.shows) {
				t.Errorf("%+v", f)
			}
			for _, f := range list {
				if f.Check != "scripts" && f.Result != OK {
					t.Errorf("%+v", f)
				}
			}
		})
	}
}

// Scripts whose perl was replaced are emulated, and are not tried.
func TestScriptsOfAnotherPerl(t *testing.T) {
	b := newBench(t)
	b.script(t)
	if err := b.Root.WriteFile("usr/bin/perl", []byte("newer perl"), 0o755); err != nil {
		t.Fatal(err)
	}
	list := b.run(t, true)
	if got := find(list, Warning); !slices.Equal(got, []string{"replaced"}) || slices.Contains(find(list, OK), "scripts") || Failure(list) != nil {
		t.Errorf("%+v", list)
	}
	for _, ran := range b.jail.ran {
		if strings.Contains(ran, "perl-") {
			t.Errorf("%s was run", ran)
		}
	}
}

func TestCompileScript(t *testing.T) {
	b := newBench(t)
	b.script(t)
	text := (&test{s: b.Subject}).compileScript("/p", b.Manifest.Files[len(b.Manifest.Files)-1:])
	if !strings.Contains(text, "'/p' '-T' -c '/usr/bin/pod2man'") {
		t.Error(text)
	}
	if got := (&test{s: b.Subject}).perlModules(); !slices.Equal(got, []string{"Data::Dumper", "re"}) {
		t.Errorf("modules %q", got)
	}
}

// gcc calls i386 by a later processor, and some machines have a vendor.
func TestSameMachine(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		same bool
	}{
		{"aarch64-linux-gnu", "aarch64-linux-gnu", true}, {"aarch64-unknown-linux-gnu", "aarch64-linux-gnu", true},
		{"i686-linux-gnu", "i386-linux-gnu", true}, {"i586-pc-linux-gnu", "i386-linux-gnu", true},
		{"x86_64-linux-gnu", "i386-linux-gnu", false}, {"i686-linux-gnux32", "i386-linux-gnu", false}, {"ia64-linux-gnu", "i386-linux-gnu", false},
	} {
		if sameMachine(tt.a, tt.b) != tt.same {
			t.Errorf("%s and %s", tt.a, tt.b)
		}
	}
}
