package selftest

import (
	"context"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/xtools"
)

// perlSays prints what programs ask perl of the machine. byteorder is not among it:
// perl computes that when it is asked.
const perlSays = ` -MConfig -e 'print "$_=$Config{$_}\n" for qw(archname version ptrsize ivsize cc archlibexp sitearchexp vendorarchexp perlpath)'`

// perlBoth asks a perl in the two ways in which it is asked.
func perlBoth(perl string) string { return perl + " -V:archname\n" + perl + perlSays }

// scriptsRun looks that the perl of scripts starts, that it takes this for the
// machine that the root's own takes it for, that it has the compiled modules, and
// that each script finds its modules. Scripts are compiled only: nothing of them is
// run but what loads their modules.
func (t *test) scriptsRun(ctx context.Context) error {
	files := slices.DeleteFunc(slices.Clone(t.s.Manifest.Files), func(f xtools.File) bool {
		return f.Kind != xtools.Script || t.drifted[f.Path]
	})
	if len(files) == 0 || len(t.s.Manifest.Interpreters) == 0 {
		return nil
	}
	own, perl := t.s.Manifest.Interpreters[0].Path, t.interpreterOf(files[0])
	modules := t.perlModules()
	found, err := t.run(ctx, "scripts", hybrid, []step{
		{"perl-native", perlBoth(quote(perl))},
		{"perl-own", perlBoth(quote(own))},
		{"perl-modules", modulesScript(perl, modules)},
		{"perl-scripts", t.compileScript(perl, files)},
	})
	if err != nil || found == nil {
		return err
	}
	if !t.judgePerl(found["perl-native"], found["perl-own"]) {
		return nil
	}
	names := func(f xtools.File) string { return f.Path }
	badModules, badScripts := failing(found["perl-modules"], modules, func(m string) string { return m }), failing(found["perl-scripts"], files, names)
	if len(badModules)+len(badScripts) == 0 {
		t.ok("scripts", "the native perl loads %d scripts and %d compiled modules, and tells the machine that the root's own tells", len(files), len(modules))
		return nil
	}
	return t.blamePerl(ctx, own, badModules, badScripts, found)
}

// interpreterOf is what runs a script.
func (t *test) interpreterOf(f xtools.File) string {
	text, _ := readSome(t.s.Farm, f.Source, lineMax)
	name, _ := xtools.ScriptLine(text)
	return name
}

// judgePerl compares what the two say.
func (t *test) judgePerl(native, own outcome) bool {
	switch {
	case !own.good():
		t.skipped("scripts", "the root's own perl does not run", own.why()...)
	case !native.good():
		t.failed("scripts", fault.Failed, "the perl of native scripts does not run", native.why())
	case native.out != own.out:
		t.failed("scripts", fault.WrongArch, "the perl of native scripts takes the jail for another machine than the root's own does", differing("perl", native.out, own.out))
	default:
		return true
	}
	return false
}

// blamePerl asks the root's own perl about what does not load: where that fails as
// well the native one is not to blame.
func (t *test) blamePerl(ctx context.Context, own string, modules []string, files []xtools.File, native map[string]outcome) error {
	found, err := t.run(ctx, "scripts", hybrid, []step{
		{"own-modules", modulesScript(own, modules)},
		{"own-scripts", t.compileScript(own, files)},
	})
	if err != nil || found == nil {
		return err
	}
	said := sections(native["perl-modules"].out + native["perl-scripts"].out)
	bad := map[string]bool{}
	for _, m := range failing(found["own-modules"], modules, func(m string) string { return m }) {
		bad[m] = true
	}
	for _, f := range failing(found["own-scripts"], files, func(f xtools.File) string { return f.Path }) {
		bad[f.Path] = true
	}
	var wrong, both []string
	for _, name := range slices.Concat(modules, paths(files)) {
		line := name + ": " + firstLine(said[name])
		if bad[name] {
			both = append(both, line)
		} else {
			wrong = append(wrong, line)
		}
	}
	if len(wrong) > 0 {
		t.failed("scripts", fault.Failed, "what the root's own perl loads, the perl of native scripts does not", wrong)
		return nil
	}
	t.skipped("scripts", fmt.Sprintf("%d modules and scripts do not load, by the root's own perl either", len(both)), both...)
	return nil
}

func paths(files []xtools.File) (list []string) {
	for _, f := range files {
		list = append(list, f.Path)
	}
	return list
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}

// moduleName is the name of a module, by the path of its compiled part: Net::SSLeay
// has auto/Net/SSLeay/SSLeay.so.
var moduleName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`/auto/((?:\w+/)*)(\w+)/(\w+)\.so$`) })

// perlModules are the compiled modules of the perl of scripts, which are where its
// libraries are.
func (t *test) perlModules() []string {
	var names []string
	for _, tree := range t.s.Manifest.Trees {
		_ = fs.WalkDir(t.s.Farm.FS(), tree.Source, func(name string, d fs.DirEntry, err error) error {
			dir, _, below := strings.Cut(strings.TrimPrefix(name, tree.Source+"/"), "/")
			if m := moduleName().FindStringSubmatch(name); err == nil && below && strings.HasPrefix(dir, "perl") && m != nil && m[2] == m[3] {
				names = append(names, strings.ReplaceAll(m[1]+m[2], "/", "::"))
			}
			return nil
		})
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// modulesScript loads each module in a process of its own.
func modulesScript(perl string, modules []string) string {
	var b strings.Builder
	b.WriteString(":\n") // there may be none
	for _, m := range modules {
		fmt.Fprintf(&b, "echo '%s'%s; %s -e %s 2>&1; s=$?; echo; echo status=$s\n", header, quote(m), quote(perl), quote("require "+m))
	}
	return b.String()
}

// inPackage is a directory with a package's control files, which parts of debhelper
// read as soon as they are loaded.
const inPackage = `mkdir -p package/debian; cd package
printf 'Source: package\nMaintainer: x <x@x.invalid>\nBuild-Depends: debhelper-compat (= 13)\n\nPackage: package\nArchitecture: any\nDescription: x\n' >debian/control
printf 'package (1) unstable; urgency=low\n\n  * x\n\n -- x <x@x.invalid>  Thu, 01 Jan 1970 00:00:00 +0000\n' >debian/changelog
`

// compileScript compiles each script, with what its first line gives to perl.
func (t *test) compileScript(perl string, files []xtools.File) string {
	var b strings.Builder
	b.WriteString(inPackage)
	for _, f := range files {
		text, _ := readSome(t.s.Farm, f.Source, lineMax)
		args := ""
		_, words := xtools.ScriptLine(text)
		for _, word := range words {
			args += " " + quote(word)
		}
		fmt.Fprintf(&b, "echo '%s'%s; %s%s -c %s 2>&1; s=$?; echo; echo status=$s\n", header, quote(f.Path), quote(perl), args, quote(f.Path))
	}
	return b.String()
}

// failing are those of which a step says that they did not end well.
func failing[T any](o outcome, list []T, name func(T) string) []T {
	said := sections(o.out)
	return slices.DeleteFunc(slices.Clone(list), func(v T) bool {
		return strings.HasSuffix(strings.TrimSpace(said[name(v)]), "\nstatus=0") || strings.TrimSpace(said[name(v)]) == "status=0"
	})
}
