package pprofile_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	pprof "github.com/google/pprof/profile"

	"github.com/xjail/xjail/profile"
	"github.com/xjail/xjail/profile/pprofile"
	"github.com/xjail/xjail/profile/profiletest"
)

func write(t testing.TB, texts ...[]byte) []byte {
	t.Helper()
	b := pprofile.NewBuilder()
	for i, text := range texts {
		b.Add(fmt.Sprintf("p%d", i), profiletest.Read(t, text))
	}
	var out bytes.Buffer
	if err := b.Write(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func parse(t testing.TB, b []byte) *pprof.Profile {
	t.Helper()
	p, err := pprof.Parse(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// stackOf is a sample's stack, callers first.
func stackOf(s *pprof.Sample) string {
	var names []string
	for i := len(s.Location) - 1; i >= 0; i-- {
		names = append(names, s.Location[i].Line[0].Function.Name)
	}
	return strings.Join(names, ";")
}

func TestSamples(t *testing.T) {
	p := parse(t, write(t, profiletest.Build(t)))
	got := map[string]*pprof.Sample{}
	for _, s := range p.Sample {
		got[stackOf(s)] = s
	}
	const configure = "/usr/bin/dash;/usr/bin/dash [mips64el]"
	for stack, want := range map[string]string{
		"/usr/bin/dash":                        "[1 2 8000000 0 63000000]",
		configure:                              "[1 8 85000000 85000000 131000000]",
		configure + ";/usr/bin/sed [mips64el]": "[6 0 207000000 207000000 228000000]",
		"/usr/bin/dash;/usr/bin/make;/usr/bin/env;/usr/bin/mips64el-linux-gnuabi64-gcc-12": "[2 0 640000000 0 940000000]",
	} {
		if s := got[stack]; s == nil || fmt.Sprint(s.Value) != want {
			t.Errorf("%s: %v, want %s", stack, s, want)
		}
	}
	s := got[configure]
	if s.Label["script"][0] != "/src/configure" || s.Label["emulated"][0] != "yes" || s.Label["arch"][0] != "mips64el" || s.Label["profile"][0] != "p0" {
		t.Errorf("%v", s.Label)
	}
	if p.DurationNanos != 1e9 || p.DefaultSampleType != "cpu" || p.TimeNanos != profiletest.Header().Started.UnixNano() {
		t.Errorf("%v", p)
	}
}

// What pprof has is what the report has.
func TestSums(t *testing.T) {
	texts := [][]byte{profiletest.Random(t, 1, 400), profiletest.Random(t, 2, 900)}
	var sum [5]int64
	for _, s := range parse(t, write(t, texts...)).Sample {
		for i, v := range s.Value {
			sum[i] += v
		}
	}
	b := profile.NewBuilder(profile.Options{})
	for _, text := range texts {
		b.Add("", profiletest.Read(t, text))
	}
	r := b.Report().Totals
	if sum[0] != r.All.Execs || sum[1] != r.All.Forks || sum[2] != r.All.CPU || sum[3] != r.Emulated.CPU {
		t.Errorf("%v, report %+v", sum, r)
	}
}

// go tool pprof reads it, and shows the numbers of the report.
func TestGoTool(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip(err)
	}
	file := filepath.Join(t.TempDir(), "build.pb.gz")
	if err := os.WriteFile(file, write(t, profiletest.Build(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	tool := func(args ...string) string {
		cmd := exec.Command("go", append([]string{"tool", "pprof", "-symbolize=none"}, append(args, file)...)...)
		cmd.Env = append(os.Environ(), "PPROF_TMPDIR="+t.TempDir())
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Skipf("go tool pprof: %v: %s", err, out)
		}
		return string(out)
	}
	for _, c := range []struct {
		index, want string
	}{
		{"cpu", `640ms .* /usr/bin/mips64el-linux-gnuabi64-gcc-12`},
		{"cpu", `(?s)of 986ms total.*207ms .* /usr/bin/sed \[mips64el\]`},
		{"emulated_cpu", `(?s)of 317ms total.*207ms .*sed`},
		{"execs", `(?s)of 14 total.* 6 .*/usr/bin/sed \[mips64el\]`},
		{"forks", `(?s)of 12 total.* 8 .*/usr/bin/dash \[mips64el\]`},
		{"wall", `940ms .*gcc-12`},
	} {
		out := tool("-top", "-sample_index="+c.index)
		if !regexp.MustCompile(c.want).MatchString(out) {
			t.Errorf("%s: not %s:\n%s", c.index, c.want, out)
		}
	}
	if out := tool("-top", "-tagfocus=emulated=yes"); strings.Contains(out, "gcc-12") || !strings.Contains(out, "sed") {
		t.Errorf("emulated only:\n%s", out)
	}
	if out := tool("-raw"); !strings.Contains(out, "execs/count forks/count cpu/nanoseconds[dflt] emulated_cpu/nanoseconds wall/nanoseconds") {
		t.Errorf("raw:\n%s", out)
	}
}

// Names that no program should have are no reason for a profile that cannot be
// read, and neither is an empty one.
func TestHostile(t *testing.T) {
	m := profiletest.NewMaker(t, profiletest.Header())
	m.Start(0, profiletest.Emulated("\xff"+profiletest.Hostile))
	m.Start(0, profile.Run{Argv: []string{""}})
	parse(t, write(t, m.Cut(), profiletest.NewMaker(t, profiletest.Header()).Cut()))
}

// Whatever a file holds, pprof can read what is made of it.
func FuzzPprof(f *testing.F) {
	f.Add(profiletest.Build(f))
	f.Add(profiletest.Random(f, 1, 60))
	f.Add(append(bytes.SplitAfterN(profiletest.Build(f), []byte("\n"), 2)[0], `{"run":{"id":2,"parent":2,"replaced":2,"at":-5,"program":"a"}}
{"run":{"id":1,"parent":2,"at":9223372036854775807,"program":"b","argv":["b"]}}
{"end":{"id":1,"at":-1,"how":"?","user":-9223372036854775808,"system":-1}}
{"close":{"at":9223372036854775807}}
`...))
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, err := profile.Read(bytes.NewReader(text)); err == nil {
			parse(t, write(t, text, text))
		}
	})
}
