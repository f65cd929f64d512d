package profile

import (
	"cmp"
	"path"
	"slices"
)

// Program is a row of the table: a program, run in one way. One that ran
// emulated and native has two. Times are nanoseconds.
type Program struct {
	Program  string `json:"program"`
	Emulated bool   `json:"emulated"`
	Arch     string `json:"arch"` // the emulator's, or the machine's
	Cost
	Each  int64   `json:"cpu_each"` // CPU / (Execs + Forks)
	Share float64 `json:"share"`    // of the CPU time of everything, 0 to 1
	// StartupEach is estimated: what the cheapest starts of the program cost, the
	// 5th percentile of the CPU time of its execs. Of one with fewer than ten execs
	// it is at most the median of that of the programs with ten or more that ran
	// in the same way. StartupFrom tells which it is. Startup is StartupEach for
	// every exec.
	StartupEach int64  `json:"startup_each"`
	Startup     int64  `json:"startup"`
	StartupFrom string `json:"startup_from,omitempty"`
	Ends
	RSS      int64  `json:"rss"`      // the largest, in bytes
	Profiles int    `json:"profiles"` // in how many profiles it ran
	Names    []Name `json:"names"`    // by which names it was started, the most frequent first

	execs Costs // CPU time of those that ended
	names map[string]int64
	last  int // the profile that it was last met in
}

// What an estimate of the cost of starts is from.
const (
	StartupOwn    = "own"    // ten or more execs of the program
	StartupOthers = "others" // other programs that ran in the same way
	StartupFew    = "few"    // fewer of the program: it is at most that
)

// Name is a name by which a program was started: of one that is many, as busybox
// is, or that a link leads to.
type Name struct {
	Name  string `json:"name"`
	Execs int64  `json:"execs"`
}

// Script is a script, by its file.
type Script struct {
	Script      string `json:"script"`
	Interpreter string `json:"interpreter"` // of the last run
	Emulated    bool   `json:"emulated"`    // an emulator ran the interpreter
	Cost               // of the interpreter, its forks included
	// Total is the CPU time with that of everything that was started from it; a
	// script that calls another one has the other's in it, too.
	Total int64 `json:"total_cpu"`
}

// FailedExec is a file that could not be started.
type FailedExec struct {
	File  string `json:"file"`
	Error string `json:"error"`
	Count int64  `json:"count"`
}

// Sorts are the orders of the table of programs.
func Sorts() []string { return []string{"cpu", "execs", "startup", "wall", "failures"} }

// sortPrograms puts the largest first; equals are in the order of their names.
func sortPrograms(rows []*Program, by string) {
	key := map[string]func(*Program) int64{
		"execs":    func(p *Program) int64 { return p.Execs },
		"startup":  func(p *Program) int64 { return p.Startup },
		"wall":     func(p *Program) int64 { return p.Wall },
		"failures": func(p *Program) int64 { return p.Failures() },
	}[by]
	if key == nil {
		key = func(p *Program) int64 { return p.CPU }
	}
	slices.SortFunc(rows, func(a, b *Program) int {
		return cmp.Or(cmp.Compare(key(b), key(a)), cmp.Compare(a.Program, b.Program), cmp.Compare(a.Arch, b.Arch))
	})
}

// programKey tells rows apart.
type programKey struct {
	program  string
	arch     string
	emulated bool
}

// table collects rows.
type table struct {
	rows    map[programKey]*Program
	scripts map[string]*Script
	failed  map[FailedExec]int64 // Count is 0 in the key
	n       int                  // profiles added
}

func newTable() *table {
	return &table{rows: map[programKey]*Program{}, scripts: map[string]*Script{}, failed: map[FailedExec]int64{}}
}

func (t *table) row(p *Profile, r *Run) *Program {
	key := programKey{r.Program, p.ArchOf(r), r.Emulated()}
	row := t.rows[key]
	if row == nil {
		row = &Program{Program: r.Program, Arch: key.arch, Emulated: key.emulated, names: map[string]int64{}}
		t.rows[key] = row
	}
	if row.last != t.n {
		row.last = t.n
		row.Profiles++
	}
	return row
}

