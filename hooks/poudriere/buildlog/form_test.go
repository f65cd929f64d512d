package buildlog

import "testing"

// Each is compiled only when a log has its words, so a wrong one would be found
// by a user.
func TestFormsCompile(t *testing.T) {
	for _, r := range rules {
		for _, f := range r.re {
			f.get()
		}
	}
	for _, f := range []*form{
		escapes, stamps, phaseHeader, blockBegin, blockEnd, buildEnded, buildSystem, snippet, javaSignal, marks, ignored, echoed,
		probes, answers, noise, assignment, wrapper, programRE, shortcuts,
	} {
		f.get()
	}
	for _, f := range makeTarget {
		f.get()
	}
}
