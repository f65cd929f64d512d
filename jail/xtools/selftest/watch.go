package selftest

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// How long a step may take that is watched. Some emulators hang, in programs with
// threads above all; that must not keep the rest from being tried.
const (
	runMax  = 3 * time.Minute  // of one of the programs that were built, of which the slowest needs seconds
	stepMax = 15 * time.Minute // of others; below quietMax, which ends the whole script
)

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
	test $n -ne %d || { %s; echo 'it did not end within %s' >&3; kill -9 $step; }
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
