package profile

// Sums is a profile in a few numbers. Times are nanoseconds.
type Sums struct {
	Execs       int64 `json:"execs"`           // programs that began
	Emulated    int64 `json:"emulated"`        // of them by an emulator
	Forks       int64 `json:"forks"`           // runs that began with fork(2)
	Failed      int64 `json:"failed_execs"`    // execve(2) that did not succeed
	CPU         int64 `json:"cpu_ns"`          // of all runs, user and system
	EmulatedCPU int64 `json:"emulated_cpu_ns"` // of the emulated ones
	Lost        int64 `json:"lost"`            // what the collector did not see
	Left        int64 `json:"left"`            // runs that ended with the jail
	// Dearest is the emulated program that cost most; nil without one.
	Dearest *Dearest `json:"dearest,omitempty"`
}

// Dearest is a program with all of its runs, forks included.
type Dearest struct {
	Program string `json:"program"`
	Execs   int64  `json:"execs"`
	CPU     int64  `json:"cpu_ns"`
}

// Tally adds up runs while they come and go.
type Tally struct {
	sums     Sums
	running  map[int64]tallied
	programs map[string]*Dearest // the emulated ones
}

type tallied struct{ dearest *Dearest } // nil for a native one

// NewTally begins with nothing.
func NewTally() *Tally {
	return &Tally{running: map[int64]tallied{}, programs: map[string]*Dearest{}}
}

// Begin takes the beginning of a run.
func (t *Tally) Begin(r *Run) {
	one := int64(1)
	if r.Fork() {
		t.sums.Forks++
		one = 0
	}
	t.sums.Execs += one
	if !r.Emulated() {
		t.running[r.ID] = tallied{}
		return
	}
	t.sums.Emulated += one
	p := t.programs[r.Program]
	if p == nil {
		p = &Dearest{Program: r.Program}
		t.programs[r.Program] = p
	}
	p.Execs += one
	t.running[r.ID] = tallied{p}
}

// End takes the end of a run.
func (t *Tally) End(e *End) {
	cpu := e.User + e.System
	t.sums.CPU += cpu
	if p := t.running[e.ID].dearest; p != nil {
		t.sums.EmulatedCPU += cpu
		p.CPU += cpu
	}
	delete(t.running, e.ID)
}

// Fail takes an execve(2) that failed.
func (t *Tally) Fail(*Failure) { t.sums.Failed++ }

// Lost takes what was not seen.
func (t *Tally) Lost(l *Lost) { t.sums.Lost += l.Count }

// Sums is what there is so far.
func (t *Tally) Sums() Sums {
	s := t.sums
	for _, p := range t.programs {
		if d := s.Dearest; d == nil || p.CPU > d.CPU || p.CPU == d.CPU && p.Program < d.Program {
			c := *p
			s.Dearest = &c
		}
	}
	return s
}
