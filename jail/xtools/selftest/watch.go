package selftest

import (
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
	test $n -ne %d || { echo 'it did not end within %s' >&3; kill -9 $step; }
	n=$((n + 1))
	sleep 1
done
) 3>&2 2>/dev/null & watch=$!
wait $step
status=$?
kill $watch 2>/dev/null
exit $status`

// watched are the same steps, each of which ends.
func watched(list []step) []step {
	all := make([]step, 0, len(list))
	for _, s := range list {
		limit := stepMax
		if s.runsProgram() {
			limit = runMax
		}
		all = append(all, s.within(limit))
	}
	return all
}

// runsProgram tells whether a step is one program that was built, and nothing else.
func (s step) runsProgram() bool {
	return strings.HasPrefix(s.name, "run-") || strings.HasPrefix(s.name, "alone-")
}

// within is a step that is ended by SIGKILL when it takes longer. A program alone is
// run in the place of its shell, so that it is what is ended.
func (s step) within(limit time.Duration) step {
	if s.runsProgram() {
		s.script = "exec " + s.script
	}
	s.script = fmt.Sprintf(watchText, s.script, int(limit.Seconds()), limit)
	return s
}
