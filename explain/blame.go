package explain

import (
	"fmt"
	"slices"
	"strings"
)

// blameTable looks whether an activator that is in the way is the cause: when
// the file would run without it, it is.
func (e *explainer) blameTable(file string) {
	v := &e.x.Verdict
	if len(e.taken) == 0 || v.Runs == Unknown && !strings.HasSuffix(string(v.Cause), string(Unrecognised)) {
		return
	}
	first := e.taken[0]
	if v.Runs == Yes && !e.isNative(first.program) {
		return
	}
	w := *e.w
	w.Table.Entries = slices.Clone(w.Table.Entries)
	w.Table.Entries = slices.DeleteFunc(w.Table.Entries, func(t Entry) bool { return t.Name == first.entry.Name })
	other := explain(&w, file, false)
	if other.Verdict.Runs != Yes {
		return
	}
	name := unquoted(first.entry.Name)
	if e.isNative(first.program) {
		v.Cause, v.Remedy = CapturesNative, e.removeEntry(first.entry)
		v.Message = fmt.Sprintf("the activator %s takes %s, a program that this kernel runs by itself; %s", name, first.program.shown(), v.Message)
		e.step(Bad, "without the activator "+name+" the kernel runs it by itself")
		return
	}
	v.Cause, v.Remedy = ActivatorShadowed, e.disableEntry(first.entry)
	v.Message = fmt.Sprintf("the activator %s is tried first and fails: %s; without it the file runs by the next one that matches", name, v.Message)
	e.step(Bad, "without the activator "+name+" it runs", other.Verdict.Message)
}

// isNative tells whether a file is one that the kernel would run by itself.
func (e *explainer) isNative(img *image) bool {
	f := parseELF(img)
	return f != nil && e.w.native(f) != nil && (f.kind == typeExec || f.kind == typeDyn)
}
