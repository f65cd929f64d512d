package buildlog

import (
	"strings"
)

// event is a message of the log that a rule knows.
type event struct {
	at       int // the index of its line
	rule     *rule
	found    map[string]string
	distance int  // lines to the next sign of failure
	fatal    bool // near enough to it
}

// marks are what make, ninja, cargo, poudriere and others print when something
// has failed: what the message before them is a reason for.
var marks = newForm(`^(?:` + strings.Join([]string{
	`\S*make(?:\[\d+\])?: \*\*\* `, `\*\*\* (?:\[.*\] )?(?:Error|Signal|Illegal|Segmentation|Abort|Bus|Killed|Exit)`, `ninja: (?:build stopped|error)`, `FAILED: `, `Stop\.?$`,
	`\S*make(?:\[\d+\])?: stopped (?:making .+ )?in`, `===>  (?:Compilation failed|Script)`, `error: (?:could not compile|failed to run|build failed|aborting)`, `configure: error: `,
	`CMake Error`, `-- Configuring incomplete`, `E: `, `error: process `, `ERROR: `, `The command .* returned a non-zero code`, `!!! build failure`, `=>> Error`, `Error: Process completed`,
	`dpkg: error`, `collect2: (?:fatal )?error`, `FAIL\b`, `Failed to install the following`, `error: failed to solve`, `error: builder for`, `=> ERROR`, `make: .*Error \d+`,
}, "|") + `)|\bError \d+$|\*\*\* .*(?:Error|failed)|fatal error\b|(?:linker|frontend) command failed|exit(?:ed with)? (?:code|status):? \d+$|=>> Killing `)

// markWords are in every line that marks has: looking for them is cheaper.
var markWords = []string{"***", "rror", "stopped", "FAIL", "Stop", "===>", "Killing", "E: ", "failed", "incomplete", "exit", "non-zero", "!!!"}

// isMark tells whether a line says that something has failed.
func isMark(t string) bool {
	for _, word := range markWords {
		if strings.Contains(t, word) {
			return marks.MatchString(t) && !ignored.MatchString(t)
		}
	}
	return false
}

// ignored are failures that make goes on after.
var ignored = newForm(`\(ignored\)$|^\S*make(?:\[\d+\])?: \[.*\] Error \d+ \(ignored\)`)

// reach is how many lines before a sign of failure its reason usually is.
const reach = 25

// findEvents are the events of the failing phase, and the first sign of failure
// in it, -1 for none.
func findEvents(lines []Line, f *facts) (events []event, first int) {
	first = -1
	away := make([]int, f.end+1) // for each line how far the next sign of failure is
	for i := f.end - 1; i >= f.begin; i-- {
		away[i] = away[i+1] + 1
		switch t := lines[i].Text; {
		case !f.skip[i] && isMark(t):
			away[i], first = 0, i
		case f.skip[i] || explains(t):
			away[i]--
		}
	}
	afterMessage := false
	for i := f.begin; i < f.end; i++ {
		t := lines[i].Text
		if f.skip[i] || quoted(t, afterMessage) {
			continue
		}
		afterMessage = strings.Contains(t, "error: ") || strings.Contains(t, "warning: ") || strings.Contains(t, "note: ")
		r, found := match(t)
		if r == nil || harmless(lines, f, i, r) {
			continue
		}
		e := event{at: i, rule: r, found: found, distance: away[i]}
		near := r.near
		if near == 0 {
			near = reach
		}
		e.fatal = e.distance <= near
		events = append(events, e)
	}
	return events, first
}

// explains tells whether a line belongs to a compiler's message before it, which may
// have hundreds of them.
func explains(t string) bool {
	return strings.Contains(t, ": note: ") || strings.HasPrefix(t, "In file included from ") || strings.HasPrefix(t, "    ") || strings.HasPrefix(t, "\t")
}

// quoted tells whether a line only repeats text: a question of configure, a line
// of source below a compiler's message, a warning, or a command that is echoed.
func quoted(t string, afterMessage bool) bool {
	switch {
	case strings.HasPrefix(t, "checking ") && !strings.Contains(t, "qemu: ") && !strings.Contains(t, "=>> Killing "):
		return !strings.Contains(t, "unable to guess")
	case afterMessage && (strings.HasPrefix(t, "  ") || strings.HasPrefix(t, "\t")) && strings.ContainsAny(t, ";{}\"("):
		return true
	case strings.Contains(t, "warning: ") && !strings.Contains(t, "spurious network") && !strings.Contains(t, "exited on a signal"):
		return true
	}
	return echoed.MatchString(t)
}

// echoed are command lines, which name strings and files but report nothing.
var echoed = newForm(`^\s*(?:\+ )?(?:(?:/\S+/)?(?:echo|printf|cc|c\+\+|clang\S*|gcc\S*|g\+\+\S*|rustc|libtool:? \S*) (?:'|"|-[a-zA-Z])|Running \x60|libtool: (?:compile|link): )`)

// probes are what configure, cmake and meson print while they try things out.
var (
	probes  = newForm(`^(?:checking |config\.status: |configure: (?:creating|WARNING|loading)|-- |Checking |Looking |Has header |Program |Compiler for |Run-time dependency |Library |Fetching value |Header )`)
	answers = newForm(`^(?:\(cached\) )?(?:yes|no|ok|none|unknown|not found|\d+|[\w./+-]+)$`)
	noise   = newForm(`[Qq]emu(?:-[\w-]+)?: |QEMU internal|core dumped|^(?:` + signals + `|Aborted|Abort trap|Illegal|Bad system call)|pkg-static: Both ABI_FILE`)
)

// harmless tells whether the build went on after a message as if nothing had
// happened: a probe of configure that is meant to fail, or a command whose
// failure make ignores.
func harmless(lines []Line, f *facts, i int, r *rule) bool {
	if r.class == exact || r.class == general || r.cause == Hang {
		return false
	}
	for j := i + 1; j < min(i+12, f.end); j++ {
		t := lines[j].Text
		switch {
		case ignored.MatchString(t):
			return true
		case noise.MatchString(t):
			continue
		case answers.MatchString(t) && within(lines, f, i):
			return probed(lines, f, j+1)
		case probes.MatchString(t):
			return probed(lines, f, j)
		}
		return false
	}
	return false
}

// within tells whether a question of configure is open at a line.
func within(lines []Line, f *facts, i int) bool {
	for j := i; j >= max(f.begin, i-6); j-- {
		if probes.MatchString(lines[j].Text) {
			return true
		}
		if j < i && !noise.MatchString(lines[j].Text) {
			return false
		}
	}
	return false
}

// probed tells whether configure goes on from a line: it does not when the next
// that it says is that it failed.
func probed(lines []Line, f *facts, from int) bool {
	for j := from; j < min(from+4, f.end); j++ {
		t := lines[j].Text
		if strings.HasPrefix(t, "configure: error") || strings.HasPrefix(t, "CMake Error") || strings.Contains(t, "Killing ") || isMark(t) {
			return false
		}
	}
	return from < f.end
}
