package cli

import (
	"slices"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail"
)

// judgePlan checks the table as a plan would leave it. What is severe for the
// entries that are registered, or new for others because of them, is refused
// unless it is forced; what is unsafe always. What is less bad is said.
func (g *globals) judgePlan(table activators.Machine, p *activators.Plan, before []activators.Entry, force bool) error {
	changed := map[string]bool{}
	for _, i := range p.Items {
		changed[i.Entry.Name] = i.Action != activators.Unchanged
	}
	for _, f := range newFindings(table, p.After(), before, changed) {
		switch {
		case f.Severity == activators.Note:
		case f.Severity == activators.Unsafe || f.Severity == activators.Severe && !force:
			return refused(f)
		default:
			g.warn("activator " + f.Entry + ": " + f.Message)
		}
	}
	return nil
}

// newFindings are those about the entries that change, and those about others
// that were not there before.
func newFindings(table activators.Machine, after, before []activators.Entry, changed map[string]bool) []activators.Finding {
	host := jail.CheckHost(table)
	host.Off = false // said by itself
	known := jail.Interpreters(after, nil)
	old := activators.Check(before, host, known)
	return slices.DeleteFunc(activators.Check(after, host, known), func(f activators.Finding) bool {
		return !changed[f.Entry] && slices.ContainsFunc(old, func(o activators.Finding) bool {
			return o.Code == f.Code && o.Entry == f.Entry && o.Other == f.Other && o.Severity == f.Severity
		})
	})
}

func refused(f activators.Finding) error {
	hint := f.Remedy
	if f.Severity != activators.Unsafe {
		hint += "; --force registers it all the same"
	}
	return fault.New(fault.Unsafe, hint, "activator %q: %s (%s)", f.Entry, f.Message, f.Code)
}
