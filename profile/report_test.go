package profile_test

import (
	"bytes"
	"fmt"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/xjail/xjail/profile"
	"github.com/xjail/xjail/profile/profiletest"
)

func report(t testing.TB, o profile.Options, texts ...[]byte) *profile.Report {
	t.Helper()
	b := profile.NewBuilder(o)
	for i, text := range texts {
		b.Add(fmt.Sprintf("p%d", i), profiletest.Read(t, text))
	}
	return b.Report()
}

const ms = 1000 * 1000

// What the small build adds up to was counted by hand.
func TestTotals(t *testing.T) {
	r := report(t, profile.Options{}, profiletest.Build(t))
	tot := r.Totals
	// sh, configure, 6 sed, cat, make, 2 env, 2 cc; a fork before all but sh and
	// the compilers, and the subshell.
	if tot.All.Execs != 14 || tot.All.Forks != 12 || tot.Runs != 26 || tot.Processes != 13 {
		t.Errorf("execs %d, forks %d, runs %d, processes %d", tot.All.Execs, tot.All.Forks, tot.Runs, tot.Processes)
	}
	if tot.Emulated.Execs != 8 || tot.Emulated.Forks != 8 || tot.Native.Execs != 6 || tot.Native.Forks != 4 {
		t.Errorf("emulated %+v, native %+v", tot.Emulated, tot.Native)
	}
	emulated := int64(50 + 10 + 6*3 + 5 + 2 + 6*30 + 15 + 6*2 + 25)
	native := int64(3 + 2 + 2 + 1 + 2 + 2*2 + 2*320 + 15)
	if tot.Emulated.CPU != emulated*ms || tot.Native.CPU != native*ms || tot.All.CPU != (emulated+native)*ms {
		t.Errorf("emulated %d, native %d, all %d", tot.Emulated.CPU/ms, tot.Native.CPU/ms, tot.All.CPU/ms)
	}
	if want := float64(emulated) / float64(emulated+native); tot.Share != want {
		t.Errorf("share %v, want %v", tot.Share, want)
	}
	if tot.NonZero != 3+1+1+1 || tot.Signals != 1 || tot.FailedExecs != 6 || tot.Running != 0 || tot.Elapsed != 1000*ms {
		t.Errorf("%+v", tot)
	}
	if k := tot.Kernel; k == nil || k.User+k.System != tot.All.CPU+5*ms || math.Abs(k.Difference+100*5/float64(emulated+native+5)) > 1e-9 {
		t.Errorf("%+v", k)
	}
}

func row(t *testing.T, r *profile.Report, name string, emulated bool) *profile.Program {
	t.Helper()
	for _, p := range r.Programs {
		if p.Program == name && p.Emulated == emulated {
			return p
		}
	}
	t.Fatalf("no row of %s", name)
	return nil
}

