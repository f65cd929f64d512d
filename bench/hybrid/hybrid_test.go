package main

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	o, err := parse([]string{"-archs", "arm64,armhf", "-n", "5", "check"})
	if err != nil || !slices.Equal(o.archs, []string{"arm64", "armhf"}) || o.rounds != 5 || !slices.Equal(o.steps, []string{"check"}) {
		t.Errorf("parse: %+v, %v", o, err)
	}
	if o, err := parse(nil); err != nil || !slices.Equal(o.steps, []string{"build", "report"}) {
		t.Errorf("without words: %+v, %v", o, err)
	}
	for _, args := range [][]string{{"-variants", "fast"}, {"-packages", "zlib,gcc"}, {"-debs", "jq"}, {"measure"}, {"-redo", "all"}} {
		if _, err := parse(args); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		list []float64
		want float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 2, 9}, 3}} {
		if got := median(c.list); got != c.want {
			t.Errorf("median of %v is %v, want %v", c.list, got, c.want)
		}
	}
}

// sample has three rounds, in the last of which the machine was half as fast.
func sample() *results {
	r := &results{Machine: machine{Sources: map[string]string{"hello": "1:2.10-3"}}}
	add := func(round int, debian, variant string, configure, compile float64, o outcome) {
		run := buildRun{Round: round, Arch: debian, Variant: variant, Package: "hello",
			Configure: cost{User: configure}, Make: cost{User: compile - 0.25, System: 0.25}, Outcome: o}
		if variant == native {
			run.Beside = "arm64"
		}
		r.Runs = append(r.Runs, run)
	}
	for round, slow := range map[int]float64{1: 1, 2: 1, 3: 2} {
		add(round, "amd64", native, 8*slow, 2*slow, outcome{})
		add(round, "arm64", full, 8.4*slow, 2.1*slow, outcome{Objects: 5, Programs: 1, Same: 5, Stamped: 1, Answers: 290})
	}
	add(1, "arm64", cross, 7, 2, outcome{})
	add(1, "arm64", emulated, 160, 40, outcome{})
	add(4, "arm64", compilers, 50, 10, outcome{Objects: 6, Same: 5, Differ: []string{"a.o: .text"}, Answers: 2, Other: []string{"checking x... no"}})
	return r
}

func TestSummarizeSetsEachBuildAgainstTheOneBesideIt(t *testing.T) {
	s, ok := sample().summarize("amd64", "arm64", full, "hello")
	if !ok || s.n != 3 || math.Abs(s.ratio-1.05) > 1e-9 || math.Abs(s.most-1.05) > 1e-9 || math.Abs(s.configureRatio-1.05) > 1e-9 || s.cpu != 10.5 {
		t.Errorf("full: %+v", s)
	}
	r := sample()
	r.Runs = append(r.Runs, buildRun{Round: 3, Arch: "amd64", Variant: native, Beside: "armhf", Package: "hello", Make: cost{User: 1}})
	if s, _ := r.summarize("amd64", "arm64", full, "hello"); math.Abs(s.least-1.05) > 1e-9 || math.Abs(s.most-1.05) > 1e-9 {
		t.Errorf("full, with a native build beside another architecture: %+v", s)
	}
	if s, _ := sample().summarize("amd64", "arm64", emulated, "hello"); s.ratio != 20 || s.n != 1 {
		t.Errorf("emulated: %+v", s)
	}
	// No native build in its round: the median of all, which is 10.
	if s, _ := sample().summarize("amd64", "arm64", compilers, "hello"); s.ratio != 6 {
		t.Errorf("compilers: %+v", s)
	}
	if _, ok := sample().summarize("amd64", "armhf", full, "hello"); ok {
		t.Error("there is a summary of what was not run")
	}
}

func TestTable(t *testing.T) {
	w := &strings.Builder{}
	sample().writeTable(w, "amd64", "arm64")
	want := `### arm64

| | native | cross compiler | emulated | native compilers only | native tools |
|---|---|---|---|---|---|
| **hello** 2.10-3 | 10.0 s, n=3 | 9.0 s, **0.90x**, n=1 | 200.0 s, **20x**, n=1 | 60.0 s, **6.00x**, n=1 | 10.5 s, **1.05x** [1.05–1.05], n=3 |
| configure | 8.0 s | 7.0 s, 0.88x | 160.0 s, 20x | 50.0 s | 8.4 s, 1.05x |
| make | 2.0 s | 2.0 s, 1.00x | 40.0 s, 20x | 10.0 s | 2.1 s, 1.05x |

- hello, native compilers only: 5 of 6 files equal the emulated build's, 1 differ (a.o: .text); 1 of 2 answers of configure (checking x... no)
- hello, native tools: 5 of 6 files equal the emulated build's, 1 but for .comment; 290 of 290 answers of configure

`
	if got := w.String(); got != want {
		t.Errorf("the table is\n%s\nwant\n%s", got, want)
	}
}

func TestPictureIsXMLWithABarOfEachWay(t *testing.T) {
	text := sample().picture("amd64")
	for d := xml.NewDecoder(strings.NewReader(text)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
	}
	if n := strings.Count(text, "<rect"); n != 8 { // four in the legend
		t.Errorf("%d rectangles", n)
	}
	for _, label := range []string{">20x<", ">1.05x<", ">6.00x<", ">0.90x<", ">hello<", ">arm64<"} {
		if !strings.Contains(text, label) {
			t.Errorf("%s is missing in\n%s", label, text)
		}
	}
}

