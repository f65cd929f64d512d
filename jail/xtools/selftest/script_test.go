package selftest

import (
	"os/exec"
	"strings"
	"testing"
)

// Steps about many files are good shell when there are none.
func TestScriptsOfNothing(t *testing.T) {
	sub := &test{s: newBench(t).Subject}
	text := script("run-1", []step{{"link", linkScript("", nil)}, {"start", startScript(nil)}, {"modules", modulesScript("/usr/bin/perl", nil)},
		{"scripts", sub.compileScript("/usr/bin/perl", nil)}})
	cmd := exec.Command("/bin/sh", "-n")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s\n%s", err, out, text)
	}
}
