package html

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/xjail/xjail/profile"
)

// The time line, in units of the drawing.
const (
	lineWidth  = 1000.0
	lineHeight = 120.0
	laneHeight = 14.0
	// maxBars and maxLanes bound a chart of runs: the longest ones are in it.
	maxBars  = 300
	maxLanes = 40
	// windows is into how many parts a long profile is divided, each with a chart
	// of its own.
	windows = 8
)

// chart is the processor time over time.
type chart struct {
	Columns []column
	Ticks   []tick
	Most    string // processors at the top
}

// column is a part of the time line.
type column struct {
	X, W             float64
	EmulatedY, EmulH float64
	NativeY, NatH    float64
	Title            string
}

// tick is a mark of the axis of time.
type tick struct {
	X     float64
	Label string
}

func chartOf(r *profile.Report) chart {
	t := r.Timeline
	top := 0.0
	for i := range t.Native {
		top = max(top, float64(t.Native[i]+t.Emulated[i]))
	}
	c := chart{Ticks: ticks(0, r.Totals.Elapsed), Most: fmt.Sprintf("%.2f", top/float64(t.Step))}
	if top <= 0 || r.Totals.Elapsed <= 0 {
		return c
	}
	scale := lineWidth / float64(r.Totals.Elapsed)
	for i := range t.Native {
		if t.Native[i]+t.Emulated[i] <= 0 {
			continue
		}
		x := float64(int64(i)*t.Step) * scale
		k := column{X: x, W: max(min(float64(t.Step)*scale, lineWidth-x), 0)}
		k.EmulH = lineHeight * float64(t.Emulated[i]) / top
		k.NatH = lineHeight * float64(t.Native[i]) / top
		k.EmulatedY = lineHeight - k.EmulH
		k.NativeY = k.EmulatedY - k.NatH
		k.Title = fmt.Sprintf("from %s s: processors emulating %.2f, native %.2f, programs begun: %d", seconds(int64(i)*t.Step),
			float64(t.Emulated[i])/float64(t.Step), float64(t.Native[i])/float64(t.Step), t.Execs[i])
		c.Columns = append(c.Columns, k)
	}
	return c
}

// ticks are at most ten round times between two.
func ticks(from, to int64) []tick {
	length := float64(to - from)
	if length <= 0 {
		return nil
	}
	step := math.Pow(10, math.Floor(math.Log10(length/10)))
	for _, f := range []float64{1, 2, 5, 10} {
		if length/(step*f) <= 10 {
			step *= f
			break
		}
	}
	var list []tick
	for i := math.Ceil(float64(from) / step); i*step <= float64(to) && len(list) <= 10; i++ {
		list = append(list, tick{lineWidth * (i*step - float64(from)) / length, strconv.FormatFloat(i*step/1e9, 'g', 6, 64) + " s"})
	}
	return list
}

// span is what a chart of runs shows: a run, or a profile. What it is called is
// found out of those that are drawn.
type span struct {
	from, to int64
	run      *profile.Run
	source   *profile.Source
}

func (s span) emulated() bool {
	if s.run == nil {
		return s.source.Totals.Share >= 0.5
	}
	return s.run.Emulated()
}

func (s span) name() string {
	switch {
	case s.run == nil:
		return profile.Printable(s.source.Name())
	case s.run.File != "":
		return base(profile.Printable(s.run.File))
	}
	return base(profile.Printable(s.run.Program))
}

func (s span) title() string {
	if s.run != nil {
		return runTitle(s.run, s.from, s.to)
	}
	t := &s.source.Totals
	return fmt.Sprintf("%s: %s s, CPU %s s, emulated %.1f %%", s.name(), seconds(t.Elapsed), seconds(t.All.CPU), 100*t.Share)
}

// lanes is a chart of runs between two times.
type lanes struct {
	Label  string
	Bars   []bar
	Height float64
	Ticks  []tick
	Left   int // how many there is no room for
}

