package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// measure runs a command and says what it and all that it started took. A
// control group counts every process; without one, children for which nobody
// waited are lost.
func measure(ctx context.Context, cmd *exec.Cmd) (cost, error) {
	if err := ctx.Err(); err != nil {
		return cost{}, err
	}
	group := newGroup(cmd)
	defer group.remove()
	begin := time.Now()
	err := cmd.Run()
	c := cost{Wall: time.Since(begin).Seconds(), By: "rusage"}
	if err != nil {
		return cost{}, err
	}
	c.User, c.System = cmd.ProcessState.UserTime().Seconds(), cmd.ProcessState.SystemTime().Seconds()
	if stat, ok := group.stat(); ok {
		c.Waited = c.cpu()
		c.User, c.System, c.By = stat["user_usec"]/1e6, stat["system_usec"]/1e6, "cgroup"
	}
	return c, nil
}

// parseStat reads a cpu.stat of cgroup v2: lines of a name and a number.
func parseStat(text string) map[string]float64 {
	stat := map[string]float64{}
	for line := range strings.Lines(text) {
		name, number, _ := strings.Cut(strings.TrimSpace(line), " ")
		if v, err := strconv.ParseFloat(number, 64); err == nil {
			stat[name] = v
		}
	}
	return stat
}

// load is the machine's load average of the last minute.
func load() float64 {
	b, _ := os.ReadFile("/proc/loadavg")
	var v float64
	_, _ = fmt.Sscan(string(b), &v)
	return v
}
