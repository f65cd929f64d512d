package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// group is a control group (v2) of one command's own, nil where none can be
// made: its CPU time is counted whatever controllers are on.
type group struct {
	path string
	dir  *os.File
}

// newGroup makes a group below this process's own and has cmd start in it.
func newGroup(cmd *exec.Cmd) *group {
	parent := ownGroup()
	if parent == "" {
		return nil
	}
	g := &group{path: filepath.Join(parent, fmt.Sprintf("xjail-bench-%d", os.Getpid()))}
	if err := os.Mkdir(g.path, 0o755); err != nil {
		return nil
	}
	var err error
	if g.dir, err = os.Open(g.path); err != nil {
		g.remove()
		return nil
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(g.dir.Fd())}
	return g
}

// ownGroup is the directory of the cgroup v2 that this process is in.
func ownGroup() string {
	own := ""
	scan("/proc/self/cgroup", func(line string) {
		if path, ok := strings.CutPrefix(line, "0::"); ok {
			own = path
		}
	})
	mounted := ""
	scan("/proc/self/mountinfo", func(line string) {
		// 30 25 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw
		before, after, _ := strings.Cut(line, " - ")
		if words := strings.Fields(before); strings.HasPrefix(after, "cgroup2 ") && len(words) > 4 {
			mounted = words[4]
		}
	})
	if own == "" || mounted == "" {
		return ""
	}
	return filepath.Join(mounted, own)
}

func scan(file string, line func(string)) {
	f, err := os.Open(file)
	if err != nil {
		return
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		line(s.Text())
	}
}

func (g *group) stat() (map[string]float64, bool) {
	if g == nil {
		return nil, false
	}
	b, err := os.ReadFile(filepath.Join(g.path, "cpu.stat"))
	stat := parseStat(string(b))
	return stat, err == nil && stat["user_usec"]+stat["system_usec"] > 0
}

func (g *group) remove() {
	if g == nil {
		return
	}
	if g.dir != nil {
		g.dir.Close()
	}
	_ = os.Remove(g.path)
}
