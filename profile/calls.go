package profile

// Calls tells which program of a profile started which.
//
// A call is a run that began with execve(2), together with its forks: a shell's
// child belongs to the shell until it becomes another program. Who called it is
// the program that the process was before, as of env(1) and of wrapper scripts,
// or whose fork it was.
type Calls struct {
	p      *Profile
	owner  []int   // the call that a run belongs to; an index of p.Runs, as below
	caller []int   // of a call; -1 when it came from outside
	own    []int64 // see Own
	last   int64   // Elapsed
}

// NewCalls finds the calls of a profile. What refers to a run that had not begun
// is from outside, so that there are no circles, whatever is in the file.
func NewCalls(p *Profile) *Calls {
	c := &Calls{p: p, last: p.Elapsed(), owner: make([]int, len(p.Runs)), caller: make([]int, len(p.Runs)), own: make([]int64, len(p.Runs))}
	odd := map[int64]int{}
	for i, r := range p.Runs {
		from := r.Parent
		if r.Replaced != 0 {
			from = r.Replaced
		}
		c.owner[i], c.caller[i] = i, -1
		if up := p.place(from, odd, i); up >= 0 {
			c.caller[i] = c.owner[up]
		}
		if r.Fork() && c.caller[i] >= 0 {
			c.owner[i] = c.caller[i]
		}
		if r.ID != int64(i)+1 {
			odd[r.ID] = i
		}
	}
	c.findOwn()
	return c
}

// findOwn subtracts from the elapsed time of each call the union of the processes'
// that it waits for: make(1) waits for the compiler that env(1) became, too. Runs
// are in the order in which they began, so that one pass does.
func (c *Calls) findOwn() {
	covered := make([]int64, len(c.p.Runs)) // until when callees that were met ran
	waits := make([]int, len(c.p.Runs))     // who waits for the process of a call
	for i, r := range c.p.Runs {
		if c.owner[i] != i {
			continue
		}
		from, to := r.span(c.last)
		c.own[i] += to - from
		covered[i] = from
		up := c.caller[i]
		if up >= 0 && c.p.Runs[up].ID == r.Replaced {
			up = waits[up]
		}
		if waits[i] = up; up < 0 {
			continue
		}
		_, end := c.p.Runs[up].span(c.last)
		from, to = max(from, covered[up]), min(to, end)
		if to > from {
			c.own[up] -= to - from
			covered[up] = to
		}
	}
}

// Owner is the call that run i belongs to, both as indexes of Profile.Runs: i
// itself for a program that was started, and for a fork from outside.
func (c *Calls) Owner(i int) int { return c.owner[i] }

// Caller is who made call i; -1 for the command itself and for what came from
// outside.
func (c *Calls) Caller(i int) int { return c.caller[i] }

// Own is the elapsed time of call i in which nothing ran that it started, in
// nanoseconds.
func (c *Calls) Own(i int) int64 { return c.own[i] }

// Elapsed is how long the profile lasted, in nanoseconds: until the Close, or the
// last line of one that was cut off.
func (p *Profile) Elapsed() int64 {
	if p.Close != nil {
		return max(p.Close.At, 0)
	}
	last := int64(0)
	for _, r := range p.Runs {
		last = max(last, r.At)
		if r.End != nil {
			last = max(last, r.End.At)
		}
	}
	for _, f := range p.Failures {
		last = max(last, f.At)
	}
	for _, l := range p.Losses {
		last = max(last, l.At)
	}
	return last
}

// Span is from when to when run i ran, within the profile, in nanoseconds; one
// without an end runs until the profile's.
func (c *Calls) Span(i int) (from, to int64) { return c.p.Runs[i].span(c.last) }

func (r *Run) span(last int64) (from, to int64) {
	from, to = min(max(r.At, 0), last), last
	if r.End != nil {
		to = min(max(r.End.At, from), last)
	}
	return from, to
}

// ArchOf is the architecture whose program a run is: of its emulator, or of the
// machine.
func (p *Profile) ArchOf(r *Run) string {
	if r.Emulator == "" {
		return p.Host
	}
	for _, e := range p.Emulators {
		if e.Path == r.Emulator {
			return e.Arch
		}
	}
	return r.Emulator // an activator that the header does not know
}
