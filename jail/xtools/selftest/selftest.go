package selftest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/xtools"
	"github.com/xjail/xjail/jail/xtools/nxb"
)

// Subject is what is tried.
type Subject struct {
	Manifest *xtools.Manifest
	// Nxb is what is in /nxb-bin of a root of FreeBSD, where its tools are; nil for
	// tools that are laid over.
	Nxb    *nxb.Manifest
	Farm   *os.Root // the tools that are laid over
	Root   *os.Root // the jail's stored root
	Host   *arch.Arch
	Target *arch.Arch
	Policy *xtools.Policy
	// Machine is what uname -m said in the jail when it was made; "" when that is
	// not known.
	Machine string
	// Work is a directory of the host, empty, in which those of jobs are made.
	Work   *os.Root
	Runner Runner
}

// Options say how much is tried.
type Options struct {
	// Quick leaves out what runs the root's own programs only to compare.
	Quick bool
	// Step is told what begins: a few words.
	Step func(what string)
	// Found is told each finding as it is made; nil is as good as a function
	// that does nothing.
	Found func(Finding)
}

// test is a self-test under way.
type test struct {
	*report
	s       *Subject
	o       Options
	scripts int
	// took is how long the last script on the native side took.
	took time.Duration
	// drifted are files that were replaced since, and are not covered.
	drifted map[string]bool
	// compilers are those that the jail has, by their names.
	compilers map[string]bool
}

// Run tries the tools, and returns what it found, also beside an error, which is
// of what kept it from going on.
func Run(ctx context.Context, s *Subject, o Options) ([]Finding, error) {
	if o.Step == nil {
		o.Step = func(string) {}
	}
	t := &test{report: &report{told: o.Found}, s: s, o: o, drifted: map[string]bool{}, compilers: map[string]bool{}}
	for _, side := range []string{hybrid, emulated} {
		if err := s.Work.MkdirAll(side+"/tmp", 0o755); err != nil {
			return nil, err
		}
	}
	for _, part := range t.parts() {
		if err := part(ctx); err != nil {
			return t.list, err
		}
	}
	return t.list, nil
}

// parts are the checks. Where a choice left the compiler out the short test has
// nothing to try it for, and emulated it would take minutes.
func (t *test) parts() []func(context.Context) error {
	if t.s.Nxb != nil {
		return []func(context.Context) error{t.nxbFiles, t.nxbStart, t.identity, t.compiler, t.programs, t.probe, t.objects}
	}
	if t.o.Quick && t.s.Manifest.Only != nil && !t.nativeCompiler() {
		t.skipped("compiler", "it is the root's own")
		return []func(context.Context) error{t.files, t.start, t.identity}
	}
	return []func(context.Context) error{t.files, t.start, t.identity, t.scriptsRun, t.compiler, t.programs, t.probe, t.objects}
}

// nativeCompiler tells whether a compiler is among the tools.
func (t *test) nativeCompiler() bool {
	return slices.ContainsFunc(t.s.Manifest.Files, func(f xtools.File) bool {
		return f.Original != nil && xtools.IsCompiler(f.Original.Package, t.s.Target)
	})
}

// slower is how much more time the emulated side takes, as measured for compilers
// and configure scripts: 15 to 24 times.
const slower = 20

// announce tells what a script is about to do, and about how long it takes.
func (t *test) announce(check, side string, n int) {
	what := check + ", " + side
	if n > 1 {
		what += fmt.Sprintf(": %d steps", n)
	}
	if side == emulated && check != "identity" { // of which most is emulated on both
		what += ", about " + (slower * t.took).Round(time.Second).String()
	}
	t.o.Step(what)
}

// run runs steps of a check. When the shell itself did not come to an end that is
// a finding, and nil is returned with no error; only an interruption is an error.
func (t *test) run(ctx context.Context, check, side string, list []step) (map[string]outcome, error) {
	t.announce(check, side, len(list))
	began := time.Now()
	found, err := t.steps(ctx, side, side, list)
	if side == hybrid {
		t.took = time.Since(began)
	}
	switch {
	case err == nil:
		return found, nil
	case ctx.Err() != nil || fault.KindOf(err) == fault.Interrupted || isFull(err):
		return nil, err
	}
	const what = " side of the jail did not get to the end of a script"
	if t.s.Nxb != nil && side == emulated {
		t.skipped(check, "the "+side+what, err.Error()) // nothing of /nxb-bin was run there
		return nil, nil
	}
	t.failed(check, fault.KindOf(err), "the "+side+what, []string{err.Error()})
	return nil, nil
}

// isFull tells whether a disk is full, which says nothing of the tools.
func isFull(err error) bool {
	return fault.KindOf(err) == fault.NoSpace || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
