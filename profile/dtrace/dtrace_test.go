package dtrace

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/profile"
)

var update = flag.Bool("update", false, "write the golden files")

var emulators = []profile.Emulator{{Path: "/usr/local/bin/qemu-aarch64-static", Arch: "aarch64"}}

func header() *profile.Header {
	return &profile.Header{Jail: "a64", Arch: "aarch64", Guest: "freebsd", Host: "amd64", Collector: "dtrace", Emulators: emulators}
}

// parse makes a profile of a fixture.
func parse(t testing.TB, text string) (*profile.Profile, []byte, *Stats, error) {
	t.Helper()
	var b bytes.Buffer
	w, err := profile.NewWriter(&b, header())
	if err != nil {
		t.Fatal(err)
	}
	stats, perr := Parse(strings.NewReader(text), w, Options{Emulators: emulators})
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	p, err := profile.Read(bytes.NewReader(b.Bytes()))
	if err != nil {
		t.Fatalf("the profile cannot be read: %v\n%s", err, b.Bytes())
	}
	return p, b.Bytes(), stats, perr
}

// Each fixture is written in the formats of trace.d, and has its profile beside
// it.
func TestFixtures(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, got, _, err := parse(t, string(text))
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		golden := strings.TrimSuffix(file, ".txt") + ".xprof"
		if *update {
			if err := os.WriteFile(golden, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %v\n%s\nwant\n%s", file, err, got, want)
		}
	}
}

// What the build of testdata/build.txt did.
func TestBuild(t *testing.T) {
	text, err := os.ReadFile("testdata/build.txt")
	if err != nil {
		t.Fatal(err)
	}
	p, _, stats, err := parse(t, string(text))
	if err != nil || !stats.Whole || stats.Left != 1 || stats.Runs != int64(len(p.Runs)) || len(p.Losses) != 0 {
		t.Fatalf("%v %+v %v", err, stats, p.Losses)
	}
	if s := stats.Sums; s.Execs != 6 || s.Emulated != 3 || s.Forks != 4 || s.Failed != 1 || s.Left != 1 || s.CPU != 64470000 {
		t.Errorf("%+v", s)
	}
	type run struct{ program, file, how string }
	want := []run{
		{"/bin/sh", "", profile.ByExit},                     // 1, emulated: the command
		{"/bin/sh", "", profile.ByExec},                     // 2, its fork
		{"/usr/bin/sed", "", profile.ByExit},                // 3, emulated
		{"/bin/sh", "", profile.ByExec},                     // 4
		{"/nxb-bin/usr/bin/cc", "", profile.ByExec},         // 5, native
		{"/usr/bin/ld", "", profile.BySignal},               // 6
		{"/bin/sh", "", profile.ByExec},                     // 7
		{"/bin/sh", "/work/my configure\n", profile.ByExit}, // 8, a script, emulated
		{"/bin/sh", "", profile.ByExec},                     // 9
		{"/nxb-bin/bin/sh", "/work/libtool", ""},            // 10, a native script, running on
	}
	for i, w := range want {
		r := p.Runs[i]
		how := ""
		if r.End != nil {
			how = r.End.How
		}
		if r.Program != w.program || r.File != w.file || how != w.how {
			t.Errorf("run %d: %+v %+v, want %+v", i+1, r, r.End, w)
		}
	}
	sh, sed, cc, ld, script := p.Runs[0], p.Runs[2], p.Runs[4], p.Runs[5], p.Runs[7]
	if !sh.Emulated() || !sed.Emulated() || cc.Emulated() || ld.Emulated() || !script.Emulated() || !script.Script || !p.Runs[1].Fork() || sed.Fork() {
		t.Error("native and emulated, or forks, are mixed up")
	}
	if sed.Parent != 1 || sed.Replaced != 2 || strings.Join(sed.Argv, "|") != "sed|s/a/\tb/" || sed.End.Code != 1 {
		t.Errorf("%+v", sed)
	}
	// 20 ms by the clock, of 3 ticks one of the user's.
	if e := sed.End; e.User != 6666666 || e.System != 13333334 || e.RSS != 9000<<10 {
		t.Errorf("%+v", e)
	}
	if ld.End.Code != 11 || !ld.End.Core || ld.Argv[0] != "ld" {
		t.Errorf("%+v %+v", ld, ld.End)
	}
	if len(p.Failures) != 1 || p.Failures[0] != (profile.Failure{Run: 2, At: 1500000, File: "/usr/local/bin/sed", Error: "ENOENT"}) {
		t.Errorf("%+v", p.Failures)
	}
}

