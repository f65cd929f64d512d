package buildlog

import (
	"cmp"
	"maps"
	"slices"
)

// Summary is what a set of failures has in common.
type Summary struct {
	Builds   []Build   `json:"builds"`
	Failed   int       `json:"failed"`
	Skipped  int       `json:"skipped"` // packages that were not tried because of them
	Causes   []Group   `json:"causes"`
	Next     []Next    `json:"next"`
	Failures []Failure `json:"failures"`
}

// Build is one run of poudriere.
type Build struct {
	Jail  string `json:"jail"`
	Build string `json:"build"`
}

// Failure is a record of a failure, with how many packages wait for it.
type Failure struct {
	Record
	Skipped int `json:"skipped"`
}

// Group is the failures of one cause.
type Group struct {
	Cause    Cause         `json:"cause"`
	Packages int           `json:"packages"`
	Skipped  int           `json:"skipped"`
	Blame    map[Blame]int `json:"emulation"` // packages by blame
	Programs []Count       `json:"programs"`  // to blame, most first
}

// Count is a name and how often it was there.
type Count struct {
	Name     string `json:"name"`
	Packages int    `json:"packages"`
}

// Next is an advice that some of the failures share.
type Next struct {
	Advice
	Packages []string `json:"packages"`
	Skipped  int      `json:"skipped"`
}

// blocker is a package, by name or origin, that others wait for in a build.
type blocker struct {
	Build
	name string
}

// Summarise counts the failures of records by cause, and puts together what to do
// about them: first what mends most packages, those included that wait for one.
func Summarise(records []Record) Summary {
	s := Summary{Builds: []Build{}, Causes: []Group{}, Next: []Next{}, Failures: []Failure{}}
	waiting := map[blocker]int{}
	for _, rec := range records {
		if b := (Build{rec.Jail, rec.Build}); b != (Build{}) && !slices.Contains(s.Builds, b) {
			s.Builds = append(s.Builds, b)
		}
		if rec.Because != "" {
			s.Skipped++
			waiting[blocker{Build{rec.Jail, rec.Build}, rec.Because}]++
		}
	}
	for _, rec := range records {
		if rec.Because != "" || rec.Verdict == nil {
			continue
		}
		n := 0
		for _, because := range slices.Compact(slices.Sorted(slices.Values([]string{rec.PkgName, rec.Origin}))) {
			n += waiting[blocker{Build{rec.Jail, rec.Build}, because}]
		}
		s.Failures = append(s.Failures, Failure{rec, n})
	}
	s.Failed = len(s.Failures)
	s.group()
	s.next()
	return s
}

// group fills Causes, in the order of the report, and sorts the failures by it.
func (s *Summary) group() {
	order := Causes()
	slices.SortStableFunc(s.Failures, func(a, b Failure) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.Verdict.Cause), slices.Index(order, b.Verdict.Cause)), cmp.Compare(b.Skipped, a.Skipped))
	})
	for _, f := range s.Failures {
		v := f.Verdict
		if n := len(s.Causes); n == 0 || s.Causes[n-1].Cause != v.Cause {
			s.Causes = append(s.Causes, Group{Cause: v.Cause, Blame: map[Blame]int{}, Programs: []Count{}})
		}
		g := &s.Causes[len(s.Causes)-1]
		g.Packages++
		g.Skipped += f.Skipped
		g.Blame[v.Emulation]++
	}
	for i := range s.Causes {
		s.Causes[i].Programs = s.programs(s.Causes[i].Cause)
	}
}

// programs are those to blame for failures of a cause.
func (s *Summary) programs(cause Cause) []Count {
	counts := map[string]int{}
	for _, f := range s.Failures {
		if f.Verdict.Cause == cause && f.Verdict.Program != "" {
			counts[f.Verdict.Program]++
		}
	}
	list := []Count{}
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		list = append(list, Count{name, counts[name]})
	}
	slices.SortStableFunc(list, func(a, b Count) int { return cmp.Compare(b.Packages, a.Packages) })
	return list
}

// next fills Next. Of a limit that several packages reached the text with the
// largest value stays.
func (s *Summary) next() {
	type key struct {
		kind          AdviceKind
		subject, text string
	}
	at, seconds := map[key]int{}, map[key]int64{}
	for _, f := range s.Failures {
		for _, a := range f.Verdict.Advice {
			k := key{a.Kind, a.Subject, a.Text}
			if a.Kind == RaiseLimit || a.Kind == MakeNative || a.Kind == KeepEmulated {
				k.text = ""
			}
			i, ok := at[k]
			if !ok {
				i = len(s.Next)
				at[k] = i
				s.Next = append(s.Next, Next{Advice: a})
			}
			n := &s.Next[i]
			n.Packages = append(n.Packages, f.PkgName)
			n.Skipped += f.Skipped
			if a.Kind == RaiseLimit && f.Verdict.Seconds > seconds[k] {
				n.Text, seconds[k] = a.Text, f.Verdict.Seconds
			}
		}
	}
	order := []AdviceKind{MakeNative, KeepEmulated, RaiseLimit, CheckJail, AddMemory, AddDisk, NewEmulator, FixNetwork, FixPort, ReadLog}
	slices.SortStableFunc(s.Next, func(a, b Next) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.Kind), slices.Index(order, b.Kind)), cmp.Compare(len(b.Packages)+b.Skipped, len(a.Packages)+a.Skipped))
	})
}
