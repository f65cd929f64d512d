package xtools

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The chooser is run by sh, with programs that say which of them it was.
func TestCompilerChooser(t *testing.T) {
	const source = "usr/lib/gcc/aarch64-linux-gnu/12/cc1"
	dir := t.TempDir()
	libs := strings.TrimPrefix(dir, "/")
	say := func(name, word string) {
		file := "/" + name
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte("#!/bin/sh\nprintf '%s' "+word+"\nprintf ' <%s>' \"$@\"\n"), 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	say(nativeCompiler(libs, source), "native")
	say(ownCompiler(libs, source), "own")
	chooser := filepath.Join(dir, "cc1")
	text := compilerChooser(libs, source, []string{"-fstack-clash-protection", "-fstack-protector"})
	if err := os.WriteFile(chooser, text, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"dirs": "-I.\n-I/usr/include", "strong": "-I.\n-fstack-protector-strong", "last": "-I. -fstack-clash-protection", "nested": "@more",
		"quoted": `-f"stack"-protector`, "escaped": `-fst\ack-protector`, "empty": "",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for args, want := range map[string]string{
		"": "native", "-quiet a.c -O2": "native", "-quiet a.c -fstack-protector-strong": "own", "-fstack-protector": "own", "-fstack-protector-all -O2": "own",
		"-fstack-protector-explicit": "own", "--stack-protector": "own", "--stack-protector-strong": "own", "-fno-stack-protector": "native",
		"-fstack-protector-strong -fno-stack-protector": "native", "-fno-stack-protector -fstack-protector": "own", "-fstack-protector --no-stack-protector": "native",
		"-fstack-clash-protection": "own", "-fstack-clash-protection -fno-stack-protector": "own", "-fstack-clash-protection -fno-stack-clash-protection": "native",
		"-fno-stack-clash-protection -fstack-protector": "own", "-E -quiet -fstack-protector-strong a.c": "native", "-quiet -E -fstack-protector a.c": "own",
		"-fstack-check -fstack-usage -fstack-limit-register=x0": "native", "-Wstack-protector": "native", "-mstack-protector-guard=global": "native",
		"@dirs a.c": "native", "@strong": "own", "@last": "own", "@nested": "own", "@quoted": "own", "@escaped": "own", "@empty": "native",
		"@nowhere": "native", "@/dev/null": "own", "@dirs -fstack-protector": "own",
	} {
		cmd := exec.Command(chooser, strings.Fields(args)...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if got, _, _ := strings.Cut(string(out), " "); err != nil || got != want {
			t.Errorf("%q: %s, %v, want %s", args, out, err, want)
		}
	}
	out, err := exec.Command(chooser, "a b", "", "*", "-DX=\"1\"", "-fstack-protector").Output()
	if err != nil || string(out) != `own <a b> <> <*> <-DX="1"> <-fstack-protector>` {
		t.Errorf("the arguments became %s, %v", out, err)
	}
}

// withCompiler are files of a root with a compiler.
func withCompiler(machine uint16, interp, libs, list string) map[string]string {
	cc1 := elfSpec{machine: machine, interp: interp, needed: []string{"libc.so.6"}, text: libs}.file()
	return map[string]string{
		libs + "/cc1": cc1, libs + "/lto1": cc1 + "lto", "var/lib/dpkg/info/" + list + ".list": "/" + libs + "/cc1\n/" + libs + "/lto1\n",
	}
}

// compilerPair are a root and a machine with compilers of two revisions.
func compilerPair(t *testing.T, own, native string) (root, machine *os.Root) {
	t.Helper()
	root = debian(t, "bookworm", "arm64", withCompiler(aarch64, "/lib/ld-linux-aarch64.so.1", "usr/lib/gcc/aarch64-linux-gnu/12", "cpp-12"), "sed 4.9-1", "cpp-12 "+own)
	machine = debian(t, "bookworm", "amd64", withCompiler(amd64, loader, "usr/lib/gcc-cross/aarch64-linux-gnu/12", "cpp-12-aarch64-linux-gnu"), "sed 4.9-1", "cpp-12-aarch64-linux-gnu "+native)
	return root, machine
}

const (
	cc1Path  = "/usr/lib/gcc/aarch64-linux-gnu/12/cc1"
	lto1Path = "/usr/lib/gcc/aarch64-linux-gnu/12/lto1"
)

// A compiler of another revision is native where it is known what differs, behind a
// chooser where that goes by options.
func TestRevisions(t *testing.T) {
	for name, tt := range map[string]struct {
		own, native string
		allow       []string
		cc1, lto1   State
		kind        Kind
		says        string
	}{
		"the same":                      {"12.2.0-14", "12.2.0-14cross1", nil, Native, Native, Program, ""},
		"the same, built again":         {"12.2.0-14+b2", "12.2.0-14cross1+b1", nil, Native, Native, Program, ""},
		"known to make other code":      {"12.2.0-14+deb12u1", "12.2.0-14cross1", nil, Native, Excluded, Chooser, "CVE-2023-4039"},
		"that, and allowed":             {"12.2.0-14+deb12u1", "12.2.0-14cross1", []string{"cc1"}, Native, Excluded, Chooser, "with -fstack-protector or -fstack-clash-protection the root's own"},
		"the later one is the native":   {"12.2.0-14", "12.2.0-14+deb12u1cross1", nil, Excluded, Excluded, "", "it is not known"},
		"nothing is known":              {"12.2.0-15", "12.2.0-14cross1", nil, Excluded, Excluded, "", "it is not known"},
		"nothing is known, and allowed": {"12.2.0-15", "12.2.0-14cross1", []string{"cc1", "lto1"}, Native, Native, Program, ""},
	} {
		t.Run(name, func(t *testing.T) {
			root, machine := compilerPair(t, tt.own, tt.native)
			h := hostTools(t, machine)
			policy, err := h.Policy.With(&Policy{Allow: tt.allow})
			if err != nil {
				t.Fatal(err)
			}
			h.Policy = policy
			m, err := h.Collect(t.Context(), arm64Subject(t, root), silent)
			if err != nil {
				t.Fatal(err)
			}
			got := states(m)
			if got[cc1Path] != tt.cc1 || got[lto1Path] != tt.lto1 || !strings.Contains(strings.Join(m.Notes, "\n"), tt.says) {
				t.Errorf("cc1 is %s, lto1 %s, notes %q", got[cc1Path], got[lto1Path], m.Notes)
			}
			i := slices.IndexFunc(m.Files, func(f File) bool { return f.Path == cc1Path })
			if tt.kind != "" && (i < 0 || m.Files[i].Kind != tt.kind) {
				t.Errorf("cc1 is %+v", m.Files)
			}
			if (tt.kind == Chooser) != (len(m.Beside) == 2) {
				t.Errorf("beside it are %+v", m.Beside)
			}
		})
	}
}

// On other architectures the two revisions make the same code.
func TestRevisionElsewhere(t *testing.T) {
	c := &chooser{subject: subject(t, "mips64el"), policy: DefaultPolicy(), pairs: map[string]PackagePair{"cpp-12": {Version: "12.2.0-14+deb12u1", TwinVer: "12.2.0-14cross1"}}}
	f := candidate{source: "usr/lib/gcc/mips64el-linux-gnuabi64/12/cc1", original: Original{Package: "cpp-12"}}
	if got := c.treat(f); got.why != "" || got.options != nil {
		t.Errorf("cc1: %+v", got)
	}
	for name, want := range map[string]bool{
		"usr/lib/gcc/x/12/cc1plus": true, "usr/libexec/gcc/x/14/f951": true, "usr/lib/gcc/x/12/collect2": false, "usr/lib/gcc/x/12/lto-wrapper": false,
		"usr/bin/cc1": false, "usr/lib/gcc/x/12/lto1": true,
	} {
		if makesCode(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}

// chooserPack is a pack with a chooser, and the root that it was made of.
func chooserPack(t *testing.T) (text []byte, root *os.Root, policy *Policy) {
	t.Helper()
	root, machine := compilerPair(t, "12.2.0-14+deb12u1", "12.2.0-14cross1")
	h := hostTools(t, machine)
	m, err := h.Collect(t.Context(), arm64Subject(t, root), silent)
	if err != nil {
		t.Fatal(err)
	}
	policy = h.Policy
	var b bytes.Buffer
	if err := WritePack(t.Context(), filepath.Join(h.Dir, filepath.Base(filepath.Dir(m.Farm))), m, &b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), root, policy
}

func TestChooserInPack(t *testing.T) {
	text, root, policy := chooserPack(t)
	collect := func(root *os.Root, policy *Policy) *Manifest {
		k := &Pack{File: filepath.Join(t.TempDir(), "p.tar"), Dir: t.TempDir(), Below: "cache/twins", Policy: policy}
		if err := os.WriteFile(k.File, text, 0o600); err != nil {
			t.Fatal(err)
		}
		m, err := k.Collect(t.Context(), arm64Subject(t, root), silent)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	m := collect(root, policy)
	if states(m)[cc1Path] != Native || len(m.Beside) != 2 || states(m)[lto1Path] != Excluded {
		t.Errorf("%+v beside %+v", states(m), m.Beside)
	}
	never, err := DefaultPolicy().With(&Policy{Never: map[string]string{"cc1": "is not wanted here"}})
	if err != nil {
		t.Fatal(err)
	}
	if m := collect(root, never); states(m)[cc1Path] != Excluded || len(m.Beside) != 0 {
		t.Errorf("never: %+v", states(m))
	}
	files := withCompiler(aarch64, "/lib/ld-linux-aarch64.so.1", "usr/lib/gcc/aarch64-linux-gnu/12", "cpp-12")
	files[cc1Path[1:]] += "changed"
	other := debian(t, "bookworm", "arm64", files, "sed 4.9-1", "cpp-12 12.2.0-14+deb12u1")
	if m := collect(other, policy); states(m)[cc1Path] != Excluded || len(m.Beside) != 0 {
		t.Errorf("another compiler in the root: %+v", states(m))
	}
}

func TestChooserPackRefuses(t *testing.T) {
	text, root, _ := chooserPack(t)
	source := cc1Path[1:]
	for name, about := range map[string]func(p *packed){
		"other options":   func(p *packed) { f := p.Farm.Files[source]; f.Options = []string{"-fpic"}; p.Farm.Files[source] = f },
		"a shell's words": func(p *packed) { f := p.Farm.Files[source]; f.Options = []string{"-f*) rm"}; p.Farm.Files[source] = f },
		"no options":      func(p *packed) { f := p.Farm.Files[source]; f.Options = nil; p.Farm.Files[source] = f },
		"a native program as the root's own": func(p *packed) {
			f := p.Farm.Files["usr/bin/sed"]
			f.Own = true
			p.Farm.Files["usr/bin/sed"] = f
		},
	} {
		_, _, err := usePack(t, repack(t, text, about, nil), arm64Subject(t, root))
		if err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestChoiceDropsBeside(t *testing.T) {
	m := full()
	m.Files[6].Kind = Chooser
	m.Beside = []File{{Path: "/l/nxb-bin/gcc-12/own/cc1", Source: "l/nxb-bin/gcc-12/own/cc1"}, {Path: "/l/nxb-bin/gcc-11/own/cc1", Source: "l/nxb-bin/gcc-11/own/cc1"}}
	m.Choose([]string{"/usr/bin/aarch64-linux-gnu-gcc-12"})
	if len(m.Beside) != 1 || m.Beside[0].Source != "l/nxb-bin/gcc-12/own/cc1" {
		t.Errorf("beside are %+v", m.Beside)
	}
	m.Choose([]string{"/usr/bin/sed"})
	if len(m.Beside) != 0 {
		t.Errorf("beside are %+v", m.Beside)
	}
}
