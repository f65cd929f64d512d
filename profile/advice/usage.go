package advice

import (
	"slices"
	"time"

	"github.com/xjail/xjail/profile"
)

// Usage sums what ran in one profile or in many.
type Usage struct {
	whole    Total
	profiles []Source
	// jails and archs are those of the profiles, each once, the first one's first.
	jails    []string
	archs    []string
	programs map[string]*program
	// scripts are those that were run, by the path that was given.
	scripts map[string]*scriptRuns
	running int64
	lost    int64
}

// Total is processor time, in nanoseconds.
type Total struct {
	CPU      int64 `json:"cpu"`
	Native   int64 `json:"native"`
	Emulated int64 `json:"emulated"`
}

// Source is a profile that was read.
type Source struct {
	File    string    `json:"file,omitempty"`
	Subject string    `json:"subject,omitempty"`
	Started time.Time `json:"started"`
	Command []string  `json:"command,omitempty"`
	Total
	// Whole is false for a profile that has no last line.
	Whole bool `json:"whole"`
}

// program is what is known of one program.
type program struct {
	emulated, native side
	scripts          map[string]*tally // emulated, by path
	subjects         map[string]int64  // emulated time by subject
}

// scriptRuns are the execs of one script.
type scriptRuns struct{ emulated, native tally }

// side sums the runs of a program that are emulated, or those that are native.
type side struct {
	execs, forks tally
}

func (s *side) cpu() int64 { return s.execs.cpu + s.forks.cpu }

// tally is how often, and at what cost; costs are of those that have ended.
type tally struct {
	count int64
	cpu   int64
	costs profile.Costs
}

func (t *tally) add(e *profile.End) {
	t.count++
	if e == nil {
		return
	}
	cost := cpuOf(e)
	t.cpu += cost
	t.costs.Add(cost)
}

// longest keeps the sums of a damaged profile from overflowing: a fortnight.
const longest = 1 << 50

// cpuOf is the time of a run.
func cpuOf(e *profile.End) int64 {
	return min(max(e.User, 0), longest) + min(max(e.System, 0), longest)
}

// cheap is the cost that a tenth of the runs stay below: what a start costs. 0
// when none has ended.
func (t *tally) cheap() int64 {
	costs := t.costs.Sorted()
	if len(costs) == 0 {
		return 0
	}
	return costs[len(costs)/10]
}

// NewUsage is empty.
func NewUsage() *Usage {
	return &Usage{programs: map[string]*program{}, scripts: map[string]*scriptRuns{}}
}

// Add sums a profile; file is how the advice calls it.
func (u *Usage) Add(file string, p *profile.Profile) {
	before := u.whole
	u.jails, u.archs = withOne(u.jails, p.Jail), withOne(u.archs, p.Arch)
	for _, r := range p.Runs {
		u.addRun(r, subjectOf(file, p))
	}
	for _, l := range p.Losses {
		u.lost += l.Count
	}
	u.profiles = append(u.profiles, Source{
		File: file, Subject: p.Subject, Started: p.Started, Command: p.Command, Whole: p.Close != nil,
		Total: Total{u.whole.CPU - before.CPU, u.whole.Native - before.Native, u.whole.Emulated - before.Emulated},
	})
}

// withOne adds what is not there yet.
func withOne(list []string, one string) []string {
	if slices.Contains(list, one) {
		return list
	}
	return append(list, one)
}

// subjectOf is what a profile is about: its package, or else its file.
func subjectOf(file string, p *profile.Profile) string {
	if p.Subject != "" {
		return p.Subject
	}
	return file
}

func (u *Usage) addRun(r *profile.Run, subject string) {
	pr := u.programs[r.Program]
	if pr == nil {
		pr = &program{scripts: map[string]*tally{}, subjects: map[string]int64{}}
		u.programs[r.Program] = pr
	}
	s := &pr.native
	if r.Emulated() {
		s = &pr.emulated
	}
	if r.Fork() {
		s.forks.add(r.End)
	} else {
		s.execs.add(r.End)
	}
	if r.Script && r.File != "" {
		u.addScript(r)
	}
	if r.End == nil {
		u.running++
		return
	}
	cost := cpuOf(r.End)
	u.whole.CPU += cost
	if !r.Emulated() {
		u.whole.Native += cost
		return
	}
	u.whole.Emulated += cost
	pr.subjects[subject] += cost
	if r.Script && r.File != "" {
		if pr.scripts[r.File] == nil {
			pr.scripts[r.File] = &tally{}
		}
		pr.scripts[r.File].add(r.End)
	}
}

func (u *Usage) addScript(r *profile.Run) {
	s := u.scripts[r.File]
	if s == nil {
		s = &scriptRuns{}
		u.scripts[r.File] = s
	}
	if r.Emulated() {
		s.emulated.add(r.End)
	} else {
		s.native.add(r.End)
	}
}

// Script is a script that an emulated interpreter ran.
type Script struct {
	File  string `json:"file"`
	Execs int64  `json:"execs"`
	CPU   int64  `json:"cpu"` // nanoseconds, emulated, without what its forks used
}

// Total is the time of all runs.
func (u *Usage) Total() Total { return u.whole }

// Jail is the jail of the first profile, "" when there is none.
func (u *Usage) Jail() string { return first(u.jails) }

// Archs are the architectures of the profiles' jails, as these call them.
func (u *Usage) Archs() []string { return u.archs }

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// Profiles are those that were added.
func (u *Usage) Profiles() []Source { return u.profiles }
