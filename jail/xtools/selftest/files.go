package selftest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/xtools"
)

// files looks at what is laid over, without running anything.
func (t *test) files(context.Context) error {
	t.o.Step("look at the files")
	t.drift()
	t.architecture()
	t.digests()
	t.libraries()
	t.policy()
	t.versions()
	return nil
}

// drift finds files of the root that are not any more what they were when the
// tools were installed.
func (t *test) drift() {
	var names []string
	perl := t.s.Manifest.ChangedInterpreter(t.s.Root)
	if perl != "" {
		names = append(names, perl)
	}
	for _, f := range t.s.Manifest.Files {
		if f.Original == nil {
			continue
		}
		st, err := t.s.Root.Lstat(strings.TrimPrefix(f.Path, "/"))
		if err != nil || !f.Original.Same(st) || f.Kind == xtools.Script && perl != "" {
			t.drifted[f.Path] = true
			names = append(names, f.Path)
		}
	}
	if len(names) > 0 {
		t.warning("replaced", fmt.Sprintf("%d programs were replaced in the root since, and are emulated", len(t.drifted)), names)
	}
}

// architecture looks that each file is a program of the host's architecture. One
// that is not there is the digests' to tell.
func (t *test) architecture() {
	var wrong []string
	kind := fault.Kind(0)
	for _, f := range t.native() {
		err := t.isNative(f)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		wrong = append(wrong, f.Path+": "+err.Error())
		if kind != fault.WrongArch {
			kind = fault.KindOf(err)
		}
	}
	if len(wrong) > 0 {
		t.failed("architecture", kind, fmt.Sprintf("%d files are not programs of %s", len(wrong), t.s.Host.Name), wrong)
		return
	}
	t.ok("architecture", "%d native files are of %s", len(t.native()), t.s.Host.Name)
}

// native are the files for the host: no scripts, and what runs these.
func (t *test) native() []xtools.File {
	return slices.DeleteFunc(t.s.Manifest.InFarm(), func(f xtools.File) bool { return !f.IsNative() })
}

func (t *test) isNative(f xtools.File) error {
	file, err := t.s.Farm.Open(f.Source)
	if err != nil {
		return err
	}
	defer file.Close()
	id, err := arch.Identify(file)
	if err != nil {
		return err
	}
	return t.s.Host.Accepts(id)
}

// digests compares the files with their manifest.
func (t *test) digests() {
	var wrong []string
	for _, f := range t.s.Manifest.InFarm() {
		if err := xtools.CheckFile(t.s.Farm, f); err != nil {
			wrong = append(wrong, err.Error())
		}
	}
	if len(wrong) > 0 {
		t.failed("digests", fault.Mismatch, fmt.Sprintf("%d files are not those that were installed", len(wrong)), wrong)
		return
	}
	t.ok("digests", "they are the files that were installed")
}

// libraries looks that what they need is there.
func (t *test) libraries() {
	var missing []string
	for _, err := range xtools.CheckLibraries(t.s.Farm, t.s.Host, t.s.Manifest) {
		missing = append(missing, err.Error())
	}
	if len(missing) > 0 {
		t.failed("libraries", fault.Failed, fmt.Sprintf("%d files need a library that is not to be found", len(missing)), missing)
		return
	}
	n := 0
	for _, tree := range t.s.Manifest.Trees {
		_ = fs.WalkDir(t.s.Farm.FS(), tree.Source, func(_ string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				n++
			}
			return nil
		})
	}
	t.ok("libraries", "all that they need is among %d native libraries", n)
}

// policy looks that nothing is laid over that must stay the root's own.
func (t *test) policy() {
	var wrong []string
	for _, f := range t.s.Manifest.Files {
		if why := t.s.Policy.NeverWhy(path.Base(f.Path)); f.Choosable() && why != "" {
			wrong = append(wrong, f.Path+": "+why)
		}
	}
	if len(wrong) > 0 {
		t.failed("policy", fault.Failed, "programs are laid over that must be the root's own", wrong)
		return
	}
	t.ok("policy", "what tells the architecture is the root's own")
}

// versions compares the packages that the tools are of with the root's own.
func (t *test) versions() {
	var other, revisions []string
	seen := map[string]bool{}
	for _, f := range slices.Concat(t.s.Manifest.Files, t.s.Manifest.Interpreters) {
		if f.Original == nil || f.Original.Version == "" || f.Version == "" || xtools.SameVersion(f.Version, f.Original.Version) {
			continue
		}
		line := fmt.Sprintf("%s %s stands in for %s %s", f.Package, f.Version, f.Original.Package, f.Original.Version)
		switch {
		case seen[line]:
		case xtools.SameUpstream(f.Version, f.Original.Version):
			revisions = append(revisions, line)
		default:
			other = append(other, line)
		}
		seen[line] = true
	}
	switch {
	case len(other) > 0:
		t.failed("package versions", fault.Mismatch, "tools are of other versions than the root's own", other)
	case len(revisions) > 0:
		t.add(Finding{Result: OK, Check: "package versions", Message: "equal, but for revisions of the package", Evidence: revisions})
	default:
		t.ok("package versions", "equal to those of the root's own programs")
	}
}
