package activators

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Action is what a Plan does about an entry.
type Action string

// The actions.
const (
	Unchanged Action = "unchanged"
	Add       Action = "add"
	Replace   Action = "replace" // without a moment in which no entry is there
	Enable    Action = "enable"
	Disable   Action = "disable"
	Raise     Action = "raise" // registered again as it is, to be tried before a more general entry
	Remove    Action = "remove"
	Conflict  Action = "conflict" // not ours to touch; the plan cannot be applied
)

// Item is what a Plan says about one entry.
type Item struct {
	Action Action   `json:"action"`
	Entry  Entry    `json:"entry"` // as it shall be; as it is, where it is removed
	Why    string   `json:"why,omitempty"`
	Notes  []string `json:"notes,omitempty"` // what else changes with it: precedence, shadowing
	hint   string
}

// Step is one call of a Table.
type Step struct {
	Op    Action `json:"op"` // Add, Remove, Enable or Disable
	Entry Entry  `json:"entry"`
}

// Owner knows xjail's own entries. A Ledger is one.
type Owner interface {
	// Owns tells whether xjail made an entry. Others are never changed.
	Owns(e Entry) bool
	// Stale says why an entry is to be registered again although it is as
	// desired, "" when it is not: the kernel may hold an interpreter open that
	// was replaced since.
	Stale(e Entry) string
}

// Plan is what to change in a table, and in which order. It is data: looking at
// it changes nothing.
type Plan struct {
	Items []Item `json:"items"`
	Steps []Step `json:"steps"`

	owner  Owner
	before []Entry // the table as it was, the first that is tried at the front
	after  []Entry // and as the steps leave it
}

// Changes tells whether p does anything.
func (p *Plan) Changes() bool { return len(p.Steps) > 0 }

// After is the table as p leaves it, the entry that is tried first at the front.
func (p *Plan) After() []Entry { return slices.Clone(p.after) }

// Err is why p cannot be applied: entries that xjail did not make are in the
// way. It is ErrExists.
func (p *Plan) Err() error {
	for _, item := range p.Items {
		if item.Action == Conflict {
			return Fail(ErrExists, fmt.Sprintf("activator %q", item.Entry.Name), errors.New(item.Why), item.hint)
		}
	}
	return nil
}

// tempSuffix is added to the name of an entry that stands in while the one of
// that name is replaced.
const tempSuffix = ".new"

// tempNameMax keeps names within FreeBSD's 31 bytes.
const tempNameMax = 31

func tempName(name string) string {
	if len(name)+len(tempSuffix) > tempNameMax {
		name = name[:min(len(name), tempNameMax-len(tempSuffix))]
	}
	return name + tempSuffix
}

// NewPlan compares the entries of a table, as List returns them, with those
// that shall be in it. owner tells which of the actual ones xjail made; only
// those are changed or removed. Entries that are not desired stay.
//
// New entries are registered in the order general to specific, since both
// kernels try the last one first. Desired entries are validated, and two that
// match the same files are refused.
func NewPlan(actual, desired []Entry, owner Owner) (*Plan, error) {
	if owner == nil {
		owner = (*Ledger)(nil)
	}
	want, err := Arrange(desired)
	if err != nil {
		return nil, err
	}
	b := &planner{Plan: &Plan{owner: owner, before: slices.Clone(actual)}, now: slices.Clone(actual)}
	for _, e := range want {
		b.plan(e)
	}
	b.raise()
	b.notes()
	b.after = b.now
	return b.Plan, nil
}

// Arrange validates desired entries and sorts them from general to specific, the
// order in which they are to be registered; entries that have nothing to do with
// each other keep their order. Two of one name, or that match the same files,
// are ErrInvalid. The entries returned are Normal.
func Arrange(desired []Entry) ([]Entry, error) {
	var sorted []Entry
	for _, e := range desired {
		if err := e.Validate(); err != nil {
			return nil, err
		}
		e = e.Normal()
		for _, o := range sorted {
			if o.Name == e.Name {
				return nil, Fail(ErrInvalid, fmt.Sprintf("activator %q", e.Name), errors.New("it is asked for twice"), "")
			}
			if Covers(o, e) && Covers(e, o) {
				return nil, Fail(ErrInvalid, fmt.Sprintf("activators %q and %q", o.Name, e.Name),
					errors.New("they match the same files, so that one would never be used"), "register one of them")
			}
		}
		at := slices.IndexFunc(sorted, func(o Entry) bool { return Covers(e, o) })
		if at < 0 {
			at = len(sorted)
		}
		sorted = slices.Insert(sorted, at, e)
	}
	return sorted, nil
}

// planner makes a Plan: now is the table as the steps so far leave it.
type planner struct {
	*Plan
	now []Entry
}

func (b *planner) find(name string) (Entry, bool) {
	i := slices.IndexFunc(b.now, func(e Entry) bool { return e.Name == name })
	if i < 0 {
		return Entry{}, false
	}
	return b.now[i], true
}

