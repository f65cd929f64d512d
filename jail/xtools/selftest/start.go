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
	"github.com/xjail/xjail/jail/xtools"
)

// harmless is a way to start programs so that they do nothing but say what they
// are.
type harmless struct {
	// Package and Names are patterns of the package and of the file's name.
	Package, Name string
	Args          string
	// Status is that of a program that said it; its output has the version, unless
	// it is Mute.
	Status int
	Mute   bool
}

// harmlessStarts are taken in this order. What is not here is only linked: there
// are programs that take --version for a file to write to.
var harmlessStarts = []harmless{
	{Package: "coreutils", Name: "test", Args: "1", Mute: true},
	{Package: "coreutils", Name: "false", Args: "--version", Status: 1},
	{Package: "coreutils", Name: "*", Args: "--version"},
	{Package: "binutils*", Name: "*", Args: "--version"},
	{Package: "dash", Name: "dash", Args: "-c :", Mute: true},
	{Package: "mawk", Name: "mawk", Args: "'BEGIN { exit 0 }'", Mute: true},
	{Package: "bzip2", Name: "bzip2", Args: "--help"},
	{Package: "bash", Name: "bash", Args: "--version"},
	{Package: "sed", Name: "sed", Args: "--version"},
	{Package: "grep", Name: "grep", Args: "--version"},
	{Package: "findutils", Name: "find", Args: "--version"},
	{Package: "findutils", Name: "xargs", Args: "--version"},
	{Package: "diffutils", Name: "*", Args: "--version"},
	{Package: "make", Name: "make", Args: "--version"},
	{Package: "m4", Name: "m4", Args: "--version"},
	{Package: "tar", Name: "tar", Args: "--version"},
	{Package: "gzip", Name: "gzip", Args: "--version"},
	{Package: "xz-utils", Name: "xz", Args: "--version"},
	{Package: "patch", Name: "patch", Args: "--version"},
	{Package: "file", Name: "file", Args: "--version"},
	{Package: "gawk", Name: "gawk", Args: "--version"},
	{Package: "bison", Name: "bison", Args: "--version"},
	{Package: "flex", Name: "flex", Args: "--version"},
	{Package: "gcc-*", Name: "*-gcc-[0-9]*", Args: "--version"},
	{Package: "gcc-*", Name: "*-gcov-[0-9]*", Args: "--version"},
	{Package: "g++-*", Name: "*-g++-[0-9]*", Args: "--version"},
	{Package: "cpp-*", Name: "*-cpp-[0-9]*", Args: "--version"},
}

// harmlessStart is how to start a program; nil when no way is known.
func harmlessStart(f xtools.File) *harmless {
	pkg := f.Package
	if f.Original != nil && f.Original.Package != "" {
		pkg = f.Original.Package
	}
	for i, h := range harmlessStarts {
		inPackage, _ := path.Match(h.Package, pkg)
		named, _ := path.Match(h.Name, path.Base(f.Path))
		if f.Kind == xtools.Program && inPackage && named {
			return &harmlessStarts[i]
		}
	}
	return nil
}

// header begins what a file has to say, in a step about many.
const header = "== "

// start links every native file by the native loader, and starts those that can
// be without harm.
func (t *test) start(ctx context.Context) error {
	var linked, started []xtools.File
	loader := t.loader()
	for _, f := range slices.Concat(t.s.Manifest.Files, t.s.Manifest.Beside) {
		if t.drifted[f.Path] || !f.IsNative() || f.Kind == xtools.Loader {
			continue
		}
		if harmlessStart(f) != nil {
			started = append(started, f)
		}
		if loader != "" && t.isDynamic(f) {
			linked = append(linked, f)
		}
	}
	found, err := t.run(ctx, "start", hybrid, []step{
		{"link", linkScript(loader, linked)},
		{"start", startScript(started)},
	})
	if err != nil || found == nil {
		return err
	}
	t.judgeLinks(found["link"], len(linked))
	t.judgeStarts(found["start"], started)
	if t.o.Quick {
		return nil
	}
	return t.compareStarts(ctx, found["start"], started)
}

// loader is where the native loader is in the jail; "" when there is none.
func (t *test) loader() string {
	for _, f := range t.s.Manifest.Files {
		if f.Kind == xtools.Loader {
			return f.Path
		}
	}
	return ""
}

// isDynamic tells whether the loader can look at a file: a static program has
// nothing to link.
func (t *test) isDynamic(f xtools.File) bool {
	file, err := t.s.Farm.Open(f.Source)
	if err != nil {
		return false
	}
	defer file.Close()
	return hasDynamic(file)
}

// linkScript lets the loader do all that it does before a program begins, and
// bind every symbol. Nothing of the program is run. That of glibc looks at symbols
// only when it is asked as ldd -r asks; others know --list.
func linkScript(loader string, files []xtools.File) string {
	ask := quote(loader) + " --list"
	if path.Base(loader) == "ld.so" || strings.HasPrefix(path.Base(loader), "ld-linux") || strings.HasPrefix(path.Base(loader), "ld64.so") {
		ask = "LD_TRACE_LOADED_OBJECTS=1 LD_WARN=yes LD_BIND_NOW=yes " + quote(loader)
	}
	var b strings.Builder
	for _, f := range files {
		fmt.Fprintf(&b, "echo '%s'%s; %s %s 2>&1 || echo \"not found: status $?\"\n", header, quote(f.Path), ask, quote(f.Path))
	}
	return b.String()
}

func startScript(files []xtools.File) string {
	var b strings.Builder
	for _, f := range files {
		h := harmlessStart(f)
		fmt.Fprintf(&b, "echo '%s'%s; %s %s 2>&1; s=$?; echo; echo status=$s\n", header, quote(f.Path), quote(f.Path), h.Args)
	}
	return b.String()
}

