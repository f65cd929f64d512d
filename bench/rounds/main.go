// Command rounds compares the cost of short commands: it runs them in
// alternated rounds and prints the median CPU time (user + system, with their
// children) and wall time of each, in milliseconds, and how many times the
// first one's CPU time that is: the median of what it was in each round, since a
// machine that others use may be slower in one than in the next.
//
//	rounds ROUNDS 'COMMAND ARG...' 'COMMAND ARG...'
//
// Commands are split at blanks. Their output is thrown away; one that fails
// ends the measurement.
package main

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "rounds:", err)
		os.Exit(1)
	}
}

type sample struct{ cpu, wall time.Duration }

func run(args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("usage: rounds ROUNDS 'COMMAND ARG...'")
	}
	rounds, err := strconv.Atoi(args[0])
	if err != nil || rounds < 1 {
		return fmt.Errorf("%q is not a number of rounds", args[0])
	}
	commands := args[1:]
	samples := make([][]sample, len(commands))
	for round := range rounds + 1 {
		for i, c := range commands {
			s, err := once(strings.Fields(c))
			if err != nil {
				return fmt.Errorf("%s: %w", c, err)
			}
			if round > 0 { // the first one fills the caches
				samples[i] = append(samples[i], s)
			}
		}
	}
	report(commands, samples)
	return nil
}

func once(argv []string) (sample, error) {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stderr = os.Stderr
	begin := time.Now()
	err := cmd.Run()
	wall := time.Since(begin)
	if err != nil {
		return sample{}, err
	}
	return sample{cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), wall}, nil
}

func report(commands []string, samples [][]sample) {
	each := func(s []sample, of func(sample) time.Duration) []time.Duration {
		list := make([]time.Duration, len(s))
		for i := range s {
			list[i] = of(s[i])
		}
		return list
	}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	cpu := func(s sample) time.Duration { return s.cpu }
	wall := func(s sample) time.Duration { return s.wall }
	fmt.Printf("%10s %10s %8s  %s\n", "CPU ms", "wall ms", "ratio", "command")
	for i, c := range commands {
		fmt.Printf("%10.2f %10.2f %8.2f  %s\n", ms(median(each(samples[i], cpu))), ms(median(each(samples[i], wall))), ratio(samples[0], samples[i]), c)
	}
}

func ratio(first, other []sample) float64 {
	list := make([]float64, len(first))
	for i := range first {
		list[i] = float64(other[i].cpu) / float64(first[i].cpu)
	}
	return median(list)
}

func median[T cmp.Ordered](list []T) T {
	slices.Sort(list)
	return list[len(list)/2]
}
