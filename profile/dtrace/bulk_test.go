package dtrace

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/profile"
)

// memoryKeeper keeps profiles in memory; a cut is there once so many bytes were
// read, as hooks write it between what two packages do.
type memoryKeeper struct {
	t       testing.TB
	open    map[string]*bytes.Buffer
	out     map[string]*profile.Writer
	kept    map[string]*profile.Profile // by jail and subject
	cuts    []Cut
	runs    int // of each, 0 for any number
	failing error
}

func newMemoryKeeper(t testing.TB) *memoryKeeper {
	return &memoryKeeper{t: t, open: map[string]*bytes.Buffer{}, out: map[string]*profile.Writer{}, kept: map[string]*profile.Profile{}}
}

func (k *memoryKeeper) Begin(jail string, started time.Time) (*profile.Writer, error) {
	if k.failing != nil {
		return nil, k.failing
	}
	b := &bytes.Buffer{}
	h := header()
	h.Started = started
	w, err := profile.NewWriter(b, h)
	k.open[jail], k.out[jail] = b, w
	return w, err
}

func (k *memoryKeeper) Full(jail string) bool {
	_ = k.out[jail].Flush()
	return k.runs > 0 && strings.Count(k.open[jail].String(), `{"run"`) >= k.runs
}

func (k *memoryKeeper) End(jail, subject string, s *Stats) error {
	if err := k.out[jail].Close(&profile.Close{At: int64(s.At), Left: s.Left}); err != nil {
		return err
	}
	p, err := profile.Read(k.open[jail])
	if err != nil {
		k.t.Errorf("%s: %v", jail, err)
	}
	k.kept[jail+" "+subject] = p
	return nil
}

func (k *memoryKeeper) Cuts() []Cut {
	list := k.cuts
	k.cuts = nil
	return list
}

// The clock of the fixtures: 1 ms after the machine began, at wallBegin.
const wallBegin = 1700000000000000000

func at(ms int) time.Time { return time.Unix(0, wallBegin+int64(ms-1)*1e6) }

// begin is the first line.
var bulkBegin = fmt.Sprintf("B\t2\t1000000\t%d\n", int64(wallBegin))

// execLine is an execve(2) at ms of a process in a jail, of an emulated program.
func execLine(ms, pid int, jail, program string) string {
	return fmt.Sprintf("X\t%d\t%d\t7\t%s\t1000\t0\t0\tqemu-aarch64-static\t%s\t%s\t/usr/local/bin/qemu-aarch64-static\t/usr/local/bin/qemu-aarch64-static\\037%s\n", ms*1e6, pid, jail, program, program, program)
}

func exitLine(ms, pid int, cpu int64) string {
	return fmt.Sprintf("E\t%d\t%d\t1\t0\t0\t%d\t1\t0\t100\n", ms*1e6, pid, cpu)
}

// bulkText has two builders that build three packages, the reference, and a jail
// of another build.
var bulkText = bulkBegin +
	execLine(2, 10, "a64-default", "/usr/bin/make") + exitLine(3, 10, 100) +
	execLine(10, 20, "a64-default-job-01", "/bin/sh") +
	execLine(11, 30, "a64-default-job-02-n", "/usr/bin/fetch") +
	"F\t12000000\t20\t21\t7\n" + exitLine(13, 21, 7) +
	execLine(13, 40, "a64-default-set-job-01", "/bin/other") +
	exitLine(14, 20, 1000) + exitLine(15, 40, 5) +
	// b-1 is built by 01 from 20 on; what is left of a-1 belongs to nobody.
	execLine(25, 22, "a64-default-job-01", "/usr/bin/cc") + exitLine(26, 22, 2000) +
	exitLine(27, 30, 300) +
	fmt.Sprintf("T\t40000000\t%d\nZ\t50000000\n", at(40).UnixNano())

func bulkCuts() []Cut {
	return []Cut{
		{At: at(20), Jail: "a64-default-job-01", Subject: "a-1"},
		{At: at(30), Jail: "a64-default-job-01", Subject: "b-1"},
		{At: at(31), Jail: "a64-default-job-02", Subject: "c-1"},
		{At: at(32), Jail: "a64-default-job-03", Subject: "never ran"},
	}
}

