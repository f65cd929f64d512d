package ptrace

import (
	"fmt"
	"maps"
	"math"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/profile"
)

// truthDir makes the directory that testdata/truth.c works in.
func truthDir(t *testing.T) string {
	t.Helper()
	cc, err := exec.LookPath("musl-gcc")
	if err != nil {
		if cc, err = exec.LookPath("gcc"); err != nil {
			t.Skip("needs a compiler")
		}
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{dir, filepath.Dir(dir)} { // another user runs suid
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	truth := filepath.Join(dir, "truth")
	if out, err := exec.Command(cc, "-static", "-O1", "-s", "-pthread", "-o", truth, "testdata/truth.c").CombinedOutput(); err != nil {
		t.Skipf("needs a compiler for static programs: %v: %s", err, out)
	}
	b, err := os.ReadFile(truth)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "c"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{"true": 0o755, "emulated": 0o755, "plain": 0o644, "suid": 0o755, "c/true": 0o755} {
		write(t, filepath.Join(dir, name), string(b), mode)
	}
	if err := unix.Chmod(filepath.Join(dir, "suid"), 0o4755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "script"), "#!"+dir+"/true\n", 0o755)
	write(t, filepath.Join(dir, "escript"), "#!"+dir+"/emulated\n", 0o755)
	write(t, filepath.Join(dir, "text"), "no program", 0o755)
	return dir
}

func write(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// truthOf is what truth.c does in so many rounds: how many runs of each kind.
func truthOf(rounds int, root bool) map[string]int {
	const program, fork = "program ", "fork "
	want := map[string]int{
		program + "truth exit 42":            1,
		program + "true exit 0":              4*rounds + 4, // the orphans, two threads, a relative path and execveat
		program + "true script exit 0":       rounds,
		program + "emulated emulated exit 0": 2 * rounds,
		program + "escript emulated exit 0":  rounds, // for the kernel an emulator like any
		fork + "truth exec":                  8*rounds + 4,
		fork + "truth exit 0":                rounds, // between the driver and the orphans
		fork + "truth exit 3":                rounds,
		fork + "truth signal 15":             rounds,
		fork + "truth exit 10":               1, // with threads
		fork + "truth exit 11":               1,
		fork + "truth exit 12":               1, // with an odd thread
		fork + "truth exit 13":               1, // with a filter
		fork + "truth signal 11":             1,
		fork + "truth exit 5":                1, // stopped
		fork + "truth signal 9":              1,
		fork + "truth exit 6":                1, // without a signal
		fork + "truth exit 7":                5, // ignored
		fork + "truth exit 8":                1,
		"fail ENOENT nothing":                rounds,
		"fail ENOENT .":                      rounds, // what has no name
		"fail EACCES plain":                  rounds,
		"fail ENOEXEC text":                  rounds,
		"fail ENOTDIR true":                  rounds,
	}
	if root {
		want[program+"suid exit 0"] = 1
		want[program+"c/true exit 0"] = 1
		want[fork+"truth exec"] += 2
		want[fork+"truth signal 9"]++ // left
	}
	return want
}

// seen counts the runs of a profile in the same way.
func seen(p *profile.Profile, dir string) map[string]int {
	got := map[string]int{}
	for _, r := range p.Runs {
		kind := "program "
		if r.Fork() {
			kind = "fork "
		}
		kind += strings.TrimPrefix(r.Program, dir+"/")
		if r.Script {
			kind += " script"
		}
		if r.Emulated() {
			kind += " emulated"
		}
		if r.End != nil {
			kind += " " + r.End.How
			if r.End.How != profile.ByExec {
				kind += fmt.Sprint(" ", r.End.Code)
			}
		}
		got[kind]++
	}
	for _, f := range p.Failures {
		got["fail "+f.Error+" "+path.Base(f.File)]++
	}
	return got
}

func compare(t *testing.T, got, want map[string]int) {
	t.Helper()
	keys := slices.Sorted(maps.Keys(want))
	for k := range got {
		if _, ok := want[k]; !ok {
			keys = append(keys, k)
		}
	}
	for _, k := range keys {
		if got[k] != want[k] {
			t.Errorf("%s: %d, want %d", k, got[k], want[k])
		}
	}
}

// checkWhole holds a profile to what is so of each.
func checkWhole(t *testing.T, p *profile.Profile) {
	t.Helper()
	if p.Close == nil || p.Cut || len(p.Losses) > 0 {
		t.Fatalf("close %+v, cut %v, lost %+v", p.Close, p.Cut, p.Losses)
	}
	var sum int64
	for i, r := range p.Runs {
		if r.ID != int64(i)+1 || r.End == nil || r.End.At < r.At {
			t.Errorf("%+v %+v", r, r.End)
			continue
		}
		if r.End.User < 0 || r.End.System < 0 || r.End.How != profile.ByExec && r.End.RSS == 0 && r.End.How != profile.BySignal {
			t.Errorf("%+v of %+v", r.End, r)
		}
		if from := p.Run(r.Replaced); r.Replaced != 0 && (from == nil || from.PID != r.PID || from.End.How != profile.ByExec) {
			t.Errorf("%+v replaces %+v", r, from)
		}
		if r.Replaced == 0 && r.ID > 1 && p.Run(r.Parent) == nil {
			t.Errorf("%+v has no parent", r)
		}
		sum += r.End.User + r.End.System
	}
	if whole := p.Close.User + p.Close.System; math.Abs(float64(sum-whole)) > 0.01*float64(whole) {
		t.Errorf("the runs have %d ns, the whole %d", sum, whole)
	}
}

func truthJob(t *testing.T, dir string, rounds int) *job {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join(dir, "emulated"), &st); err != nil {
		t.Fatal(err)
	}
	flags := "-"
	if os.Geteuid() == 0 {
		flags = "scl"
	}
	return &job{Argv: []string{filepath.Join(dir, "truth"), dir, fmt.Sprint(rounds), flags},
		Emulators: []Emulator{{Path: "emulator", Dev: st.Dev, Ino: st.Ino}}}
}

// The ground truth: everything that a program does is seen, once.
func TestTruth(t *testing.T) {
	dir, rounds := truthDir(t), 20
	p := truthJob(t, dir, rounds).collect(t)
	checkWhole(t, p)
	compare(t, seen(p, dir), truthOf(rounds, os.Geteuid() == 0))
	if p.Close.Status != 42 {
		t.Errorf("status %d", p.Close.Status)
	}
	if left := p.Close.Left; os.Geteuid() == 0 && left != 1 {
		t.Errorf("%d were left", left)
	}
	checkDetails(t, p, dir)
}

// checkDetails looks at single runs.
func checkDetails(t *testing.T, p *profile.Profile, dir string) {
	t.Helper()
	threads := map[int]int{}
	for _, r := range p.Runs {
		switch {
		case r.End.How == profile.ByExit && r.Fork():
			threads[r.End.Code] = r.End.Threads
		case r.Script:
			if base := path.Base(r.File); base != "script" && base != "escript" || r.Argv[1] != r.File {
				t.Errorf("%+v", r)
			}
		case r.ID == 1:
			if r.Parent != 0 || len(r.Argv) != 4 || r.Argv[1] != dir || r.File != "" {
				t.Errorf("%+v", r)
			}
		case !r.Fork() && r.File != "":
			t.Errorf("%+v is no link", r)
		}
	}
	if threads[10] != 4 || threads[11] != 4 || threads[12] != 1 || threads[3] != 0 {
		t.Errorf("threads by status: %v", threads)
	}
}

// Two at once do not disturb each other.
func TestTwo(t *testing.T) {
	dir, rounds := truthDir(t), 30
	var group sync.WaitGroup
	for range 2 {
		group.Go(func() {
			p := truthJob(t, dir, rounds).collect(t)
			checkWhole(t, p)
			compare(t, seen(p, dir), truthOf(rounds, os.Geteuid() == 0))
		})
	}
	group.Wait()
}

// Go's runtime can stop the tracer's thread while nothing happens that it waits for.
func TestStopTheWorld(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	j := &job{Argv: []string{"/bin/sh", "-c", "read x < " + pipe + "; test $x = on"}, Collected: pipe}
	p := j.collect(t)
	checkWhole(t, p)
	if p.Close.Status != 0 {
		t.Errorf("status %d", p.Close.Status)
	}
}
