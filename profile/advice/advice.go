package advice

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Tool is what is known of the native stand-in of a program.
type Tool struct {
	State State
	// Why is the reason of a State, and Hint what changes it.
	Why, Hint string
	Package   string // of the root
	// Unit names programs that only come together; "" for one that comes alone.
	Unit string
}

// State says whether a program can be native.
type State string

// The states of an emulated program.
const (
	Available State = "available" // the source has it, and it is not laid over
	Native    State = "native"    // it is laid over by now
	Excluded  State = "excluded"  // by the policy
	Drifted   State = "drifted"   // the source has another version
	Missing   State = "missing"   // the source has none
	Broken    State = "broken"    // it did not pass the self-test
	Built     State = "built"     // the build made it
	Elsewhere State = "elsewhere" // a copy, in another place than the program
	Unknown   State = "unknown"
)

// Item is one program, or several that come together.
type Item struct {
	Name     string   `json:"name"`
	Programs []string `json:"programs"` // paths in the jail
	Packages []string `json:"packages,omitempty"`
	State    State    `json:"state"`
	// Install: the advice is to make it native. Why tells why not, or what of it.
	Install bool   `json:"install"`
	Why     string `json:"why,omitempty"`
	Hint    string `json:"hint,omitempty"`
	Execs   int64  `json:"execs"` // emulated
	Forks   int64  `json:"forks"`
	// Emulated is the time that these took, Native what they would take, and
	// Saving the difference: nanoseconds. The last two are 0 where it cannot be
	// native.
	Emulated int64  `json:"emulated_cpu"`
	Native   int64  `json:"native_cpu"`
	Saving   int64  `json:"saving"`
	Basis    string `json:"basis,omitempty"`
	// Scripts are those that cost most of what it interpreted.
	Scripts []Script `json:"scripts,omitempty"`

	// ranNative: it ran natively in the profiles too.
	ranNative bool
}

// Options are how advice is given.
type Options struct {
	// Threshold is the least saving that is worth it, as a share of the time that
	// is left when all that saves more is native. 0 takes all that saves anything: a
	// native program costs nothing to have.
	Threshold float64
}

// topScripts is how many scripts an item names.
const topScripts = 5

// Advice is what to make native, and the prediction of what it brings.
type Advice struct {
	Format    int       `json:"xjail_advice"`
	Xjail     string    `json:"xjail,omitempty"`
	Jail      string    `json:"jail"`
	Arch      string    `json:"arch"`
	Tools     string    `json:"source,omitempty"` // of native tools: twin, host
	Made      time.Time `json:"made"`
	Profiles  []Source  `json:"profiles"`
	Threshold float64   `json:"threshold"`
	Reference Reference `json:"reference"`
	// Before is what was measured, After what is predicted for the same commands
	// once Install is native, and Saving the difference.
	Before  Total    `json:"before"`
	After   Total    `json:"after"`
	Saving  int64    `json:"saving"`
	Install []string `json:"install"` // paths in the jail
	Items   []Item   `json:"items"`   // what saves most comes first
	Notes   []string `json:"notes,omitempty"`
}

// Give looks at every program that ran emulated.
func Give(u *Usage, tools func(path string) Tool, o Options) *Advice {
	a := &Advice{
		Format: formatVersion, Jail: u.Jail(), Arch: first(u.archs), Profiles: u.profiles, Threshold: o.Threshold,
		Reference: u.reference(), Before: u.whole, After: u.whole, Install: []string{}, Items: []Item{},
	}
	items := u.items(a.Reference, tools)
	slices.SortStableFunc(items, func(x, y *Item) int {
		return cmp.Or(cmp.Compare(y.Saving, x.Saving), cmp.Compare(y.Emulated, x.Emulated), cmp.Compare(x.Name, y.Name))
	})
	for _, i := range items {
		if i.NativeByNow() {
			a.gain(i)
		}
	}
	for _, i := range items {
		i.decide(a)
		if i.Install {
			a.gain(i)
			a.Install = append(a.Install, i.Programs...)
		}
		a.Items = append(a.Items, *i)
	}
	a.Saving = a.Before.CPU - a.After.CPU
	slices.Sort(a.Install)
	a.Notes = u.notes()
	return a
}

// gain takes off what an item saves.
func (a *Advice) gain(i *Item) {
	a.After.CPU -= i.Saving
	a.After.Emulated -= i.Emulated
	a.After.Native += i.Native
}

// NativeByNow tells of a program that will be native the next time in any case.
func (i *Item) NativeByNow() bool { return i.State == Native && !i.ranNative }

// items are the emulated programs, those of a unit in one.
func (u *Usage) items(r Reference, tools func(string) Tool) []*Item {
	l := &lister{reference: r, units: map[string]*Item{}}
	for _, path := range slices.Sorted(maps.Keys(u.programs)) {
		p := u.programs[path]
		t := tools(path)
		if !t.State.possible() {
			p = l.takeScripts(p, tools)
		}
		if p.emulated.execs.count+p.emulated.forks.count > 0 {
			l.add(path, p, t)
		}
	}
	return l.list
}

