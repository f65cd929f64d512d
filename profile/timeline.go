package profile

import (
	"cmp"
	"slices"
)

// buckets is into how many parts a time line is divided.
const buckets = 240

// Timeline tells when processor time was used. That of a run is spread evenly
// over the time that it ran, for nobody knows better: a shell that waits for ten
// seconds and works at the end is shown as working all the time.
type Timeline struct {
	Step     int64   `json:"step"`     // length of a part, in nanoseconds; the last may be shorter
	Native   []int64 `json:"native"`   // CPU time in each part, in nanoseconds
	Emulated []int64 `json:"emulated"` // the same
	Execs    []int64 `json:"execs"`    // programs that began in each part
}

func newTimeline(elapsed int64) *Timeline {
	t := &Timeline{Step: max(elapsed/buckets, 1)}
	if t.Step*buckets < elapsed {
		t.Step++
	}
	n := max(elapsed/t.Step, 1)
	if elapsed > n*t.Step {
		n++
	}
	t.Native, t.Emulated, t.Execs = make([]int64, n), make([]int64, n), make([]int64, n)
	return t
}

func (t *Timeline) part(at int64) int {
	return int(min(max(at, 0)/t.Step, int64(len(t.Native)-1)))
}

// spread puts an amount into the parts between two times, to the last nanosecond.
func (t *Timeline) spread(into []int64, from, to, amount int64) {
	first, last := t.part(from), t.part(max(from, to-1))
	if first == last || to <= from {
		into[first] += amount
		return
	}
	length, given := float64(to-from), int64(0)
	for i := first; i < last; i++ {
		until := int64(float64(amount) * (float64(int64(i+1)*t.Step-from) / length))
		into[i] += until - given
		given = until
	}
	into[last] += amount - given
}

// TimelineOf is the time line of a profile.
func TimelineOf(p *Profile) *Timeline {
	last := p.Elapsed()
	t := newTimeline(last)
	for _, r := range p.Runs {
		from, to := r.span(last)
		if !r.Fork() {
			t.Execs[t.part(from)]++
		}
		if r.End == nil {
			continue
		}
		into := t.Native
		if r.Emulated() {
			into = t.Emulated
		}
		t.spread(into, from, to, r.End.User+r.End.System)
	}
	return t
}

// join lays the time lines of several profiles on one: as they lay on the clock,
// but that times are left out in which none was being made. It sets the offsets,
// and returns the line and how long it is.
func join(sources []*Source, lines []*Timeline) (*Timeline, int64) {
	order := make([]*Source, len(sources))
	copy(order, sources)
	slices.SortStableFunc(order, func(a, b *Source) int { return a.Started.Compare(b.Started) })
	end := int64(0) // of what was laid
	for i, s := range order {
		if i > 0 {
			before := order[i-1]
			s.Offset = before.Offset + min(int64(s.Started.Sub(before.Started)), end-before.Offset)
		}
		end = max(end, s.Offset+s.Totals.Elapsed)
	}
	if len(lines) == 1 {
		return lines[0], end
	}
	all := newTimeline(end)
	for i, l := range lines {
		off := sources[i].Offset
		stop := off + sources[i].Totals.Elapsed
		for j := range l.Native {
			from := off + int64(j)*l.Step
			to := min(from+l.Step, stop)
			all.spread(all.Native, from, to, l.Native[j])
			all.spread(all.Emulated, from, to, l.Emulated[j])
			all.Execs[all.part(from)] += l.Execs[j]
		}
	}
	return all, end
}

// byCost sorts the profiles of a report: the most emulated time first.
func byCost(sources []*Source) {
	slices.SortStableFunc(sources, func(a, b *Source) int {
		return cmp.Or(cmp.Compare(b.Totals.Emulated.CPU, a.Totals.Emulated.CPU), cmp.Compare(b.Totals.All.CPU, a.Totals.All.CPU), cmp.Compare(a.Name(), b.Name()))
	})
}
