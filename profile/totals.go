package profile

import (
	"fmt"
	"math"
	"time"
)

// Cost is what runs cost. Times are nanoseconds.
type Cost struct {
	Execs  int64 `json:"execs"` // programs that were started
	Forks  int64 `json:"forks"` // runs that began with fork(2)
	User   int64 `json:"user"`
	System int64 `json:"system"`
	CPU    int64 `json:"cpu"`  // User + System
	Wall   int64 `json:"wall"` // elapsed time of the programs that were started, added up
}

func (c *Cost) add(o Cost) {
	c.Execs += o.Execs
	c.Forks += o.Forks
	c.User = plus(c.User, o.User)
	c.System = plus(c.System, o.System)
	c.CPU = plus(c.CPU, o.CPU)
	c.Wall = plus(c.Wall, o.Wall)
}

// plus adds numbers that are not negative. The sum is at most the largest there is:
// each run of a damaged profile can have lasted for years.
func plus(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// costOf is the cost of one run of a profile that lasted until last.
func costOf(r *Run, last int64) Cost {
	var c Cost
	if r.Fork() {
		c.Forks = 1
	} else {
		from, to := r.span(last)
		c.Execs, c.Wall = 1, to-from
	}
	if r.End != nil {
		c.User, c.System = r.End.User, r.End.System
		c.CPU = c.User + c.System
	}
	return c
}

// Ends counts how runs ended, and what they could not start.
type Ends struct {
	NonZero     int64 `json:"non_zero"`     // exit statuses other than 0
	Signals     int64 `json:"signals"`      // ended by a signal
	FailedExecs int64 `json:"failed_execs"` // execve(2) that did not succeed
	Unknown     int64 `json:"unknown"`      // the collector lost sight of them
	Running     int64 `json:"running"`      // still running at the end of the profile
}

// Failures are non-zero statuses, signals and execs that failed.
func (e *Ends) Failures() int64 { return e.NonZero + e.Signals + e.FailedExecs }

func (e *Ends) add(o Ends) {
	e.NonZero += o.NonZero
	e.Signals += o.Signals
	e.FailedExecs += o.FailedExecs
	e.Unknown += o.Unknown
	e.Running += o.Running
}

// count adds the end of a run.
func (e *Ends) count(r *Run) {
	switch {
	case r.End == nil:
		e.Running++
	case r.End.How == BySignal:
		e.Signals++
	case r.End.How == Unknown:
		e.Unknown++
	case r.End.How == ByExit && r.End.Code != 0:
		e.NonZero++
	}
}

// Totals are of one profile, or of several together. Times are nanoseconds.
type Totals struct {
	Runs      int64 `json:"runs"`
	Processes int64 `json:"processes"`
	Native    Cost  `json:"native"`
	Emulated  Cost  `json:"emulated"`
	All       Cost  `json:"all"`
	// Share is the emulated part of the CPU time, 0 to 1.
	Share float64 `json:"emulated_share"`
	// Elapsed is how long it took; of several profiles, for how long at least one
	// was being made.
	Elapsed int64 `json:"elapsed"`
	Ends
	Lost int64 `json:"lost"` // what the collectors know that they did not see
	// Kernel is the kernel's own sum of the CPU time, of the profiles that have
	// it, and Counted what their runs add up to; Difference is (Counted-Kernel) in
	// per cent of Kernel. Nil when no profile has it.
	Kernel *Check `json:"kernel,omitempty"`
}

// Check compares the sum of the runs with the kernel's.
type Check struct {
	User       int64   `json:"user"`
	System     int64   `json:"system"`
	Counted    int64   `json:"counted"`
	Difference float64 `json:"difference_percent"`
}

// DifferenceText is the difference as people read it: +0.02 %. What is none when it
// is rounded has no minus.
func (k Check) DifferenceText() string {
	text := fmt.Sprintf("%+.2f %%", k.Difference)
	if text == "-0.00 %" {
		return "+0.00 %"
	}
	return text
}

func (t *Totals) add(o *Totals) {
	t.Runs += o.Runs
	t.Processes += o.Processes
	t.Native.add(o.Native)
	t.Emulated.add(o.Emulated)
	t.All.add(o.All)
	t.Ends.add(o.Ends)
	t.Lost = plus(t.Lost, o.Lost)
	if o.Kernel != nil {
		if t.Kernel == nil {
			t.Kernel = &Check{}
		}
		t.Kernel.User = plus(t.Kernel.User, o.Kernel.User)
		t.Kernel.System = plus(t.Kernel.System, o.Kernel.System)
		t.Kernel.Counted = plus(t.Kernel.Counted, o.Kernel.Counted)
	}
	t.finish()
}

// finish computes what is no sum.
func (t *Totals) finish() {
	t.Share = share(t.Emulated.CPU, t.All.CPU)
	if k := t.Kernel; k != nil {
		sum := plus(k.User, k.System)
		k.Difference = 100 * share(k.Counted-sum, sum)
	}
}

func share(part, whole int64) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// totalsOf adds up a profile.
func totalsOf(p *Profile) *Totals {
	t := &Totals{Runs: int64(len(p.Runs)), Elapsed: p.Elapsed()}
	for _, r := range p.Runs {
		c := costOf(r, t.Elapsed)
		if r.Emulated() {
			t.Emulated.add(c)
		} else {
			t.Native.add(c)
		}
		t.All.add(c)
		t.count(r)
		if r.Replaced == 0 {
			t.Processes++
		}
	}
	t.FailedExecs = int64(len(p.Failures))
	for _, l := range p.Losses {
		t.Lost = plus(t.Lost, l.Count)
	}
	if c := p.Close; c != nil && c.User+c.System > 0 {
		t.Kernel = &Check{User: c.User, System: c.System, Counted: t.All.CPU}
	}
	t.finish()
	return t
}

// Source is one of the profiles that a report is made of.
type Source struct {
	File      string    `json:"file"`
	Jail      string    `json:"jail"`
	Arch      string    `json:"arch"`
	Host      string    `json:"host"`
	Collector string    `json:"collector"`
	Started   time.Time `json:"started"`
	Command   []string  `json:"command"`
	Tools     string    `json:"tools,omitempty"`
	Subject   string    `json:"subject,omitempty"`
	// Status of the command; nil when the profile is not finished.
	Status *int `json:"status"`
	// Finished: it has its last line. Cut: its last line is not whole.
	Finished bool   `json:"finished"`
	Cut      bool   `json:"cut,omitempty"`
	Totals   Totals `json:"totals"`
	// Offset is where it lies on the time line of the report, in nanoseconds.
	Offset int64 `json:"offset"`
}

// Name is what people call a profile: its subject, or its file.
func (s *Source) Name() string {
	if s.Subject != "" {
		return s.Subject
	}
	return s.File
}

func sourceOf(file string, p *Profile) *Source {
	s := &Source{File: file, Jail: p.Jail, Arch: p.Arch, Host: p.Host, Collector: p.Collector, Started: p.Started,
		Command: p.Command, Tools: p.Tools, Subject: p.Subject, Finished: p.Close != nil, Cut: p.Cut, Totals: *totalsOf(p)}
	if p.Close != nil {
		s.Status = &p.Close.Status
	}
	return s
}