// AxisEnd is where the axis of time ends, below the bars.
func (l lanes) AxisEnd() float64 { return l.Height + 20 }

// TickEnd is where its marks end.
func (l lanes) TickEnd() float64 { return l.Height + 5 }

// TickText is where its labels are.
func (l lanes) TickText() float64 { return l.Height + 17 }

// bar is a run in it.
type bar struct {
	X, Y, W     float64
	Class       string
	Title, Name string
}

// lanesOf are the charts of the runs: one of everything, and of a long profile one
// of each part.
func lanesOf(spans []span, elapsed int64) []lanes {
	if elapsed <= 0 || len(spans) == 0 {
		return nil
	}
	list := []lanes{lanesBetween(spans, 0, elapsed)}
	if list[0].Left == 0 {
		return list
	}
	step := elapsed/windows + 1
	for from := int64(0); from < elapsed; from += step {
		if l := lanesBetween(spans, from, min(from+step, elapsed)); len(l.Bars) > 0 {
			list = append(list, l)
		}
	}
	return list
}

func lanesBetween(spans []span, from, to int64) lanes {
	l := lanes{Label: fmt.Sprintf("%s s to %s s", seconds(from), seconds(to)), Ticks: ticks(from, to)}
	var in []span
	total := 0
	length := func(s span) int64 { return min(s.to, to) - max(s.from, from) }
	longest := func() {
		slices.SortStableFunc(in, func(a, b span) int { return cmp.Compare(length(b), length(a)) })
		in = in[:min(len(in), maxBars)]
	}
	for _, s := range spans {
		if s.from < to && s.to > from {
			total++
			if in = append(in, s); len(in) >= 8*maxBars {
				longest()
			}
		}
	}
	longest()
	slices.SortStableFunc(in, func(a, b span) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(b.to, a.to))
	})
	scale := lineWidth / float64(to-from)
	var free []int64 // until when each lane is taken
	for _, s := range in {
		lane := slices.IndexFunc(free, func(until int64) bool { return until <= s.from })
		if lane < 0 {
			if len(free) == maxLanes {
				continue
			}
			lane = len(free)
			free = append(free, 0)
		}
		free[lane] = s.to
		b := bar{X: float64(max(s.from, from)-from) * scale, Y: float64(lane) * laneHeight, Class: class(s.emulated()), Title: s.title()}
		b.W = max(float64(length(s))*scale, 0.5)
		if room := int((b.W - 4) / letter); room >= 3 {
			b.Name = shorten(s.name(), room)
		}
		l.Bars = append(l.Bars, b)
	}
	l.Height, l.Left = float64(len(free))*laneHeight, total-len(l.Bars)
	return l
}

// spansOf are the runs of a profile that charts can show.
func spansOf(p *profile.Profile) []span {
	calls := profile.NewCalls(p)
	all := make([]span, 0, len(p.Runs))
	for i, r := range p.Runs {
		from, to := calls.Span(i)
		if to > from {
			all = append(all, span{from: from, to: to, run: r})
		}
	}
	return all
}

func runTitle(r *profile.Run, from, to int64) string {
	text := shorten(profile.CommandLine(r.Argv, r.Cut), 160)
	if r.Fork() {
		text = "fork of " + profile.Printable(r.Program)
	}
	text += fmt.Sprintf(", %s: from %s s, %s ms", ran(r.Emulated()), seconds(from), millis(to-from))
	if e := r.End; e != nil {
		return text + fmt.Sprintf(", CPU %s ms, %s %d", millis(e.User+e.System), profile.Printable(e.How), e.Code)
	}
	return text + ", still running"
}

// sourceSpans are the profiles of a report, where there are several.
func sourceSpans(r *profile.Report) []span {
	var list []span
	for _, s := range r.Profiles {
		list = append(list, span{from: s.Offset, to: s.Offset + s.Totals.Elapsed, source: s})
	}
	return list
}