// A cut of before the clock was set back by an hour does not hold up those after it.
func TestBulkClockSetBack(t *testing.T) {
	k := newMemoryKeeper(t)
	k.cuts = []Cut{
		{At: at(20).Add(time.Hour), Jail: "a64-default-job-01", Subject: "a-1"},
		{At: at(40), Jail: "a64-default-job-01", Subject: "b-1"},
	}
	text := fmt.Sprintf("B\t2\t1000000\t%d\n", int64(wallBegin)+int64(time.Hour)) +
		execLine(10, 20, "a64-default-job-01", "/bin/sh") + exitLine(14, 20, 1000) +
		fmt.Sprintf("T\t22000000\t%d\n", at(22).UnixNano()) +
		execLine(25, 22, "a64-default-job-01", "/usr/bin/cc") + exitLine(26, 22, 2000) +
		fmt.Sprintf("T\t60000000\t%d\nZ\t61000000\n", at(60).UnixNano())
	if err := ParseBulk(strings.NewReader(text), k, BulkOptions{Options: Options{Emulators: emulators}, Name: "a64-default"}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"a-1": "/bin/sh", "b-1": "/usr/bin/cc"} {
		p := k.kept["a64-default-job-01 "+name]
		if p == nil || len(p.Runs) != 1 || p.Runs[0].Program != want {
			t.Errorf("%s: %+v, of %q", name, p, slices.Sorted(maps.Keys(k.kept)))
		}
	}
}

func TestBulk(t *testing.T) {
	k := newMemoryKeeper(t)
	k.cuts = bulkCuts()
	began := false
	o := BulkOptions{Options: Options{Emulators: emulators, Began: func() { began = true }}, Name: "a64-default"}
	if err := ParseBulk(strings.NewReader(bulkText), k, o); err != nil || !began {
		t.Fatal(err, began)
	}
	want := map[string]struct {
		programs string
		cpu      int64
		began    int
	}{
		"a64-default-job-01 a-1": {"/bin/sh /bin/sh", 1007, 10},
		"a64-default-job-01 b-1": {"/usr/bin/cc", 2000, 25},
		"a64-default-job-02 c-1": {"/usr/bin/fetch", 300, 11},
		"a64-default ":           {"/usr/bin/make", 100, 2},
	}
	if got := slices.Sorted(maps.Keys(k.kept)); !slices.Equal(got, slices.Sorted(maps.Keys(want))) {
		t.Fatalf("%q", got)
	}
	for name, w := range want {
		p := k.kept[name]
		var programs []string
		var cpu int64
		for _, r := range p.Runs {
			programs = append(programs, r.Program)
			cpu += r.End.User + r.End.System
			if !r.Emulated() {
				t.Errorf("%s: %+v", name, r)
			}
		}
		if got := strings.Join(programs, " "); got != w.programs || cpu != w.cpu || !p.Started.Equal(at(w.began)) || len(p.Losses) != 0 {
			t.Errorf("%s: %s, %d, began %v, lost %v; want %+v", name, got, cpu, p.Started, p.Losses, w)
		}
	}
}

// A process that outlives its package is left there, and what it starts later is
// of nobody until it executes something.
func TestBulkLeft(t *testing.T) {
	k := newMemoryKeeper(t)
	k.cuts = []Cut{{At: at(20), Jail: "a64-default-job-01", Subject: "a-1"}, {At: at(40), Jail: "a64-default-job-01", Subject: "b-1"}}
	text := bulkBegin + execLine(10, 20, "a64-default-job-01", "/sbin/daemon") + "F\t25000000\t20\t21\t7\n" +
		execLine(26, 21, "a64-default-job-01", "/bin/late") + exitLine(27, 21, 5) + exitLine(28, 20, 9) + fmt.Sprintf("T\t50000000\t%d\n", at(50).UnixNano())
	if err := ParseBulk(strings.NewReader(text), k, BulkOptions{Options: Options{Emulators: emulators}, Name: "a64-default"}); err != nil {
		t.Fatal(err)
	}
	a, b := k.kept["a64-default-job-01 a-1"], k.kept["a64-default-job-01 b-1"]
	if a == nil || b == nil || len(a.Runs) != 1 || a.Runs[0].End != nil || len(b.Runs) != 1 || b.Runs[0].Program != "/bin/late" || b.Runs[0].Parent != 0 {
		t.Errorf("%+v\n%+v", a, b)
	}
}

// The clock of the machine is set while packages are built.
func TestBulkClockSet(t *testing.T) {
	k := newMemoryKeeper(t)
	hour := time.Hour
	text := bulkBegin + execLine(10, 20, "a64-default-job-01", "/bin/one") + exitLine(11, 20, 5) +
		fmt.Sprintf("T\t12000000\t%d\n", at(12).Add(hour).UnixNano()) + execLine(25, 21, "a64-default-job-01", "/bin/two") + exitLine(26, 21, 5)
	k.cuts = []Cut{{At: at(20).Add(hour), Jail: "a64-default-job-01", Subject: "a-1"}}
	if err := ParseBulk(strings.NewReader(text), k, BulkOptions{Options: Options{Emulators: emulators}, Name: "a64-default"}); err != nil {
		t.Fatal(err)
	}
	if p := k.kept["a64-default-job-01 a-1"]; p == nil || len(p.Runs) != 1 || p.Runs[0].Program != "/bin/one" {
		t.Errorf("%+v", k.kept)
	}
}

