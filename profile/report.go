package profile

import (
	"cmp"
	"slices"
)

// Report is what one profile tells, or several together. Times are nanoseconds.
type Report struct {
	Profiles []*Source `json:"profiles"` // the most emulated CPU time first
	Totals   Totals    `json:"totals"`
	// Sort is the order of Programs.
	Sort        string       `json:"sort"`
	Programs    []*Program   `json:"programs"`
	Scripts     []*Script    `json:"scripts"`
	FailedExecs []FailedExec `json:"failed_execs"`
	Longest     []Notable    `json:"longest"` // by elapsed time
	Largest     []Notable    `json:"largest"` // by memory
	Timeline    *Timeline    `json:"timeline"`
	Tree        *Node        `json:"tree,omitempty"`
	// LeftOut counts what the options left out of the lists above.
	LeftOut LeftOut `json:"left_out"`
}

// LeftOut counts rows.
type LeftOut struct {
	Programs    int `json:"programs"`
	Scripts     int `json:"scripts"`
	FailedExecs int `json:"failed_execs"`
	Profiles    int `json:"profiles"`
}

// Notable is a call that is worth to be named. Times are nanoseconds.
type Notable struct {
	Profile  string   `json:"profile"` // its subject or file
	ID       int64    `json:"id"`      // of the run
	Program  string   `json:"program"`
	File     string   `json:"file,omitempty"`
	Argv     []string `json:"argv"`
	Cut      bool     `json:"argv_cut,omitempty"`
	Emulated bool     `json:"emulated"`
	At       int64    `json:"at"`
	Wall     int64    `json:"wall"`
	Own      int64    `json:"own_wall"` // of Wall, when nothing ran that it started
	CPU      int64    `json:"cpu"`      // of the run alone
	RSS      int64    `json:"rss"`      // bytes
	Running  bool     `json:"running,omitempty"`
}

// notables is how many are named.
const notables = 20

// Options are what a report shows.
type Options struct {
	Sort     string // one of Sorts; "" is cpu
	Top      int    // rows of each table; 0 is all
	Emulated bool   // only what ran emulated
	Tree     bool   // with the tree of calls
}

// Builder makes a report of any number of profiles. It keeps none of them.
type Builder struct {
	options Options
	sources []*Source
	lines   []*Timeline
	table   *table
	tree    *Node
	longest ranking
	largest ranking
}

// NewBuilder makes a builder.
func NewBuilder(o Options) *Builder {
	return &Builder{options: o, table: newTable(), tree: &Node{},
		longest: ranking{key: func(n *Notable) int64 { return n.Wall }},
		largest: ranking{key: func(n *Notable) int64 { return n.RSS }}}
}

// Add adds a profile; file is what the report calls it.
func (b *Builder) Add(file string, p *Profile) {
	calls := NewCalls(p)
	s := sourceOf(file, p)
	b.sources = append(b.sources, s)
	b.lines = append(b.lines, TimelineOf(p))
	b.table.add(p, calls)
	if b.options.Tree {
		b.tree.add(p, calls)
	}
	for i, r := range p.Runs {
		if r.Fork() || b.options.Emulated && !r.Emulated() {
			continue
		}
		from, to := r.span(s.Totals.Elapsed)
		rss := int64(0)
		if r.End != nil {
			rss = r.End.RSS
		}
		b.longest.offer(to-from, func() Notable { return notable(s, r, calls.Own(i)) })
		b.largest.offer(rss, func() Notable { return notable(s, r, calls.Own(i)) })
	}
}

func notable(s *Source, r *Run, own int64) Notable {
	from, to := r.span(s.Totals.Elapsed)
	n := Notable{Profile: s.Name(), ID: r.ID, Program: r.Program, File: r.File, Argv: r.Argv, Cut: r.Cut,
		Emulated: r.Emulated(), At: from, Wall: to - from, Own: own, Running: r.End == nil}
	if n.Argv == nil {
		n.Argv = []string{}
	}
	if r.End != nil {
		n.CPU, n.RSS = r.End.User+r.End.System, r.End.RSS
	}
	return n
}

// ranking keeps the largest.
type ranking struct {
	key  func(*Notable) int64
	kept []Notable
	bar  int64 // what is not larger is not among them
}

func (k *ranking) offer(value int64, make func() Notable) {
	if value <= k.bar {
		return
	}
	k.kept = append(k.kept, make())
	if len(k.kept) >= 8*notables {
		k.best()
		k.bar = k.key(&k.kept[len(k.kept)-1])
	}
}

// best drops what is not among the largest.
func (k *ranking) best() []Notable {
	slices.SortStableFunc(k.kept, func(a, b Notable) int { return cmp.Compare(k.key(&b), k.key(&a)) })
	k.kept = k.kept[:min(len(k.kept), notables)]
	if k.kept == nil {
		k.kept = []Notable{}
	}
	return k.kept
}

// Report is the report of what was added. The builder cannot be used afterwards.
func (b *Builder) Report() *Report {
	o := b.options
	r := &Report{Sort: cmp.Or(o.Sort, "cpu"), Longest: b.longest.best(), Largest: b.largest.best()}
	for _, s := range b.sources {
		r.Totals.add(&s.Totals)
	}
	if len(b.sources) > 0 {
		r.Timeline, r.Totals.Elapsed = join(b.sources, b.lines)
	} else {
		r.Timeline = newTimeline(0)
	}
	r.Profiles = b.sources
	byCost(r.Profiles)
	r.Programs, r.Scripts, r.FailedExecs = b.table.programs(r.Totals.All, r.Sort), b.table.scriptRows(), b.table.failedRows()
	if o.Tree {
		b.tree.finish()
		r.Tree = b.tree
	}
	r.choose(o)
	return r
}

// choose leaves out what the options do.
func (r *Report) choose(o Options) {
	if o.Emulated {
		r.Programs = slices.DeleteFunc(r.Programs, func(p *Program) bool { return !p.Emulated })
		r.Scripts = slices.DeleteFunc(r.Scripts, func(s *Script) bool { return !s.Emulated })
	}
	r.Programs, r.LeftOut.Programs = head(r.Programs, o.Top)
	r.Scripts, r.LeftOut.Scripts = head(r.Scripts, o.Top)
	r.FailedExecs, r.LeftOut.FailedExecs = head(r.FailedExecs, o.Top)
	if len(r.Profiles) > 1 {
		r.Profiles, r.LeftOut.Profiles = head(r.Profiles, o.Top)
	}
	if o.Top > 0 {
		r.Longest, _ = head(r.Longest, o.Top)
		r.Largest, _ = head(r.Largest, o.Top)
	}
}

// head is the first n of a list, all when n is 0, and how many were left out.
func head[T any](list []T, n int) ([]T, int) {
	if n <= 0 || len(list) <= n {
		return list, 0
	}
	return list[:n], len(list) - n
}
