package dtrace

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xjail/xjail/profile"
)

// forKernel skips where dtrace cannot be used.
func forKernel(t *testing.T) {
	t.Helper()
	if _, err := Find(); err != nil || os.Geteuid() != 0 {
		t.Skip("dtrace(1) is root's")
	}
}

// dtrace takes both programs, with the types and the probes of the running kernel.
func TestKernelTakesPrograms(t *testing.T) {
	forKernel(t)
	for name, args := range map[string][]string{"trace.d": {Program(), "1"}, "bulk.d": {BulkProgram(), nobody, "a64-default"}} {
		if out, err := exec.Command(command, append([]string{"-e", "-n"}, args...)...).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", name, err, out)
		}
	}
}

// What a shell does in a jail(8) is all there. The machine must be one that may be
// changed.
func TestKernelProfile(t *testing.T) {
	forKernel(t)
	if os.Getenv("XJAIL_TEST_KERNEL") != "1" {
		t.Skip("XJAIL_TEST_KERNEL=1: this test makes a jail(8)")
	}
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n/bin/echo hello\n/bin/sh -c 'kill -9 $$'\n/nonexistent\nexit 3\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w, err := profile.NewWriter(&b, header())
	if err != nil {
		t.Fatal(err)
	}
	c, err := Start(os.Getpid(), w, Options{Emulators: emulators})
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("name=xjail-dtrace-%d", os.Getpid())
	out, _ := exec.Command("jail", "-c", "path=/", name, "command="+script).CombinedOutput()
	stats, err := c.Stop()
	if err != nil || !stats.Whole || stats.Left != 0 || !strings.Contains(string(out), "hello") {
		t.Fatalf("%v, %+v: %s", err, stats, out)
	}
	p, err := profile.Read(&b)
	if err != nil {
		t.Fatal(err)
	}
	var ends []string
	for _, r := range p.Runs {
		if !r.Fork() && r.End != nil {
			ends = append(ends, fmt.Sprint(r.Program, " ", r.End.How, " ", r.End.Code))
		}
	}
	for _, want := range []string{"/bin/echo " + profile.ByExit + " 0", "/bin/sh " + profile.BySignal + " 9", "/bin/sh " + profile.ByExit + " 3"} {
		if !slices.Contains(ends, want) {
			t.Errorf("%q is not in %q", want, ends)
		}
	}
	if len(p.Losses) != 0 || len(p.Failures) != 1 || p.Failures[0].File != "/nonexistent" || p.Failures[0].Error != "ENOENT" {
		t.Errorf("lost %+v, failed %+v", p.Losses, p.Failures)
	}
}