func TestBulkBounds(t *testing.T) {
	k := newMemoryKeeper(t)
	k.runs, k.cuts = 1, bulkCuts()
	lost := int64(0)
	o := BulkOptions{Options: Options{Emulators: emulators}, Name: "a64-default", Lost: func() int64 { lost += 3; return lost }}
	if err := ParseBulk(strings.NewReader(bulkText), k, o); err != nil {
		t.Fatal(err)
	}
	p := k.kept["a64-default-job-01 a-1"]
	if len(p.Runs) != 1 || len(p.Losses) != 2 || p.Losses[0].Count == 0 || p.Losses[1].Count != 1 {
		t.Errorf("%+v %+v", p.Runs, p.Losses)
	}
	k = newMemoryKeeper(t)
	k.failing = fault.New(fault.NoSpace, "", "full")
	if err := ParseBulk(strings.NewReader(bulkText), k, o); fault.KindOf(err) != fault.NoSpace {
		t.Error(err)
	}
	o.Quiet = time.Second
	long := bulkText + "T\t9000000000\t1700000009000000000\nT\t9000000001\t1\n"
	if err := ParseBulk(strings.NewReader(long), newMemoryKeeper(t), o); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Error(err)
	}
	for _, text := range []string{"hello\n", "B\t1\t1\t1\n", bulkBegin + bulkBegin} {
		if err := ParseBulk(strings.NewReader(text), newMemoryKeeper(t), o); fault.KindOf(err) != fault.Damaged {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestJailOf(t *testing.T) {
	b := &bulk{o: BulkOptions{Name: "a64-default"}}
	for name, want := range map[string]string{
		"a64-default": "a64-default", "a64-default-n": "a64-default", "a64-default-job-01": "a64-default-job-01", "a64-default-job-12-n": "a64-default-job-12",
		"a64-default-set": "", "a64-default-set-job-01": "", "a64-default-job-": "", "a64-defaults": "", "a64": "", "": "", "a64-default-job-01-x": "",
	} {
		if got := b.jailOf(name); got != want {
			t.Errorf("%q is %q, want %q", name, got, want)
		}
	}
}

// The jails' clause comes before that which tells of an execve(2).
func TestBulkProgram(t *testing.T) {
	p := BulkProgram()
	declared, added, begin, exec := strings.Index(p, "int traced["), strings.Index(p, "strlen($$2)"), strings.Index(p, "\nBEGIN\n"), strings.Index(p, "proc:::exec-success")
	if declared < 0 || declared > added || added > begin || begin > exec || strings.Count(p, "\nBEGIN\n") != 1 {
		t.Error(declared, added, begin, exec)
	}
}

func TestBulkCollector(t *testing.T) {
	// A shell that ignores SIGINT, as what it starts in the background does.
	fakeDtrace(t, `trap '' INT; trap 'printf "Z\t60000000\n"; exit 0' TERM
test "$1" = -n && test "$4" = a64-default || exit 1
cat "$0.txt"
while :; do sleep 0.05; done
`)
	writeFixture(t, bulkText)
	k := newMemoryKeeper(t)
	k.cuts = bulkCuts()
	c, err := StartBulk(k, BulkOptions{Options: Options{Emulators: emulators}, Name: "a64-default"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.RunBulk(ctx); err != nil || len(k.kept) != 4 {
		t.Errorf("%v %d", err, len(k.kept))
	}
	// It ends by itself: why is told.
	fakeDtrace(t, "cat \"$0.txt\"; echo 'dtrace: processing aborted: Abort due to systemic unresponsiveness' >&2; exit 1")
	writeFixture(t, bulkText)
	if c, err = StartBulk(newMemoryKeeper(t), BulkOptions{Name: "a64-default"}); err != nil {
		t.Fatal(err)
	}
	if err := c.RunBulk(t.Context()); err == nil || !strings.Contains(err.Error(), "unresponsiveness") {
		t.Error(err)
	}
	// A profile that cannot be written ends dtrace.
	fakeDtrace(t, "cat \"$0.txt\"; while :; do sleep 0.05; done")
	writeFixture(t, bulkText)
	k = newMemoryKeeper(t)
	k.failing = io.ErrShortWrite
	if c, err = StartBulk(k, BulkOptions{Name: "a64-default"}); err != nil {
		t.Fatal(err)
	}
	if err := c.RunBulk(t.Context()); err == nil {
		t.Error("no error")
	}
}

func FuzzParseBulk(f *testing.F) {
	f.Add(bulkText)
	f.Add(bulkBegin + "X\t1\t2\t3\ta64-default-job-1\tx\nF\t1\t2\t3\nT\t9\nE\t1\n")
	f.Fuzz(func(t *testing.T, text string) {
		k := newMemoryKeeper(t)
		k.cuts = bulkCuts()
		_ = ParseBulk(strings.NewReader(text), k, BulkOptions{Options: Options{Emulators: emulators}, Name: "a64-default"})
		if len(k.open) != len(k.out) {
			t.Error("a profile is not closed")
		}
	})
}