func TestPrograms(t *testing.T) {
	r := report(t, profile.Options{}, profiletest.Build(t))
	sed := row(t, r, "/usr/bin/sed", true)
	if sed.Execs != 6 || sed.Forks != 0 || sed.CPU != 207*ms || sed.Each != 207*ms/6 || sed.NonZero != 3 || sed.FailedExecs != 0 || sed.Arch != "mips64el" {
		t.Errorf("%+v", sed)
	}
	// The cheapest of six is their 5th percentile.
	if sed.StartupEach != 32*ms || sed.Startup != 6*32*ms || sed.StartupFrom != profile.StartupFew {
		t.Errorf("start-up %d of %d", sed.StartupEach, sed.Startup)
	}
	// What the emulated shell's children used before they were sed is the shell's,
	// and so are the execs that they tried.
	sh := row(t, r, "/usr/bin/dash", true)
	if sh.Execs != 1 || sh.Forks != 8 || sh.CPU != (60+18+2+5)*ms || sh.FailedExecs != 6 {
		t.Errorf("%+v", sh)
	}
	if native := row(t, r, "/usr/bin/dash", false); !reflect.DeepEqual(native.Names, []profile.Name{{Name: "sh", Execs: 1}}) || native.Arch != "amd64" {
		t.Errorf("%+v", native)
	}
	if cc := row(t, r, "/usr/bin/mips64el-linux-gnuabi64-gcc-12", false); cc.Names[0].Name != "cc" || cc.RSS < 20<<20 {
		t.Errorf("%+v", cc)
	}
	if len(r.Scripts) != 1 || r.Scripts[0].Script != "/src/configure" || r.Scripts[0].Execs != 1 || r.Scripts[0].CPU != sh.CPU || r.Scripts[0].Total != r.Totals.Emulated.CPU {
		t.Errorf("%+v", r.Scripts[0])
	}
	if want := []profile.FailedExec{{File: "/usr/local/bin/sed", Error: "ENOENT", Count: 6}}; !slices.Equal(r.FailedExecs, want) {
		t.Errorf("%+v", r.FailedExecs)
	}
	if l := r.Longest[0]; l.ID != 1 || l.Wall != 990*ms || l.Own != (990-388-539)*ms {
		t.Errorf("%+v", l)
	}
}

// A program with few execs is not taken for one that costs nothing but its start.
func TestStartupOfOthers(t *testing.T) {
	m := profiletest.NewMaker(t, profiletest.Header())
	for i := range 20 {
		m.Exit(m.Start(i, profiletest.Emulated("/bin/rm")), i+1, 30+i, 1, 0)
	}
	m.Exit(m.Start(50, profiletest.Emulated("/bin/cc1")), 60, 5000, 0, 0)
	m.Exit(m.Start(60, profiletest.Native("/bin/ld")), 70, 700, 0, 0)
	r := report(t, profile.Options{}, m.Close(100, 0, 0))
	if rm := row(t, r, "/bin/rm", true); rm.StartupEach != 31*ms || rm.StartupFrom != profile.StartupOwn {
		t.Errorf("%+v", rm)
	}
	if cc1 := row(t, r, "/bin/cc1", true); cc1.StartupEach != 31*ms || cc1.StartupFrom != profile.StartupOthers {
		t.Errorf("%+v", cc1)
	}
	if ld := row(t, r, "/bin/ld", false); ld.StartupEach != 700*ms || ld.StartupFrom != profile.StartupFew {
		t.Errorf("of what ran natively nothing else is known: %+v", ld)
	}
}

func find(n *profile.Node, names ...string) *profile.Node {
	for _, name := range names {
		i := slices.IndexFunc(n.Children, func(c *profile.Node) bool { return c.Program == name })
		if i < 0 {
			return &profile.Node{}
		}
		n = n.Children[i]
	}
	return n
}

// A fork that becomes a program is one node with it, a subshell one with its
// shell, and what env becomes was started by env.
func TestTree(t *testing.T) {
	root := profile.Tree(profiletest.Read(t, profiletest.Build(t)))
	sh := find(root, "/usr/bin/dash")
	if len(root.Children) != 1 || sh.Self.Forks != 2 || sh.Self.CPU != 8*ms {
		t.Errorf("%+v", sh)
	}
	configure := find(sh, "/usr/bin/dash")
	if configure.Script != "/src/configure" || configure.Self.CPU != 85*ms || configure.Self.Forks != 8 || len(configure.Children) != 2 {
		t.Errorf("%+v", configure)
	}
	cc := find(sh, "/usr/bin/make", "/usr/bin/env", "/usr/bin/mips64el-linux-gnuabi64-gcc-12")
	if cc.Self.Execs != 2 || cc.Total.CPU != 640*ms || cc.EmulatedCPU != 0 {
		t.Errorf("%+v", cc)
	}
	if make := find(sh, "/usr/bin/make"); make.Own != (539-479)*ms {
		t.Errorf("make waited for nobody for %d ms", make.Own/ms)
	}
	if configure.Own != (388-6*38-29)*ms {
		t.Errorf("configure waited for nobody for %d ms", configure.Own/ms)
	}
}

