package jail

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/binfmt"
	"github.com/xjail/xjail/activators/tabletest"
)

// The port's table in the real kernel, with scripts in the place of its emulators
// that print the name of the entry: what Check says of it is what happens.
func TestCheckPublishedInKernel(t *testing.T) {
	i := tabletest.Private(t)
	dir := t.TempDir()
	table := binfmt.New(i.Dir)
	entries := tableOfRows(t, portsTable, activators.Flags{FixBinary: true})
	for _, e := range slices.Backward(entries) {
		e.Interpreter = filepath.Join(dir, e.Name)
		if err := os.WriteFile(e.Interpreter, []byte("#!/bin/sh\necho "+e.Name+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := table.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	run := func(content []byte) string {
		program := filepath.Join(dir, "program")
		_ = os.Remove(program)
		if err := os.WriteFile(program, content, 0o755); err != nil {
			t.Fatal(err)
		}
		out, err := i.Run(program)
		if err != nil && !strings.Contains(err.Error(), "exec format error") {
			t.Fatal(err)
		}
		return strings.TrimSpace(out)
	}
	want := map[activators.Code]func(f activators.Finding) string{
		activators.MatchesOther:     func(f activators.Finding) string { return f.Entry },
		activators.Duplicate:        func(activators.Finding) string { return "armv7" },
		activators.MissesPIE:        func(activators.Finding) string { return "" },
		activators.MissesABIVersion: func(activators.Finding) string { return "" },
	}
	tried := map[activators.Code]bool{}
	for _, f := range activators.Check(entries, amd64Host(t, "linux"), nil) {
		if expect := want[f.Code]; expect != nil {
			tried[f.Code] = true
			if got := run(f.Witness); got != expect(f) {
				t.Errorf("%s of %s: the kernel gives the witness to %q, not %q", f.Code, f.Entry, got, expect(f))
			}
		}
	}
	if len(tried) != len(want) {
		t.Errorf("only %v was found", tried)
	}
}
