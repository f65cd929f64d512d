package advice_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/profile"
	"github.com/xjail/xjail/profile/advice"
)

const emulator = "/usr/bin/qemu-aarch64-static"

// ms are nanoseconds of so many milliseconds.
func ms(n float64) int64 { return int64(n * 1e6) }

// runs is n runs of a program at a cost each.
type runs struct {
	n       int
	program string
	cost    float64 // milliseconds
	native  bool
	fork    bool
	script  string
	endless bool
}

// build makes a profile.
func build(list ...runs) *profile.Profile {
	p := &profile.Profile{Header: profile.Header{Jail: "a64", Arch: "aarch64", Tools: "twin", Started: time.Unix(1700000000, 0).UTC(), Command: []string{"make"}}, Close: &profile.Close{}}
	for _, l := range list {
		for range l.n {
			r := &profile.Run{ID: int64(len(p.Runs) + 1), Program: l.program, File: l.script, Script: l.script != ""}
			if !l.fork {
				r.Argv = []string{l.program}
			}
			if !l.native {
				r.Emulator = emulator
			}
			if !l.endless {
				r.End = &profile.End{ID: r.ID, How: profile.ByExit, User: ms(l.cost * 3 / 4), System: ms(l.cost / 4)}
			}
			p.Runs = append(p.Runs, r)
		}
	}
	return p
}

// world tells of programs by their paths; Available of what it does not know.
type world map[string]advice.Tool

func (w world) tool(path string) advice.Tool {
	if t, ok := w[path]; ok {
		return t
	}
	return advice.Tool{State: advice.Available}
}

func give(w world, profiles ...*profile.Profile) *advice.Advice {
	u := advice.NewUsage()
	for _, p := range profiles {
		u.Add("build.xprof", p)
	}
	return advice.Give(u, w.tool, advice.Options{Threshold: 0.005})
}

func item(t *testing.T, a *advice.Advice, name string) advice.Item {
	t.Helper()
	i := slices.IndexFunc(a.Items, func(i advice.Item) bool { return i.Name == name })
	if i < 0 {
		t.Fatalf("no item %s: %+v", name, a.Items)
	}
	return a.Items[i]
}

// The profile of GNU hello in a mips64el jail with a native toolchain only, as it
// was measured by taskstats: 91.6 s. What was then made native brought it to
// 20.2 s (docs/performance.md, native tools).
func TestPredictsHello(t *testing.T) {
	a := give(world{
		"/usr/bin/uname":     {State: advice.Excluded, Why: "tells the architecture"},
		"/build/conftest":    {State: advice.Built, Why: "the build made it"},
		"/usr/bin/grep":      {State: advice.Missing},
		"/usr/bin/coreutils": {State: advice.Missing},
	}, build(
		runs{n: 483, program: "/usr/bin/sed", cost: 49}, runs{n: 565, program: "/usr/bin/rm", cost: 32},
		runs{n: 520, program: "/usr/bin/cat", cost: 32}, runs{n: 1634, program: "/usr/bin/bash", cost: 8.7, fork: true},
		runs{n: 280, program: "/usr/lib/gcc/cc1", cost: 22, native: true}, runs{n: 285, program: "/usr/bin/gcc", cost: 7.4, native: true},
		runs{n: 30, program: "/build/conftest", cost: 26}, runs{n: 60, program: "/usr/bin/uname", cost: 27}, runs{n: 160, program: "/usr/bin/grep", cost: 34},
	))
	if want := []string{"/usr/bin/bash", "/usr/bin/cat", "/usr/bin/rm", "/usr/bin/sed"}; !slices.Equal(a.Install, want) {
		t.Errorf("install %q, want %q", a.Install, want)
	}
	native := int64(0)
	for _, i := range a.Items {
		native += i.Native
	}
	// They took 2.7 s natively, with forks and execs counted as one.
	if left := time.Duration(native); left < 2*time.Second || left > 5*time.Second {
		t.Errorf("the four would cost %s natively", left)
	}
	if a.Items[0].Name != "/usr/bin/sed" || a.Items[3].Name != "/usr/bin/bash" {
		t.Errorf("ranking: %s first, %s fourth", a.Items[0].Name, a.Items[3].Name)
	}
}

