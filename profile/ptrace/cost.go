package ptrace

// clocks are the processor times of a process with all its threads, since it was
// forked; nanoseconds.
type clocks struct {
	run  int64 // what the scheduler counted, exactly
	user int64 // of ticks that hit the process in user mode
	both int64 // of all ticks that hit it
}

// split divides the time that the scheduler counted as getrusage(2) does: in the
// ratio of the ticks (cputime_adjust in kernel/sched/cputime.c).
func (c clocks) split() (user, system int64) {
	ticks := c.both - c.user
	switch {
	case ticks <= 0:
		return c.run, 0
	case c.user <= 0:
		return 0, c.run
	}
	system = int64(float64(c.run) * (float64(ticks) / float64(c.both)))
	return c.run - system, system
}

// after is what is left of times when those of before are taken off. How ticks split
// a time changes while it grows, so only the sum can be told from the parts.
func (c clocks) after(user, system int64) (int64, int64) {
	before, _ := c.split()
	all := max(user+system-c.run, 0)
	user = min(max(user-before, 0), all)
	return user, all - user
}

// account divides the time of a process between the runs that it has been.
type account struct {
	last         int64 // clocks.run when the run began
	user, system int64 // what runs before got
}

// charge is what was used since the last charge. The parts of a process add up
// to what getrusage(2) says of the whole, but where ticks would make one
// negative: then the sum is right and the split is not quite.
func (a *account) charge(now clocks) (user, system int64) {
	all := max(now.run-a.last, 0)
	user, _ = now.split()
	user = min(max(user-a.user, 0), all)
	a.last = max(now.run, a.last)
	a.user += user
	a.system += all - user
	return user, all - user
}