// step adds a step and does it to now.
func (b *planner) step(op Action, e Entry) {
	b.Steps = append(b.Steps, Step{op, e})
	i := slices.IndexFunc(b.now, func(o Entry) bool { return o.Name == e.Name })
	switch op {
	case Add:
		b.now = slices.Insert(b.now, 0, e)
	case Remove:
		b.now = slices.Delete(b.now, i, i+1)
	default:
		b.now[i].Enabled = op == Enable
	}
}

func (b *planner) item(a Action, e Entry, why, hint string) {
	b.Items = append(b.Items, Item{Action: a, Entry: e, Why: why, hint: hint})
}

// plan decides about one desired entry.
func (b *planner) plan(e Entry) {
	old, exists := b.find(e.Name)
	why, hint := b.taken(e.Name)
	if why == "" && e.Enabled && (!exists || !old.Equal(e) || b.owner.Stale(old) != "") {
		why, hint = b.rival(e)
	}
	if why != "" {
		b.item(Conflict, e, why, hint)
		return
	}
	leftover, stale := b.find(tempName(e.Name))
	switch {
	case !exists:
		b.item(Add, e, "", "")
		b.step(Add, e)
	case old.Equal(e) && b.owner.Stale(old) == "":
		b.item(Unchanged, e, "", "")
	case old.SameRule(e) && b.owner.Stale(old) == "":
		op := Disable
		if e.Enabled {
			op = Enable
		}
		b.item(op, e, "", "")
		b.step(op, e)
	default:
		if stale {
			b.step(Remove, leftover)
			stale = false
		}
		why := b.owner.Stale(old)
		if !old.SameRule(e) {
			why = "it differs: " + difference(old, e)
		}
		b.item(Replace, e, why, "")
		b.replace(old, e)
	}
	if stale {
		b.note(e.Name, leftover.Name+", left by a replacement that was interrupted, is removed")
		b.step(Remove, leftover)
	}
}

// replace puts e in the place of old without a moment in which neither is
// there: a stand-in wins over old, e over the stand-in.
func (b *planner) replace(old, e Entry) {
	temp := e
	temp.Name = tempName(e.Name)
	if old.Enabled || e.Enabled {
		b.step(Add, temp)
	}
	b.step(Remove, old)
	b.step(Add, e)
	if old.Enabled || e.Enabled {
		b.step(Remove, temp)
	}
}

// taken says that somebody else has the name, or that of its stand-in.
func (b *planner) taken(name string) (why, hint string) {
	for _, n := range []string{name, tempName(name)} {
		if o, ok := b.find(n); ok && !b.owner.Owns(o) {
			return fmt.Sprintf("an entry %q is there that xjail did not make", n), "whoever made it can remove it; xjail changes its own entries only"
		}
	}
	return "", ""
}

// rival says which entry of another name has the programs that e would take:
// all of those of an entry that works and is not ours, or the same as one of
// ours.
func (b *planner) rival(e Entry) (why, hint string) {
	for _, o := range b.now {
		if o.Name == e.Name || o.Name == tempName(e.Name) || !Covers(e, o) {
			continue
		}
		if !b.owner.Owns(o) && o.Enabled {
			return fmt.Sprintf("it would take all programs of the entry %q, which xjail did not make (interpreter %s)", o.Name, o.Interpreter),
				"that entry runs them already; to use this one, whoever made " + o.Name + " can disable or remove it"
		}
		if b.owner.Owns(o) && Covers(o, e) {
			return fmt.Sprintf("the entry %q matches the same programs", o.Name), "xjail activator unregister " + o.Name + " --global"
		}
	}
	return "", ""
}

// raise registers again those entries of ours that a more general one of ours
// would hide, now that it has become the newest; the general ones first, so
// that none is raised twice.
func (b *planner) raise() {
	for b.Err() == nil {
		e, ok := b.hidden()
		if !ok {
			return
		}
		if b.has(e.Name) {
			b.note(e.Name, "it is registered again, to be tried before more general entries")
		} else {
			b.item(Raise, e, "a more general entry would be tried first", "")
		}
		b.replace(e, e)
	}
}

// hidden is the most general entry of ours that a more general one hides.
func (b *planner) hidden() (Entry, bool) {
	var list []Entry
	for _, e := range b.now {
		if b.hiddenByOurs(e) {
			list = append(list, e)
		}
	}
	for _, e := range list {
		if !slices.ContainsFunc(list, func(o Entry) bool { return Covers(o, e) && !Covers(e, o) }) {
			return e, true
		}
	}
	return Entry{}, false
}

func (b *planner) has(name string) bool {
	return slices.ContainsFunc(b.Items, func(i Item) bool { return i.Entry.Name == name && i.Action != Unchanged })
}

