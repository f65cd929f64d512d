package buildlog

import (
	"strings"
)

// class is how much a message says.
type class int

const (
	decisive class = iota // the machine, the emulator or a limit failed: nothing the port does prints it
	exact                 // says what is wrong with the build
	soft                  // often harmless; the reason when there is no better one
	general               // that something failed
)

// rule is a form of message and what it means. Rules are for what tools print,
// never for one package. The named groups of re fill the fields of a verdict:
// num, sig, signame and status (a signal), prog, path and cmd (the program),
// target, syscall, secs, em, lib, msg.
type rule struct {
	name  string
	cause Cause
	class class
	blame Blame
	near  int      // how many lines from the failure it may be; 0: the usual distance
	has   []string // one of them is in every line that re matches, in lower case
	re    []*form
}

// signals are the names by which shells, compilers and libraries report them.
const signals = `Segmentation fault|Bus error|Illegal instruction|Floating point exception|Trace/(?:BPT|breakpoint) trap`

// allRules are tried in this order; the first that matches a line has it.
func allRules() []rule {
	var all []rule
	for _, part := range [][]rule{syscallRules, emulatorRules, limitRules, crashRules, machineRules, abiRules, assemblerRules, configureRules, networkRules, buildRules} {
		all = append(all, part...)
	}
	return all
}

var rules = allRules()

// match is the rule that has a line, and what its groups hold.
func match(text string) (*rule, map[string]string) {
	lower := strings.ToLower(text)
	for i := range rules {
		r := &rules[i]
		if !r.maybe(lower) {
			continue
		}
		for _, re := range r.re {
			if m := re.FindStringSubmatch(text); m != nil {
				return r, groups(re, m)
			}
		}
	}
	return nil, nil
}

// maybe is the cheap question before the regular expression.
func (r *rule) maybe(lower string) bool {
	for _, s := range r.has {
		if strings.Contains(lower, s) {
			return true
		}
	}
	return false
}

func groups(re *form, m []string) map[string]string {
	found := map[string]string{}
	for i, name := range re.SubexpNames() {
		if name != "" && m[i] != "" {
			found[name] = m[i]
		}
	}
	return found
}

// re compiles the forms that a rule's message has.
func re(forms ...string) []*form {
	list := make([]*form, 0, len(forms))
	for _, form := range forms {
		list = append(list, newForm(form))
	}
	return list
}
