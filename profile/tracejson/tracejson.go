// Package tracejson writes profiles in the trace event format, which Perfetto
// (ui.perfetto.dev), chrome://tracing and speedscope open: each process is a
// track, on which one program follows the other.
package tracejson

import (
	"bufio"
	"fmt"
	"io"
	"path"

	"github.com/xjail/xjail/profile"
)

// Writer writes profiles one after the other, event by event. The first error is
// kept, and returned by Close.
type Writer struct {
	out     *bufio.Writer
	buf     []byte
	err     error
	first   bool
	group   int   // the profile: what the format calls a process
	started int64 // of the first profile, Unix nanoseconds
	flows   int64 // ids given
}

// NewWriter begins a trace.
func NewWriter(w io.Writer) *Writer {
	t := &Writer{out: bufio.NewWriterSize(w, 64<<10), first: true}
	_, t.err = t.out.WriteString(`{"displayTimeUnit":"ms","otherData":{"source":"xjail profile"},"traceEvents":[`)
	return t
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
	t.name("process_name", "name", 0, name+" (jail "+p.Jail+")")
	t.name("process_labels", "labels", 0, file)
	offset := p.Started.UnixNano() - t.started
	t.counters(p, offset)
	tracks := tracksOf(p)
	for i, name := range tracks.names {
		t.name("thread_name", "name", i+1, name)
		t.event("thread_sort_index", 'M', 0, i+1).open("args").number("sort_index", int64(i+1)).shut().write(t)
	}
	calls := profile.NewCalls(p)
	for i, r := range p.Runs {
		from, to := calls.Span(i)
		t.run(p, r, from+offset, to-from, tracks.of[i])
		if by := calls.Caller(i); by >= 0 && tracks.of[by] != tracks.of[i] && !r.Fork() {
			t.flow(tracks.of[by], tracks.of[i], from+offset)
		}
	}
}

// name is an event of metadata: what a track is called.
func (t *Writer) name(what, key string, track int, value string) {
	t.event(what, 'M', 0, track).open("args").text(key, value).shut().write(t)
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

// run is a run, from when and for how long: a complete event.
func (t *Writer) run(p *profile.Profile, r *profile.Run, from, length int64, track int) {
	name, cat := title(r), "native"
	if r.Fork() {
		name += " (fork)"
	}
	if r.Emulated() {
		cat = "emulated"
	}
	e := t.event(name, 'X', from, track).text("cat", cat).thousandths("dur", length)
	e = e.open("args").number("run", r.ID).number("parent", r.Parent).number("pid", int64(r.PID)).text("program", r.Program)
	if r.File != "" {
		e = e.text("file", r.File).flag("script", r.Script)
	}
	e = e.list("argv", r.Argv).flag("fork", r.Fork()).flag("emulated", r.Emulated()).text("arch", p.ArchOf(r))
	if end := r.End; end != nil {
		e = e.text("how", end.How).number("code", int64(end.Code)).number("user_ns", end.User).number("system_ns", end.System).number("rss_bytes", end.RSS)
	} else {
		e = e.text("how", "running")
	}
	e.shut().write(t)
}

// flow is an arrow from who started a program to it.
func (t *Writer) flow(from, to int, at int64) {
	t.flows++
	t.event("starts", 's', at, from).text("cat", "starts").number("id", t.flows).write(t)
	t.event("starts", 'f', at, to).text("cat", "starts").number("id", t.flows).text("bp", "e").write(t)
}

// counters draw how many thousandths of a processor were used.
func (t *Writer) counters(p *profile.Profile, offset int64) {
	line := profile.TimelineOf(p)
	draw := func(at, emulated, native int64) {
		t.event("processors", 'C', offset+at, 0).open("args").
			thousandths("emulated", emulated*1000/line.Step).thousandths("native", native*1000/line.Step).shut().write(t)
	}
	for i := range line.Native {
		draw(int64(i)*line.Step, line.Emulated[i], line.Native[i])
	}
	draw(p.Elapsed(), 0, 0)
}

// Close ends the trace and flushes it.
func (t *Writer) Close() error {
	if t.err == nil {
		_, t.err = t.out.WriteString("\n]}\n")
	}
	if t.err == nil {
		t.err = t.out.Flush()
	}
	return t.err
}
