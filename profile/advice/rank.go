package advice

import (
	"cmp"
	"slices"
)

// Ranked is an emulated program over all profiles of a bulk run. Times are
// nanoseconds.
type Ranked struct {
	Program string `json:"program"`
	Execs   int64  `json:"execs"`
	Forks   int64  `json:"forks"`
	CPU     int64  `json:"emulated_cpu"`
	// Share is of the emulated time of all.
	Share float64 `json:"share"`
	// Subjects counts the packages in which it ran emulated. Most is the one that
	// it cost most, MostCPU, in.
	Subjects int    `json:"subjects"`
	Most     string `json:"most"`
	MostCPU  int64  `json:"most_cpu"`
}

// Rank lists the emulated programs over everything that was added, the dearest
// first; a bulk run has a profile for each package.
func (u *Usage) Rank() []Ranked {
	var list []Ranked
	for path, p := range u.programs {
		e := &p.emulated
		if e.execs.count+e.forks.count == 0 {
			continue
		}
		r := Ranked{Program: path, Execs: e.execs.count, Forks: e.forks.count, CPU: e.cpu(), Subjects: len(p.subjects)}
		if u.whole.Emulated > 0 {
			r.Share = float64(r.CPU) / float64(u.whole.Emulated)
		}
		for subject, cost := range p.subjects {
			if r.Most == "" || cost > r.MostCPU || cost == r.MostCPU && subject < r.Most {
				r.Most, r.MostCPU = subject, cost
			}
		}
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b Ranked) int {
		return cmp.Or(cmp.Compare(b.CPU, a.CPU), cmp.Compare(a.Program, b.Program))
	})
	return list
}
