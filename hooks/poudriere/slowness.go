package poudriere

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/xjail/xjail/internal/fault"
)

// RunFunc runs a shell script and returns what it prints.
type RunFunc func(ctx context.Context, script string) (string, error)

// Cost is the CPU time that a measurement took, user and system.
type Cost struct {
	// Loop is that of counting, Start that of starting programs, each.
	Loop, Start time.Duration
}

// Slowness is how much longer programs take in a jail than on the machine.
type Slowness struct {
	Jail, Machine Cost
	// Loop and Start are the ratios. Factor is their geometric mean: a build is
	// both, and whole builds were measured between the two (docs/poudriere.md).
	Loop, Start, Factor float64
}

// How much is counted, and how many programs are started; emulators count some
// 100000 times in a second, and start some 20 programs.
const (
	jailRounds, jailStarts       = 20000, 20
	machineRounds, machineStarts = 200000, 200
)

// measurePatience is how long one measurement may take.
const measurePatience = 15 * time.Second

// Measure finds out how slow a jail is, in a few seconds: the shell counts, and
// starts a program that does nothing. CPU time is compared, so that others on the
// machine matter little.
func Measure(ctx context.Context, inJail, onMachine RunFunc) (*Slowness, error) {
	m := &Slowness{}
	var err error
	if m.Jail, err = measure(ctx, inJail, jailRounds, jailStarts); err != nil {
		return nil, fault.Wrap(fault.KindOf(err), err, "measure in the jail", "--slowness 12 gives the factor by hand")
	}
	if m.Machine, err = measure(ctx, onMachine, machineRounds, machineStarts); err != nil {
		return nil, fault.Wrap(fault.KindOf(err), err, "measure on this machine", "--slowness 12 gives the factor by hand")
	}
	m.Loop = float64(m.Jail.Loop) / float64(m.Machine.Loop)
	m.Start = float64(m.Jail.Start) / float64(m.Machine.Start)
	m.Factor = min(max(math.Ceil(math.Sqrt(m.Loop*m.Start)), slownessMin), slownessMax)
	return m, nil
}

// measureScript counts, says what that took, starts programs, and says it again.
// true is searched for since the shell's own is no program.
const measureScript = `for t in /usr/bin/true /bin/true; do [ -x $t ] && break; done
i=0
while [ $i -lt %d ]; do i=$((i+1)); done
times
i=0
while [ $i -lt %d ]; do $t; i=$((i+1)); done
times
`

func measure(ctx context.Context, run RunFunc, rounds, starts int) (Cost, error) {
	ctx, cancel := context.WithTimeout(ctx, measurePatience)
	defer cancel()
	out, err := run(ctx, fmt.Sprintf(measureScript, rounds, starts))
	if err != nil {
		return Cost{}, err
	}
	return parseTimes(out, rounds, starts)
}

// timesForm is what times prints of one time. Shells differ in the digits.
var timesForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`([0-9]{1,4})m([0-9]{1,4}(?:[.,][0-9]{1,9})?)s`) })

// smallest is what a time is taken for that is less than shells tell.
const smallest = 10 * time.Millisecond

// parseTimes reads the two answers of times: user and system of the shell, user
// and system of its children. The costs are of the shell for 1000 rounds, and of
// a child.
func parseTimes(out string, rounds, starts int) (Cost, error) {
	found := timesForm().FindAllStringSubmatch(out, -1)
	if len(found) != 8 {
		return Cost{}, fault.New(fault.Failed, "", "the shell's times said %q", out)
	}
	at := func(i int) time.Duration {
		minutes, _ := strconv.Atoi(found[i][1])
		seconds, _ := strconv.ParseFloat(strings.ReplaceAll(found[i][2], ",", "."), 64)
		return time.Duration(minutes)*time.Minute + time.Duration(seconds*float64(time.Second))
	}
	loop := max(at(0)+at(1), smallest)
	children := max(at(6)+at(7)-at(2)-at(3), smallest)
	// Some of a start is the shell's own: fork.
	forks := max(at(4)+at(5)-at(0)-at(1), 0)
	return Cost{Loop: loop * 1000 / time.Duration(rounds), Start: (children + forks) / time.Duration(starts)}, nil
}
