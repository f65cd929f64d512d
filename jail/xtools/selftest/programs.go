package selftest

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
)

//go:embed sources
var sources embed.FS

// program is a test program: how it is built, and what it prints.
type program struct {
	name  string
	build string
	// made are the files that must be of the jail's architecture.
	made []string
	run  string
	want string
	cxx  bool
}

const (
	basicSays   = "x 2.50 -3 -5000000000 3.5\n81004456379100 4382 1000000.000000 1.4142\n11.0 53 97 -1\n13579 b\nback\n"
	threadsSays = "6 7 8 9 5 400 400\n"
	catcherSays = "trouble 42 1\n7 3 ab 3\n"
)

// programs are built with $CC and $CXX in the directory of the sources.
var programs = []program{
	{name: "c", build: "$CC -O2 -o basic basic.c -lm", made: []string{"basic"}, run: "./basic", want: basicSays},
	{name: "debug", build: "$CC -O0 -g -o basic-g basic.c -lm && strip -o basic-s basic-g && objcopy --only-keep-debug basic-g basic.debug",
		made: []string{"basic-g", "basic-s", "basic.debug"}, run: "./basic-s", want: basicSays},
	{name: "static", build: "$CC -O2 -static -o basic-static basic.c -lm", made: []string{"basic-static"}, run: "./basic-static", want: basicSays},
	{name: "threads", build: "$CC -O2 -pthread -o threads threads.c", made: []string{"threads"}, run: "./threads", want: threadsSays},
	{name: "shared-library", build: "$CC -O2 -fPIC -shared -Wl,-soname,libshared.so -o libshared.so lib.c && $CC -O2 -o shared uselib.c -L. -lshared -Wl,-rpath," + Dir,
		made: []string{"libshared.so", "shared"}, run: "./shared", want: "42\n"},
	{name: "archive", build: "$CC -O2 -c -o a-lib.o lib.c && rm -f libarchived.a && ar rcs libarchived.a a-lib.o && ranlib libarchived.a && nm libarchived.a | grep -q ' T .*lib_twice' && $CC -O2 -o archived uselib.c libarchived.a",
		made: []string{"a-lib.o", "archived"}, run: "./archived", want: "42\n"},
	{name: "lto", build: "$CC -O2 -flto -c -o l-lib.o lib.c && rm -f liblto.a && ar rcs liblto.a l-lib.o && $CC -O2 -flto -o lto uselib.c liblto.a",
		made: []string{"l-lib.o", "lto"}, run: "./lto", want: "42\n"},
	{name: "make", build: `rm -f mk-*; make -s -f build.mk CC="$CC" && test "$(sort mk-log)" = "$(printf '2 mk-lib\n2 mk-uselib')"`,
		made: []string{"mk-lib.o", "mk-prog"}, run: "./mk-prog", want: "42\n"},
	{name: "exceptions", cxx: true, build: "$CXX -O2 -fPIC -shared -o libthrower.so thrower.cc && $CXX -O2 -pthread -o catcher catcher.cc -L. -lthrower -Wl,-rpath," + Dir,
		made: []string{"libthrower.so", "catcher"}, run: "./catcher", want: catcherSays},
	{name: "static-cxx", cxx: true, build: "$CXX -O1 -pthread -static -o catcher-static catcher.cc thrower.cc",
		made: []string{"catcher-static"}, run: "./catcher-static", want: catcherSays},
}

// cc is the compiler that programs of C are built with, "" when there is none, and
// cxx that of C++.
func (t *test) cc() string  { return t.first([]string{"cc", "gcc", "clang"}, "gcc-", "clang-") }
func (t *test) cxx() string { return t.first([]string{"c++", "g++", "clang++"}, "g++-") }

// first is the first of the names that the jail has, else a long name with one of
// the parts in it.
func (t *test) first(names []string, parts ...string) string {
	for _, name := range names {
		if t.compilers[name] {
			return name
		}
	}
	for _, part := range parts {
		for _, name := range t.longNames() {
			if strings.Contains(name, part) && t.compilers[name] {
				return name
			}
		}
	}
	return ""
}

// programs builds the test programs with the native tools, looks at what was
// made, and runs it.
func (t *test) programs(ctx context.Context) error {
	if t.cc() == "" {
		return nil
	}
	for _, side := range []string{hybrid, emulated} {
		if err := t.putSources(side); err != nil {
			return err
		}
	}
	list := t.programList()
	if t.cxx() == "" {
		t.skipped("programs of C++", "the root has no compiler for them")
		list = slices.DeleteFunc(list, func(p program) bool { return p.cxx })
	}
	ours, err := t.run(ctx, "programs", hybrid, t.programSteps(list))
	if err != nil || ours == nil {
		return err
	}
	wrong, why := t.judgePrograms(list, ours)
	if err := t.tryEmulated(ctx, wrong, why); err != nil {
		return err
	}
	if n := len(list) - len(why); n > 0 {
		t.ok("programs", "%d programs that the native tools built are of %s, run and are right", n, t.s.Target.Name)
	}
	if t.o.Quick {
		return nil
	}
	return t.runWithoutTools(ctx, slices.DeleteFunc(list, func(p program) bool { return why[p.name] != nil }))
}

// judgePrograms is what is wrong, by the name of the program. What was built for
// another machine is told at once; the rest may be the root's fault, and is tried
// again.
func (t *test) judgePrograms(list []program, ours map[string]outcome) (again []program, why map[string]*Finding) {
	why = map[string]*Finding{}
	for _, p := range list {
		f := t.judgeProgram(p, ours)
		if f == nil {
			continue
		}
		if why[p.name] = f; f.Kind == fault.Failed {
			again = append(again, p)
		} else {
			t.add(*f)
		}
	}
	return again, why
}

