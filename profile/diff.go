package profile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Diff is what changed from one profile to another. Nothing is scaled: where the
// two did not do the same, Notes say so, and the numbers are what they are. Times
// are nanoseconds.
type Diff struct {
	Before   *Source   `json:"before"`
	After    *Source   `json:"after"`
	Notes    []string  `json:"notes"` // why the two may not be comparable
	Programs []*Change `json:"programs"`
	// LeftOut counts programs that the options left out.
	LeftOut int `json:"left_out"`
}

// What happened to a program.
const (
	BecameNative   = "native"   // some of it ran emulated, and nothing does
	BecameEmulated = "emulated" // nothing of it ran emulated, and something does
	IsNew          = "new"
	IsGone         = "gone"
)

// Change is a program in two profiles.
type Change struct {
	// Program is its path; of a native tool in /nxb-bin that of what it stands for.
	Program string `json:"program"`
	What    string `json:"what,omitempty"` // native, emulated, new, gone
	Before  Side   `json:"before"`
	After   Side   `json:"after"`
}

// Side is a program in one profile.
type Side struct {
	Cost
	EmulatedExecs int64 `json:"emulated_execs"`
	EmulatedCPU   int64 `json:"emulated_cpu"`
	Failures      int64 `json:"failures"`
	// Paths are where the program was, when that is not Change.Program.
	Paths []string `json:"paths,omitempty"`

	emulated bool // some run of it, a fork perhaps
}

func (s *Side) there() bool { return s.Execs+s.Forks > 0 }

// DiffSorts are the orders of a diff.
func DiffSorts() []string { return []string{"cpu", "emulated", "execs"} }

// DiffOptions are what a diff shows.
type DiffOptions struct {
	Sort    string // one of DiffSorts: by what changed most; "" is cpu
	Top     int    // rows; 0 is all
	Changed bool   // only programs of which a number changed
}

// nxbBin is where FreeBSD's native tools are, below which each has the path of
// what it stands for.
const nxbBin = "/nxb-bin"

// Compare compares two profiles, program by program.
func Compare(before, after *Profile, beforeFile, afterFile string, o DiffOptions) *Diff {
	d := &Diff{Before: sourceOf(beforeFile, before), After: sourceOf(afterFile, after), Programs: []*Change{}}
	d.Notes = incomparable(d.Before, d.After)
	byName := map[string]*Change{}
	addSide(byName, before, func(c *Change) *Side { return &c.Before })
	addSide(byName, after, func(c *Change) *Side { return &c.After })
	for _, c := range byName {
		c.What = c.what()
		if !o.Changed || c.What != "" || c.moved() {
			d.Programs = append(d.Programs, c)
		}
	}
	sortChanges(d.Programs, o.Sort)
	d.Programs, d.LeftOut = head(d.Programs, o.Top)
	return d
}

func addSide(byName map[string]*Change, p *Profile, side func(*Change) *Side) {
	t := newTable()
	t.add(p, NewCalls(p))
	for _, row := range t.programs(Cost{}, "") {
		name := row.Program
		if rest, ok := strings.CutPrefix(name, nxbBin+"/"); ok && !row.Emulated {
			name = "/" + rest
		}
		c := byName[name]
		if c == nil {
			c = &Change{Program: name}
			byName[name] = c
		}
		s := side(c)
		s.add(row.Cost)
		s.Failures += row.Failures()
		if row.Emulated {
			s.EmulatedExecs += row.Execs
			s.EmulatedCPU += row.CPU
			s.emulated = true
		}
		if name != row.Program {
			s.Paths = append(s.Paths, row.Program)
		}
	}
}

func (c *Change) what() string {
	switch {
	case !c.Before.there():
		return IsNew
	case !c.After.there():
		return IsGone
	case c.Before.emulated && !c.After.emulated:
		return BecameNative
	case !c.Before.emulated && c.After.emulated:
		return BecameEmulated
	}
	return ""
}

// moved tells whether a number is another one.
func (c *Change) moved() bool {
	b, a := c.Before, c.After
	return b.Cost != a.Cost || b.EmulatedExecs != a.EmulatedExecs || b.EmulatedCPU != a.EmulatedCPU || b.Failures != a.Failures
}

func sortChanges(list []*Change, by string) {
	key := func(c *Change) int64 { return c.After.CPU - c.Before.CPU }
	switch by {
	case "emulated":
		key = func(c *Change) int64 { return c.After.EmulatedCPU - c.Before.EmulatedCPU }
	case "execs":
		key = func(c *Change) int64 { return c.After.Execs - c.Before.Execs }
	}
	size := func(c *Change) int64 { return max(key(c), -key(c)) }
	slices.SortFunc(list, func(a, b *Change) int {
		return cmp.Or(cmp.Compare(size(b), size(a)), cmp.Compare(b.Before.CPU, a.Before.CPU), cmp.Compare(a.Program, b.Program))
	})
}

// brief is a command as a note has it: a command can be very long.
func brief(argv []string) string {
	const most = 160
	text := []rune(CommandLine(argv, false))
	if len(text) > most {
		return string(text[:most-1]) + "…"
	}
	return string(text)
}

// incomparable tells in what two profiles differ beside what they are to show.
func incomparable(a, b *Source) []string {
	notes := []string{}
	add := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	for i, s := range []*Source{a, b} {
		which := []string{"the first", "the second"}[i]
		if !s.Finished {
			add("%s profile is not finished: %d programs were still running", which, s.Totals.Running)
		}
		if s.Totals.Lost > 0 {
			add("the collector of %s profile lost %d events", which, s.Totals.Lost)
		}
	}
	if !slices.Equal(a.Command, b.Command) {
		add("the commands differ: %s, and %s", brief(a.Command), brief(b.Command))
	}
	for _, f := range []struct{ what, a, b string }{{"jails", a.Jail, b.Jail}, {"architectures", a.Arch, b.Arch},
		{"machines", a.Host, b.Host}, {"collectors", a.Collector, b.Collector}, {"subjects", a.Subject, b.Subject}} {
		if f.a != f.b {
			add("the %s differ: %q, and %q", f.what, f.a, f.b)
		}
	}
	if a.Status != nil && b.Status != nil && *a.Status != *b.Status {
		add("the commands ended with status %d, and %d", *a.Status, *b.Status)
	}
	return notes
}
