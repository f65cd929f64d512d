package tracejson_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xjail/xjail/profile"
	"github.com/xjail/xjail/profile/profiletest"
	"github.com/xjail/xjail/profile/tracejson"
)

func write(t testing.TB, texts ...[]byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tracejson.NewWriter(&out)
	for _, text := range texts {
		w.Add("p.xprof", profiletest.Read(t, text))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// event is what the format's description has ("Trace Event Format", Google).
type event struct {
	Name string         `json:"name"`
	Cat  string         `json:"cat"`
	Ph   string         `json:"ph"`
	Ts   *float64       `json:"ts"`
	Dur  *float64       `json:"dur"`
	Pid  *int           `json:"pid"`
	Tid  *int           `json:"tid"`
	ID   int            `json:"id"`
	Bp   string         `json:"bp"`
	Args map[string]any `json:"args"`
}

// ms is a millisecond.
const ms = 1000 * 1000

type track struct{ pid, tid int }

// parse reads a trace as the description has it, and fails when it is not so.
func parse(t testing.TB, text []byte) map[string][]event {
	t.Helper()
	var trace struct {
		TraceEvents     []event `json:"traceEvents"`
		DisplayTimeUnit string  `json:"displayTimeUnit"`
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&trace); err != nil || d.More() {
		t.Fatalf("%v: %s", err, text)
	}
	if trace.DisplayTimeUnit != "ms" {
		t.Errorf("unit %q", trace.DisplayTimeUnit)
	}
	by := map[string][]event{}
	named := map[track]bool{}
	for _, e := range trace.TraceEvents {
		if e.Name == "" || e.Ts == nil || e.Pid == nil || e.Tid == nil {
			t.Errorf("incomplete: %+v", e)
			continue
		}
		if e.Name == "thread_name" {
			named[track{*e.Pid, *e.Tid}] = e.Args["name"] != ""
		}
		by[e.Ph] = append(by[e.Ph], e)
	}
	runs := map[track][]event{}
	for _, e := range by["X"] {
		at := track{*e.Pid, *e.Tid}
		if e.Dur == nil || *e.Dur < 0 || !named[at] {
			t.Errorf("no duration, or no name of its track: %+v", e)
		}
		runs[at] = append(runs[at], e)
	}
	for at, list := range runs {
		slices.SortStableFunc(list, func(a, b event) int { return cmp.Compare(*a.Ts, *b.Ts) })
		for i := range list[1:] {
			if end := *list[i].Ts + *list[i].Dur; end > *list[i+1].Ts+0.0005 {
				t.Errorf("track %v: %s until %v, %s at %v", at, list[i].Name, end, list[i+1].Name, *list[i+1].Ts)
			}
		}
	}
	flows(t, by)
	return by
}

// flows wants of each arrow both ends.
func flows(t testing.TB, by map[string][]event) {
	t.Helper()
	begun := map[int]event{}
	for _, e := range by["s"] {
		begun[e.ID] = e
	}
	for _, e := range by["f"] {
		if s, ok := begun[e.ID]; !ok || *s.Ts != *e.Ts || e.Bp != "e" || s.Cat != e.Cat || s.Name != e.Name {
			t.Errorf("arrow %d: %+v, %+v", e.ID, s, e)
		}
		delete(begun, e.ID)
	}
	if len(begun) > 0 {
		t.Errorf("arrows without end: %d", len(begun))
	}
}

func TestTrace(t *testing.T) {
	by := parse(t, write(t, profiletest.Build(t)))
	if n := len(by["X"]); n != 26 {
		t.Errorf("%d runs", n)
	}
	tracks := map[int]bool{}
	var seds, cpu float64
	for _, e := range by["X"] {
		tracks[*e.Tid] = true
		cpu += (e.Args["user_ns"].(float64) + e.Args["system_ns"].(float64)) / ms
		if e.Name == "sed" && e.Cat == "emulated" && e.Args["arch"] == "mips64el" && *e.Dur == 38000 {
			seds++
		}
	}
	if len(tracks) != 13 || seds != 6 || cpu != 986 {
		t.Errorf("tracks %d, sed %v, CPU %v ms", len(tracks), seds, cpu)
	}
	// Whoever starts a program has an arrow to it, but not who becomes one.
	if n := len(by["s"]); n != 11 {
		t.Errorf("%d arrows", n)
	}
	names := map[string]bool{}
	for _, e := range by["M"] {
		name, _ := e.Args["name"].(string)
		names[name] = true
	}
	for _, want := range []string{"100 sh", "101 configure", "123 cc", "sh -c './configure && make' (jail hello)"} {
		if !names[want] {
			t.Errorf("no track %q of %v", want, names)
		}
	}
}

func TestSeveral(t *testing.T) {
	h := profiletest.Header()
	h.Started, h.Subject = h.Started.Add(time.Second), "devel/hello"
	m := profiletest.NewMaker(t, h)
	m.Exit(m.Start(3, profiletest.Native(profiletest.Hostile, "\xff\xfe", `say "hi"`, `back\slash`)), 5, 1, 1, 0)
	by := parse(t, write(t, profiletest.Random(t, 7, 2000), m.Cut(), profiletest.NewMaker(t, h).Cut()))
	last := by["X"][len(by["X"])-1]
	if *last.Pid != 2 || *last.Ts != 1003000 {
		t.Errorf("%+v", last)
	}
	if argv := last.Args["argv"].([]any); argv[2] != `say "hi"` || argv[3] != `back\slash` {
		t.Errorf("%q", argv)
	}
}

// Another parser than the one that wrote it agrees that it is JSON.
func TestNode(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip(err)
	}
	file := filepath.Join(t.TempDir(), "trace.json")
	if err := os.WriteFile(file, write(t, profiletest.Build(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(node, "-e", `const e = JSON.parse(require("fs").readFileSync(process.argv[1], "utf8")).traceEvents.filter(e => e.ph == "X"); console.log(e.length, e.reduce((s, e) => s + e.args.user_ns + e.args.system_ns, 0))`, file).CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "26 986000000" {
		t.Errorf("%v: %s", err, out)
	}
}

// Whatever a file holds, its trace is JSON.
func FuzzTrace(f *testing.F) {
	f.Add(profiletest.Build(f))
	f.Add(profiletest.Random(f, 1, 60))
	f.Add(append(bytes.SplitAfterN(profiletest.Build(f), []byte("\n"), 2)[0], `{"run":{"id":2,"parent":2,"replaced":2,"at":-5,"program":"a"}}
{"run":{"id":1,"parent":2,"at":9223372036854775807,"program":"b","argv":["b"]}}
{"end":{"id":1,"at":-1,"how":"?","user":-9223372036854775808,"system":-1}}
{"close":{"at":9223372036854775807}}
`...))
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, err := profile.Read(bytes.NewReader(text)); err == nil {
			if trace := write(t, text, text); !json.Valid(trace) {
				t.Errorf("%s", trace)
			}
		}
	})
}
