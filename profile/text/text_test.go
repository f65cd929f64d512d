package text_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xjail/xjail/internal/ui"
	"github.com/xjail/xjail/profile"
	"github.com/xjail/xjail/profile/profiletest"
	"github.com/xjail/xjail/profile/text"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares with a file of testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what it was:\n%s", file, got)
	}
}

func report(t *testing.T, s text.Style, o profile.Options, profiles ...[]byte) []byte {
	t.Helper()
	b := profile.NewBuilder(o)
	for i, p := range profiles {
		b.Add([]string{"a.xprof", "b.xprof"}[i], profiletest.Read(t, p))
	}
	var out bytes.Buffer
	if err := text.Report(&out, b.Report(), s); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestReport(t *testing.T) {
	build := profiletest.Build(t)
	golden(t, "report", report(t, text.Style{Top: 20}, profile.Options{Top: 20}, build))
	golden(t, "report-tree", report(t, text.Style{}, profile.Options{Tree: true, Sort: "execs"}, build))
	golden(t, "report-two", report(t, text.Style{Top: 2}, profile.Options{Top: 2}, build, profiletest.BuildMaker(t).Cut()))
	golden(t, "report-terminal", report(t, text.Style{Width: 70, Colour: true}, profile.Options{Emulated: true}, build))
}

func TestDiff(t *testing.T) {
	a := profiletest.Read(t, profiletest.Build(t))
	b := profiletest.Read(t, profiletest.Random(t, 3, 60))
	for name, other := range map[string]*profile.Profile{"diff": b, "diff-none": a} {
		var out bytes.Buffer
		if err := text.Diff(&out, profile.Compare(a, other, "a.xprof", "b.xprof", profile.DiffOptions{Changed: true}), text.Style{Top: 20}); err != nil {
			t.Fatal(err)
		}
		golden(t, name, out.Bytes())
	}
}

// Nothing is wider than the terminal, and nothing of the jail's disturbs it.
func TestTerminal(t *testing.T) {
	h := profiletest.Header()
	h.Emulators = append(h.Emulators, profile.Emulator{Path: "/other", Arch: profiletest.Hostile})
	m := profiletest.NewMaker(t, h)
	m.Start(0, profile.Run{Program: "/bin/other", Argv: []string{"other"}, Emulator: "/other"})
	m.Start(0, profile.Run{Program: "/bin/" + strings.Repeat("中", 60), Argv: []string{strings.Repeat("😀", 60)}})
	m.Fail(m.Start(0, profiletest.Emulated("/bin/"+profiletest.Hostile, profiletest.Hostile)), 0, profiletest.Hostile, "EN\x1bOENT")
	for _, p := range [][]byte{profiletest.Build(t), profiletest.Random(t, 1, 500), m.Cut()} {
		for _, width := range []int{40, 80, 200} {
			out := report(t, text.Style{Width: width, Top: 20}, profile.Options{Tree: true, Top: 20}, p)
			for line := range strings.Lines(string(out)) {
				line = strings.TrimSuffix(line, "\n")
				if table := strings.HasPrefix(line, " ") || strings.HasSuffix(line, "…"); table && ui.Width(line) > width {
					t.Errorf("wider than %d: %s", width, line)
				}
				if strings.ContainsAny(line, "\x1b\x00\u202e") {
					t.Errorf("control characters: %q", line)
				}
			}
		}
	}
}

// A command of a hundred thousand letters is named, and not shown.
func TestLongCommand(t *testing.T) {
	h := profiletest.Header()
	h.Command = []string{"sh", "-c", strings.Repeat("true; ", 20000)}
	long := profiletest.NewMaker(t, h).Close(10, 0, 0)
	if got := report(t, text.Style{}, profile.Options{}, long); len(got) > 2000 || !bytes.Contains(got, []byte("profile of sh -c 'true; ")) {
		t.Errorf("%d bytes: %.200s", len(got), got)
	}
	var out bytes.Buffer
	d := profile.Compare(profiletest.Read(t, long), profiletest.Read(t, profiletest.Build(t)), "a", "b", profile.DiffOptions{})
	if err := text.Diff(&out, d, text.Style{Top: 1}); err != nil || out.Len() > 4000 || !strings.Contains(out.String(), "the commands differ: sh -c 'true; ") {
		t.Errorf("%v, %d bytes: %.300s", err, out.Len(), out.String())
	}
}