func TestVerdicts(t *testing.T) {
	w := world{
		"/usr/bin/uname":   {State: advice.Excluded, Why: "tells the architecture"},
		"/usr/bin/bison":   {State: advice.Broken, Why: "did not pass the self-test"},
		"/usr/bin/xz":      {State: advice.Drifted, Why: "another version"},
		"/usr/bin/tar":     {State: advice.Native},
		"/usr/bin/make":    {State: advice.Native},
		"/build/conftest":  {State: advice.Built, Why: "made"},
		"/usr/bin/unheard": {State: advice.Unknown},
	}
	var list []runs
	for path := range w {
		list = append(list, runs{n: 100, program: path, cost: 30})
	}
	list = append(list, runs{n: 400, program: "/usr/bin/sed", cost: 30}, runs{n: 1, program: "/usr/bin/expr", cost: 30}, runs{n: 300, program: "/usr/bin/work", cost: 90, native: true},
		runs{n: 100, program: "/usr/bin/make", cost: 2, native: true})
	a := give(w, build(list...))
	if !slices.Equal(a.Install, []string{"/usr/bin/sed"}) {
		t.Errorf("install %q", a.Install)
	}
	for name, why := range map[string]string{
		"/usr/bin/uname": "tells the architecture", "/usr/bin/bison": "self-test", "/usr/bin/expr": "not worth it",
		"/usr/bin/tar": "native by now", "/usr/bin/make": "replaced meanwhile",
	} {
		if i := item(t, a, name); i.Install || !strings.Contains(i.Why, why) {
			t.Errorf("%s: %q, want %q", name, i.Why, why)
		}
	}
	for _, name := range []string{"/usr/bin/uname", "/usr/bin/bison", "/usr/bin/xz", "/usr/bin/make", "/build/conftest"} {
		if i := item(t, a, name); i.Saving != 0 {
			t.Errorf("%s would save %d, and cannot", name, i.Saving)
		}
	}
	// tar is native by now, so the next run is without it too.
	want := a.Before.CPU - item(t, a, "/usr/bin/sed").Saving - item(t, a, "/usr/bin/tar").Saving
	if a.After.CPU != want || a.After.CPU != a.After.Native+a.After.Emulated {
		t.Errorf("after: %+v, want %d", a.After, want)
	}
}

func TestEstimates(t *testing.T) {
	for name, tt := range map[string]struct {
		list     []runs
		min, max float64 // milliseconds of all native runs
		basis    string
	}{
		"all start-up": {[]runs{{n: 100, program: "/p", cost: 20}}, 100, 100, "its cheapest runs"},
		"much work": {[]runs{{n: 100, program: "/p", cost: 400}, {n: 100, program: "/usr/bin/rm", cost: 25}, {n: 100, program: "/usr/bin/cat", cost: 25}, {n: 9, program: "/usr/bin/mv", cost: 25}},
			2590, 2610, "what starts cost here"}, // (400-25)/15 + 1
		"it ran natively too": {[]runs{{n: 100, program: "/p", cost: 30}, {n: 20, program: "/p", cost: 3, native: true}}, 300, 300, "20 times"},
		"it ran natively very often": {[]runs{{n: 100, program: "/p", cost: 30, fork: true}, {n: 100, program: "/p", cost: 30}, {n: 140000, program: "/p", cost: 3, native: true},
			{n: 140000, program: "/p", cost: 2, native: true, fork: true}}, 500, 500, "140000 times"},
		"natively, but only twice": {[]runs{{n: 100, program: "/p", cost: 20}, {n: 2, program: "/p", cost: 3, native: true}}, 100, 100, "cheapest"},
		"much work, and alone":     {[]runs{{n: 100, program: "/p", cost: 400}}, 2590, 2610, "what starts cost here"},
		"others ran natively": {[]runs{{n: 100, program: "/p", cost: 20}, {n: 20, program: "/q", cost: 2, native: true}, {n: 5, program: "/r", cost: 9, native: true},
			{n: 5, program: "/s", cost: 1.5, native: true}, {n: 5, program: "/t", cost: 9, native: true}}, 200, 200, "2.0 ms are left"},
		"forks alone":              {[]runs{{n: 100, program: "/p", cost: 8, fork: true}}, 80, 80, ""},
		"cheaper than native ones": {[]runs{{n: 100, program: "/p", cost: 0.5}}, 50, 50, ""},
		"dearer natively":          {[]runs{{n: 100, program: "/p", cost: 3}, {n: 20, program: "/p", cost: 300, native: true}}, 300, 300, "natively"},
	} {
		a := give(nil, build(tt.list...))
		i := item(t, a, "/p")
		if i.Native < ms(tt.min) || i.Native > ms(tt.max) || !strings.Contains(i.Basis, tt.basis) || i.Saving != i.Emulated-i.Native {
			t.Errorf("%s: native %d, saving %d of %d, %q", name, i.Native, i.Saving, i.Emulated, i.Basis)
		}
	}
}

