package activators_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/binfmt"
	"github.com/xjail/xjail/activators/tabletest"
)

// realTable registers entries with the kernel, whose interpreters are scripts
// that print the entry's name, and gives what runs a file of that content: "" when
// the kernel has no interpreter for it.
func realTable(t *testing.T, i *tabletest.Instance, dir string, entries []activators.Entry) func(content []byte) string {
	t.Helper()
	i.Clear(t)
	table := binfmt.New(i.Dir)
	for _, e := range slices.Backward(entries) {
		e.Interpreter = filepath.Join(dir, e.Name)
		if err := os.WriteFile(e.Interpreter, []byte("#!/bin/sh\necho "+e.Name+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		on := e.Enabled
		if err := table.Add(e); err != nil {
			t.Fatal(err)
		}
		if !on {
			if err := table.Disable(e.Name); err != nil {
				t.Fatal(err)
			}
		}
	}
	return func(content []byte) string {
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
}

// The kernel does with witnesses what Check says: an entry that shadows another
// one gets the file, and the other one gets it when it is alone.
func TestCheckWitnessesInKernel(t *testing.T) {
	i := tabletest.Private(t)
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(3, 4))
	tried := map[activators.Code]int{}
	for range 12 {
		u := universe{at: []int{1, 5, 40}, bits: []byte{3, 0x11, 6}}
		var entries []activators.Entry
		for k := range 7 {
			e := u.randomEntry(r, k)
			// All begin with Z: none takes the scripts, or this machine's programs.
			e.Magic, e.Mask = append(make([]byte, e.Offset), e.Magic...), append(make([]byte, e.Offset), e.Mask...)
			e.Offset, e.Magic[0], e.Mask[0] = 0, 'Z', 0xff
			entries = append(entries, e)
		}
		findings := activators.Check(entries, activators.Host{OS: "linux", AsksFirst: true}, nil)
		run := realTable(t, i, dir, entries)
		for _, f := range findings {
			if f.Code != activators.Shadowed && f.Code != activators.ShadowedPartly && f.Code != activators.Duplicate {
				continue
			}
			tried[f.Code]++
			if got := run(f.Witness); got == f.Entry || got == "" {
				t.Errorf("the kernel gives %x to %q: %+v", []byte(f.Witness), got, f)
			}
		}
		alone(t, i, dir, entries, findings)
	}
	if len(tried) < 3 {
		t.Errorf("only %v was tried", tried)
	}
}

// alone runs the witnesses with one entry in the table.
func alone(t *testing.T, i *tabletest.Instance, dir string, entries []activators.Entry, findings []activators.Finding) {
	t.Helper()
	for _, e := range entries {
		e.Enabled = true
		run := realTable(t, i, dir, []activators.Entry{e})
		for _, f := range findings {
			if len(f.Witness) > 0 && (f.Entry == e.Name || f.Other == e.Name) {
				if got := run(f.Witness); got != e.Name {
					t.Errorf("alone in the kernel, %s does not get %x: %q, %+v", e.Name, []byte(f.Witness), got, f)
				}
			}
		}
	}
}