// ours tells whether e is xjail's, or will be.
func (b *planner) ours(e Entry) bool {
	return b.owner.Owns(e) || slices.ContainsFunc(b.Items, func(i Item) bool { return i.Entry.SameRule(e) && i.Action != Conflict })
}

// hiddenByOurs tells whether a more general entry of ours is tried before e,
// which is ours as well.
func (b *planner) hiddenByOurs(e Entry) bool {
	if !b.ours(e) {
		return false
	}
	for _, o := range b.now {
		if o.Name == e.Name {
			return false
		}
		if Covers(o, e) && !Covers(e, o) && b.ours(o) {
			return true
		}
	}
	return false
}

// note adds a note to the item of that name.
func (b *planner) note(name, text string) {
	for i := range b.Items {
		if b.Items[i].Entry.Name == name {
			b.Items[i].Notes = append(b.Items[i].Notes, text)
		}
	}
}

// notes says which entries hide which in the end: what is tried before e, and
// what e is now tried before and was not.
func (b *planner) notes() {
	for i := range b.Items {
		item := &b.Items[i]
		at := slices.IndexFunc(b.now, func(e Entry) bool { return e.Name == item.Entry.Name })
		if item.Action == Conflict || at < 0 || !item.Entry.Enabled {
			continue
		}
		if by := ShadowedBy(b.now, at); by != "" {
			item.Notes = append(item.Notes, fmt.Sprintf("it has no effect: the entry %q is tried first and takes all its programs", by))
		}
		for _, o := range b.now[at+1:] {
			if o.Enabled && Overlaps(item.Entry, o) && !b.precededBefore(item.Entry.Name, o.Name) && !b.ours(o) {
				item.Notes = append(item.Notes, fmt.Sprintf("it is tried before the entry %q, with which it shares some programs", o.Name))
			}
		}
	}
}

// precededBefore tells whether a was tried before o in the table as it was.
func (p *Plan) precededBefore(a, o string) bool {
	for _, e := range p.before {
		switch e.Name {
		case a:
			return true
		case o:
			return false
		}
	}
	return false
}

// ShadowedBy is the name of an enabled entry that is tried before list[i] and
// takes all its programs, or "". list is in the order of Table.List.
func ShadowedBy(list []Entry, i int) string {
	for _, o := range list[:i] {
		if o.Enabled && Covers(o, list[i]) {
			return o.Name
		}
	}
	return ""
}

// difference names what differs between two entries of one name.
func difference(old, e Entry) string {
	var parts []string
	add := func(differ bool, name string, a, b any) {
		if differ {
			parts = append(parts, fmt.Sprintf("%s %v, wanted %v", name, a, b))
		}
	}
	oldRun, run := strings.Join(append([]string{old.Interpreter}, old.Args...), " "), strings.Join(append([]string{e.Interpreter}, e.Args...), " ")
	add(oldRun != run, "interpreter", oldRun, run)
	add(old.Offset != e.Offset, "offset", old.Offset, e.Offset)
	add(string(old.Magic) != string(e.Magic), "magic", fmt.Sprintf("%x", []byte(old.Magic)), fmt.Sprintf("%x", []byte(e.Magic)))
	add(string(old.Mask) != string(e.Mask), "mask", fmt.Sprintf("%x", []byte(old.Mask)), fmt.Sprintf("%x", []byte(e.Mask)))
	add(old.Extension != e.Extension, "extension", old.Extension, e.Extension)
	add(old.Flags.Normal() != e.Flags.Normal(), "flags", quoted(old.Flags), quoted(e.Flags))
	return strings.Join(parts, "; ")
}

func quoted(f Flags) string { return fmt.Sprintf("%q", f.Normal().String()) }

// NewRemoval plans the removal of entries by name. A name that is not there is
// ErrNotFound, one that xjail did not make a conflict.
func NewRemoval(actual []Entry, names []string, owner Owner) (*Plan, error) {
	if owner == nil {
		owner = (*Ledger)(nil)
	}
	b := &planner{Plan: &Plan{owner: owner, before: slices.Clone(actual)}, now: slices.Clone(actual)}
	for _, name := range names {
		if b.has(name) {
			continue // named twice, or a stand-in that went with its entry
		}
		e, ok := b.find(name)
		temp, left := b.find(tempName(name))
		left = left && owner.Owns(temp)
		switch {
		case !ok && !left:
			return nil, Fail(ErrNotFound, fmt.Sprintf("activator %q", name), nil, "xjail activator status lists what there is")
		case ok && !owner.Owns(e):
			b.item(Conflict, e, "xjail did not make it", "whoever made it can remove it; xjail changes its own entries only")
			continue
		case ok:
			b.item(Remove, e, "", "")
			b.step(Remove, e)
		}
		if left {
			b.item(Remove, temp, "left by a replacement that was interrupted", "")
			b.step(Remove, temp)
		}
	}
	b.after = b.now
	return b.Plan, nil
}