// What saves little of all may save much of what is left.
func TestThreshold(t *testing.T) {
	p := build(runs{n: 47, program: "/usr/lib/cc1", cost: 2750}, runs{n: 15, program: "/usr/bin/cat", cost: 30}, runs{n: 1, program: "/usr/bin/ln", cost: 20})
	a := give(nil, p)
	if want := []string{"/usr/bin/cat", "/usr/lib/cc1"}; !slices.Equal(a.Install, want) {
		t.Errorf("install %q, want %q", a.Install, want)
	}
	a = give(world{"/usr/lib/cc1": {State: advice.Excluded}}, p)
	if len(a.Install) != 0 {
		t.Errorf("install %q of a build that stays emulated", a.Install)
	}
	a = give(world{"/usr/lib/cc1": {State: advice.Native}}, p)
	if want := []string{"/usr/bin/cat"}; !slices.Equal(a.Install, want) {
		t.Errorf("install %q, want %q", a.Install, want)
	}
}

// Without a threshold all that saves anything is worth it.
func TestNoThreshold(t *testing.T) {
	u := advice.NewUsage()
	u.Add("build.xprof", build(runs{n: 47, program: "/usr/lib/cc1", cost: 2750}, runs{n: 1, program: "/usr/bin/ln", cost: 20}, runs{n: 1, program: "/usr/bin/instant", cost: 0.5}))
	a := advice.Give(u, world{}.tool, advice.Options{})
	if want := []string{"/usr/bin/ln", "/usr/lib/cc1"}; !slices.Equal(a.Install, want) {
		t.Errorf("install %q, want %q", a.Install, want)
	}
	if i := item(t, a, "/usr/bin/instant"); i.Install || !strings.Contains(i.Why, "nothing") {
		t.Errorf("%+v", i)
	}
}