// possible tells whether a program of that state can be native.
func (s State) possible() bool { return s == Available || s == Native }

// lister collects items.
type lister struct {
	reference Reference
	units     map[string]*Item
	list      []*Item
}

// takeScripts lists the scripts that can be native though their interpreter
// cannot, and returns what is left of that.
func (l *lister) takeScripts(p *program, tools func(string) Tool) *program {
	rest := *p
	rest.scripts = map[string]*tally{}
	for _, file := range slices.Sorted(maps.Keys(p.scripts)) {
		runs := p.scripts[file]
		t := tools(file)
		if !t.State.possible() {
			rest.scripts[file] = runs
			continue
		}
		l.add(file, &program{emulated: side{execs: *runs}}, t)
		rest.emulated.execs.count -= runs.count
		rest.emulated.execs.cpu -= runs.cpu
	}
	return &rest
}

func (l *lister) add(path string, p *program, t Tool) {
	name, key := path, ""
	if t.Unit != "" && t.State.possible() {
		name, key = t.Unit, t.Unit+" "+string(t.State)
	}
	i := l.units[key]
	if i == nil {
		i = &Item{Name: name, State: t.State, Why: t.Why, Hint: t.Hint}
		l.list = append(l.list, i)
		if key != "" {
			l.units[key] = i
		}
	}
	i.add(path, p, t, l.reference)
}

func (i *Item) add(path string, p *program, t Tool, r Reference) {
	i.Programs = append(i.Programs, path)
	if t.Package != "" && !slices.Contains(i.Packages, t.Package) {
		i.Packages = append(i.Packages, t.Package)
	}
	i.Execs += p.emulated.execs.count
	i.Forks += p.emulated.forks.count
	i.Emulated += p.emulated.cpu()
	i.ranNative = i.ranNative || p.native.execs.count > 0
	if t.State.possible() {
		cost, basis := r.estimate(p)
		i.Native += cost
		if i.Basis == "" {
			i.Basis = basis
		} else if i.Basis != basis {
			i.Basis = "the sum over its programs"
		}
		i.Saving = i.Emulated - i.Native
	}
	i.addScripts(p)
}

// addScripts names the scripts that cost most.
func (i *Item) addScripts(p *program) {
	for file, t := range p.scripts {
		i.Scripts = append(i.Scripts, Script{File: file, Execs: t.count, CPU: t.cpu})
	}
	slices.SortFunc(i.Scripts, func(a, b Script) int {
		return cmp.Or(cmp.Compare(b.CPU, a.CPU), cmp.Compare(a.File, b.File))
	})
	i.Scripts = i.Scripts[:min(len(i.Scripts), topScripts)]
}

// decide says whether it is to be installed, and why not. What it saves is held
// against what is left when all that saves more is native: of a build that is
// emulated as a whole even a shell would be nothing beside the compiler.
func (i *Item) decide(a *Advice) {
	switch {
	case i.State == Native && i.ranNative:
		i.Why = "it is native, and ran emulated at times: it was replaced meanwhile, or ran below a chroot"
		i.Hint = "xjail tools install makes a replaced one native again"
		i.Native, i.Saving, i.Basis = 0, 0, ""
	case i.State == Native:
		i.Why, i.Hint = "it is native by now, and was not when the profile was made", "profile again"
	case i.State != Available:
	case i.Saving <= 0:
		i.Why = "it would save nothing"
	case float64(i.Saving) < a.Threshold*float64(a.After.CPU):
		i.Why = fmt.Sprintf("not worth it: it would save %s, %s of what is left", Milliseconds(i.Saving), percent(i.Saving, a.After.CPU))
	default:
		i.Install = true
	}
}

// notes are what keeps the sums from being exact.
func (u *Usage) notes() []string {
	var notes []string
	for _, p := range u.profiles {
		if !p.Whole {
			notes = append(notes, "the profile of "+p.Started.Format(time.RFC3339)+" was cut off, or is being written")
		}
	}
	if len(u.jails) > 1 {
		notes = append(notes, "the profiles are of several jails: "+strings.Join(u.jails, ", "))
	}
	if u.running > 0 {
		notes = append(notes, fmt.Sprintf("runs without an end in the profiles, whose time is not known: %d", u.running))
	}
	if u.lost > 0 {
		notes = append(notes, fmt.Sprintf("events that were lost: %d", u.lost))
	}
	return notes
}

// percent is a share of a whole as text.
func percent(part, whole int64) string {
	if whole <= 0 {
		return "0.0 %"
	}
	return fmt.Sprintf("%.1f %%", 100*float64(part)/float64(whole))
}
