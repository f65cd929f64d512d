package selftest

import (
	"context"
	_ "embed" // probe.sh
	"fmt"
	"slices"
	"strings"

	"github.com/xjail/xjail/internal/fault"
)

//go:embed probe.sh
var probeText string

// probe runs the checks of configure scripts on both sides and compares what
// they find. Without the emulated side there is nothing to compare with.
func (t *test) probe(ctx context.Context) error {
	if t.o.Quick {
		return nil
	}
	list := []step{{"configure", fmt.Sprintf("CC='%s'\n", t.cc()) + probeText}}
	ours, err := t.run(ctx, "configure", hybrid, list)
	if err != nil || ours == nil {
		return err
	}
	theirs, err := t.run(ctx, "configure", emulated, list)
	if err != nil || theirs == nil {
		return err
	}
	a, b := ours["configure"], theirs["configure"]
	if t.s.Nxb != nil && a.good() && !b.good() {
		t.skipped("configure", "its checks do not come to an end with the root's own programs", b.why()...)
		return nil
	}
	if !a.good() || !b.good() {
		t.failed("configure", fault.Failed, "the checks of configure did not come to an end", append(append([]string{"native:"}, a.why()...), append([]string{"emulated:"}, b.why()...)...))
		return nil
	}
	wrong, known := compareCaches(a.out, b.out)
	if len(known) > 0 {
		t.warning("configure", "what native programs have in their files, and what no build is known to ask for, differs", known)
	}
	if len(wrong) > 0 && t.s.Nxb != nil {
		t.nxbProbe(wrong)
		return nil
	}
	if len(wrong) > 0 {
		t.failed("configure", fault.Mismatch, fmt.Sprintf("%d checks of configure find something else than with the root's own programs", len(wrong)), wrong)
		return nil
	}
	t.ok("configure", "%d checks of configure find what they find with the root's own programs", len(parseCache(b.out)))
	return nil
}

// parseCache reads the lines of a cache. A value goes on to the next line that
// begins with a name.
func parseCache(text string) (values [][2]string) {
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(line, "=")
		if !ok || strings.ContainsAny(name, " \t,") {
			if n := len(values); n > 0 {
				values[n-1][1] += line
			}
			continue
		}
		values = append(values, [2]string{name, value})
	}
	return values
}

// knownToDiffer are checks that tell by what a native program was built, each with
// what answers rightly.
var knownToDiffer = map[string]string{
	"bash_versinfo": "bash has it in its file and lets nobody set it; $MACHTYPE is the root's own",
}

// compareCaches lists what differs, in the order of the second, and apart from it
// what is known to.
func compareCaches(ours, theirs string) (wrong, known []string) {
	found := map[string]string{}
	for _, v := range parseCache(ours) {
		found[v[0]] = v[1]
	}
	for _, v := range parseCache(theirs) {
		got, ok := found[v[0]]
		switch why := knownToDiffer[v[0]]; {
		case ok && got == v[1]:
		case why != "":
			known = append(known, differing(v[0], got, v[1])[0]+" ("+why+")")
		default:
			wrong = append(wrong, differing(v[0], got, v[1])...)
		}
		delete(found, v[0])
	}
	for name := range found {
		wrong = append(wrong, name+": only the native side found it")
	}
	slices.Sort(wrong[len(wrong)-len(found):])
	return wrong, known
}