// A compiler comes as one, a script by itself though its interpreter cannot come.
func TestUnitsAndScripts(t *testing.T) {
	cc := advice.Tool{State: advice.Available, Unit: "the compiler", Package: "gcc-12"}
	as := advice.Tool{State: advice.Available, Unit: "the compiler", Package: "binutils"}
	a := give(world{
		"/usr/bin/gcc": cc, "/usr/lib/cc1": cc, "/usr/bin/as": as, "/usr/bin/ld": {State: advice.Broken, Unit: "the compiler", Why: "broken"},
		"/usr/bin/perl": {State: advice.Excluded, Why: "loads modules"}, "/usr/bin/automake": {State: advice.Unknown},
	}, build(
		runs{n: 50, program: "/usr/bin/gcc", cost: 30}, runs{n: 50, program: "/usr/lib/cc1", cost: 400}, runs{n: 50, program: "/usr/bin/as", cost: 40},
		runs{n: 50, program: "/usr/bin/ld", cost: 40},
		runs{n: 10, program: "/usr/bin/perl", cost: 900, script: "/usr/bin/dpkg-buildflags"}, runs{n: 10, program: "/usr/bin/perl", cost: 700, script: "/usr/bin/automake"},
		runs{n: 10, program: "/usr/bin/perl", cost: 100},
	))
	unit := item(t, a, "the compiler")
	if !slices.Equal(unit.Programs, []string{"/usr/bin/as", "/usr/bin/gcc", "/usr/lib/cc1"}) || unit.Execs != 150 || unit.Emulated != ms(50*470) ||
		!slices.Equal(unit.Packages, []string{"binutils", "gcc-12"}) {
		t.Errorf("%+v", unit)
	}
	if i := item(t, a, "/usr/bin/dpkg-buildflags"); !i.Install || i.Execs != 10 || i.Emulated != ms(9000) {
		t.Errorf("%+v", i)
	}
	perl := item(t, a, "/usr/bin/perl")
	if perl.Install || perl.Execs != 20 || perl.Emulated != ms(8000) || len(perl.Scripts) != 1 || perl.Scripts[0] != (advice.Script{File: "/usr/bin/automake", Execs: 10, CPU: ms(7000)}) {
		t.Errorf("%+v", perl)
	}
	if slices.Contains(a.Install, "/usr/bin/ld") {
		t.Error("what did not pass the self-test is advised with its unit")
	}
	sum := int64(0)
	for _, i := range a.Items {
		sum += i.Emulated
	}
	if sum != a.Before.Emulated {
		t.Errorf("the items are %d of %d", sum, a.Before.Emulated)
	}
}

// No prediction is better than doing away with all emulation, and no sum differs
// from its parts.
func TestNeverMoreThanThereIs(t *testing.T) {
	states := []advice.State{advice.Available, advice.Native, advice.Excluded, advice.Built, advice.Missing}
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		w, list := world{}, []runs(nil)
		for n := range rnd.IntN(30) {
			path := "/p" + string(rune('a'+n%26))
			w[path] = advice.Tool{State: states[rnd.IntN(len(states))], Unit: []string{"", "", "u"}[rnd.IntN(3)]}
			list = append(list, runs{n: rnd.IntN(40), program: path, cost: rnd.ExpFloat64() * 50, native: rnd.IntN(3) == 0, fork: rnd.IntN(4) == 0,
				script: []string{"", "", "/s1", "/s2"}[rnd.IntN(4)], endless: rnd.IntN(10) == 0})
		}
		a := give(w, build(list...))
		sum := advice.Total{}
		for _, i := range a.Items {
			if i.Saving < 0 || i.Saving > i.Emulated || i.Native < 0 {
				t.Fatalf("seed %d: %+v", seed, i)
			}
			sum.Emulated += i.Emulated
		}
		if sum.Emulated != a.Before.Emulated || a.Before.Native+a.Before.Emulated != a.Before.CPU {
			t.Fatalf("seed %d: items have %d of %+v", seed, sum.Emulated, a.Before)
		}
		if a.Saving < 0 || a.Saving > a.Before.Emulated || a.After.Emulated < 0 || a.After.CPU != a.After.Native+a.After.Emulated || a.After.CPU < a.Before.Native {
			t.Fatalf("seed %d: before %+v, after %+v, saving %d", seed, a.Before, a.After, a.Saving)
		}
	}
}

// What is incomplete is said.
func TestNotes(t *testing.T) {
	p := build(runs{n: 3, program: "/p", endless: true})
	p.Close, p.Losses = nil, []profile.Lost{{Count: 7}}
	notes := strings.Join(give(nil, p).Notes, "\n")
	for _, want := range []string{"cut off", "time is not known: 3", "events that were lost: 7"} {
		if !strings.Contains(notes, want) {
			t.Errorf("%q has no %q", notes, want)
		}
	}
}

