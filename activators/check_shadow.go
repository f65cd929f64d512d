package activators

import (
	"fmt"
	"slices"
	"strings"
)

// shadows finds the enabled entries that are tried before the rule and take its
// files.
func (c *checker) shadows() {
	r := c.rule()
	if !r.Enabled || r.dead {
		return
	}
	var before []int // those that share files with it
	for j := range c.at {
		if o := &c.rules[j]; o.Enabled && !o.dead && c.share(o, r) {
			before = append(before, j)
			if Covers(o.Entry, r.Entry) {
				c.shadowedBy(j)
				return
			}
		}
	}
	whole := no
	if r.Extension == "" {
		whole = c.search.covering(r.Entry, c.entries(before))
	}
	if whole == yes {
		c.shadowedByAll(c.needed(before))
		return
	}
	for _, j := range before {
		c.shadowedPartly(j, whole == undecided)
	}
}

// share tells whether files are for both entries. What a file contains and how
// it is called have nothing to do with each other, so an extension shares with
// another extension only.
func (c *checker) share(a, b *rule) bool {
	return (a.Extension == "") == (b.Extension == "") && Overlaps(a.Entry, b.Entry)
}

func (c *checker) entries(list []int) []Entry {
	var entries []Entry
	for _, j := range list {
		entries = append(entries, c.rules[j].Entry)
	}
	return entries
}

// needed leaves out of a list of rules that take all files of this one those
// that it takes without. The last ones go first.
func (c *checker) needed(list []int) []int {
	for k := len(list) - 1; k >= 0; k-- {
		without := slices.Delete(slices.Clone(list), k, k+1)
		if c.search.covering(c.rule().Entry, c.entries(without)) == yes {
			list = without
		}
	}
	return list
}

// shadowedBy is for one entry that takes all files.
func (c *checker) shadowedBy(j int) {
	r, o := c.rule(), &c.rules[j]
	f := Finding{Code: Shadowed, Severity: c.loss(j), Other: o.Name,
		Message: fmt.Sprintf("it is never used: the entry %q is tried first and takes all its files", o.Name),
		Remedy:  "remove one of the two, or register the more specific one last"}
	if Covers(r.Entry, o.Entry) {
		f.Code = Duplicate
		f.Message = fmt.Sprintf("the entry %q matches the same files and is tried first, so this one is never used", o.Name)
		f.Remedy = "keep one of the two"
	}
	if r.Extension == "" {
		f.Witness = c.witness(r, o)
	}
	c.find(f)
}

// shadowedByAll is for several entries that take all files together.
func (c *checker) shadowedByAll(list []int) {
	var names []string
	severity := Note
	for _, j := range list {
		names = append(names, fmt.Sprintf("%q", c.rules[j].Name))
		if s := c.loss(j); s.rank() < severity.rank() {
			severity = s
		}
	}
	c.find(Finding{Code: Shadowed, Severity: severity, Other: c.rules[list[0]].Name,
		Witness: c.witness(c.rule(), &c.rules[list[0]]),
		Message: "it is never used: the entries " + strings.Join(names, ", ") + " are tried first and take all its files together",
		Remedy:  "remove it, or register it last"})
}

// shadowedPartly is for an entry that takes some files. Where it hands them to
// the same interpreter, nothing comes of it.
func (c *checker) shadowedPartly(j int, undecided bool) {
	r, o := c.rule(), &c.rules[j]
	if sameRun(r.Entry, o.Entry) {
		return
	}
	f := Finding{Code: ShadowedPartly, Severity: Warning, Other: o.Name, Witness: c.witness(r, o),
		Message: fmt.Sprintf("the entry %q is tried first and takes some of its files", o.Name),
		Remedy:  "give the two patterns that no file matches both of"}
	if s, ok := c.stolen(j); ok {
		f.Severity, f.Witness = Severe, s.Header
		f.Message += ", among them programs that its own interpreter runs and the other does not"
	} else if Covers(r.Entry, o.Entry) {
		// The specific entry before the general one is the order that was meant.
		f.Severity, f.Remedy = Note, ""
		f.Message += ", as the more specific of the two"
	} else if apart(r.Entry, o.Entry) {
		f.Severity, f.Remedy = Note, ""
		f.Message += "; they look at different places of a file, so that hardly any is meant for both"
	}
	if undecided {
		f.Message += " (whether all of them are taken is too much to work out)"
	}
	c.find(f)
}

// apart tells whether two entries want nothing of a common byte.
func apart(a, b Entry) bool {
	return a.pins(func(at int, _ pinned) bool { return b.pinAt(at).mask == 0 })
}

// sameRun tells whether two entries start the same program in the same way.
func sameRun(a, b Entry) bool {
	return a.Interpreter == b.Interpreter && slices.Equal(a.Args, b.Args) && a.Flags.Normal() == b.Flags.Normal()
}

// loss is how bad it is that rule j has the files of this one.
func (c *checker) loss(j int) Severity {
	r, o := c.rule(), &c.rules[j]
	if sameRun(r.Entry, o.Entry) {
		return Note
	}
	if _, ok := c.stolen(j); ok {
		return Severe
	}
	return Warning
}

// stolen is a usual program that rule j takes before this one, whose
// interpreter runs it and that of j does not.
func (c *checker) stolen(j int) (Sample, bool) {
	r, o := c.rule(), &c.rules[j]
	if r.runs == nil || o.runs == nil {
		return Sample{}, false
	}
	for _, a := range r.meant {
		if slices.Contains(o.runs, a) || !slices.Contains(r.runs, a) {
			continue
		}
		for _, s := range c.host.Archs[a].Programs {
			if s.Usual && r.takes(s.Header) && o.takes(s.Header) {
				return s, true
			}
		}
	}
	return Sample{}, false
}