// quote makes one word of sh.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// sections are what a step says of each file.
func sections(text string) map[string]string {
	found := map[string]string{}
	name := ""
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, header); ok {
			name = strings.TrimSpace(rest)
			continue
		}
		found[name] += line
	}
	return found
}

// linkTrouble is what the loader says of what it cannot do.
var linkTrouble = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`not found|undefined symbol|cannot open|error while loading|symbol lookup error|not defined in file`)
})

func (t *test) judgeLinks(o outcome, n int) {
	var wrong []string
	all := sections(o.out)
	delete(all, "")
	for name, text := range all {
		for line := range strings.Lines(text) {
			if linkTrouble().MatchString(line) {
				wrong = append(wrong, name+": "+strings.TrimSpace(line))
			}
		}
	}
	slices.Sort(wrong)
	switch {
	case len(wrong) > 0:
		t.failed("link", fault.Failed, "native files do not link in the jail", wrong)
	case len(all) < n || !o.good():
		t.failed("link", fault.Failed, fmt.Sprintf("the loader was started for %d of %d files", len(all), n), o.why())
	default:
		t.ok("link", "%d native files link, every symbol of them is found", n)
	}
}

// number is a version as programs print it.
var number = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\d+(\.\d+)+`) })

// judgeStarts looks that programs say the version of the root's package.
func (t *test) judgeStarts(o outcome, files []xtools.File) {
	var wrong []string
	other := false
	all := sections(o.out)
	for _, f := range files {
		why, version := judgeStart(f, all[f.Path])
		if why != "" {
			wrong, other = append(wrong, f.Path+": "+why), other || version
		}
	}
	kind := fault.Failed
	if other {
		kind = fault.Mismatch
	}
	if len(wrong) > 0 {
		t.failed("start", kind, fmt.Sprintf("%d of %d programs do not start as they should", len(wrong), len(files)), wrong)
		return
	}
	t.ok("start", "%d programs start, and say the version of the root's own", len(files))
}

// judgeStart says what is wrong with one; version is set when it is the version.
func judgeStart(f xtools.File, said string) (why string, version bool) {
	h := harmlessStart(f)
	text, status, ok := strings.Cut(strings.TrimSpace(said), "status=")
	text = strings.TrimSpace(text)
	first, _, _ := strings.Cut(text, "\n")
	if !ok || strings.TrimSpace(status) != fmt.Sprint(h.Status) {
		return fmt.Sprintf("%s ended with status %q, want %d: %s", h.Args, strings.TrimSpace(status), h.Status, first), false
	}
	want := plainVersion(f)
	if h.Mute || want == "" {
		return "", false
	}
	for _, v := range number().FindAllString(text, -1) {
		if v == want || strings.HasPrefix(v, want+".") {
			return "", false
		}
	}
	return fmt.Sprintf("it says %q, and the root's is %s", first, want), true
}

// plainVersion is what the program of a package calls its version: 1.34 of
// 1.34+dfsg-1.2.
func plainVersion(f xtools.File) string {
	if f.Original == nil {
		return ""
	}
	v := f.Original.Version
	if _, rest, ok := strings.Cut(v, ":"); ok {
		v = rest
	}
	if i := strings.LastIndexByte(v, '-'); i >= 0 {
		v = v[:i]
	}
	if loc := number().FindStringIndex(v); loc != nil && loc[0] == 0 {
		return v[:loc[1]]
	}
	return ""
}

// ofPackage is how Debian's programs name the revision of their package. That of
// a cross compiler may be another.
var ofPackage = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\(?\b(Debian|GNU Binutils for Debian)\b[^)\n]*\)?`) })

// builtFor is a machine as configure names it, which bash and make have in their
// --version.
var builtFor = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\b[a-z0-9_]+-[a-z]+-linux-gnu\w*\b`) })

// compareStarts holds what programs say natively against what the root's own say.
// Only those that builds use often are asked, since each takes some 30 ms.
func (t *test) compareStarts(ctx context.Context, native outcome, files []xtools.File) error {
	files = slices.DeleteFunc(slices.Clone(files), func(f xtools.File) bool { return !f.Pays })
	found, err := t.run(ctx, "versions", emulated, []step{{"start", startScript(files)}})
	if err != nil || found == nil {
		return err
	}
	ours, theirs := sections(native.out), sections(found["start"].out)
	var wrong, tell []string
	for _, f := range files {
		a, b := ofPackage().ReplaceAllString(ours[f.Path], ""), ofPackage().ReplaceAllString(theirs[f.Path], "")
		switch {
		case a == b:
		case builtFor().ReplaceAllString(a, "") == builtFor().ReplaceAllString(b, ""):
			tell = append(tell, differing(f.Path, a, b)...)
		default:
			wrong = append(wrong, differing(f.Path, a, b)...)
		}
	}
	if len(tell) > 0 {
		t.warning("versions", "with --version some tell the machine that they were built for; variables such as $MACHTYPE are those of the root's own", tell)
	}
	if len(wrong) > 0 {
		t.failed("versions", fault.Mismatch, "programs say other versions than the root's own", wrong)
		return nil
	}
	t.ok("versions", "%d programs say of themselves what the root's own say", len(files))
	return nil
}

// differing shows the first line in which two texts differ.
func differing(what, ours, theirs string) []string {
	a, b := strings.Split(strings.TrimSpace(ours), "\n"), strings.Split(strings.TrimSpace(theirs), "\n")
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	line := func(list []string) string {
		if i < len(list) {
			return fmt.Sprintf("%q", list[i])
		}
		return "nothing more"
	}
	return []string{fmt.Sprintf("%s: native %s, emulated %s", what, line(a), line(b))}
}