func TestCheck(t *testing.T) {
	a := give(nil, build(runs{n: 100, program: "/sed", cost: 20}, runs{n: 100, program: "/rm", cost: 20}))
	now := advice.NewUsage()
	now.Add("", build(runs{n: 200, program: "/sed", cost: 1, native: true}, runs{n: 90, program: "/rm", cost: 1, native: true}, runs{n: 10, program: "/rm", cost: 30}))
	c := a.Check(now)
	if c.Emulated != 1 || len(c.Items) != 2 || c.Measured.CPU != ms(200+90+300) || c.Ratio < 2.9 || c.Ratio > 3 || len(c.Notes) != 0 {
		t.Errorf("%+v", c)
	}
	if i := c.Items[1]; i.Name != "/sed" || i.Now != 200 || i.Predicted != ms(200) || i.Measured != ms(200) || i.StillEmulated != 0 {
		t.Errorf("%+v", i)
	}
	other := build()
	other.Command = []string{"make", "check"}
	now.Add("", other)
	if c := a.Check(now); len(c.Notes) != 1 || !strings.Contains(c.Notes[0], "other commands") {
		t.Errorf("%q", c.Notes)
	}
}

func TestRank(t *testing.T) {
	u := advice.NewUsage()
	for subject, p := range map[string]*profile.Profile{
		"zlib": build(runs{n: 10, program: "/sed", cost: 10}, runs{n: 5, program: "/rm", cost: 10}),
		"lua":  build(runs{n: 30, program: "/sed", cost: 10}, runs{n: 30, program: "/sed", cost: 10, native: true}),
	} {
		p.Subject = subject
		u.Add(subject+".xprof", p)
	}
	list := u.Rank()
	if len(list) != 2 || list[0].Program != "/sed" || list[0].Execs != 40 || list[0].Subjects != 2 || list[0].Most != "lua" || list[0].MostCPU != ms(300) || list[1].Subjects != 1 {
		t.Errorf("%+v", list)
	}
	if share := list[0].Share + list[1].Share; share < 0.999 || share > 1.001 {
		t.Errorf("shares sum up to %v", share)
	}
}

func TestReadBack(t *testing.T) {
	a := give(nil, build(runs{n: 100, program: "/usr/bin/sed", cost: 30}))
	var b bytes.Buffer
	if err := a.Write(&b); err != nil {
		t.Fatal(err)
	}
	got, err := advice.Read(bytes.NewReader(b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	one, _ := json.Marshal(a)
	two, _ := json.Marshal(got)
	if !bytes.Equal(one, two) {
		t.Errorf("%s\n%s", one, two)
	}
}

func TestReadRefuses(t *testing.T) {
	for text, kind := range map[string]fault.Kind{
		"": fault.Damaged, "{}": fault.Damaged, "x": fault.Damaged, `{"xjail_profile":1}`: fault.Damaged,
		`{"xjail_advice":2}`:                                         fault.Unsupported,
		`{"xjail_advice":1,"install":["usr/bin/sed"]}`:               fault.Damaged,
		`{"xjail_advice":1,"install":["/usr/bin/../../etc/passwd"]}`: fault.Damaged,
		`{"xjail_advice":1,"install":["/a\u0000b"]}`:                 fault.Damaged,
		`{"xjail_advice":1}{"install":["/bin/rm"]}`:                  fault.Damaged,
		`{"xjail_advice":1}`:                                         0,
	} {
		if _, err := advice.Read(strings.NewReader(text)); fault.KindOf(err) != kind {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"xjail_advice":1,"install":["/usr/bin/sed"],"items":[{"name":"/usr/bin/sed","install":true,"programs":["/usr/bin/sed"]}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := advice.Read(bytes.NewReader(b))
		if err != nil {
			return
		}
		u := advice.NewUsage()
		u.Add("", build(runs{n: 2, program: "/usr/bin/sed", cost: 3}))
		a.Check(u)
	})
}

// Whatever can be read as a profile can be advised on.
func FuzzGive(f *testing.F) {
	f.Add([]byte(`{"xjail_profile":1}` + "\n" + `{"run":{"id":1,"program":"/p","emulator":"/q","argv":["p"]}}` + "\n" + `{"end":{"id":1,"user":-5,"system":9223372036854775807}}` + "\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := profile.Read(bytes.NewReader(b))
		if err != nil {
			return
		}
		a := give(nil, p)
		for _, i := range a.Items {
			if i.Saving < 0 || i.Saving > i.Emulated {
				t.Errorf("%+v", i)
			}
		}
	})
}
