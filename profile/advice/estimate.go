package advice

import (
	"fmt"
	"slices"
	"time"
)

// What is taken where a profile does not tell; measured on amd64 with qemu-user
// 7.2 and programs of Debian (docs/performance.md).
const (
	usualStart    = int64(time.Millisecond)       // of a native program
	usualFork     = int64(800 * time.Microsecond) // of a native shell, until it ends or becomes another program
	usualEmulated = int64(25 * time.Millisecond)  // a start under the emulator
	// slowdown is how much longer work takes under the emulator. It was between 15
	// and 24; the least promises least.
	slowdown = 15
)

// enough is how many runs make a figure of a profile worth more than the usual
// one, and several how many programs: one alone may do more than to start.
const (
	enough  = 10
	several = 4
)

// Reference is what the estimates rest on. Times are nanoseconds.
type Reference struct {
	// NativeStart and NativeFork are what a native program, and a fork of one,
	// costs at least, EmulatedStart what a start costs under the emulator.
	NativeStart   int64 `json:"native_start"`
	NativeFork    int64 `json:"native_fork"`
	EmulatedStart int64 `json:"emulated_start"`
	// Measured tells of each whether it is from the profiles; the others are what
	// was measured elsewhere.
	StartMeasured    bool `json:"native_start_measured"`
	ForkMeasured     bool `json:"native_fork_measured"`
	EmulatedMeasured bool `json:"emulated_start_measured"`
	// Slowdown is what work beyond the start is divided by.
	Slowdown int64 `json:"slowdown"`
}

// reference finds in the profiles what starts cost: of what each program costs at
// least, the median under the emulator, where all starts are dear, and the lower
// quartile natively, where work soon outweighs them.
func (u *Usage) reference() Reference {
	r := Reference{Slowdown: slowdown}
	r.NativeStart, r.StartMeasured = u.typical(usualStart, 4, func(p *program) *tally { return &p.native.execs })
	r.NativeFork, r.ForkMeasured = u.typical(usualFork, 4, func(p *program) *tally { return &p.native.forks })
	r.EmulatedStart, r.EmulatedMeasured = u.typical(usualEmulated, 2, func(p *program) *tally { return &p.emulated.execs })
	return r
}

// typical is what one of part programs costs less than.
func (u *Usage) typical(usual int64, part int, of func(*program) *tally) (cost int64, measured bool) {
	var starts []int64
	runs := int64(0)
	for _, p := range u.programs {
		t := of(p)
		if n := t.costs.Seen(); n > 0 {
			starts = append(starts, t.cheap())
			runs += n
		}
	}
	if runs < enough || len(starts) < several {
		return usual, false
	}
	slices.Sort(starts)
	return starts[len(starts)/part], true
}

// estimate is what the emulated runs of a program would cost natively, never more
// than they did cost, and what that rests on.
func (r Reference) estimate(p *program) (cost int64, basis string) {
	e := &p.emulated
	execs, basis := r.execs(p)
	forks := r.each(&e.forks, r.NativeFork, e.forks.cheap())
	if n := p.native.forks.costs.Seen(); n >= enough {
		forks = scale(p.native.forks.cpu, e.forks.count, n)
	}
	return min(execs, e.execs.cpu) + min(forks, e.forks.cpu), basis
}

func (r Reference) execs(p *program) (int64, string) {
	e := &p.emulated.execs
	if n := p.native.execs.costs.Seen(); n >= enough {
		mean := p.native.execs.cpu / n
		return scale(p.native.execs.cpu, e.count, n), fmt.Sprintf("it also ran natively, %d times, at %s each", n, Milliseconds(mean))
	}
	start := e.cheap()
	how := "its cheapest runs"
	if start > r.EmulatedStart {
		start, how = r.EmulatedStart, "what starts cost here"
	}
	return r.each(e, r.NativeStart, start), fmt.Sprintf("of %s for a start (%s) %s are left, of the rest 1/%d",
		Milliseconds(start), how, Milliseconds(min(r.NativeStart, start)), r.Slowdown)
}

// each takes the runs apart into starts and work.
func (r Reference) each(t *tally, native, start int64) int64 {
	work := max(0, t.cpu-t.count*start)
	return t.count*min(native, start) + work/r.Slowdown
}

// scale is sum*count/of; of is not 0.
func scale(sum, count, of int64) int64 { return int64(float64(sum) * float64(count) / float64(of)) }

// Milliseconds are nanoseconds as people read them: 31 ms, 0.8 ms.
func Milliseconds(ns int64) string {
	ms := float64(ns) / 1e6
	if ms < 10 {
		return fmt.Sprintf("%.1f ms", ms)
	}
	return fmt.Sprintf("%.0f ms", ms)
}
