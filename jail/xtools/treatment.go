package xtools

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/xjail/xjail/internal/fault"
)

// Revision is what is known of two revisions of one version of a compiler: in
// which code the root's own differs from Debian's cross compiler.
type Revision struct {
	// Native is the revision that the cross compiler is built of, and Own the root's.
	Native string `yaml:"native"`
	Own    string `yaml:"own"`
	// Differs are architectures, by Debian's names, for which the two make other code
	// whatever the options are. The native one is used there all the same when Options
	// has those with which the difference matters.
	Differs []string `yaml:"differs"`
	// Options are those with which the difference matters, by the architecture. With
	// them the root's own runs. On those that are in neither list the two make the
	// same code.
	Options map[string][]string `yaml:"options"`
	// Changes says what differs, and Source where that is known from.
	Changes string `yaml:"changes"`
	Source  string `yaml:"source"`
}

// compilerOption is an option that choosers know: -fNAME. It is given as -fNAME,
// -fNAME-MORE and with -- in place of -f, and taken back by -fno-NAME.
var compilerOption = regexp.MustCompile(`^-f[a-z][a-z-]*[a-z]$`)

func (r *Revision) check() error {
	if r.Native == "" || r.Own == "" || strings.TrimSpace(r.Changes) == "" || strings.TrimSpace(r.Source) == "" {
		return fault.New(fault.Usage, "each has native, own, changes and source", "tools: revisions: something is missing of %q and %q", r.Native, r.Own)
	}
	for arch, options := range r.Options {
		if len(options) == 0 || !validOptions(options) {
			return fault.New(fault.Usage, "options are of the form -fname", "tools: revisions: %s: %q are no options that can be looked for", arch, options)
		}
	}
	return nil
}

func validOptions(options []string) bool {
	return !slices.ContainsFunc(options, func(o string) bool { return !compilerOption.MatchString(o) })
}

// crossBuild is how Debian marks a cross compiler's package: 12.2.0-14cross1.
var crossBuild = regexp.MustCompile(`cross[0-9]+$`)

// revisionOf is the revision of a compiler's source: 12.2.0-14 of 12.2.0-14cross1.
func revisionOf(version string) string {
	return crossBuild.ReplaceAllString(sourceVersion(version), "")
}

// known is what is known of two revisions; nil for nothing. What was added last
// counts.
func (p *Policy) known(native, own string) *Revision {
	for i := range slices.Backward(p.Revisions) {
		if r := &p.Revisions[i]; r.Native == native && r.Own == own {
			return r
		}
	}
	return nil
}

// treatment is what becomes of a program of a compiler.
type treatment struct {
	// Why it stays the root's own.
	why string
	// options are those with which the root's own is run; changes says why.
	options []string
	changes string
}

// ltoCompiler compiles what other runs of the compiler have left in objects.
const ltoCompiler = "lto1"

// makesCode tells whether a program of the root is a compiler proper: one that
// decides what is in an object. A driver and what links do not.
func makesCode(name string) bool {
	private := strings.HasPrefix(name, "usr/lib/gcc/") || strings.HasPrefix(name, "usr/libexec/gcc/")
	return private && matches([]string{"cc1*", ltoCompiler, "f951", "d21", "go1", "gnat1"}, path.Base(name))
}

// treat decides about a program whose package is picked.
func (c *chooser) treat(f candidate) treatment {
	pair := c.pairs[f.original.Package]
	native, own := revisionOf(pair.TwinVer), revisionOf(pair.Version)
	base := path.Base(f.source)
	if !makesCode(f.source) || native == own {
		return treatment{}
	}
	allowed := matches(c.policy.Allow, base)
	r := c.policy.known(native, own)
	if r == nil {
		if allowed {
			return treatment{}
		}
		return treatment{why: fmt.Sprintf("is of revision %s in the root, and the native one of %s: it is not known that they make the same code", own, native)}
	}
	options := r.Options[c.subject.Arch.Debian]
	switch {
	case !allowed && len(options) == 0 && slices.Contains(r.Differs, c.subject.Arch.Debian):
		return treatment{why: fmt.Sprintf("is of revision %s in the root, and the native one of %s makes other code: %s (%s)", own, native, r.Changes, r.Source)}
	case len(options) == 0:
		return treatment{}
	case base == ltoCompiler:
		return treatment{why: fmt.Sprintf("compiles objects by options that are in them, and with %s the native one of revision %s makes other code: %s (%s)", strings.Join(options, " or "), native, r.Changes, r.Source)}
	}
	changes := fmt.Sprintf("with %s the root's own runs, emulated", strings.Join(options, " or "))
	if slices.Contains(r.Differs, c.subject.Arch.Debian) {
		changes += ", and without the native one, whose code may be in another order"
	}
	return treatment{
		options: slices.Sorted(slices.Values(options)),
		changes: fmt.Sprintf("%s: %s (%s)", changes, r.Changes, r.Source),
	}
}

// consider decides about a program whose package is picked, and notes what it gets.
// What stays the root's own is returned.
func (c *chooser) consider(f candidate) (left []Left) {
	t := c.treat(f)
	switch {
	case t.why != "":
		left = []Left{{Path: "/" + f.name, State: Excluded, Why: t.why, Package: f.original.Package}}
	case t.options != nil:
		c.choices = append(c.choices, choice{own: f, options: t.options})
	default:
		return nil
	}
	if c.treated == nil {
		c.treated = map[string]treatment{}
	}
	c.treated[f.source] = t
	return left
}

// notesOf are for who installs the tools: what of the compiler stays emulated
// because of its revision.
func (c *chooser) notesOf() []string {
	by := map[string][]string{}
	for source, t := range c.treated {
		text := t.changes
		if t.why != "" {
			text = "emulated: " + t.why
		}
		by[text] = append(by[text], path.Base(source))
	}
	var notes []string
	for text, names := range by {
		slices.Sort(names)
		notes = append(notes, strings.Join(slices.Compact(names), ", ")+": "+text)
	}
	slices.Sort(notes)
	return notes
}

// staysOwn tells whether a program was found to stay the root's own.
func (c *chooser) staysOwn(source string) bool { return c.treated[source].why != "" }