func TestResultsComeBack(t *testing.T) {
	r := sample()
	r.path = filepath.Join(t.TempDir(), "results.json")
	if err := r.save(); err != nil {
		t.Fatal(err)
	}
	got, err := loadResults(r.path)
	if err != nil || len(got.Runs) != len(r.Runs) || !got.has(2, target{debian: "arm64", variant: full}, "hello") || got.has(2, target{debian: "arm64", variant: emulated}, "hello") {
		t.Errorf("%+v, %v", got, err)
	}
	got.forget([]string{full})
	if got.has(2, target{debian: "arm64", variant: full}, "hello") || !got.has(2, target{debian: "amd64", variant: native, beside: "arm64"}, "hello") {
		t.Error("forget took others")
	}
}

func TestParseStat(t *testing.T) {
	stat := parseStat("usage_usec 426486\nuser_usec 276845\nsystem_usec 149641\nnr_periods 0\nodd\n")
	if stat["user_usec"] != 276845 || stat["system_usec"] != 149641 {
		t.Errorf("%v", stat)
	}
}

// object is a relocatable ELF file with sections of these contents.
func object(contents ...string) []byte {
	names := []string{".text", ".comment", ".note.gnu.build-id"}
	strtab, data := "\x00", ""
	headers := []elf.Section64{{}}
	place := func(name, content string, typ elf.SectionType) {
		headers = append(headers, elf.Section64{Name: uint32(len(strtab)), Type: uint32(typ), Off: uint64(64 + len(data)), Size: uint64(len(content))})
		strtab += name + "\x00"
		data += content
	}
	for i, c := range contents {
		place(names[i], c, elf.SHT_PROGBITS)
	}
	strtab += ".shstrtab\x00"
	headers = append(headers, elf.Section64{Name: uint32(len(strtab) - 10), Type: uint32(elf.SHT_STRTAB), Off: uint64(64 + len(data)), Size: uint64(len(strtab))})
	data += strtab
	h := elf.Header64{Type: uint16(elf.ET_REL), Machine: uint16(elf.EM_AARCH64), Version: 1, Shoff: uint64(64 + len(data)), Ehsize: 64, Shentsize: 64, Shnum: uint16(len(headers)), Shstrndx: uint16(len(headers) - 1)}
	copy(h.Ident[:], elf.ELFMAG+"\x02\x01\x01")
	b := &bytes.Buffer{}
	_ = binary.Write(b, binary.LittleEndian, h)
	b.WriteString(data)
	_ = binary.Write(b, binary.LittleEndian, headers)
	return b.Bytes()
}

func TestDifferenceNamesTheSection(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	reference := write("reference", object("code", "GCC 12.2.0-14+deb12u1", "id 1"))
	for _, c := range []struct {
		name, want string
		b          []byte
	}{
		{"equal", "", object("code", "GCC 12.2.0-14+deb12u1", "id 1")},
		{"stamp", ".comment", object("code", "GCC 12.2.0-14", "id 2")},
		{"empty", ".text", object("", "GCC 12.2.0-14+deb12u1", "id 1")},
		{"code", ".text", object("cope", "GCC 12.2.0-14", "id 3")},
		{"fewer", "number of sections", object("code", "GCC 12.2.0-14+deb12u1")},
	} {
		got, err := difference(write(c.name, c.b), reference)
		if err != nil || got != c.want {
			t.Errorf("%s: %q, %v; want %q", c.name, got, err, c.want)
		}
	}
	if _, err := difference(write("cut", object("code", "GCC", "id")[:70]), reference); err == nil {
		t.Error("a file that was cut off is compared")
	}
}

func TestCompareFindsWhatIsMissing(t *testing.T) {
	tree, reference := t.TempDir(), t.TempDir()
	put := func(dir, name string, b []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(tree, "a.o", object("code", "GCC", "id"))
	put(reference, "a.o", object("code", "GCC", "id"))
	put(reference, "shared.o", object("code", "GCC", "id"))
	put(tree, "xjail-configure.log", []byte("checking for cc... cc\nchecking for file... no\nnote\n"))
	put(reference, "xjail-configure.log", []byte("checking for cc... cc\nchecking for file... yes\n"))
	files, err := elfFiles(tree)
	if err != nil {
		t.Fatal(err)
	}
	var o outcome
	if err := o.compare(tree, reference, files); err != nil {
		t.Fatal(err)
	}
	if o.Same != 1 || !slices.Equal(o.Differ, []string{"shared.o: was not built"}) {
		t.Errorf("%+v", o)
	}
	if o.Answers != 2 || !slices.Equal(o.Other, []string{"checking for file... no"}) {
		t.Errorf("answers: %+v", o)
	}
}

func TestDiffering(t *testing.T) {
	archive := func(mode int64, content string) map[string]string {
		b := &bytes.Buffer{}
		w := tar.NewWriter(b)
		for _, name := range []string{"./usr/bin/hello", "./usr/share/doc/" + content} {
			if err := w.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: int64(len(content)), Typeflag: tar.TypeReg}); err != nil {
				t.Fatal(err)
			}
			_, _ = io.WriteString(w, content)
		}
		_ = w.Close()
		members := map[string]string{}
		if err := tarMembers(b, "hello.deb fsys ", members); err != nil {
			t.Fatal(err)
		}
		return members
	}
	if got := differing(archive(0o755, "x"), archive(0o755, "x")); got != nil {
		t.Errorf("equal ones differ: %v", got)
	}
	if got := differing(archive(0o755, "x"), archive(0o700, "x")); len(got) != 2 {
		t.Errorf("modes: %v", got)
	}
	want := []string{"hello.deb fsys ./usr/bin/hello", "hello.deb fsys ./usr/share/doc/x", "hello.deb fsys ./usr/share/doc/y"}
	if got := differing(archive(0o755, "x"), archive(0o755, "y")); !slices.Equal(got, want) {
		t.Errorf("contents: %v", got)
	}
}
