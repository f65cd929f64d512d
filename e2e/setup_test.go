// Package e2e tries xjail from outside, with the machine's kernel, real
// emulators and real roots: a program is run and its output, its exit status
// and what it leaves behind are looked at. XJAIL_E2E=1 turns it on; setup.sh
// installs what it needs.
package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/xjail/xjail/jail"
)

// scratch holds everything that the tests make, and program is the xjail under
// test in it: where every user can reach them.
var scratch, program string

func TestMain(m *testing.M) {
	if jail.IsInit() {
		os.Exit(jail.RunInit(func([]string) int { return 64 }))
	}
	if text := os.Getenv(doomedVariable); text != "" {
		os.Exit(runDoomed(text))
	}
	if os.Getenv("XJAIL_E2E") == "" {
		fmt.Fprintln(os.Stderr, "e2e: not run; XJAIL_E2E=1 turns it on")
		return
	}
	os.Exit(runTests(m))
}

// runTests builds the program, runs everything, and looks that the machine is
// as it was before.
func runTests(m *testing.M) int {
	heedSignals()
	syscall.Umask(0o022) // other accounts run what is built here
	var err error
	if scratch, err = os.MkdirTemp("", "xjail-e2e-"); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	program = filepath.Join(scratch, "xjail")
	if err := build(program); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	before := lookAtMachine()
	status := m.Run()
	for _, change := range machineChanges(before) {
		fmt.Fprintln(os.Stderr, "e2e: left behind:", change)
		status = 1
	}
	return status
}

func build(file string) error {
	if err := os.Chmod(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	cmd := exec.Command("go", "build", "-trimpath", "-o", file, "github.com/xjail/xjail/cmd/xjail")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w: %s", err, out)
	}
	return nil
}

// machine is what no test may change: mounts, the kernel's table of formats,
// processes of xjail and of emulators, temporary files.
type machine map[string][]string

func lookAtMachine() machine {
	return machine{
		"mount":          lines(readFile("/proc/self/mountinfo")),
		"format":         names("/proc/sys/fs/binfmt_misc"),
		"process":        foreignProcesses(),
		"temporary file": glob(filepath.Join(os.TempDir(), "xjail-*"), "/var/tmp/xjail-*", "/dev/shm/xjail-*"),
		"state":          glob("/var/lib/xjail"),
	}
}

// comesAndGoes is what may end while the tests run: what another run made.
var comesAndGoes = map[string]bool{"process": true, "temporary file": true}

