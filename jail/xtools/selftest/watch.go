package selftest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// How long a step may take that is watched. Some emulators hang, in programs with
// threads above all; that must not keep the rest from being tried.
const (
	runMax  = time.Minute      // of one of the programs that were built, of which the slowest needs seconds
	stepMax = 15 * time.Minute // of others; below quietMax, which ends the whole script
)

// hungText begins what is said of a step that was ended.
const hungText = "it did not end within"

// hung tells whether a step was ended since it took too long.
func (o outcome) hung() bool { return o.ran && strings.Contains(o.err, hungText) }

// leaveHung leaves programs of the short test alone that do not end. What they were
// built by is right by their files, some emulators are known for it, and to have the
// root's own compiler, emulated, show the same takes minutes.
func (t *test) leaveHung(again []program, ours map[string]outcome, why map[string]*Finding) []program {
	if t.s.Nxb == nil || !t.o.Quick {
		return again
	}
	return slices.DeleteFunc(again, func(p program) bool {
		hung := ours["run-"+p.name].hung()
		if hung {
			t.skipped(why[p.name].Check, "it does not end; the emulator may be the cause", why[p.name].Evidence...)
		}
		return hung
	})
}

// watchText runs a script beside one that counts its seconds. Job control would need
// a terminal, so that the processes of the script are not of a group that could be
// ended with it: what they leave ends with the jail. The counting one is ended as
// soon as the script has, before its number is another process's.
const watchText = `(
:
%s
) & step=$!
(
n=0
while kill -0 $step; do
	test $n -ne %d || { %s; echo '` + hungText + ` %s' >&3; kill -9 $step; }
	n=$((n + 1))
	sleep 1
done
) 3>&2 2>/dev/null & watch=$!
wait $step
status=$?
kill $watch 2>/dev/null
exit $status`

// hungMark is made in the directory of a script when a step was ended which is none of
// the programs that were built. The name of the side follows.
const hungMark = ".hung-"

// giveUpText begins steps of the emulated side. Where one has hung the others will, and
// wait for all of them can take hours; nothing that is not tried there is held against
// the tools.
const giveUpText = `test ! -e %s || { echo 'not tried: another step did not end' >&2; exit 1; }
`

// watched are the same steps of a side, each of which ends.
func watched(side string, list []step) []step {
	all := make([]step, 0, len(list))
	for _, s := range list {
		if s.runsProgram() {
			all = append(all, s.within(runMax, ""))
			continue
		}
		s = s.within(stepMax, ": >"+hungMark+side)
		if side == emulated {
			s.script = fmt.Sprintf(giveUpText, hungMark+side) + s.script
		}
		all = append(all, s)
	}
	return all
}

// runsProgram tells whether a step is one program that was built, and nothing else.
func (s step) runsProgram() bool {
	return strings.HasPrefix(s.name, "run-") || strings.HasPrefix(s.name, "alone-")
}

// within is a step that is ended by SIGKILL when it takes longer, after a command. A
// program alone is run in the place of its shell, so that it is what is ended.
func (s step) within(limit time.Duration, before string) step {
	if s.runsProgram() {
		s.script = "exec " + s.script
	}
	s.script = fmt.Sprintf(watchText, s.script, int(limit.Seconds()), cmp.Or(before, ":"), limit)
	return s
}
