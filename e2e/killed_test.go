package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/xjail/xjail/jail"
)

// doomed is a create or an update that kills itself when a step begins: the line of the
// step is in the journal, and nothing of it is done.
type doomed struct {
	State   string
	Step    string
	Request jail.Request
	// Update is of the jail Request.Name, instead of a create.
	Update *jail.UpdateRequest
	// Config is a file, "" for none.
	Config string
}

const doomedVariable = "XJAIL_E2E_DOOMED"

// runDoomed is the work of the process of a doomed create.
func runDoomed(text string) int {
	var d doomed
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	store := jail.Store{Dir: d.State}
	if d.Update != nil {
		config := &jail.Config{}
		if d.Config != "" {
			config, _ = jail.ReadConfig(d.Config)
		}
		plan, err := store.NewUpdatePlan(context.Background(), config, d.Request.Name, *d.Update)
		if err == nil {
			_, err = store.Update(context.Background(), plan, executioner(d.Step))
		}
		fmt.Fprintln(os.Stderr, "survived:", err)
		return 1
	}
	plan, err := store.NewPlan(context.Background(), &jail.Config{}, d.Request)
	if err == nil {
		_, err = store.Create(context.Background(), plan, executioner(d.Step))
	}
	fmt.Fprintln(os.Stderr, "survived:", err)
	return 1
}

// executioner is a jail.Watcher.
type executioner string

func (e executioner) Step(name, _ string) {
	if name == string(e) {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}
func (executioner) Progress(_, _, _ int64) {}
func (executioner) Log() io.Writer         { return io.Discard }
func (executioner) Warn(string)            {}

// die runs a doomed create.
func (d doomed) die(t *testing.T) {
	t.Helper()
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), doomedVariable+"="+string(text))
	out, err := cmd.CombinedOutput()
	if st, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !st.Signaled() {
		t.Fatalf("at step %s: %v: %s", d.Step, err, out)
	}
}

// killedSources are ways to make the jail "tiny", with their names.
func killedSources(t *testing.T) map[string]jail.Request {
	archive := tinyRoot(t, "powerpc").save()
	srv := httptest.NewServer(http.FileServer(http.Dir(filepath.Dir(archive))))
	t.Cleanup(srv.Close)
	dir := filepath.Join(sharedDir(t), "root")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("tar", "-xf", archive, "-C", dir).CombinedOutput(); err != nil {
		t.Fatalf("tar: %v: %s", err, out)
	}
	return map[string]jail.Request{
		"archive":   {Arch: "powerpc", From: "archive:" + archive},
		"download":  {Arch: "powerpc", From: srv.URL + "/root.tar"},
		"directory": {Arch: "powerpc", From: "dir:" + dir},
		"elsewhere": {Arch: "powerpc", From: "archive:" + archive, Path: filepath.Join(sharedDir(t), "root")},
	}
}

func createArgs(r jail.Request) []string {
	args := []string{"create", r.Name, "--arch", r.Arch, "--from", r.From}
	if r.Path != "" {
		args = append(args, "--path", r.Path)
	}
	return args
}

// stepsOf asks for the plan.
func stepsOf(w *world, r jail.Request) []string {
	w.t.Helper()
	var plan struct{ Steps []struct{ Name string } }
	if err := json.Unmarshal([]byte(w.ok(append(createArgs(r), "--dry-run", "--json")...)), &plan); err != nil {
		w.t.Fatal(err)
	}
	var steps []string
	for _, s := range plan.Steps {
		steps = append(steps, s.Name)
	}
	return steps
}

// Killed where each step begins, which is where the one before has ended: both
// a second create and destroy find all that is left.
func TestKilledAtEachStep(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("creates in this process, which has to be root for it")
	}
	for name, request := range killedSources(t) {
		t.Run(name, func(t *testing.T) {
			request.Name = "tiny"
			w := newWorld(t, caller)
			steps := stepsOf(w, request)
			if len(steps) < 5 || steps[len(steps)-1] != "record" {
				t.Fatalf("steps %q", steps)
			}
			for _, step := range steps {
				doomed{State: w.state, Step: step, Request: request}.die(t)
				w.wantIncomplete(step)
				w.ok(createArgs(request)...)
				if got := w.sh("tiny", "uname -m"); got != "ppc" {
					t.Errorf("after %s and a second create: %q", step, got)
				}
				w.ok("destroy", "tiny")
				w.wantGone(step, request)

				doomed{State: w.state, Step: step, Request: request}.die(t)
				w.ok("destroy", "tiny")
				w.wantGone(step, request)
			}
		})
	}
}

func (w *world) wantIncomplete(step string) {
	w.t.Helper()
	var list []struct{ Name, State string }
	if err := json.Unmarshal([]byte(w.ok("list", "--json")), &list); err != nil || len(list) != 1 || list[0].State != "incomplete" {
		w.t.Errorf("killed at %s, the list is %+v, %v", step, list, err)
	}
	w.fails(10, "xjail destroy tiny", "exec", "tiny", "--", "true")
}