// add adds the runs of a profile.
func (t *table) add(p *Profile, calls *Calls) {
	t.n++
	last := p.Elapsed()
	for _, r := range p.Runs {
		row := t.row(p, r)
		row.Cost.add(costOf(r, last))
		row.count(r)
		if r.End != nil {
			row.RSS = max(row.RSS, r.End.RSS)
		}
		if r.Fork() {
			continue
		}
		row.names[nameOf(r)]++
		if r.End != nil {
			row.execs.Add(r.End.User + r.End.System)
		}
	}
	for _, f := range p.Failures {
		if r := p.Run(f.Run); r != nil {
			t.row(p, r).FailedExecs++
		}
		t.failed[FailedExec{File: f.File, Error: f.Error}]++
	}
	t.addScripts(p, calls, last)
}

// nameOf is the name by which a program was started. A script's is its
// interpreter's: scripts have a table of their own.
func nameOf(r *Run) string {
	if r.File == "" || r.Script {
		return path.Base(r.Program)
	}
	return path.Base(r.File)
}

// addScripts adds the scripts of a profile. Runs are added to who called them
// from the last to the first: whoever called began before.
func (t *table) addScripts(p *Profile, calls *Calls, last int64) {
	total := make([]int64, len(p.Runs))
	for i := len(p.Runs) - 1; i >= 0; i-- {
		r := p.Runs[i]
		if r.End != nil {
			total[calls.Owner(i)] += r.End.User + r.End.System
		}
		if calls.Owner(i) == i && calls.Caller(i) >= 0 {
			total[calls.Caller(i)] += total[i]
		}
	}
	for i, r := range p.Runs {
		call := p.Runs[calls.Owner(i)]
		if !call.Script {
			continue
		}
		s := t.scripts[call.File]
		if s == nil {
			s = &Script{Script: call.File}
			t.scripts[call.File] = s
		}
		s.Interpreter, s.Emulated = call.Program, call.Emulated()
		s.add(costOf(r, last))
		if calls.Owner(i) == i {
			s.Total += total[i]
		}
	}
}

// programs are the finished rows, sorted.
func (t *table) programs(all Cost, by string) []*Program {
	rows := make([]*Program, 0, len(t.rows))
	for _, row := range t.rows {
		row.Share = share(row.CPU, all.CPU)
		if runs := row.Execs + row.Forks; runs > 0 {
			row.Each = row.CPU / runs
		}
		row.Names = make([]Name, 0, len(row.names))
		for name, n := range row.names {
			row.Names = append(row.Names, Name{name, n})
		}
		slices.SortFunc(row.Names, func(a, b Name) int {
			return cmp.Or(cmp.Compare(b.Execs, a.Execs), cmp.Compare(a.Name, b.Name))
		})
		rows = append(rows, row)
	}
	estimateStartup(rows)
	sortPrograms(rows, by)
	return rows
}

// enough execs of a program tell what its start costs.
const enough = 10

// estimateStartup fills in what starts cost.
func estimateStartup(rows []*Program) {
	others := map[bool][]int64{}
	for _, row := range rows {
		costs := row.execs.Sorted()
		if n := len(costs); n > 0 {
			row.StartupEach, row.StartupFrom = costs[(n-1)*5/100], StartupFew
		}
		if len(costs) >= enough {
			row.StartupFrom = StartupOwn
			others[row.Emulated] = append(others[row.Emulated], row.StartupEach)
		}
	}
	for _, row := range rows {
		known := others[row.Emulated]
		slices.Sort(known)
		if n := row.execs.Seen(); len(known) > 0 && n > 0 && n < enough {
			if m := known[len(known)/2]; m < row.StartupEach {
				row.StartupEach, row.StartupFrom = m, StartupOthers
			}
		}
		// Of those that still run nobody knows the cost: it is a part of the known.
		if row.Startup = row.CPU; row.Execs == 0 || row.StartupEach <= row.CPU/row.Execs {
			row.Startup = row.StartupEach * row.Execs
		}
	}
}

func (t *table) scriptRows() []*Script {
	rows := make([]*Script, 0, len(t.scripts))
	for _, s := range t.scripts {
		rows = append(rows, s)
	}
	slices.SortFunc(rows, func(a, b *Script) int {
		return cmp.Or(cmp.Compare(b.Total, a.Total), cmp.Compare(a.Script, b.Script))
	})
	return rows
}

func (t *table) failedRows() []FailedExec {
	rows := make([]FailedExec, 0, len(t.failed))
	for f, n := range t.failed {
		f.Count = n
		rows = append(rows, f)
	}
	slices.SortFunc(rows, func(a, b FailedExec) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.File, b.File), cmp.Compare(a.Error, b.Error))
	})
	return rows
}