func TestLosses(t *testing.T) {
	const begin = "B\t2\t1000\t1700000000000000000\n"
	for name, tt := range map[string]struct {
		text   string
		losses int
		left   int64
		whole  bool
	}{
		"nothing":            {"", 0, 0, false},
		"no end":             {begin, 0, 0, false},
		"an end":             {begin + "\nZ\t5000\n", 0, 0, true},
		"unknown":            {begin + "Q\t1\n", 1, 0, false},
		"short":              {begin + "X\t2000\t5\n", 1, 0, false},
		"no number":          {begin + "E\t2000\tx\t1\t0\t0\t0\t0\t0\t0\n", 1, 0, false},
		"outside of a jail":  {begin + "F\t2000\t1\t2\t0\nX\t2001\t2\t0\t0\t5\t0\t0\txjail\t/x\t\t/x\tx\nE\t2002\t2\t1\t0\t0\t1\t0\t0\t1\n", 0, 0, false},
		"the same pid again": {begin + "X\t2000\t2\t7\ta64\t5\t0\t0\tsh\t/bin/sh\t\t/bin/sh\tsh\nF\t2001\t2\t3\t7\nF\t2002\t2\t3\t7\n", 1, 2, false},
		"cut":                {begin + "X\t2000\t2\t7\ta64\t5\t0\t0\tsh\t/bin/sh\t\t/bin/sh\tsh\nF\t2001\t2", 0, 1, false},
		"too long":           {begin + strings.Repeat("x", 200000) + "\nZ\t5\n", 1, 0, true},
	} {
		p, _, stats, err := parse(t, tt.text)
		if err != nil || len(p.Losses) != tt.losses || stats.Left != tt.left || stats.Whole != tt.whole {
			t.Errorf("%s: %v, %+v, %+v", name, err, p.Losses, stats)
		}
	}
	for _, text := range []string{"hello\n", "B\t1\t1\t1\n", begin + begin} {
		if _, _, _, err := parse(t, text); fault.KindOf(err) != fault.Damaged {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestDrops(t *testing.T) {
	for line, want := range map[string]int64{
		"dtrace: 153 drops on CPU 0":                                  153,
		"dtrace: 12 dynamic variable drops with non-empty dirty list": 12,
		"dtrace: 1 drop on CPU 3":                                     1,
		"dtrace: error on enabled probe ID 4 (ID 7: proc:kernel:none:exec-success): invalid address (0x0) in action #8": 1,
		"dtrace: buffer size lowered to 4m":           -1,
		"dtrace: 99999999999999999999 drops on CPU 0": -1,
	} {
		if n, ok := Drops(line); ok != (want >= 0) || ok && n != want {
			t.Errorf("%q: %d %v", line, n, ok)
		}
	}
}

// The parser reads as many fields as the program prints.
func TestFormats(t *testing.T) {
	want := map[string]int{"B": 4, "F": 5, "X": 13, "N": 5, "E": 10, "T": 3, "Z": 2}
	got := map[string]int{}
	for _, m := range regexp.MustCompile(`printf\("([A-Z])((?:\\t%[dS])*(?:\\t2(?:\\t%d)*)?)\\n"`).FindAllStringSubmatch(BulkProgram(), -1) {
		got[m[1]] = 1 + strings.Count(m[2], `\t`)
	}
	for kind, n := range want {
		if got[kind] != n {
			t.Errorf("%s has %d fields, want %d", kind, got[kind], n)
		}
	}
	for _, file := range []string{"testdata/build.txt"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if f := strings.Split(strings.TrimSuffix(line, "\n"), "\t"); f[0] != "" && len(f) != want[f[0]] {
				t.Errorf("%s: %q has %d fields, want %d", file, line, len(f), want[f[0]])
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	text, err := os.ReadFile("testdata/build.txt")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text))
	f.Add("B\t2\t0\t0\nX\t1\t2\t3\tj\t-4\t5\t6\t\\\\\t\\0\t\\777\t\t\\n\nE\t9\t2\t1\t0\t0\t9223372036854775807\t1\t1\t9223372036854775807\n")
	f.Fuzz(func(t *testing.T, text string) {
		p, _, stats, err := parse(t, text)
		if err != nil {
			return
		}
		left := int64(0)
		for _, r := range p.Runs {
			if r.End == nil {
				left++
			} else if r.End.User < 0 || r.End.System < 0 {
				t.Errorf("%+v", r.End)
			}
			if r.Fork() == (r.Argv != nil) {
				t.Errorf("%+v is a fork, or not", r)
			}
		}
		if left != stats.Left || int64(len(p.Runs)) != stats.Runs {
			t.Errorf("%d runs, %d left: %+v", len(p.Runs), left, stats)
		}
	})
}

// fakeDtrace is a program that stands in for dtrace.
func fakeDtrace(t *testing.T, script string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "dtrace")
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	old := command
	command = file
	t.Cleanup(func() { command = old })
}

func collect(t *testing.T) (*profile.Profile, *Stats, error) {
	t.Helper()
	var b bytes.Buffer
	w, err := profile.NewWriter(&b, header())
	if err != nil {
		t.Fatal(err)
	}
	c, err := Start(42, w, Options{Emulators: emulators})
	if err != nil {
		return nil, nil, err
	}
	stats, err := c.Stop()
	if err != nil {
		return nil, stats, err
	}
	_ = w.Flush()
	p, err := profile.Read(&b)
	return p, stats, err
}

func TestCollector(t *testing.T) {
	// A shell that ignores SIGINT, as what it starts in the background does.
	fakeDtrace(t, `trap '' INT; trap 'printf "Z\t9000\n"; exit 0' TERM
test "$1" = -n && test "$3" = 42 || exit 1
echo 'dtrace: 5 drops on CPU 0' >&2
printf 'B\t2\t1000\t0\nX\t2000\t7\t3\ta64\t0\t0\t0\tsh\t/bin/sh\t\t/bin/sh\tsh\n'
while :; do sleep 0.05; done
`)
	p, stats, err := collect(t)
	if err != nil || !stats.Whole || stats.Runs != 1 || len(p.Losses) != 1 || p.Losses[0].Count != 5 {
		t.Errorf("%v %+v %+v", err, stats, p)
	}
}

func TestCollectorEndsEarly(t *testing.T) {
	fakeDtrace(t, `printf 'B\t2\t1000\t0\n'; exit 1`)
	p, stats, err := collect(t)
	if err != nil || stats.Whole || len(p.Losses) != 1 || !strings.Contains(p.Losses[0].Why, "ended early") {
		t.Errorf("%v %+v %+v", err, stats, p)
	}
}

func TestCollectorCannotBegin(t *testing.T) {
	for said, kind := range map[string]fault.Kind{
		"dtrace: failed to initialize dtrace: DTrace requires additional privileges":                fault.Permission,
		"dtrace: failed to initialize dtrace: DTrace device not available on system":                fault.Unsupported,
		"dtrace: failed to compile script: probe description proc:::exec does not match any probes": fault.Unsupported,
		"dtrace: something else": fault.Failed,
	} {
		fakeDtrace(t, "echo '"+said+"' >&2; exit 1")
		if _, _, err := collect(t); fault.KindOf(err) != kind || fault.HintOf(err) == "" {
			t.Errorf("%s: %v", said, err)
		}
	}
	// dtrace -n repeats the program before it says what is wrong with it.
	fakeDtrace(t, `printf 'dtrace: invalid probe specifier %s: in action list: x is not there\n' "$2" >&2; exit 1`)
	if _, _, err := collect(t); err == nil || !strings.HasSuffix(err.Error(), "dtrace does not take the program: in action list: x is not there") {
		t.Error(err)
	}
	command = "no-dtrace-here"
	if _, _, err := collect(t); fault.KindOf(err) != fault.Unsupported {
		t.Error(err)
	}
}

// writeFixture has a text beside the program that stands in for dtrace.
func writeFixture(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(command+".txt", []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// FreeBSD's kernels tell of the file that was asked for alone: what it led to is
// found by the arguments.
func TestScripts(t *testing.T) {
	const qemu = "/usr/local/bin/qemu-aarch64-static"
	for name, tt := range map[string]struct {
		comm, first   string
		argv          []string
		program, file string
		emulated      bool
	}{
		"emulated":                         {"qemu-aarch64-static", "/usr/bin/sed", []string{qemu, "sed", "/usr/bin/sed"}, "/usr/bin/sed", "", true},
		"emulated, its arguments too long": {"qemu-aarch64-static", "/usr/bin/sed", nil, "/usr/bin/sed", "", true},
		"an emulated script":               {"qemu-aarch64-static", "/w/configure", []string{qemu, "/bin/sh", "/w/configure", "-q"}, "/bin/sh", "/w/configure", true},
		"an emulated script's option":      {"qemu-aarch64-static", "./configure", []string{qemu, "/bin/sh", "-e", "./configure"}, "/bin/sh", "./configure", true},
		"a native script":                  {"sh", "/w/libtool", []string{"/bin/sh", "/w/libtool"}, "/bin/sh", "/w/libtool", false},
		"a native script's option":         {"sh", "/w/libtool", []string{"/bin/sh", "-e", "/w/libtool"}, "/bin/sh", "/w/libtool", false},
		"a program that names itself":      {"sh", "/bin/sh", []string{"/bin/sh", "-c", "/bin/sh"}, "/bin/sh", "", false},
	} {
		line := strings.Join([]string{"X", "2000", "5", "7", "a64", "0", "0", "0", tt.comm, tt.first, "", tt.first, strings.Join(tt.argv, `\037`)}, "\t")
		p, _, _, err := parse(t, "B\t2\t1000\t0\n"+line+"\n")
		if err != nil || len(p.Runs) != 1 {
			t.Fatal(name, err)
		}
		if r := p.Runs[0]; r.Program != tt.program || r.File != tt.file || r.Emulated() != tt.emulated || r.Script != (tt.file != "") {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// A signal that had a core dumped has a flag beside it (W_EXITCODE of sys/wait.h).
func TestCoreDumped(t *testing.T) {
	p, _, _, err := parse(t, "B\t2\t1000\t0\nX\t2000\t5\t7\ta64\t0\t0\t0\tsh\t/bin/sh\t\t/bin/sh\tsh\nE\t3000\t5\t3\t0\t139\t1\t0\t0\t1\n")
	if err != nil || p.Runs[0].End.Code != 11 || !p.Runs[0].End.Core {
		t.Errorf("%v %+v", err, p.Runs[0].End)
	}
}
