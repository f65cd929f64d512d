// Package tracejson writes profiles in the trace event format, which Perfetto
// (ui.perfetto.dev), chrome://tracing and speedscope open: each process is a
// track, on which one program follows the other.
package tracejson

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"path"

	"github.com/xjail/xjail/profile"
)

// Writer writes profiles one after the other, event by event. The first error is
// kept, and returned by Close.
type Writer struct {
	out     *bufio.Writer
	err     error
	first   bool
	group   int   // the profile: what the format calls a process
	started int64 // of the first profile, Unix nanoseconds
	flows   int64 // ids given
}

// event is one of the format: a complete event (X), metadata (M), a counter (C), or
// the ends of an arrow (s, f). Times are microseconds.
type event struct {
	Name  string  `json:"name"`
	Cat   string  `json:"cat,omitempty"`
	Phase string  `json:"ph"`
	At    micros  `json:"ts"`
	Dur   *micros `json:"dur,omitempty"`
	Group int     `json:"pid"`
	Track int     `json:"tid"`
	ID    int64   `json:"id,omitempty"`
	Bind  string  `json:"bp,omitempty"`
	Args  any     `json:"args,omitempty"`
}

// micros are nanoseconds that are written as microseconds.
type micros int64

// MarshalJSON writes all of the nanoseconds.
func (m micros) MarshalJSON() ([]byte, error) {
	sign := ""
	if m < 0 {
		sign, m = "-", max(-m, 0)
	}
	return fmt.Appendf(nil, "%s%d.%03d", sign, m/1000, m%1000), nil
}

// NewWriter begins a trace.
func NewWriter(w io.Writer) *Writer {
	t := &Writer{out: bufio.NewWriterSize(w, 64<<10), first: true}
	t.text(`{"displayTimeUnit":"ms","otherData":{"source":"xjail profile"},"traceEvents":[`)
	return t
}

func (t *Writer) text(s string) {
	if t.err == nil {
		_, t.err = t.out.WriteString(s)
	}
}

func (t *Writer) put(e *event) {
	if t.err != nil {
		return
	}
	b, err := json.Marshal(e)
	if err != nil {
		t.err = err
		return
	}
	if t.first {
		t.text("\n")
	} else {
		t.text(",\n")
	}
	t.first = false
	t.text(string(b))
}

// Add writes a profile. Those after the first lie where they were on the clock.
func (t *Writer) Add(file string, p *profile.Profile) {
	t.group++
	if t.group == 1 {
		t.started = p.Started.UnixNano()
	}
	name := p.Subject
	if name == "" {
		name = profile.CommandLine(p.Command, false)
	}
	t.meta("process_name", 0, name+" (jail "+p.Jail+")")
	t.meta("process_labels", 0, file)
	offset := p.Started.UnixNano() - t.started
	t.counters(p, offset)
	tracks := tracksOf(p)
	for i, names := range tracks.names {
		t.meta("thread_name", i+1, names)
		t.put(&event{Name: "thread_sort_index", Phase: "M", Group: t.group, Track: i + 1, Args: map[string]int{"sort_index": i + 1}})
	}
	calls := profile.NewCalls(p)
	for i, r := range p.Runs {
		t.run(p, r, tracks.of[i], offset)
		if from := calls.Caller(i); from >= 0 && tracks.of[from] != tracks.of[i] && !r.Fork() {
			t.flow(tracks.of[from], tracks.of[i], r, offset)
		}
	}
}

func (t *Writer) meta(what string, track int, value string) {
	key := "name"
	if what == "process_labels" {
		key = "labels"
	}
	t.put(&event{Name: what, Phase: "M", Group: t.group, Track: track, Args: map[string]string{key: value}})
}

// tracks are the processes of a profile, numbered from 1 in the order in which
// they began: numbers of the kernel come again.
type tracks struct {
	of    []int    // of each run
	names []string // of each track: the number of the kernel, and the last program
}

func tracksOf(p *profile.Profile) *tracks {
	t := &tracks{of: make([]int, len(p.Runs))}
	byRun := make(map[int64]int, len(p.Runs))
	for i, r := range p.Runs {
		track := byRun[r.Replaced]
		if r.Replaced == 0 || track == 0 {
			t.names = append(t.names, "")
			track = len(t.names)
		}
		byRun[r.ID], t.of[i] = track, track
		t.names[track-1] = fmt.Sprintf("%d %s", r.PID, title(r))
	}
	return t
}

// title is what a run is called: by the name of what was started.
func title(r *profile.Run) string {
	if r.File != "" {
		return profile.Printable(path.Base(r.File))
	}
	return profile.Printable(path.Base(r.Program))
}

// args are what is shown of a run when it is selected.
type args struct {
	Run      int64    `json:"run"`
	Parent   int64    `json:"parent,omitempty"`
	PID      int      `json:"pid"`
	Program  string   `json:"program"`
	File     string   `json:"file,omitempty"`
	Script   bool     `json:"script,omitempty"`
	Argv     []string `json:"argv,omitempty"`
	Fork     bool     `json:"fork,omitempty"`
	Emulated bool     `json:"emulated"`
	Arch     string   `json:"arch"`
	How      string   `json:"how"` // how it ended; running
	Code     int      `json:"code"`
	UserMS   float64  `json:"user_ms"`
	SystemMS float64  `json:"system_ms"`
	RSS      int64    `json:"rss_bytes,omitempty"`
}

func (t *Writer) run(p *profile.Profile, r *profile.Run, track int, offset int64) {
	from, to := p.Span(r)
	a := args{Run: r.ID, Parent: r.Parent, PID: r.PID, Program: r.Program, File: r.File, Script: r.Script, Argv: r.Argv,
		Fork: r.Fork(), Emulated: r.Emulated(), Arch: p.ArchOf(r), How: "running"}
	if e := r.End; e != nil {
		a.How, a.Code, a.RSS = e.How, e.Code, e.RSS
		a.UserMS, a.SystemMS = float64(e.User)/1e6, float64(e.System)/1e6
	}
	name, cat, dur := title(r), "native", micros(to-from)
	if a.Fork {
		name += " (fork)"
	}
	if a.Emulated {
		cat = "emulated"
	}
	t.put(&event{Name: name, Cat: cat, Phase: "X", At: micros(from + offset), Dur: &dur, Group: t.group, Track: track, Args: a})
}

// flow is an arrow from who started a program to it.
func (t *Writer) flow(from, to int, r *profile.Run, offset int64) {
	t.flows++
	at := micros(max(r.At, 0) + offset)
	t.put(&event{Name: "starts", Cat: "starts", Phase: "s", At: at, Group: t.group, Track: from, ID: t.flows})
	t.put(&event{Name: "starts", Cat: "starts", Phase: "f", Bind: "e", At: at, Group: t.group, Track: to, ID: t.flows})
}

// counters draw how many processors were used.
func (t *Writer) counters(p *profile.Profile, offset int64) {
	line := profile.TimelineOf(p)
	for i := range line.Native {
		t.put(&event{Name: "processors", Phase: "C", At: micros(offset + int64(i)*line.Step), Group: t.group, Args: map[string]float64{
			"emulated": float64(line.Emulated[i]) / float64(line.Step), "native": float64(line.Native[i]) / float64(line.Step)}})
	}
	t.put(&event{Name: "processors", Phase: "C", At: micros(offset + p.Elapsed()), Group: t.group, Args: map[string]float64{"emulated": 0, "native": 0}})
}

// Close ends the trace and flushes it.
func (t *Writer) Close() error {
	t.text("\n]}\n")
	if t.err == nil {
		t.err = t.out.Flush()
	}
	return t.err
}
