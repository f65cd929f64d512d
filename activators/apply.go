package activators

import (
	"errors"
	"fmt"
	"slices"

	"github.com/xjail/xjail/internal/fault"
)

// Apply does the steps of p. Should one fail, those before it are undone, so
// that the table is what it was; an error of kind fault.Partly says that this
// failed as well. An entry that is not the one that the plan saw is not
// touched. l learns what is done; it may be nil.
func (p *Plan) Apply(t Table, l *Ledger) error {
	if err := p.Err(); err != nil || !p.Changes() {
		return err
	}
	if err := l.expect(p.added()); err != nil {
		return err
	}
	err := p.run(t)
	return errors.Join(err, l.settle(t, err == nil))
}

func (p *Plan) added() []Entry {
	var list []Entry
	for _, s := range p.Steps {
		if s.Op == Add {
			list = append(list, s.Entry)
		}
	}
	return list
}

func (p *Plan) run(t Table) error {
	for i, s := range p.Steps {
		err := s.do(t)
		if err == nil {
			continue
		}
		if undo := p.rollback(t, p.Steps[:i]); undo != nil {
			return fault.Wrap(fault.Partly, errors.Join(err, undo), "activators are changed in part", "xjail activator status shows what is there")
		}
		return err
	}
	return nil
}

// do does a step, on the entry that the plan saw and no other.
func (s Step) do(t Table) error {
	if s.Op == Add {
		return t.Add(s.Entry)
	}
	now, err := t.Lookup(s.Entry.Name)
	if err != nil {
		return err
	}
	if !now.SameRule(s.Entry) {
		return Fail(ErrExists, fmt.Sprintf("%s activator %q", s.Op, s.Entry.Name), errors.New("somebody else changed it meanwhile"), "look at it with xjail activator status, and try again")
	}
	switch s.Op {
	case Remove:
		return t.Remove(s.Entry.Name)
	case Enable:
		return t.Enable(s.Entry.Name)
	}
	return t.Disable(s.Entry.Name)
}

// undo is the step that takes s back. A removed entry comes back as the newest.
func (s Step) undo() Step {
	s.Op = map[Action]Action{Add: Remove, Remove: Add, Enable: Disable, Disable: Enable}[s.Op]
	return s
}

// rollback takes back the steps, the last first. It goes on after a failure:
// each step that works is nearer to what was.
func (p *Plan) rollback(t Table, done []Step) error {
	var errs []error
	for _, s := range slices.Backward(done) {
		errs = append(errs, s.undo().do(t))
	}
	if err := errors.Join(errs...); err != nil || len(done) == 0 {
		return err
	}
	return p.reorder(t)
}

// reorder brings entries that share programs back into the order that they
// had, by registering those of ours again, the oldest first.
func (p *Plan) reorder(t Table) error {
	for _, e := range slices.Backward(p.before) {
		now, err := t.List()
		if err != nil {
			return err
		}
		if !p.sunk(now, e.Name) {
			continue
		}
		if !p.owner.Owns(e) {
			return fmt.Errorf("the entry %q, which xjail did not make, is now tried later than it was", e.Name)
		}
		b := &planner{Plan: &Plan{}, now: now}
		b.replace(e, e)
		for _, s := range b.Steps {
			if err := s.do(t); err != nil {
				return err
			}
		}
	}
	return nil
}

// sunk tells whether an entry that shares programs with the named one, and was
// tried after it, is now tried before it.
func (p *Plan) sunk(now []Entry, name string) bool {
	for _, o := range now {
		if o.Name == name {
			return false
		}
		i := slices.IndexFunc(p.before, func(e Entry) bool { return e.Name == name })
		if p.precededBefore(name, o.Name) && Overlaps(p.before[i], o) {
			return true
		}
	}
	return false
}

// Register makes the desired entries those of the table: List, NewPlan, Apply.
// The plan is returned also with an error of Apply.
func Register(t Table, l *Ledger, desired []Entry) (*Plan, error) {
	actual, err := t.List()
	if err != nil {
		return nil, err
	}
	p, err := NewPlan(actual, desired, l)
	if err != nil {
		return nil, err
	}
	return p, p.Apply(t, l)
}

// Unregister removes entries of ours by name.
func Unregister(t Table, l *Ledger, names []string) (*Plan, error) {
	actual, err := t.List()
	if err != nil {
		return nil, err
	}
	p, err := NewRemoval(actual, names, l)
	if err != nil {
		return nil, err
	}
	return p, p.Apply(t, l)
}
