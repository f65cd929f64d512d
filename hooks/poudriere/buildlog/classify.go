package buildlog

import (
	"io"
	"strings"
)

// Classify reads the log of a build that failed in phase, as poudriere names it
// ("build", "configure", "package/runaway"); when phase is "" the log tells. It
// keeps less than two megabytes of a log of any size. What cannot be read to its
// end is judged by what could be.
func Classify(r io.Reader, phase string) Verdict {
	v, _ := classify(r, phase)
	return v
}

// classify is Classify, with what else the log says.
func classify(r io.Reader, phase string) (Verdict, *facts) {
	x := read(r)
	f := learn(x.lines)
	c := &choice{lines: x.lines, facts: f}
	c.events, c.first = findEvents(x.lines, f)
	v := c.verdict(phase)
	if v.Phase = phase; phase == "" {
		v.Phase = f.phase
	}
	c.details(&v)
	v.Summary = v.sentence()
	v.Advice = v.advise(f)
	return v, f
}

// choice finds the event that explains a failure.
type choice struct {
	*facts
	lines  []Line
	events []event
	first  int    // the first sign of failure
	main   *event // the one that was chosen
}

// verdict chooses. A failure of the machine or the emulator explains a compiler's
// complaint near it, but not one that came long before.
func (c *choice) verdict(phase string) Verdict {
	d, e := c.firstOf(decisive, true), c.firstOf(exact, true)
	switch {
	case c.hang(phase):
		return c.hung(phase)
	case d != nil && (e == nil || d.at <= e.at+2*reach):
		return c.by(d, Certain)
	case e != nil:
		return c.by(e, Certain)
	}
	if s := c.firstOf(soft, true); s != nil {
		return c.by(s, Likely)
	}
	for _, class := range []class{decisive, exact, soft} {
		if last := c.lastOf(class); last != nil {
			return c.by(last, Guess)
		}
	}
	if g := c.general(); g != nil {
		return c.by(g, Guess)
	}
	return c.nothing()
}

// firstOf is the first event of a class that is near a failure. Where there are
// several failures in a row the first is the cause of the others.
func (c *choice) firstOf(class class, fatal bool) *event {
	for i := range c.events {
		e := &c.events[i]
		if e.rule.class == class && (e.rule.cause != Hang || class == exact) && e.fatal == fatal {
			return e
		}
	}
	if class != soft {
		return nil
	}
	// hang/something and hang/deadlock are events as others.
	for i := range c.events {
		if e := &c.events[i]; e.rule.class == soft && e.fatal == fatal {
			return e
		}
	}
	return nil
}

// lastOf is the last event of a class, wherever it is.
func (c *choice) lastOf(class class) *event {
	for i := len(c.events) - 1; i >= 0; i-- {
		if e := &c.events[i]; e.rule.class == class && e.rule.near == 0 {
			return e
		}
	}
	return nil
}

// general is a message that something failed: the first in front of the first
// sign of failure, else the last.
func (c *choice) general() *event {
	var last *event
	for i := range c.events {
		e := &c.events[i]
		if e.rule.class != general {
			continue
		}
		if e.fatal {
			return e
		}
		last = e
	}
	return last
}

// hang tells whether poudriere ended the build.
func (c *choice) hang(phase string) bool {
	return c.killer() != nil || strings.HasSuffix(phase, "/runaway") || strings.HasSuffix(phase, "/timeout")
}

// killer is the message with which the build was ended.
func (c *choice) killer() *event {
	for i := range c.events {
		if e := &c.events[i]; e.rule.cause == Hang && e.rule.class == decisive {
			return e
		}
	}
	return nil
}

// hung is the verdict on a build that was ended. When the last that it printed is
// that a program died, that is why nothing came after it.
func (c *choice) hung(phase string) Verdict {
	killer := c.killer()
	at := c.end
	if killer != nil {
		at = killer.at
	}
	for i := len(c.events) - 1; i >= 0; i-- {
		e := &c.events[i]
		if e.at < at && e.at >= at-3 && (e.rule.class == decisive || e.rule.cause == EmulatorCrash) && c.silent(e.at+1, at) {
			v := c.by(e, Likely)
			if killer != nil {
				v.Evidence = append(v.Evidence, c.lines[killer.at])
			}
			return v
		}
	}
	rule := &hungRule
	if killer == nil {
		killer = &event{at: max(at-1, 0), rule: rule, found: map[string]string{}}
	}
	v := c.by(killer, Certain)
	if strings.HasSuffix(phase, "/timeout") && v.Rule == hungRule.name {
		v.Rule = "hang/too-long"
	}
	if killer.rule != rule && at > 0 && at-1 >= c.begin {
		v.Evidence = append(v.Evidence, c.lines[at-1])
	}
	return v
}

// hungRule is for a log without poudriere's message, when its status tells.
var hungRule = rule{name: "hang/no-output", cause: Hang, class: decisive, blame: Perhaps}

// silent tells whether nothing but noise of the emulator is in some lines.
func (c *choice) silent(from, to int) bool {
	for i := from; i < to; i++ {
		if !noise.MatchString(c.lines[i].Text) {
			return false
		}
	}
	return true
}

// by is the verdict of one event.
func (c *choice) by(e *event, sure Confidence) Verdict {
	c.main = e
	v := Verdict{Cause: e.rule.cause, Rule: e.rule.name, Confidence: sure, Emulation: e.rule.blame}
	if e.rule.blame == Perhaps && sure == Certain && !strings.HasPrefix(e.rule.name, "hang/") {
		v.Confidence = Likely
	}
	if e.at < len(c.lines) {
		v.Evidence = []Line{c.lines[e.at]}
	}
	return v
}

// nothing is the verdict when no rule knows a line: what is near the first sign
// of failure, or at the end, is shown.
func (c *choice) nothing() Verdict {
	v := Verdict{Cause: Unknown, Rule: "none", Confidence: Guess, Emulation: Perhaps}
	at := c.end - 1
	if c.first >= 0 {
		v.Cause, v.Rule, at = BuildFailure, "build/failed", c.first
		v.Emulation, v.Target = No, targetOf(c.lines[at].Text)
	}
	for i := max(at-2, c.begin); i <= at; i++ {
		if i < len(c.lines) && !c.skip[i] {
			v.Evidence = append(v.Evidence, c.lines[i])
		}
	}
	return v
}