func (t *test) putSources(side string) error {
	entries, err := sources.ReadDir("sources")
	if err != nil {
		return err
	}
	for _, e := range entries {
		text, err := sources.ReadFile("sources/" + e.Name())
		if err != nil {
			return err
		}
		if err := t.s.Work.WriteFile(path.Join(side, e.Name()), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// compilerVariables begin the script of a step.
func (t *test) compilerVariables() string {
	return fmt.Sprintf("CC='%s' CXX='%s'\n", t.cc(), t.cxx())
}

func (t *test) programSteps(list []program) []step {
	var steps []step
	for _, p := range list {
		steps = append(steps, step{"build-" + p.name, t.compilerVariables() + p.build}, step{"run-" + p.name, p.run})
	}
	return steps
}

// notBuilt is what is wrong with a program that cannot be run either.
const notBuilt = "it is not built"

// judgeProgram is what is wrong with a program that the native tools built; nil
// for nothing.
func (t *test) judgeProgram(p program, ours map[string]outcome) *Finding {
	f := &Finding{Result: Failed, Check: "program " + p.name, Kind: fault.Failed}
	built, ran := ours["build-"+p.name], ours["run-"+p.name]
	if !built.good() {
		f.Message, f.Evidence = notBuilt, append(built.why(), p.build)
		return f
	}
	for _, name := range p.made {
		if err := t.isForTarget(path.Join(hybrid, name)); err != nil {
			f.Kind, f.Message, f.Evidence = fault.KindOf(err), "what was built is not of "+t.s.Target.Name, []string{name + ": " + err.Error()}
			return f
		}
	}
	if !ran.good() || ran.out != p.want {
		f.Message, f.Evidence = "it does not run as it should", ran.why()
		if ran.good() {
			f.Evidence = []string{unlikeWanted(p, ran)}
		}
		return f
	}
	return nil
}

// madeMax bounds files that are looked through, bytes: a static program of C++
// has 2 MiB.
const madeMax = 64 << 20

// isForTarget looks that a file is of the jail's architecture, and that nothing
// of where the tools are is in it.
func (t *test) isForTarget(name string) error {
	text, err := readSome(t.s.Work, name, madeMax)
	if err != nil {
		return err
	}
	id, err := arch.Identify(bytes.NewReader(text))
	if err != nil {
		return err
	}
	if err := t.s.Target.Accepts(id); err != nil {
		return err
	}
	for _, word := range t.nativeWords() {
		if bytes.Contains(text, []byte(word)) {
			return fault.New(fault.Mismatch, "", "the path %s of the native tools is in it", word)
		}
	}
	return nil
}

// tryEmulated builds with the root's own tools what could not be built or run
// with the native ones. What does not work there either is no fault of the tools:
// the root lacks a library, or the emulator a system call.
func (t *test) tryEmulated(ctx context.Context, wrong []program, why map[string]*Finding) error {
	if len(wrong) == 0 {
		return nil
	}
	theirs, err := t.run(ctx, "programs", emulated, t.programSteps(wrong))
	if err != nil || theirs == nil && t.s.Nxb == nil {
		return err
	}
	for _, p := range wrong {
		f := why[p.name]
		built, ran := theirs["build-"+p.name], theirs["run-"+p.name]
		if t.s.Nxb != nil && t.isEmulators(p, f, theirs) {
			continue
		}
		if !built.good() || !ran.good() || ran.out != p.want {
			t.skipped(f.Check, f.Message+", with the root's own tools neither", append(f.Evidence, howItWent(p, built, ran)...)...)
			continue
		}
		t.add(*f)
	}
	return nil
}

// howItWent is what the emulated side said.
func howItWent(p program, built, ran outcome) []string {
	lines := []string{"emulated:"}
	switch {
	case !built.good():
		return append(lines, built.why()...)
	case !ran.good():
		return append(lines, ran.why()...)
	}
	return append(lines, unlikeWanted(p, ran))
}

// unlikeWanted shows the first line that a program should not have printed.
func unlikeWanted(p program, ran outcome) string {
	line := differing(p.run, ran.out, p.want)[0]
	return strings.NewReplacer(": native ", " says ", ", emulated ", ", want ").Replace(line)
}

// runWithoutTools runs what the native tools built in the jail as it is without
// them.
func (t *test) runWithoutTools(ctx context.Context, list []program) error {
	var steps []step
	for _, p := range list {
		steps = append(steps, step{"alone-" + p.name, p.run})
	}
	found, err := t.steps(ctx, emulated, hybrid, steps)
	if err != nil {
		return err
	}
	var wrong []string
	for _, p := range list {
		if o := found["alone-"+p.name]; !o.good() || o.out != p.want {
			wrong = append(wrong, p.name+": "+strings.Join(append(o.why(), o.out), " "))
		}
	}
	if len(wrong) > 0 && t.s.Nxb != nil { // they ran, and are not linked with anything of the tools
		t.warning("programs without tools", "the emulator does not run for an emulated shell what it runs for a native one", wrong)
		return nil
	}
	if len(wrong) > 0 {
		t.failed("programs without tools", fault.Failed, "what the native tools built does not run without them", wrong)
		return nil
	}
	t.ok("programs without tools", "what the native tools built runs without them")
	return nil
}