// machineChanges waits a little for processes that are about to end.
func machineChanges(before machine) []string {
	var changes []string
	for range 50 {
		changes = nil
		for kind, now := range lookAtMachine() {
			for _, x := range now {
				if !slices.Contains(before[kind], x) {
					changes = append(changes, kind+" "+x)
				}
			}
			for _, x := range before[kind] {
				if !slices.Contains(now, x) && !comesAndGoes[kind] {
					changes = append(changes, kind+" "+x+" is gone")
				}
			}
		}
		if len(changes) == 0 {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return changes
}

// foreignProcesses are the processes of the xjail under test and of emulators
// that have to do with the tests: jails that others use meanwhile do not count.
func foreignProcesses() []string {
	var found []string
	for _, proc := range glob("/proc/[0-9]*") {
		exe, err := os.Readlink(proc + "/exe")
		if err != nil {
			continue
		}
		exe = strings.TrimSuffix(exe, " (deleted)")
		if exe == program || strings.HasPrefix(filepath.Base(exe), "qemu-") && ofTests(proc) {
			found = append(found, filepath.Base(proc)+" "+strings.ReplaceAll(readFile(proc+"/cmdline"), "\x00", " "))
		}
	}
	return found
}

// ofTests tells whether a process was started below the tests' directory: its
// root is there, or its environment or arguments say so.
func ofTests(proc string) bool {
	return strings.Contains(readFile(proc+"/mountinfo")+readFile(proc+"/environ")+readFile(proc+"/cmdline"), scratch)
}

func readFile(name string) string {
	b, _ := os.ReadFile(name)
	return string(b)
}

func lines(text string) []string { return strings.Split(strings.TrimRight(text, "\n"), "\n") }

func names(dir string) []string {
	entries, _ := os.ReadDir(dir)
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func glob(patterns ...string) []string {
	var list []string
	for _, p := range patterns {
		found, _ := filepath.Glob(p)
		list = append(list, found...)
	}
	return list
}

// world is a state directory with its jails, used by one account.
type world struct {
	t     *testing.T
	state string
	as    account
	env   []string // added to the caller's
}

// newWorld makes an empty one. At the end of the test its jails are destroyed,
// and nothing must be left of them.
func newWorld(t *testing.T, as account) *world {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("jails can be made on Linux only so far")
	}
	dir := sharedDir(t)
	if as.uid != 0 {
		if err := os.Chown(dir, as.uid, as.gid); err != nil {
			t.Fatal(err)
		}
	}
	w := &world{t: t, state: filepath.Join(dir, "state"), as: as}
	t.Cleanup(w.empty)
	return w
}

// empty destroys all jails and looks that the state directory goes with them.
func (w *world) empty() {
	for _, name := range w.jails() {
		if r := w.run("destroy", name); r.status != 0 {
			w.t.Errorf("%v", r)
		}
	}
	if r := w.run("cache", "prune", "--all"); r.status != 0 {
		w.t.Errorf("%v", r)
	}
	w.nothingLeft()
}

func (w *world) jails() []string {
	var list []struct{ Name string }
	r := w.run("list", "--json")
	if err := json.Unmarshal([]byte(r.stdout), &list); err != nil {
		w.t.Errorf("%v: %v", r, err)
	}
	var found []string
	for _, j := range list {
		found = append(found, j.Name)
	}
	return found
}

// nothingLeft fails the test when the state directory still holds something;
// emulators that were fetched may stay.
func (w *world) nothingLeft() {
	w.t.Helper()
	for _, name := range names(w.state) {
		if name != "emulators" {
			w.t.Errorf("left in the state directory: %s: %q", name, names(filepath.Join(w.state, name)))
		}
	}
}

// sharedDir is a temporary directory that every user can reach.
func sharedDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(scratch, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// result is what a command did.
type result struct {
	args           []string
	stdout, stderr string
	status         int
}

func (r result) String() string {
	return fmt.Sprintf("xjail %q: status %d\nstdout: %s\nstderr: %s", r.args, r.status, r.stdout, r.stderr)
}

// command is an xjail that has not been started.
func (w *world) command(args ...string) *exec.Cmd {
	cmd := w.as.command(append([]string{program, "--state", w.state}, args...)...)
	cmd.Dir = "/"
	cmd.Env = append(cmd.Env, w.env...)
	return cmd
}

func (w *world) run(args ...string) result {
	w.t.Helper()
	return w.runCommand(w.command(args...), args)
}

func (w *world) runCommand(cmd *exec.Cmd, args []string) result {
	w.t.Helper()
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if cmd.ProcessState == nil {
		w.t.Fatalf("%q: %v", args, err)
	}
	return result{args, stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// ok runs a command that must succeed and returns what it prints.
func (w *world) ok(args ...string) string {
	w.t.Helper()
	r := w.run(args...)
	if r.status != 0 {
		w.t.Fatal(r)
	}
	return r.stdout
}

// fails runs a command that must end with status, print nothing as its answer,
// and give a hint; text is part of the message or of the hint.
func (w *world) fails(status int, text string, args ...string) result {
	w.t.Helper()
	r := w.run(args...)
	switch {
	case r.status != status:
		w.t.Errorf("want status %d: %v", status, r)
	case r.stdout != "":
		w.t.Errorf("failed with an answer: %v", r)
	case !strings.Contains(r.stderr, text) || !strings.Contains(r.stderr, "hint: "):
		w.t.Errorf("want %q and a hint: %v", text, r)
	}
	return r
}

// sh runs a shell's command in a jail and returns its output without the last
// newline.
func (w *world) sh(jail, script string) string {
	w.t.Helper()
	return strings.TrimSuffix(w.ok("exec", jail, "--", "sh", "-c", script), "\n")
}

// waitFor polls until something is so. The time that it waits at most is only
// a guard against hanging.
func waitFor(t *testing.T, what string, so func() bool) {
	t.Helper()
	for range 600 {
		if so() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("waited in vain for %s", what)
}