func (w *world) wantGone(step string, r jail.Request) {
	w.t.Helper()
	w.nothingLeft()
	if r.Path != "" && len(names(filepath.Dir(r.Path))) != 0 {
		w.t.Errorf("killed at %s: left beside --path: %q", step, names(filepath.Dir(r.Path)))
	}
}

// Killed at any time, also in the middle of a step.
func TestKilledAnyTime(t *testing.T) {
	archive := tinyRoot(t, "powerpc").save()
	w := newWorld(t, caller)
	create := []string{"create", "tiny", "--arch", "powerpc", "--from", "archive:" + archive}
	seen := map[string]bool{}
	for after := time.Millisecond; ; after += 4 * time.Millisecond {
		if w.killAfter(after, create...) {
			break
		}
		journal := lines(readFile(filepath.Join(w.state, "jails/tiny/journal")))
		seen[journal[len(journal)-1]] = true
		if r := w.run("destroy", "tiny"); r.status != 0 && r.status != 10 {
			t.Errorf("killed after %s: %v", after, r)
		}
		// A kill before anything was made leaves nothing to destroy.
		w.nothingLeft()
	}
	if len(seen) < 3 {
		t.Errorf("killed in %d steps only: %v", len(seen), seen)
	}
	w.ok("destroy", "tiny")
	for after := time.Duration(0); ; after += time.Millisecond {
		w.ok(create...)
		done := w.killAfter(after, "destroy", "tiny")
		if done {
			break
		}
		if r := w.run("destroy", "tiny"); r.status != 0 && r.status != 10 {
			t.Errorf("destroy killed after %s: %v", after, r)
		}
		w.nothingLeft()
	}
}

// killAfter starts a command, kills it, and tells whether it was done before.
func (w *world) killAfter(after time.Duration, args ...string) (done bool) {
	w.t.Helper()
	cmd := w.command(args...)
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	err := cmd.Wait()
	if cmd.ProcessState.Exited() && err != nil {
		w.t.Fatalf("%q: %v", args, err)
	}
	return err == nil
}

// Programs that a step runs end with it: go for the mini root, mmdebstrap and
// its emulated children for Debian.
func TestKilledWhileAProgramRuns(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		busy string // a path below the jail's directory that shows that it runs
	}{
		{"miniroot", []string{"create", "x", "--arch", "mips64", "--from", "miniroot"}, "tmp/*"},
		{"debian", []string{"create", "x", "--arch", "arm64", "--from", "debian:bookworm"}, "root.partial/usr/bin/d*"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.name == "debian" {
				needDebian(t)
			}
			for _, signal := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
				w := newWorld(t, caller)
				needEmulator(t, w, tt.args[3])
				cmd := w.command(tt.args...)
				var stderr bytes.Buffer
				cmd.Stderr = &stderr
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				waitFor(t, tt.busy, func() bool { return len(glob(filepath.Join(w.state, "jails/x", tt.busy))) > 0 })
				_ = cmd.Process.Signal(signal)
				_ = cmd.Wait()
				if signal == syscall.SIGTERM {
					if got := cmd.ProcessState.ExitCode(); got != 130 {
						t.Errorf("after SIGTERM: status %d: %s", got, &stderr)
					}
					w.nothingLeft()
					continue
				}
				waitFor(t, "the end of the jail's programs", func() bool { return !programsBelow(w.state) })
				w.ok("destroy", "x")
				w.nothingLeft()
			}
		})
	}
}

// programsBelow tells whether a process has a directory below dir as its root,
// as its working directory or among its arguments, xjail itself aside.
func programsBelow(dir string) bool {
	for _, proc := range glob("/proc/[0-9]*") {
		if filepath.Base(proc) == fmt.Sprint(os.Getpid()) {
			continue
		}
		root, _ := os.Readlink(proc + "/root")
		cwd, _ := os.Readlink(proc + "/cwd")
		if strings.Contains(root+" "+cwd+" "+readFile(proc+"/cmdline"), dir) {
			return true
		}
	}
	return false
}

// Two creates of one name at the same time: one does it, the other says why
// not.
func TestTwoCreates(t *testing.T) {
	archive := tinyRoot(t, "powerpc").save()
	for range 5 {
		w := newWorld(t, caller)
		args := []string{"create", "tiny", "--arch", "powerpc", "--from", "archive:" + archive}
		first, second := w.command(args...), w.command(args...)
		if err := first.Start(); err != nil {
			t.Fatal(err)
		}
		r := w.runCommand(second, args)
		_ = first.Wait()
		both := []int{first.ProcessState.ExitCode(), r.status}
		slices.Sort(both)
		if both[0] != 0 || both[1] != 11 && both[1] != 16 {
			t.Errorf("statuses %v: %v", both, r)
		}
		if got := w.sh("tiny", "uname -m"); got != "ppc" {
			t.Errorf("the jail says %q", got)
		}
	}
}
