package profile_test

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/profile"
)

// sample writes a shell that starts an emulated sed and fails to start another.
func sample(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := profile.NewWriter(&b, &profile.Header{Jail: "mips64el", Arch: "mips64el", Host: "amd64", Collector: "ptrace",
		Started: time.Unix(1700000000, 0).UTC(), Command: []string{"sh", "-c", "sed"},
		Emulators: []profile.Emulator{{Path: "/usr/bin/qemu-mips64el-static", Arch: "mips64el"}}})
	if err != nil {
		t.Fatal(err)
	}
	_ = w.Begin(&profile.Run{ID: 1, PID: 2, At: 10, Program: "/usr/bin/dash", File: "/bin/sh", Argv: []string{"sh", "-c", "sed"}})
	_ = w.Begin(&profile.Run{ID: 2, Parent: 1, PID: 3, At: 20, Program: "/usr/bin/dash"})
	_ = w.Fail(&profile.Failure{Run: 2, At: 21, File: "/usr/local/bin/sed", Error: "ENOENT"})
	_ = w.End(&profile.End{ID: 2, At: 30, How: profile.ByExec, User: 5, System: 6})
	_ = w.Begin(&profile.Run{ID: 3, Parent: 1, Replaced: 2, PID: 3, At: 30, Program: "/usr/bin/sed", Argv: []string{"sed"}, Emulator: "/usr/bin/qemu-mips64el-static"})
	_ = w.End(&profile.End{ID: 3, At: 60, How: profile.ByExit, Code: 1, User: 20, System: 7, RSS: 4096, Threads: 1})
	_ = w.End(&profile.End{ID: 1, At: 70, How: profile.ByExit, Code: 1, User: 3, System: 4})
	if err := w.Close(&profile.Close{At: 71, Status: 1, User: 28, System: 17}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestReadBack(t *testing.T) {
	p, err := profile.Read(bytes.NewReader(sample(t)))
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Runs) != 3 || p.Cut || p.Close == nil || p.Close.Status != 1 || len(p.Failures) != 1 {
		t.Fatalf("%+v", p)
	}
	sed := p.Run(3)
	want := &profile.End{ID: 3, At: 60, How: profile.ByExit, Code: 1, User: 20, System: 7, RSS: 4096, Threads: 1}
	if !sed.Emulated() || sed.Fork() || !p.Run(2).Fork() || p.Run(1).Fork() || !reflect.DeepEqual(sed.End, want) {
		t.Errorf("%+v %+v", sed, sed.End)
	}
}

// The longest command that there can be is read back, and the header alone too.
func TestReadLongCommand(t *testing.T) {
	var b bytes.Buffer
	if _, err := profile.NewWriter(&b, &profile.Header{Jail: "j", Command: []string{"sh", "-c", strings.Repeat("\x01", 2<<20)}}); err != nil {
		t.Fatal(err)
	}
	if p, err := profile.Read(bytes.NewReader(b.Bytes())); err != nil || len(p.Command[2]) != 2<<20 {
		t.Errorf("%v", err)
	}
	if h, err := profile.ReadHeader(&b); err != nil || h.Jail != "j" {
		t.Errorf("%v", err)
	}
}

// A profile can be read wherever it was cut.
func TestReadCut(t *testing.T) {
	b := sample(t)
	head := bytes.IndexByte(b, '\n') + 1
	for n := head; n < len(b); n++ {
		p, err := profile.Read(bytes.NewReader(b[:n]))
		if err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if want := b[n-1] != '\n'; p.Cut != want {
			t.Errorf("%d bytes: cut %v", n, p.Cut)
		}
		if p.Close != nil {
			t.Errorf("%d bytes: closed", n)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	whole := string(sample(t))
	lines := strings.SplitAfter(whole, "\n")
	for _, c := range []struct {
		name, text string
		kind       fault.Kind
	}{
		{"empty", "", fault.Damaged},
		{"other file", "#!/bin/sh\n", fault.Damaged},
		{"other JSON", "{}\n", fault.Damaged},
		{"no version", strings.Replace(whole, `"xjail_profile":1`, `"xjail_profile":-1`, 1), fault.Damaged},
		{"compressed", "\x1f\x8b\x08\x00", fault.Damaged},
		{"newer", strings.Replace(whole, `"xjail_profile":1`, `"xjail_profile":2`, 1), fault.Unsupported},
		{"a run twice", lines[0] + lines[1] + lines[1], fault.Damaged},
		{"an end without a run", lines[0] + lines[4], fault.Damaged},
		{"an end twice", whole + lines[4], fault.Damaged},
		{"no JSON within", lines[0] + "x\n", fault.Damaged},
		{"a line without end", lines[0] + strings.Repeat("x", 17<<20), fault.Damaged},
	} {
		if _, err := profile.Read(strings.NewReader(c.text)); fault.KindOf(err) != c.kind {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// Numbers that cannot be are put where they can, and counted with what was lost.
func TestReadImpossible(t *testing.T) {
	head, _, _ := strings.Cut(string(sample(t)), "\n")
	const most = 9223372036854775807
	text := head + fmt.Sprintf(`
{"run":{"id":1,"pid":1,"at":-5,"program":"/a","argv":["a"]}}
{"run":{"id":2,"pid":2,"at":0,"program":"/a","argv":["a"]}}
{"end":{"id":1,"at":-10,"how":"exit","user":-%[1]d,"system":-1,"rss":-1}}
{"end":{"id":2,"at":%[1]d,"how":"exit","user":%[1]d,"system":%[1]d,"rss":%[1]d}}
{"close":{"at":%[1]d,"status":0,"user":%[1]d,"system":-1}}
`, int64(most))
	b := profile.NewBuilder(profile.Options{Tree: true})
	for i := range 200 {
		p, err := profile.Read(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Losses) != 4 {
			t.Fatalf("%+v", p.Losses)
		}
		b.Add(fmt.Sprint(i), p)
	}
	r := b.Report()
	for name, n := range map[string]int64{"CPU": r.Totals.All.CPU, "user": r.Totals.All.User, "wall": r.Totals.All.Wall, "of the program": r.Programs[0].CPU,
		"of the tree": r.Tree.Total.CPU, "largest": r.Largest[0].RSS, "the kernel's": r.Totals.Kernel.User} {
		if n <= 0 {
			t.Errorf("%s: %d", name, n)
		}
	}
	if r.Totals.Lost != 200*12 || r.Programs[0].Wall < 1<<58 || r.Programs[0].Startup < 0 {
		t.Errorf("lost %d, wall %d", r.Totals.Lost, r.Programs[0].Wall)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(sample(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := profile.Read(bytes.NewReader(b))
		if err != nil {
			return
		}
		for _, r := range p.Runs {
			if p.Run(r.ID) != r {
				t.Error("run not found by its number")
			}
		}
	})
}