// sums adds up everything that must be the same.
func sums(r *profile.Report) (c, tree profile.Cost, line int64) {
	for _, p := range r.Programs {
		c.Execs += p.Execs
		c.Forks += p.Forks
		c.User += p.User
		c.System += p.System
		c.CPU += p.CPU
		c.Wall += p.Wall
	}
	for i := range r.Timeline.Native {
		line += r.Timeline.Native[i] + r.Timeline.Emulated[i]
	}
	return c, r.Tree.Total, line
}

// Each view of a profile adds up to the same: its runs.
func TestSums(t *testing.T) {
	for seed := range uint64(40) {
		text := profiletest.Random(t, seed, 50+int(seed)*20)
		p := profiletest.Read(t, text)
		calls := profile.NewCalls(p)
		var want profile.Cost
		for i, r := range p.Runs {
			if r.Fork() {
				want.Forks++
			} else {
				want.Execs++
				from, to := calls.Span(i)
				want.Wall += to - from
			}
			if r.End != nil {
				want.User += r.End.User
				want.System += r.End.System
			}
		}
		want.CPU = want.User + want.System
		r := report(t, profile.Options{Tree: true}, text)
		table, tree, line := sums(r)
		if r.Totals.All != want || table != want || tree != want || line != want.CPU {
			t.Errorf("seed %d: runs %+v, totals %+v, table %+v, tree %+v, time line %d", seed, want, r.Totals.All, table, tree, line)
		}
		if r.Totals.Kernel.Difference != 0 || r.Tree.EmulatedCPU != r.Totals.Emulated.CPU {
			t.Errorf("seed %d: %+v, emulated %d", seed, r.Totals, r.Tree.EmulatedCPU)
		}
	}
}

// Several profiles add up as well, on one time line.
func TestSeveral(t *testing.T) {
	a, b := profiletest.Header(), profiletest.Header()
	a.Subject, b.Subject = "a", "b"
	b.Started = a.Started.Add(500 * time.Millisecond)
	c := profiletest.Header()
	c.Started = a.Started.Add(time.Hour)
	var texts [][]byte
	for i, h := range []*profile.Header{a, b, c} {
		m := profiletest.NewMaker(t, h)
		m.Exit(m.Start(0, profiletest.Emulated("/bin/sed")), 1000, 100*(i+1), 1, 0)
		texts = append(texts, m.Close(1000, 0, 0))
	}
	r := report(t, profile.Options{Tree: true}, texts...)
	table, tree, line := sums(r)
	if table.CPU != 603*ms || tree != table || line != 603*ms || r.Totals.Elapsed != 2500*ms {
		t.Errorf("table %+v, tree %+v, line %d, elapsed %d", table, tree, line, r.Totals.Elapsed/ms)
	}
	if p := row(t, r, "/bin/sed", true); p.Profiles != 3 || p.Execs != 3 {
		t.Errorf("%+v", p)
	}
	var names []string
	var offsets []int64
	for _, s := range r.Profiles {
		names, offsets = append(names, s.Name()), append(offsets, s.Offset/ms)
	}
	if !slices.Equal(names, []string{"p2", "b", "a"}) || !slices.Equal(offsets, []int64{1500, 500, 0}) {
		t.Errorf("%v %v", names, offsets)
	}
}

