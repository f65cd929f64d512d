package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestMain makes the test binary the program itself when it is called by the
// name of a command.
func TestMain(m *testing.M) {
	name := strings.TrimPrefix(filepath.Base(os.Args[0]), "-")
	if _, ok := lookup(name); ok || name == programName {
		os.Exit(run(os.Args))
	}
	os.Exit(m.Run())
}

// binDir is a directory with a link for each command.
func binDir(t *testing.T) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(exe, filepath.Join(dir, programName)); err != nil {
		t.Fatal(err)
	}
	for _, a := range applets() {
		if err := os.Symlink(programName, filepath.Join(dir, a.name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// result is what a script did.
type result struct {
	stdout, stderr string
	status         int
}

// runScript runs a script in a new directory with a shell, and only the
// commands of path.
func runScript(t *testing.T, shell, path, script, stdin string) result {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), shell, "-c", script)
	cmd.WaitDelay = 5 * time.Second
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + path, "HOME=" + dir, "LC_ALL=C", "TZ=UTC", "PWD=" + dir, "TMPDIR=" + dir}
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	status := cmd.ProcessState.ExitCode()
	if status < 0 {
		status = statusSignal
	}
	clean := strings.NewReplacer(dir, "DIR").Replace
	return result{clean(out.String()), clean(errs.String()), status}
}

func TestAppletsSorted(t *testing.T) {
	text, err := os.ReadFile("applets.txt")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, a := range applets() {
		names = append(names, a.name)
	}
	slices.Sort(names)
	if got, want := strings.Join(names, "\n")+"\n", string(text); got != want {
		t.Errorf("applets.txt does not name the applets:\n%s", got)
	}
}

func TestRunByName(t *testing.T) {
	bin := binDir(t)
	for _, tt := range []struct {
		argv   []string
		want   string
		status int
	}{
		{[]string{programName, "echo", "a"}, "a\n", 0},
		{[]string{programName, "no-such"}, "", 127},
		{[]string{programName, "--list"}, "[\n", 0},
		{[]string{"cat", "--help"}, "usage: cat [-n] [-u] [FILE]...\n", 0},
		{[]string{"-sh", "-c", "echo login"}, "login\n", 0},
	} {
		cmd := exec.Command(filepath.Join(bin, strings.TrimPrefix(tt.argv[0], "-")), tt.argv[1:]...)
		cmd.Args[0] = tt.argv[0]
		out, _ := cmd.Output() // the status is looked at
		if !strings.HasPrefix(string(out), tt.want) || cmd.ProcessState.ExitCode() != tt.status {
			t.Errorf("%q: %q, status %d", tt.argv, out, cmd.ProcessState.ExitCode())
		}
	}
}
