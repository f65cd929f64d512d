package selftest

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xjail/xjail/jail/xtools/nxb"
)

// shellJail runs scripts with this machine's shell, in a directory of the test's.
type shellJail struct{ dir string }

func (j shellJail) Run(ctx context.Context, job Job) (int, error) {
	cmd := exec.CommandContext(ctx, "/bin/sh", filepath.Join(j.dir, job.Work, filepath.Base(job.Argv[1])))
	cmd.Stdout, cmd.Stderr = job.Output, job.Output
	return 0, cmd.Run()
}

// A step that hangs is ended, and the others say what they would say unwatched.
func TestWatched(t *testing.T) {
	defer func(dir string) { Dir = dir }(Dir)
	dir := t.TempDir()
	Dir = filepath.Join(dir, hybrid)
	work, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer work.Close()
	sub := &test{report: &report{}, s: &Subject{Work: work, Runner: shellJail{dir}}}
	found, err := sub.steps(t.Context(), hybrid, hybrid, []step{
		step{"run-well", "sh -c 'echo said; echo complained >&2; exit 7'"}.within(runMax, ""),
		step{"run-hangs", "sleep 5000"}.within(0, ""),
		step{"absent", "exit 111"}.within(stepMax, ""),
		step{"nothing", ""}.within(stepMax, ""),
		step{"last", "cat; x=1\necho $x"}.within(time.Minute, ""),
	})
	if err != nil {
		t.Fatal(err)
	}
	if o := found["run-well"]; o.status != 7 || o.out != "said\n" || o.err != "complained\n" {
		t.Errorf("%+v", o)
	}
	if o := found["run-hangs"]; o.status != 137 || !strings.Contains(o.err, "it did not end within 0s") {
		t.Errorf("%+v", o)
	}
	if o := found["absent"]; !o.absent() {
		t.Errorf("%+v", o)
	}
	if o := found["nothing"]; !o.good() {
		t.Errorf("%+v", o)
	}
	if o := found["last"]; !o.good() || o.out != "1\n" {
		t.Errorf("%+v", o)
	}
}

// Where the root's own programs hang they are not asked any more, but what was built is
// still run.
func TestWatchedGivesUp(t *testing.T) {
	defer func(dir string) { Dir = dir }(Dir)
	dir := t.TempDir()
	work, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer work.Close()
	sub := &test{report: &report{}, s: &Subject{Work: work, Runner: shellJail{dir}, Nxb: &nxb.Manifest{}}}
	for _, side := range []string{hybrid, emulated} {
		Dir = filepath.Join(dir, side)
		if err := errors.Join(work.MkdirAll(side, 0o755), work.WriteFile(side+"/"+hungMark+side, nil, 0o644)); err != nil {
			t.Fatal(err)
		}
		found, err := sub.steps(t.Context(), side, side, []step{{"build-c", "echo built"}, {"run-c", "echo ran"}})
		if err != nil {
			t.Fatal(err)
		}
		if o := found["build-c"]; o.good() != (side == hybrid) || strings.Contains(o.err, "not tried") != (side == emulated) {
			t.Errorf("%s: %+v", side, o)
		}
		if o := found["run-c"]; o.out != "ran\n" {
			t.Errorf("%s: %+v", side, o)
		}
	}
	text := step{"build-c", "exec sleep 5000"}.within(0, ": >"+hungMark+emulated).script
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", text)
	cmd.Dir = dir
	_ = cmd.Run() // it is killed
	if _, err := work.Lstat(hungMark + emulated); err != nil {
		t.Error(err)
	}
}

// Programs get less time than what builds them, and all less than the script.
func TestWatchedLimits(t *testing.T) {
	list := watched(hybrid, []step{{"build-c", "cc"}, {"run-c", "./c"}, {"alone-c", "./c"}})
	for i, want := range []string{"15m0s", "3m0s", "3m0s"} {
		if text := list[i].script; !strings.Contains(text, "within "+want) || strings.Contains(text, "exec ./c") != (i > 0) {
			t.Errorf("%s: %s", list[i].name, text)
		}
	}
	if stepMax >= quietMax {
		t.Error("the script is ended before a step")
	}
}
