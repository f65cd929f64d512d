package activators_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/memory"
	"github.com/xjail/xjail/internal/fault"
)

// owned says that xjail made the entries whose interpreter is in /x.
var owned xowner

type xowner struct{ stale string }

func (xowner) Owns(e activators.Entry) bool { return strings.HasPrefix(e.Interpreter, "/x/") }

func (o xowner) Stale(e activators.Entry) string {
	if e.Name == o.stale {
		return "it is stale"
	}
	return ""
}

func ours(name, magic string) activators.Entry {
	return with(entry(name, magic), func(e *activators.Entry) { e.Interpreter = "/x/" + name })
}

func newer(e activators.Entry) activators.Entry {
	return with(e, func(e *activators.Entry) { e.Interpreter += "-2" })
}

// fill registers entries, the first one first.
func fill(t *testing.T, k memory.Kernel, entries ...activators.Entry) *memory.Table {
	t.Helper()
	table := memory.New(k)
	for _, e := range entries {
		if err := table.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	return table
}

func listed(t *testing.T, table activators.Table) []activators.Entry {
	t.Helper()
	list, err := table.List()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func names(list []activators.Entry) string {
	var s []string
	for _, e := range list {
		s = append(s, e.Name)
	}
	return strings.Join(s, " ")
}

func steps(p *activators.Plan) string {
	var s []string
	for _, st := range p.Steps {
		s = append(s, fmt.Sprintf("%s %s", st.Op, st.Entry.Name))
	}
	return strings.Join(s, ", ")
}

func actions(p *activators.Plan) string {
	var s []string
	for _, i := range p.Items {
		s = append(s, fmt.Sprintf("%s %s", i.Action, i.Entry.Name))
	}
	return strings.Join(s, ", ")
}

func notes(p *activators.Plan) string {
	var s []string
	for _, i := range p.Items {
		s = append(s, i.Why)
		s = append(s, i.Notes...)
	}
	return strings.Join(s, "\n")
}

func off(e activators.Entry) activators.Entry {
	e.Enabled = false
	return e
}

func TestPlan(t *testing.T) {
	general, special := ours("general", "AB"), ours("special", "ABC")
	foreign := entry("foreign", "AB")
	for name, c := range map[string]struct {
		actual, desired []activators.Entry // the actual ones in the order of their registration
		actions, steps  string
		notes           string
		after           string // names, the first that is tried at the front
	}{
		"nothing":  {nil, nil, "", "", "", ""},
		"add":      {nil, []activators.Entry{general}, "add general", "add general", "", "general"},
		"as it is": {[]activators.Entry{general}, []activators.Entry{general}, "unchanged general", "", "", "general"},
		"others stay": {[]activators.Entry{ours("other", "Q"), entry("theirs", "T")}, []activators.Entry{general},
			"add general", "add general", "", "general theirs other"},
		"enable":  {[]activators.Entry{off(general)}, []activators.Entry{general}, "enable general", "enable general", "", "general"},
		"disable": {[]activators.Entry{general}, []activators.Entry{off(general)}, "disable general", "disable general", "", "general"},
		"general first": {nil, []activators.Entry{special, ours("other", "Q"), general},
			"add general, add special, add other", "add general, add special, add other", "", "other special general"},
		"replace": {[]activators.Entry{general}, []activators.Entry{newer(general)}, "replace general",
			"add general.new, remove general, add general, remove general.new", "interpreter /x/general, wanted /x/general-2", "general"},
		"replace what is off": {[]activators.Entry{off(general)}, []activators.Entry{off(newer(general))}, "replace general",
			"remove general, add general", "", "general"},
		"the special one is raised": {[]activators.Entry{general, special}, []activators.Entry{newer(general)}, "replace general, raise special",
			"add general.new, remove general, add general, remove general.new, add special.new, remove special, add special, remove special.new", "more general", "special general"},
		"and in its item": {[]activators.Entry{general, special}, []activators.Entry{newer(general), off(special)}, "replace general, disable special",
			"add general.new, remove general, add general, remove general.new, disable special, remove special, add special", "registered again", "special general"},
		"a chain is raised": {[]activators.Entry{general, special, ours("most", "ABCD")}, []activators.Entry{ours("all", "A")}, "add all, raise general, raise special, raise most",
			"", "", "most special general all"},
		"general comes later": {[]activators.Entry{special}, []activators.Entry{general}, "add general, raise special",
			"add general, add special.new, remove special, add special, remove special.new", "", "special general"},
		"leftover, unchanged": {[]activators.Entry{general, with(general, func(e *activators.Entry) { e.Name = "general.new" })}, []activators.Entry{general},
			"unchanged general", "remove general.new", "interrupted", "general"},
		"leftover, gone": {[]activators.Entry{with(general, func(e *activators.Entry) { e.Name = "general.new" })}, []activators.Entry{general},
			"add general", "add general, remove general.new", "interrupted", "general"},
		"leftover, replace": {[]activators.Entry{general, with(general, func(e *activators.Entry) { e.Name = "general.new" })}, []activators.Entry{newer(general)},
			"replace general", "remove general.new, add general.new, remove general, add general, remove general.new", "", "general"},

		"foreign, same name":       {[]activators.Entry{entry("general", "Q")}, []activators.Entry{general}, "conflict general", "", "xjail did not make", ""},
		"foreign, same stand-in":   {[]activators.Entry{entry("general.new", "Q")}, []activators.Entry{general}, "conflict general", "", `"general.new"`, ""},
		"foreign, same programs":   {[]activators.Entry{foreign}, []activators.Entry{general}, "conflict general", "", `all programs of the entry "foreign"`, ""},
		"foreign, fewer programs":  {[]activators.Entry{entry("foreign", "ABX")}, []activators.Entry{general}, "conflict general", "", `all programs of the entry "foreign"`, ""},
		"foreign, more programs":   {[]activators.Entry{entry("foreign", "A")}, []activators.Entry{general}, "add general", "add general", `tried before the entry "foreign"`, "general foreign"},
		"foreign, other programs":  {[]activators.Entry{entry("foreign", "Q")}, []activators.Entry{general}, "add general", "add general", "", "general foreign"},
		"foreign and off":          {[]activators.Entry{off(foreign)}, []activators.Entry{general}, "add general", "add general", "", "general foreign"},
		"ours, same programs":      {[]activators.Entry{ours("twin", "AB")}, []activators.Entry{general}, "conflict general", "", `"twin" matches the same`, ""},
		"foreign came later":       {[]activators.Entry{general, foreign}, []activators.Entry{general}, "unchanged general", "", `no effect: the entry "foreign" is tried first`, "foreign general"},
		"not to be taken over":     {[]activators.Entry{general, foreign}, []activators.Entry{newer(general)}, "conflict general", "", "all programs", ""},
		"disabling takes nothing":  {[]activators.Entry{general, foreign}, []activators.Entry{off(general)}, "disable general", "disable general", "", "foreign general"},
		"replace, foreign between": {[]activators.Entry{general, entry("wide", "A")}, []activators.Entry{newer(general)}, "replace general", "", `tried before the entry "wide"`, "general wide"},
	} {
		t.Run(name, func(t *testing.T) {
			table := fill(t, memory.Linux, c.actual...)
			p, err := activators.NewPlan(listed(t, table), c.desired, owned)
			if err != nil {
				t.Fatal(err)
			}
			if actions(p) != c.actions || c.steps != "" && steps(p) != c.steps {
				t.Errorf("actions %q, steps %q", actions(p), steps(p))
			}
			if !strings.Contains(notes(p), c.notes) || c.notes == "" && strings.Contains(notes(p), "entry") && !strings.Contains(c.actions, "raise") {
				t.Errorf("notes %q, want %q", notes(p), c.notes)
			}
			if strings.Contains(c.actions, "conflict") {
				checkConflict(t, p, table)
				return
			}
			if err := p.Apply(table, nil); err != nil {
				t.Fatal(err)
			}
			if got := names(listed(t, table)); got != c.after {
				t.Errorf("after: %q, want %q", got, c.after)
			}
			for _, e := range c.desired {
				if got, err := table.Lookup(e.Name); err != nil || !got.Equal(e.Normal()) {
					t.Errorf("%+v, %v, want %+v", got, err, e)
				}
			}
		})
	}
}

func checkConflict(t *testing.T, p *activators.Plan, table activators.Table) {
	t.Helper()
	before := listed(t, table)
	err := p.Apply(table, nil)
	if !errors.Is(err, activators.ErrExists) || fault.KindOf(err) != fault.Exists || fault.HintOf(err) == "" {
		t.Errorf("%v", err)
	}
	if after := listed(t, table); !slices.EqualFunc(before, after, activators.Entry.Equal) {
		t.Errorf("a conflict changed %v to %v", before, after)
	}
}

func TestPlanRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		desired []activators.Entry
		want    string
	}{
		"invalid":       {[]activators.Entry{with(entry("a", "A"), func(e *activators.Entry) { e.Interpreter = "x" })}, "absolute"},
		"name twice":    {[]activators.Entry{entry("a", "A"), entry("a", "B")}, "twice"},
		"same programs": {[]activators.Entry{entry("mips64", "AB"), entry("mips64hf", "AB")}, `"mips64" and "mips64hf": they match the same files`},
	} {
		if _, err := activators.NewPlan(nil, c.desired, owned); !errors.Is(err, activators.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPlanJSON(t *testing.T) {
	p, err := activators.NewPlan(nil, []activators.Entry{ours("a", "AB")}, owned)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(p)
	if want := `{"items":[{"action":"add","entry":{"name":"a","interpreter":"/x/a","offset":0,"magic":"4142","mask":"ffff",`; err != nil || !strings.HasPrefix(string(b), want) {
		t.Errorf("%s, %v", b, err)
	}
}

// An entry whose interpreter was replaced is registered again, unless it would
// take over somebody else's programs by that.
func TestPlanStale(t *testing.T) {
	a := ours("a", "AB")
	for _, was := range []activators.Entry{a, off(a)} {
		p, err := activators.NewPlan([]activators.Entry{was}, []activators.Entry{a}, xowner{"a"})
		if err != nil || steps(p) != "add a.new, remove a, add a, remove a.new" || notes(p) != "it is stale" {
			t.Errorf("%v, %v", p, err)
		}
	}
	p, err := activators.NewPlan([]activators.Entry{entry("foreign", "AB"), a}, []activators.Entry{a}, xowner{"a"})
	if err != nil || !errors.Is(p.Err(), activators.ErrExists) {
		t.Errorf("%v, %v", p, err)
	}
}

// Names of both kernels' stand-ins fit FreeBSD's 31 bytes.
func TestStandInName(t *testing.T) {
	long := ours(strings.Repeat("n", 31), "AB")
	table := fill(t, memory.FreeBSD, long)
	p, err := activators.NewPlan(listed(t, table), []activators.Entry{newer(long)}, owned)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Apply(table, nil); err != nil {
		t.Fatal(err)
	}
	if e, _ := table.Lookup(long.Name); !e.Equal(newer(long)) {
		t.Errorf("%+v", e)
	}
}

func TestShadowedBy(t *testing.T) {
	list := []activators.Entry{off(entry("off", "A")), entry("b", "ABX"), entry("c", "AB"), entry("d", "AB")}
	for i, want := range []string{"", "", "", "c"} {
		if got := activators.ShadowedBy(list, i); got != want {
			t.Errorf("%s is shadowed by %q, want %q", list[i].Name, got, want)
		}
	}
}

var errInjected = errors.New("injected")

// failing fails the nth change of a table, and with always all after it.
type failing struct {
	activators.Table
	n      int
	always bool
	gap    func()
}

func (f *failing) change(do func() error) error {
	f.n--
	if f.n == 0 || f.always && f.n < 0 {
		return errInjected
	}
	err := do()
	if f.gap != nil {
		f.gap()
	}
	return err
}

func (f *failing) Add(e activators.Entry) error {
	return f.change(func() error { return f.Table.Add(e) })
}

func (f *failing) Remove(name string) error {
	return f.change(func() error { return f.Table.Remove(name) })
}

func (f *failing) Enable(name string) error {
	return f.change(func() error { return f.Table.Enable(name) })
}

func (f *failing) Disable(name string) error {
	return f.change(func() error { return f.Table.Disable(name) })
}

// scenario has every kind of step: additions, a replacement that raises
// another entry, switching on and off, and the removal of a leftover.
func scenario(t *testing.T) (*memory.Table, []activators.Entry) {
	leftover := with(ours("left", "L"), func(e *activators.Entry) { e.Name = "left.new" })
	table := fill(t, memory.Linux, ours("general", "AB"), ours("special", "ABC"), ours("left", "L"), leftover, off(ours("sleeping", "S")), ours("awake", "W"), entry("foreign", "F"))
	return table, []activators.Entry{newer(ours("general", "AB")), ours("left", "L"), ours("sleeping", "S"), off(ours("awake", "W")), ours("fresh", "FR"), ours("fresh2", "FRE")}
}

// sameBehaviour compares the entries of two tables, and what they do to files.
func sameBehaviour(t *testing.T, want, got *memory.Table) {
	t.Helper()
	sorted := func(table *memory.Table) []activators.Entry {
		list := listed(t, table)
		slices.SortFunc(list, func(a, b activators.Entry) int { return strings.Compare(a.Name, b.Name) })
		return list
	}
	if w, g := sorted(want), sorted(got); !slices.EqualFunc(w, g, activators.Entry.Equal) {
		t.Errorf("the entries were %v, are %v", names(w), names(g))
	}
	for _, header := range []string{"AB", "ABC", "L", "S", "W", "F", "FR", "FRE", "x"} {
		w, _ := want.Match([]byte(header))
		if g, _ := got.Match([]byte(header)); g.Name != w.Name {
			t.Errorf("%q was for %q, is for %q", header, w.Name, g.Name)
		}
	}
}

func TestRollback(t *testing.T) {
	for n := 1; ; n++ {
		before, _ := scenario(t)
		table, desired := scenario(t)
		p, err := activators.NewPlan(listed(t, table), desired, owned)
		if err != nil {
			t.Fatal(err)
		}
		f := &failing{Table: table, n: n}
		if n == 1 {
			// At no moment are the general and the special programs without an entry.
			f.n = -1
			f.gap = func() {
				for _, header := range []string{"AB", "ABC"} {
					if _, ok := table.Match([]byte(header)); !ok {
						t.Errorf("a gap: %v", names(listed(t, table)))
					}
				}
			}
			if err := p.Apply(f, nil); err != nil {
				t.Fatal(err)
			}
			table, _ = scenario(t)
			f = &failing{Table: table, n: n}
		}
		err = p.Apply(f, nil)
		if err == nil {
			if n <= len(p.Steps) {
				t.Errorf("step %d did not fail", n)
			}
			return
		}
		if !errors.Is(err, errInjected) || fault.KindOf(err) == fault.Partly {
			t.Errorf("step %d: %v", n, err)
		}
		sameBehaviour(t, before, table)
	}
}

// When undoing fails as well, the error says that things are changed in part.
func TestRollbackFails(t *testing.T) {
	table, desired := scenario(t)
	p, err := activators.NewPlan(listed(t, table), desired, owned)
	if err != nil {
		t.Fatal(err)
	}
	err = p.Apply(&failing{Table: table, n: 3, always: true}, nil)
	if fault.KindOf(err) != fault.Partly || !errors.Is(err, errInjected) {
		t.Error(err)
	}
}

// A foreign entry that shares programs with one that had to come back cannot
// be put before it again; that is said.
func TestRollbackForeignOrder(t *testing.T) {
	old := ours("general", "AB")
	table := fill(t, memory.Linux, old, entry("part", "A"))
	p, err := activators.NewPlan(listed(t, table), []activators.Entry{newer(old)}, owned)
	if err != nil {
		t.Fatal(err)
	}
	err = p.Apply(&failing{Table: table, n: 3}, nil)
	if fault.KindOf(err) != fault.Partly || !strings.Contains(err.Error(), `"part", which xjail did not make, is now tried later`) {
		t.Error(err)
	}
}

// Between plan and step somebody else may have changed an entry.
func TestApplyLooksAgain(t *testing.T) {
	table := fill(t, memory.Linux, ours("a", "A"), off(ours("b", "B")), ours("c", "C"))
	p, err := activators.NewPlan(listed(t, table), []activators.Entry{ours("b", "B"), newer(ours("a", "A"))}, owned)
	if err != nil {
		t.Fatal(err)
	}
	if err := table.Remove("a"); err != nil {
		t.Fatal(err)
	}
	if err := table.Add(entry("a", "Z")); err != nil {
		t.Fatal(err)
	}
	if err := p.Apply(table, nil); !errors.Is(err, activators.ErrExists) || !strings.Contains(err.Error(), "meanwhile") {
		t.Error(err)
	}
	if e, _ := table.Lookup("a"); !e.Equal(entry("a", "Z")) {
		t.Errorf("%+v", e)
	}
	if e, _ := table.Lookup("b"); e.Enabled {
		t.Error("the first step was not undone")
	}
	if err := table.Remove("a"); err != nil {
		t.Fatal(err)
	}
	if err := p.Apply(table, nil); !errors.Is(err, activators.ErrNotFound) {
		t.Error(err)
	}
}

func TestRemoval(t *testing.T) {
	left := with(ours("a", "A"), func(e *activators.Entry) { e.Name = "a.new" })
	table := fill(t, memory.Linux, ours("a", "A"), left, entry("foreign", "F"), ours("b", "B"))
	actual := listed(t, table)
	p, err := activators.NewRemoval(actual, []string{"a", "b", "a.new", "b"}, owned)
	if err != nil || steps(p) != "remove a, remove a.new, remove b" {
		t.Fatalf("%v, %v", p, err)
	}
	before := fill(t, memory.Linux, ours("a", "A"), left, entry("foreign", "F"), ours("b", "B"))
	for n := 1; n <= 3; n++ {
		if err := p.Apply(&failing{Table: table, n: n}, nil); !errors.Is(err, errInjected) {
			t.Error(err)
		}
		sameBehaviour(t, before, table)
	}
	if err := p.Apply(table, nil); err != nil || names(listed(t, table)) != "foreign" {
		t.Errorf("%v, %v", err, names(listed(t, table)))
	}
	if _, err := activators.NewRemoval(actual, []string{"zzz"}, owned); !errors.Is(err, activators.ErrNotFound) {
		t.Error(err)
	}
	p, err = activators.NewRemoval(actual, []string{"foreign"}, owned)
	if err != nil || !errors.Is(p.Err(), activators.ErrExists) || p.Changes() {
		t.Errorf("%v, %v", p, err)
	}
	// Only a stand-in is left of an entry.
	p, err = activators.NewRemoval([]activators.Entry{left}, []string{"a"}, owned)
	if err != nil || steps(p) != "remove a.new" {
		t.Errorf("%v, %v", p, err)
	}
}
