package selftest

import (
	"context"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/xtools/nxb"
)

// The tools of a root of FreeBSD are in /nxb-bin, beside the root's own programs.
// What runs with them has their directories first in its PATH. They are files of the
// release or of its sources, so that versions have been compared when they were made.

// nxbDir is where the tools are in the jail.
const nxbDir = "/" + nxb.Dir

// toolDirs are where programs are, in a root and below /nxb-bin.
var toolDirs = []string{"/sbin", "/bin", "/usr/sbin", "/usr/bin"}

// shell runs the scripts of a side.
func (t *test) shell(side string) string {
	if t.s.Nxb != nil && side == hybrid && t.s.Nxb.Lookup("bin/sh") != nil {
		return nxbDir + "/bin/sh"
	}
	return "/bin/sh"
}

// env is the environment of a side.
func (t *test) env(side string) []string {
	if t.s.Nxb == nil {
		return baseEnv
	}
	dirs := slices.Clone(toolDirs)
	if side == hybrid {
		dirs = nil
		for _, dir := range toolDirs {
			dirs = append(dirs, nxbDir+dir)
		}
		dirs = append(dirs, toolDirs...)
	}
	return append(slices.Clone(baseEnv), "PATH="+strings.Join(dirs, ":"))
}

// nxbFiles compares the files with what was written.
func (t *test) nxbFiles(ctx context.Context) error {
	t.o.Step("look at the files")
	found, err := nxb.Verify(ctx, t.s.Root, t.s.Nxb)
	if err != nil {
		return err
	}
	var wrong []string
	for _, f := range found {
		if f.State != nxb.Extra {
			wrong = append(wrong, nxbDir+"/"+f.String())
		}
	}
	if len(wrong) > 0 {
		t.failed("digests", fault.Mismatch, fmt.Sprintf("%d files of %s are not as they were written", len(wrong), nxbDir), wrong)
		return nil
	}
	t.ok("digests", "the %d files of %s are as they were written", len(t.s.Nxb.Files), nxbDir)
	return nil
}

// nxbWords are what must not be in what the compiler says or makes. Headers of the
// compiler are in /nxb-bin where the root has none.
func (t *test) nxbWords() []string {
	for _, f := range t.s.Nxb.Files {
		if f.Kind == nxb.Data && strings.HasPrefix(f.Path, "usr/lib/clang/") {
			return nil
		}
	}
	return []string{nxbDir}
}

// nxbAnswers are what clang is asked. What it says of itself names its directory,
// which is another one than that of the root's own; of where it looks for headers
// only the list is taken.
var nxbAnswers = []answer{
	{name: "machine", args: "-dumpmachine"},
	{name: "version", args: "-dumpversion", once: true},
	{name: "macros", args: "-dM -E -x c -", once: true},
	{name: "macros-cxx", args: "-dM -E -x c++ -", cxx: true, once: true},
	{name: "include", args: "-E -v -x c - 2>&1 | sed -n '/search starts here/,/^End of search list/p'", once: true},
}

// nxbTriple is what /nxb-bin's compiler is for.
func (t *test) nxbTriple() string {
	if c := t.s.Nxb.Compiler; c != nil && c.Triple != "" {
		return c.Triple
	}
	return t.s.Target.Triples["freebsd"]
}

// systemVersion is FreeBSD's in a triple.
var systemVersion = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`-freebsd[0-9.]*`) })

// isNxbTriple compares a triple with what it should be. A compiler that was told its
// target says just that; what native-xtools made may have another minor version.
func (t *test) isNxbTriple(said string) bool {
	if c := t.s.Nxb.Compiler; c != nil && (c.By == nxb.ByConfig || c.By == nxb.ByLauncher) {
		return said == c.Triple
	}
	plain := func(s string) string { return systemVersion().ReplaceAllString(s, "-freebsd") }
	return plain(said) == plain(t.nxbTriple())
}

// programList are the programs that are built. FreeBSD's make has no functions, and
// its ar of older releases puts no objects for LTO into an archive.
func (t *test) programList() []program {
	if t.s.Nxb == nil {
		return slices.Clone(programs)
	}
	return slices.DeleteFunc(slices.Clone(programs), func(p program) bool { return p.name == "make" || p.name == "lto" })
}

// compilationList are the files that are compared. FreeBSD has no as(1) since 13.
func (t *test) compilationList() []compilation {
	if t.s.Nxb == nil {
		return slices.Clone(compilations)
	}
	return slices.DeleteFunc(slices.Clone(compilations), func(c compilation) bool { return c.name == "assembly" })
}

// nxbProbe tells of checks of configure that found something else. The programs are
// the release's own, so that it comes from where they are: make(1) says its path.
func (t *test) nxbProbe(wrong []string) {
	t.warning("configure", "checks of configure find something else than with the root's own programs", wrong)
}

// has tells whether programs are among the tools.
func (t *test) has(names []string) bool {
	return !slices.ContainsFunc(names, func(name string) bool { return t.s.Nxb.Lookup(path.Clean(name)) == nil })
}

// nxbMute tells of a question about the machine that nobody answers. What is asked is
// the root's own program, and when it does not run without the tools either, or that
// is not tried, the emulator is to blame.
func (t *test) nxbMute(q question, a outcome, theirs map[string]outcome) bool {
	if t.s.Nxb == nil || q.want == nil || q.want(t) == "" || a.good() || a.out != "" || theirs[q.name].good() {
		return false
	}
	t.skipped("identity", q.name+" does not run", a.why()...)
	return true
}

// isNxbAnswer tells whether an answer is right though another one was given when the
// jail was made: some emulators name the architecture for the machine, and uname(1) is
// told what to say by UNAME_m, but for that once.
func (t *test) isNxbAnswer(q question, a outcome) bool {
	if t.s.Nxb == nil || !a.good() || q.name != "uname-m" && q.name != "arch" {
		return false
	}
	said := strings.TrimSpace(a.out)
	return said != "" && slices.Contains(append([]string{t.s.Target.Target, t.s.Target.Name}, t.s.Target.OtherTargets...), said)
}

// isEmulators tells of a program that does not run as it should, where the emulator is
// to blame: the root's own tools make the same, to the byte, or cannot be asked. Some
// emulators end programs with threads now and then.
func (t *test) isEmulators(p program, f *Finding, theirs map[string]outcome) bool {
	if f.Message == notBuilt {
		if theirs == nil {
			t.add(*f)
		}
		return theirs == nil
	}
	if theirs == nil {
		t.skipped(f.Check, f.Message+", and the root's own tools cannot be asked", f.Evidence...)
		return true
	}
	if built, ran := theirs["build-"+p.name], theirs["run-"+p.name]; !built.good() || !ran.good() || ran.out != p.want {
		return false
	}
	for _, name := range p.made {
		if wrong, notes := t.compareFile(name); len(wrong)+len(notes) > 0 {
			return false
		}
	}
	t.warning(f.Check, f.Message+", and the root's own tools make the same, to the byte: the emulator does not always run it", f.Evidence)
	return true
}
