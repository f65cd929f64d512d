package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func TestExecStatus(t *testing.T) {
	w := tinyJail(t, caller, "powerpc")
	for _, want := range []int{0, 1, 2, 3, 10, 64, 126, 127, 128, 130, 255} {
		if r := w.run("exec", "tiny", "--", "sh", "-c", fmt.Sprintf("exit %d", want)); r.status != want || r.stderr != "" {
			t.Errorf("want status %d alone: %v", want, r)
		}
	}
	for _, signal := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGKILL, syscall.SIGTERM, syscall.SIGUSR1} {
		if r := w.run("exec", "tiny", "--", "kill-self", fmt.Sprint(int(signal))); r.status != 128+int(signal) {
			t.Errorf("want status %d: %v", 128+int(signal), r)
		}
	}
	w.fails(127, "PATH in the jail", "exec", "tiny", "--", "nothing")
	if r := w.run("exec", "tiny", "--", "/bin/nothing"); r.status != 127 {
		t.Errorf("want status 127: %v", r)
	}
	if r := w.run("exec", "tiny", "--", "/etc/words"); r.status != 126 {
		t.Errorf("want status 126: %v", r)
	}
}

// Signals that xjail gets reach the command, whose status comes back.
func TestExecForwardsSignals(t *testing.T) {
	w := tinyJail(t, caller, "powerpc")
	for _, signal := range stopSignals {
		cmd := w.command("exec", "tiny", "--", "sh", "-c", "echo begun; sleep 600")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(out, make([]byte, 6)); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Process.Signal(signal)
		_ = cmd.Wait()
		if got := cmd.ProcessState.ExitCode(); got != 128+int(signal) {
			t.Errorf("%s: status %d", signal, got)
		}
		if programsBelow(w.state) {
			t.Errorf("%s: a program of the jail is still there", signal)
		}
	}
}

// Killed itself, it takes everything in the jail with it.
func TestExecKilled(t *testing.T) {
	w := tinyJail(t, caller, "powerpc")
	cmd := w.command("exec", "tiny", "--", "sh", "-c", "sleep 600 | sleep 600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the jail's programs", func() bool { return countProcesses("sleep 600") >= 2 })
	w.fails(11, "in use", "destroy", "tiny")
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	waitFor(t, "the end of the jail's programs", func() bool { return countProcesses("sleep 600") == 0 })
	if got := w.sh("tiny", "uname -m"); got != "ppc" {
		t.Errorf("afterwards: %q", got)
	}
}

// countProcesses counts those whose command line ends like this.
func countProcesses(end string) int {
	n := 0
	for _, p := range foreignProcesses() {
		if strings.HasSuffix(strings.TrimSpace(p), end) {
			n++
		}
	}
	return n
}

func TestExecStreams(t *testing.T) {
	w := tinyJail(t, caller, "powerpc")
	large := bytes.Repeat([]byte("0123456789abcde\n"), 10<<16)
	cmd := w.command("exec", "tiny", "--", "cat")
	cmd.Stdin = bytes.NewReader(large)
	out, err := cmd.Output()
	if err != nil || !bytes.Equal(out, large) {
		t.Errorf("10 MB through cat: %d bytes, %v", len(out), err)
	}
	r := w.run("exec", "tiny", "--", "sh", "-c", "echo out; nothing; cat")
	if r.stdout != "out\n" || r.stderr != "nothing: not found\n" || r.status != 0 {
		t.Errorf("streams: %v", r)
	}
	closed := w.prepared(`exec <&- >&- ; exec "$@"`, "exec", "tiny", "--", "true")
	if out, err := closed.CombinedOutput(); err != nil {
		t.Errorf("with closed streams: %v: %s", err, out)
	}
}

// Only what is asked for comes in from the caller.
func TestExecEnvironment(t *testing.T) {
	w := tinyJail(t, caller, "powerpc")
	w.env = []string{"SECRET=x", "WANTED=y", "TERM=vt100", "LD_PRELOAD=/none"}
	got := lines(w.ok("exec", "-e", "A=b c", "-e", "WANTED", "tiny", "--", "env"))
	slices.Sort(got)
	want := []string{
		"A=b c", "HOME=/root", "LOGNAME=root", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"SHELL=/bin/sh", "TERM=vt100", "USER=root", "WANTED=y", "XJAIL=tiny",
	}
	if !slices.Equal(got, want) {
		t.Errorf("environment\n%q\nwant\n%q", got, want)
	}
	for _, args := range [][]string{{"-e", "=x"}, {"-u", "nobody-here"}, {"--dir", "/nothing"}, {"--bind", "relative:/x"}, {"--bind", "/none-here:/x"}, {"--bind", "/etc:/"}} {
		r := w.run(append(append([]string{"exec"}, args...), "tiny", "--", "true")...)
		if r.status != 64 && r.status != 10 || r.stdout != "" || !strings.Contains(r.stderr, "hint: ") {
			t.Errorf("want status 10 or 64 and a hint: %v", r)
		}
	}
}

func TestExecUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("has one id")
	}
	w := tinyJail(t, caller, "powerpc")
	for _, user := range []string{"porter", "54321"} {
		if got := w.ok("exec", "--user", user, "tiny", "--", "id"); got != "uid=54321 gid=54321\n" {
			t.Errorf("--user %s is %q", user, got)
		}
	}
	if got := w.ok("exec", "tiny", "--", "id"); got != "uid=0 gid=0\n" {
		t.Errorf("without --user: %q", got)
	}
}

func TestExecBind(t *testing.T) {
	w := tinyJail(t, caller, "powerpc")
	dir := sharedDir(t)
	writeFile(t, filepath.Join(dir, "file"), "hello\n", 0o644)
	r := w.run("exec", "--bind", dir+":/mnt/deep", "--bind", filepath.Join(dir, "file")+":/etc/bound:ro", "--dir", "/mnt/deep", "tiny", "--",
		"sh", "-c", "cat file /etc/bound; echo new > made; echo x > /etc/bound")
	if r.stdout != "hello\nhello\n" || r.status != 1 {
		t.Errorf("in the jail: %v", r)
	}
	if readFile(filepath.Join(dir, "made")) != "new\n" || readFile(filepath.Join(dir, "file")) != "hello\n" {
		t.Errorf("outside: %q, %q", readFile(filepath.Join(dir, "made")), readFile(filepath.Join(dir, "file")))
	}
	if got := w.ok("exec", "--bind", filepath.Join(dir, "file")+":/top", "tiny", "--", "cat", "/top"); got != "hello\n" {
		t.Errorf("a file in the root: %q", got)
	}
	w.ok("destroy", "tiny")
	if got := names(dir); !slices.Equal(got, []string{"file", "made"}) {
		t.Errorf("destroy went through the bind: %q", got)
	}
}

// What a jail sees of the machine, and what is left of its processes.
func TestExecView(t *testing.T) {
	w := tinyJail(t, caller, "powerpc")
	if got := w.sh("tiny", "uname -n"); got != "tiny" {
		t.Errorf("host name %q", got)
	}
	want := []string{"fd", "full", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout", "tty", "urandom", "zero"}
	devices := strings.Fields(w.sh("tiny", "ls /dev"))
	slices.Sort(devices)
	if !slices.Equal(devices, want) {
		t.Errorf("/dev has %q", devices)
	}
	if got := w.sh("tiny", "cat /proc/sys/fs/binfmt_misc/xjail-powerpc"); !strings.Contains(got, "qemu-ppc-static") {
		t.Errorf("the jail's activator: %q", got)
	}
	processes := 0
	for _, name := range strings.Fields(w.sh("tiny", "orphans 5; ls /proc")) {
		if strings.Trim(name, "0123456789") == "" {
			processes++
		}
	}
	if processes != 3 { // init, the shell, ls
		t.Errorf("%d processes in the jail", processes)
	}
	if got := w.sh("tiny", "cat /proc/self/mountinfo"); strings.Contains(got, w.state+"/jails") && strings.Contains(got, " / /old") {
		t.Errorf("mounts: %s", got)
	}
}

// Jails are used by several commands at a time; while they are, the machine is
// as it was, and nobody can take them away.
func TestExecSideBySide(t *testing.T) {
	w := tinyJail(t, caller, "powerpc")
	before := lookAtMachine()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if out, err := w.command("exec", "tiny", "--", "sh", "-c", "echo a | cat | wc").CombinedOutput(); err != nil || string(out) != "1\n" {
				t.Errorf("%q, %v", out, err)
			}
		})
	}
	wg.Wait()
	cmd := w.command("exec", "tiny", "--", "sh", "-c", "echo begun; cat")
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	during := lookAtMachine()
	for _, kind := range []string{"mount", "format"} {
		if !slices.Equal(before[kind], during[kind]) {
			t.Errorf("%s: %q, before: %q", kind, during[kind], before[kind])
		}
	}
	var list []struct{ State string }
	if err := json.Unmarshal([]byte(w.ok("list", "--json")), &list); err != nil || len(list) != 1 || list[0].State != "in use" {
		t.Errorf("list: %+v, %v", list, err)
	}
	w.fails(11, "in use", "destroy", "tiny")
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// Arguments, variables and names are bytes.
func TestExecBytes(t *testing.T) {
	w := tinyJail(t, caller, "powerpc")
	dir := filepath.Join(sharedDir(t), "\xe9t\xe9")
	writeFile(t, filepath.Join(dir, "f"), "found\n", 0o644)
	got := w.ok("exec", "--env", "V=\xff", "--bind", dir+":/\xe9", "--dir", "/\xe9", "tiny", "--", "sh", "-c", "echo \xe9 $V; cat f")
	if got != "\xe9 \xff\nfound\n" {
		t.Errorf("%q", got)
	}
}

// nohup's way: a signal that the caller ignores does not end the command.
func TestExecUnderNohup(t *testing.T) {
	w := tinyJail(t, caller, "powerpc")
	cmd := w.prepared(`trap "" HUP`, "exec", "tiny", "--", "sh", "-c", "echo begun; cat; exit 3")
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Process.Signal(syscall.SIGHUP)
	in.Close()
	_ = cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != 3 {
		t.Errorf("status %d", got)
	}
}
