package selftest

import (
	"context"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/xtools"
)

// compilerNames are the compilers that are tried where the jail has them. Others
// are links to the same files.
var compilerNames = []string{"cc", "c++", "gcc", "g++", "clang", "clang++"}

// longNames are compilers among the tools by names with the machine or the
// version in them.
func (t *test) longNames() []string {
	var names []string
	for _, f := range t.s.Manifest.Files {
		name := path.Base(f.Path)
		for _, pattern := range []string{"*-gcc-[0-9]*", "*-g++-[0-9]*", "gcc-[0-9]*", "g++-[0-9]*", "clang-[0-9]*"} {
			if ok, _ := path.Match(pattern, name); ok && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// answer is what a compiler says of itself.
type answer struct {
	name string
	args string
	// cxx: for compilers of C++ only; once: for the first of a kind only.
	cxx, once bool
}

// gccAnswers are what builds ask, and what decides what is built.
var gccAnswers = []answer{
	{name: "machine", args: "-dumpmachine"},
	{name: "version", args: "-dumpfullversion -dumpversion", once: true},
	{name: "sysroot", args: "-print-sysroot", once: true},
	{name: "search-dirs", args: "-print-search-dirs", once: true},
	{name: "multiarch", args: "-print-multiarch", once: true},
	{name: "multi-lib", args: "-print-multi-lib", once: true},
	{name: "os-directory", args: "-print-multi-os-directory", once: true},
	{name: "libgcc", args: "-print-libgcc-file-name", once: true},
	{name: "crt", args: "-print-file-name=crt1.o", once: true},
	{name: "libc", args: "-print-file-name=libc.so", once: true},
	{name: "as", args: "-print-prog-name=as", once: true},
	{name: "ld", args: "-print-prog-name=ld", once: true},
	{name: "cc1", args: "-print-prog-name=cc1", once: true},
	{name: "specs", args: "-dumpspecs", once: true},
	{name: "v", args: "-v", once: true},
	{name: "macros", args: "-dM -E -x c - ", once: true},
	{name: "macros-cxx", args: "-dM -E -x c++ -", cxx: true, once: true},
	{name: "include", args: "-E -v -x c -", once: true},
}

// answerSteps are the questions, of which those that are the same for all names
// go to the first.
func (t *test) answerSteps() []step {
	var list []step
	for _, name := range slices.Concat(compilerNames, t.longNames()) {
		for _, a := range t.answers() {
			isCXX := strings.Contains(name, "++")
			first := name == "cc" || name == "clang" || name == "c++" && a.cxx
			if a.cxx && !isCXX || a.once && !first {
				continue
			}
			list = append(list, step{stepName(name, a.name), fmt.Sprintf(ifThere, quote(name)) + quote(name) + " " + a.args})
		}
	}
	return list
}

func stepName(compiler, what string) string {
	return strings.ReplaceAll(compiler, "+", "x") + "-" + what
}

// compiler asks the compilers what they are.
func (t *test) compiler(ctx context.Context) error {
	list, names := t.answerSteps(), slices.Concat(compilerNames, t.longNames())
	ours, err := t.run(ctx, "compiler", hybrid, list)
	if err != nil || ours == nil {
		return err
	}
	for _, name := range names {
		t.compilers[name] = !ours[stepName(name, "machine")].absent()
	}
	if t.cc() == "" {
		t.skipped("compiler", "the root has none")
		return nil
	}
	t.judgeCompilers(names, ours)
	if t.o.Quick {
		return nil
	}
	theirs, err := t.run(ctx, "compiler answers", emulated, list)
	if err != nil || theirs == nil {
		return err
	}
	t.compareAnswers(list, ours, theirs)
	return nil
}

// nativeWords are what must not be in what a compiler says or makes: where the
// tools are, and where libraries of the host are.
func (t *test) nativeWords() []string {
	if t.s.Nxb != nil {
		return t.nxbWords()
	}
	words := []string{xtools.FarmDir}
	for _, tree := range t.s.Manifest.Trees {
		words = append(words, tree.Path)
	}
	return words
}

func (t *test) judgeCompilers(names []string, ours map[string]outcome) {
	var wrong []string
	for _, name := range names {
		if !t.compilers[name] {
			continue
		}
		o := ours[stepName(name, "machine")]
		said := strings.TrimSpace(o.out)
		switch {
		case !o.good():
			wrong = append(wrong, name+" -dumpmachine: "+strings.Join(o.why(), " "))
		case t.triple() != "" && !t.isTriple(said):
			wrong = append(wrong, fmt.Sprintf("%s -dumpmachine says %s, want %s", name, said, t.triple()))
		}
	}
	for _, step := range slices.Sorted(maps.Keys(ours)) {
		o := ours[step]
		for _, word := range t.nativeWords() {
			if strings.Contains(o.out+o.err, word) {
				wrong = append(wrong, fmt.Sprintf("%s speaks of %s", step, word))
			}
		}
	}
	if len(wrong) > 0 {
		t.failed("compiler", fault.WrongArch, "compilers do not answer as those of "+t.s.Target.Name, wrong)
		return
	}
	t.ok("compiler", "compilers say that they are for %s", t.triple())
}

// answers are the questions to the compilers of this system.
func (t *test) answers() []answer {
	if t.s.Nxb != nil {
		return nxbAnswers
	}
	return gccAnswers
}

// triple is what the compilers are for; "" when that is not known.
func (t *test) triple() string {
	if t.s.Nxb != nil {
		return t.nxbTriple()
	}
	return t.s.Target.GNU
}

func (t *test) isTriple(said string) bool {
	if t.s.Nxb != nil {
		return t.isNxbTriple(said)
	}
	return sameMachine(said, t.triple())
}

// sameMachine compares GNU triples, of which some have a vendor.
func sameMachine(a, b string) bool {
	plain := func(s string) string {
		parts := strings.Split(s, "-")
		if len(parts[0]) == 4 && parts[0][0] == 'i' && strings.HasSuffix(parts[0], "86") {
			parts[0] = "i386" // i386-linux-gnu is what i686-linux-gnu-gcc compiles for
		}
		if len(parts) == 4 {
			parts = append(parts[:1], parts[2:]...)
		}
		return strings.Join(parts, "-")
	}
	return plain(a) == plain(b)
}

// unlike are parts of answers that may be other ones: how a compiler was
// configured and by which package, and temporary files.
var unlike = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?m)^Configured with: .*$|/cc[A-Za-z0-9]{6}(\.\w+)?|\(?\bDebian\b[^)\n]*\)?|^ignoring (nonexistent|duplicate) directory .*\n`)
})

// lack is what the root's own compiler can and Debian's cross compiler cannot: what
// the one says of it, and the other instead.
type lack struct {
	re            *regexp.Regexp
	instead, what string
}

// lacks are the known ones. Debian's own compilers of arm64 and ppc64el can, from
// trixie on, have code run by other processors; that of ppc64el asks the machine for
// -mcpu=native and tells the assembler (gcc's config/rs6000/rs6000.h).
var lacks = sync.OnceValue(func() []lack {
	const native = "the root's own compiler knows what -mcpu=native is, and the native one refuses it"
	return []lack{
		{regexp.MustCompile(`(?m)^OFFLOAD_TARGET_[A-Z]+=.*\n|%\{fopenacc\|fopenmp:crtoffload(begin|end)%O%s\}`), "",
			"the root's own compiler knows of processors that code of -fopenmp can be passed on to, and the native one does not"},
		{regexp.MustCompile(`%\{m(?:cpu|tune|arch)=native:%<m(?:cpu|tune|arch)=native %:local_cpu_detect\(\w+\)\} *`), "", native},
		{regexp.MustCompile(`%:local_cpu_detect\(asm\)`), "%(asm_default)", native},
	}
})

// lacking are the lacks that tell the answer x of the native compiler from the root's
// own one's, y; none when there is another difference.
func lacking(x, y string) []string {
	var what []string
	for _, l := range lacks() {
		ours, theirs := len(l.re.FindAllString(x, -1)), len(l.re.FindAllString(y, -1))
		if ours > theirs {
			return nil
		}
		if ours < theirs {
			what = append(what, l.what)
		}
		x, y = l.re.ReplaceAllString(x, l.instead), l.re.ReplaceAllString(y, l.instead)
	}
	if x != y {
		return nil
	}
	return slices.Compact(what)
}

func (t *test) compareAnswers(list []step, ours, theirs map[string]outcome) {
	var wrong, mute []string
	known := map[string][]string{}
	asked := 0
	for _, s := range list {
		a, b := ours[s.name], theirs[s.name]
		if a.absent() && b.absent() {
			continue
		}
		asked++
		said := func(o outcome) string { return unlike().ReplaceAllString(o.out+"\n"+o.err, "") + fmt.Sprint(o.status) }
		x, y := said(a), said(b)
		if x == y {
			continue
		}
		if t.s.Nxb != nil && a.good() && !b.good() {
			mute = append(mute, s.name+": "+strings.Join(b.why(), " "))
			continue
		}
		what := lacking(x, y)
		if len(what) == 0 {
			wrong = append(wrong, differing(s.name, x, y)...)
		}
		for _, w := range what {
			known[w] = append(known[w], s.name)
		}
	}
	for _, what := range slices.Sorted(maps.Keys(known)) {
		t.warning("compiler answers", what, known[what])
	}
	if len(mute) > 0 {
		t.warning("compiler answers", "the root's own compiler does not answer, emulated", mute)
	}
	if len(wrong) > 0 {
		t.failed("compiler answers", fault.Mismatch, fmt.Sprintf("%d of %d answers are not those of the root's own compiler", len(wrong), asked), wrong)
		return
	}
	if asked > len(mute) {
		t.ok("compiler answers", "%d answers are those of the root's own compiler, predefined macros and search paths among them", asked-len(mute))
	}
}