// A profile that was cut off is reported as far as it goes.
func TestUnfinished(t *testing.T) {
	text := profiletest.BuildMaker(t).Cut()
	lines := bytes.SplitAfter(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
	r := report(t, profile.Options{}, bytes.Join(lines[:len(lines)-5], nil))
	if s := r.Profiles[0]; s.Finished || s.Status != nil || r.Totals.Kernel != nil || r.Totals.Running != 3 {
		t.Errorf("%+v", s)
	}
	if r.Totals.Elapsed != 900*ms {
		t.Errorf("elapsed %d", r.Totals.Elapsed)
	}
}

func TestOptions(t *testing.T) {
	r := report(t, profile.Options{Top: 1, Emulated: true, Sort: "execs"}, profiletest.Build(t))
	if len(r.Programs) != 1 || r.Programs[0].Program != "/usr/bin/sed" || r.LeftOut.Programs != 2 || r.Tree != nil {
		t.Errorf("%+v", r)
	}
	if !r.Longest[0].Emulated || len(r.Longest) != 1 {
		t.Errorf("%+v", r.Longest)
	}
	for by, want := range map[string]string{"cpu": "/usr/bin/mips64el-linux-gnuabi64-gcc-12", "startup": "/usr/bin/mips64el-linux-gnuabi64-gcc-12", "wall": "/usr/bin/dash", "failures": "/usr/bin/dash", "execs": "/usr/bin/sed"} {
		if !slices.Contains(profile.Sorts(), by) {
			t.Errorf("%s is no order", by)
		}
		if r := report(t, profile.Options{Sort: by}, profiletest.Build(t)); r.Programs[0].Program != want {
			t.Errorf("by %s: %s", by, r.Programs[0].Program)
		}
	}
}

// Whatever a file holds, there is a report of it, and its tree ends.
func FuzzReport(f *testing.F) {
	f.Add(profiletest.Build(f))
	f.Add(profiletest.Random(f, 1, 60))
	head := bytes.SplitAfterN(profiletest.Build(f), []byte("\n"), 2)[0]
	f.Add(append(slices.Clone(head), `{"run":{"id":2,"parent":2,"replaced":2,"at":-5,"program":"a"}}
{"run":{"id":1,"parent":2,"at":9223372036854775807,"program":"b","argv":["b"]}}
{"end":{"id":1,"at":-1,"how":"?","user":-9223372036854775808,"system":-1}}
{"fail":{"run":7,"at":3,"file":"","error":""}}
{"close":{"at":9223372036854775807}}
`...))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := profile.Read(bytes.NewReader(text))
		if err != nil {
			return
		}
		b := profile.NewBuilder(profile.Options{Tree: true})
		b.Add("a", p)
		b.Add("b", p)
		r := b.Report()
		if table, tree, _ := sums(r); table != tree {
			t.Errorf("table %+v, tree %+v", table, tree)
		}
		d := profile.Compare(p, p, "a", "a", profile.DiffOptions{Changed: true})
		if len(d.Programs) > 0 {
			t.Errorf("a profile differs from itself: %+v", d.Programs[0])
		}
	})
}

// A program that goes on as itself for ever is no tree of that depth.
func TestDeep(t *testing.T) {
	m := profiletest.NewMaker(t, profiletest.Header())
	id := m.Start(0, profiletest.Native("/bin/loop"))
	for i := range 10000 {
		id = m.Exec(id, i, 1, 0, profiletest.Native(fmt.Sprintf("/bin/loop%d", i%3)))
	}
	m.Exit(id, 10001, 1, 0, 0)
	p := profiletest.Read(t, m.Close(10001, 0, 0))
	root, depth := profile.Tree(p), 0
	root.Walk(func(stack []*profile.Node) bool { depth = max(depth, len(stack)); return true })
	if depth != 64 || root.Total.CPU != 10001*ms {
		t.Errorf("depth %d, CPU %d", depth, root.Total.CPU)
	}
}

func BenchmarkRead(b *testing.B) {
	text := profiletest.Random(b, 1, 100000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		profiletest.Read(b, text)
	}
}

func BenchmarkReport(b *testing.B) {
	p := profiletest.Read(b, profiletest.Random(b, 1, 100000))
	for b.Loop() {
		r := profile.NewBuilder(profile.Options{Tree: true})
		r.Add("p", p)
		r.Report()
	}
}
