package selftest

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/xtools"
)

// compilation makes files on both sides, which must be the same to the byte.
type compilation struct {
	name  string
	build string
	files []string
	cxx   bool
}

// compilations cover what objects are made of: code at several levels, what
// debuggers read, storage of threads, exceptions, archives, and linking.
var compilations = []compilation{
	{name: "O2", build: "$CC -O2 -c -o o-2.o basic.c", files: []string{"o-2.o"}},
	{name: "O0-g", build: "$CC -O0 -g -c -o o-0g.o basic.c", files: []string{"o-0g.o"}},
	{name: "O3-pic-g", build: "$CC -O3 -g -fPIC -c -o o-3.o threads.c", files: []string{"o-3.o"}},
	{name: "Os-sections", build: "$CC -Os -ffunction-sections -fdata-sections -fno-pie -c -o o-s.o threads.c", files: []string{"o-s.o"}},
	{name: "assembly", build: "$CC -O2 -S -o o-s.s lib.c && as -o o-as.o o-s.s", files: []string{"o-s.s", "o-as.o"}},
	{name: "cxx-g", cxx: true, build: "$CXX -O2 -g -c -o o-x.o thrower.cc", files: []string{"o-x.o"}},
	{name: "cxx-templates", cxx: true, build: "$CXX -O2 -c -o o-c.o catcher.cc", files: []string{"o-c.o"}},
	{name: "protected", build: "$CC -O2 -fstack-protector-strong -c -o o-p.o protected.c", files: []string{"o-p.o"}},
	{name: "frames", build: "$CC -O2 -fno-stack-protector -c -o o-f.o protected.c", files: []string{"o-f.o"}},
	{name: "cxx-protected", cxx: true, build: "$CXX -x c++ -O2 -g -fstack-protector-strong -c -o o-q.o protected.c", files: []string{"o-q.o"}},
	{name: "archive", build: "$CC -O2 -c -o o-l.o lib.c && objcopy -R .comment o-l.o && rm -f o-l.a && ar rcsD o-l.a o-l.o && ranlib -D o-l.a", files: []string{"o-l.o", "o-l.a"}},
	{name: "link", build: "$CC -O2 -fPIC -shared -o o-l.so lib.c && $CC -O2 -Wl,--build-id=none -o o-e uselib.c lib.c && strip -o o-e.s o-e", files: []string{"o-l.so", "o-e", "o-e.s"}},
}

// objects compares what both sides compile.
func (t *test) objects(ctx context.Context) error {
	if t.o.Quick || t.cc() == "" {
		return nil
	}
	list := slices.DeleteFunc(t.compilationList(), func(c compilation) bool { return c.cxx && t.cxx() == "" })
	var steps []step
	for _, c := range list {
		steps = append(steps, step{c.name, t.compilerVariables() + c.build})
	}
	ours, err := t.run(ctx, "objects", hybrid, steps)
	if err != nil || ours == nil {
		return err
	}
	theirs, err := t.run(ctx, "objects", emulated, steps)
	if err != nil || theirs == nil {
		return err
	}
	t.judgeObjects(list, ours, theirs)
	return nil
}

func (t *test) judgeObjects(list []compilation, ours, theirs map[string]outcome) {
	var wrong, notes, other []string
	same := 0
	for _, c := range list {
		a, b := ours[c.name], theirs[c.name]
		switch {
		case !a.good() && !b.good():
			t.skipped("objects "+c.name, "neither side can make them", a.why()...)
			continue
		case !a.good():
			wrong = append(wrong, c.name+": only the emulated side can make them: "+strings.Join(a.why(), " "))
			continue
		case !b.good():
			notes = append(notes, c.name+": only the native side can make them: "+strings.Join(b.why(), " "))
			continue
		}
		for _, name := range c.files {
			w, n := t.compareFile(name)
			if t.ordersOtherwise(c) {
				other, w = append(other, w...), nil
			}
			if wrong, notes = append(wrong, w...), append(notes, n...); len(w) == 0 {
				same++
			}
		}
	}
	if len(other) > 0 {
		t.warning("objects", fmt.Sprintf("%d files have other code than the root's own compiler makes, as is known of its revision", len(other)), other)
	}
	switch {
	case len(wrong) > 0:
		t.failed("objects", fault.Mismatch, fmt.Sprintf("%d files are not what the root's own tools make of the same", len(wrong)), wrong)
	case same == 0 && t.s.Nxb != nil:
		t.skipped("objects", "the root's own compiler makes none, emulated", notes...)
	case len(notes) > 0:
		t.add(Finding{Result: OK, Check: "objects", Message: fmt.Sprintf("%d files are those that the root's own tools make, but for what names the compiler's package", same), Evidence: notes})
	default:
		t.ok("objects", "%d files are those that the root's own tools make, to the byte", same)
	}
}

// ordersOtherwise tells whether the code of a compilation may be in another order:
// the native compiler is of another revision, for which the tools have a chooser, it
// optimises, and none of the options is given with which the root's own runs.
func (t *test) ordersOtherwise(c compilation) bool {
	return !strings.Contains(c.build, "-fstack-protector") && !strings.Contains(c.build, "-O0") &&
		slices.ContainsFunc(t.s.Manifest.Files, func(f xtools.File) bool { return f.Kind == xtools.Chooser })
}

// compareFile compares a file of both sides. Notes are of differences that the
// package of the compiler makes, and nothing else.
func (t *test) compareFile(name string) (wrong, notes []string) {
	a, errA := readSome(t.s.Work, path.Join(hybrid, name), madeMax)
	b, errB := readSome(t.s.Work, path.Join(emulated, name), madeMax)
	switch {
	case errA != nil || errB != nil:
		return []string{fmt.Sprintf("%s: native: %v, emulated: %v", name, errA, errB)}, nil
	case string(a) == string(b):
		return nil, nil
	}
	differ, err := differingSections(a, b)
	if err != nil {
		if onlyIdent(string(a), string(b)) {
			return nil, []string{name + ": .ident"}
		}
		return []string{fmt.Sprintf("%s: byte %d is the first that differs (%v)", name, firstDifference(a, b), err)}, nil
	}
	names := make([]string, 0, len(differ))
	for _, d := range differ {
		names = append(names, d.name)
	}
	line := name + ": " + strings.Join(names, " ")
	if slices.ContainsFunc(differ, func(d difference) bool { return !d.names }) {
		return []string{line}, nil
	}
	for _, d := range differ {
		if d.name == ".comment" {
			line += fmt.Sprintf(" (native %q, emulated %q)", d.ours, d.theirs)
		}
	}
	return nil, []string{line}
}

// onlyIdent tells whether assembly differs in the lines that name the compiler.
func onlyIdent(a, b string) bool {
	plain := func(s string) string {
		var kept []string
		for line := range strings.Lines(s) {
			if !strings.HasPrefix(strings.TrimSpace(line), ".ident") {
				kept = append(kept, line)
			}
		}
		return strings.Join(kept, "")
	}
	return plain(a) == plain(b)
}

func firstDifference(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}
