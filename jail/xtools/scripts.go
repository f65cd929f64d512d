package xtools

import (
	"bytes"
	"cmp"
	"crypto/md5" //nolint:gosec // dpkg's own sums, against accidents
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Scripts of perl need not be run by an emulated perl. The perl of a root stays
// what it is, since programs ask it about the architecture and have it load
// compiled modules of the root. But a script of which it is known that it does
// neither, or does it in a way that gives the root's own answers, is laid over by a
// copy that differs in its first line: that names a native perl at a path of its
// own. On Debian the directories of perl's compiled modules are different for
// each architecture, and those for the host come with the twin.

// perlPath is where a root has perl.
const perlPath = "usr/bin/perl"

// nativePerl is what runs scripts: it chooses between the native perl, which is at
// perlProgram, and the root's own.
func nativePerl(libs string) string { return path.Join(libs, "nxb-bin/perl") }

func perlProgram(libs string) string { return path.Join(libs, "nxb-bin/perl5") }

// perlChooser is the text of nativePerl. Variables by which perl gets other modules
// can lead to compiled ones of the root's architecture, which only the root's own
// loads (perlrun(1)).
func perlChooser(libs string) []byte {
	return []byte(`#!/bin/sh
case ${PERL5LIB:+x}${PERLLIB:+x}${PERL5OPT:+x} in
"") exec /` + perlProgram(libs) + ` "$@" ;;
esac
exec /` + perlPath + ` "$@"
`)
}

// perlLine is the first line of scripts of perl, in its parts.
var perlLine = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(#![ \t]*)/usr/bin/perl([ \t\r\n])`) })

// headMax is how much the kernel reads of a script's first line, bytes
// (BINPRM_BUF_SIZE).
const headMax = 256

// scriptMax bounds what is read of a script, bytes.
const scriptMax = 4 << 20

// scriptSet are the scripts of a root that native perl may run.
type scriptSet struct {
	perl *candidate // the root's own
	list []candidate
	// owners are the packages of perl and of its compiled modules, and files these
	// modules: each must have one that is native.
	owners []string
	files  []string
	// modules are directories that must stay as they are.
	modules []Directory
}

// findScripts looks for the scripts of the policy. Those that are not as their
// package has them are in left, and all where perl's modules cannot be had.
func findScripts(s *Subject, in *Installed, p *Policy) (*scriptSet, []Left, error) {
	set := &scriptSet{}
	var left []Left
	for name, pkg := range in.Packages {
		patterns := p.scriptsOf(name)
		if len(patterns) == 0 {
			continue
		}
		found, more, err := packageScripts(s, in, p, pkg, patterns)
		if err != nil {
			return nil, nil, err
		}
		set.list, left = append(set.list, found...), append(left, more...)
	}
	others, err := otherScripts(s, p, set.list, left)
	if err != nil {
		return nil, nil, err
	}
	left = append(left, others...)
	if len(set.list) == 0 {
		return set, left, nil
	}
	slices.SortFunc(set.list, func(a, b candidate) int { return cmp.Compare(a.name, b.name) })
	why, err := set.findPerl(s, in)
	if err != nil {
		return nil, nil, err
	}
	if why != "" {
		left = append(left, set.drop(Excluded, why, p)...)
	}
	return set, left, nil
}

// drop gives all scripts up.
func (set *scriptSet) drop(state State, why string, p *Policy) []Left {
	var left []Left
	for _, c := range set.list {
		left = append(left, leftScript(c, state, why, p))
	}
	*set = scriptSet{}
	return left
}

func leftScript(c candidate, state State, why string, p *Policy) Left {
	return Left{Path: "/" + c.name, State: state, Why: why, Package: c.original.Package, Pays: p.PaysOff(path.Base(c.name)), Script: true}
}

// otherScripts are the scripts of perl where programs are that are neither found
// nor left: those that the policy does not name, or that begin in another way.
func otherScripts(s *Subject, p *Policy, found []candidate, left []Left) ([]Left, error) {
	known := map[string]bool{}
	for _, c := range found {
		known[c.name] = true
	}
	for _, l := range left {
		known[l.Path[1:]] = true
	}
	var others []Left
	for _, dir := range p.Directories {
		if st, err := s.Root.Lstat(dir); err != nil || !st.IsDir() {
			continue // a link to another one of them
		}
		entries, err := fs.ReadDir(s.Root.FS(), dir)
		if err != nil {
			return nil, fmt.Errorf("look at /%s of the root: %w", dir, err)
		}
		for _, e := range entries {
			name := path.Join(dir, e.Name())
			if !e.Type().IsRegular() || known[name] {
				continue
			}
			why, err := unknownScript(s, name)
			if err != nil {
				return nil, err
			}
			if why == "" {
				continue
			}
			l := Left{Path: "/" + name, State: Emulated, Why: why, Pays: p.PaysOff(e.Name()), Script: true}
			if never := p.NeverWhy(e.Name()); never != "" {
				l.State, l.Why = Excluded, never
			}
			others = append(others, l)
		}
	}
	return others, nil
}

// unknownScript says why a script of perl stays emulated; "" when it is none.
func unknownScript(s *Subject, name string) (why string, err error) {
	_, f, err := openCandidate(s, name)
	if f == nil || err != nil {
		return "", err
	}
	defer f.Close()
	head := make([]byte, headMax)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", fmt.Errorf("read /%s of the root: %w", name, err)
	}
	interpreter, words := ScriptLine(head[:n])
	switch perl := strings.HasPrefix(path.Base(interpreter), "perl"); {
	case interpreter == "/"+perlPath:
		return "is not among the scripts that are known to do the same by a native perl", nil
	case perl, path.Base(interpreter) == "env" && len(words) > 0 && strings.HasPrefix(words[0], "perl"):
		return "is not run by /" + perlPath + ", but by " + strings.Join(append([]string{interpreter}, words...), " "), nil
	}
	return "", nil
}

// packageScripts are the scripts of one package.
func packageScripts(s *Subject, in *Installed, p *Policy, pkg Package, patterns []string) (found []candidate, left []Left, err error) {
	files := &Installed{Owner: map[string]string{}}
	dirs, sums := map[string]string{}, map[string]string{}
	if err := readInfo(s.Root, pkg.Name, s.Arch.Debian, "list", func(line string) {
		if matches(patterns, mergedUsr(strings.TrimPrefix(line, "/"))) {
			files.own(s.Root, dirs, line, pkg.Name)
		}
	}); err != nil || len(files.Owner) == 0 {
		return nil, nil, err
	}
	if err := readInfo(s.Root, pkg.Name, s.Arch.Debian, "md5sums", func(line string) {
		if sum, name, ok := strings.Cut(line, "  "); ok {
			sums[mergedUsr(name)] = sum
		}
	}); err != nil {
		return nil, nil, err
	}
	for name := range files.Owner {
		c, err := readScript(s, name)
		if err != nil {
			return nil, nil, err
		}
		if c == nil {
			continue
		}
		c.original.Package, c.original.Version = pkg.Name, in.Packages[pkg.Name].Version
		l := leftScript(*c, Excluded, p.NeverWhy(path.Base(name)), p)
		sum := md5.Sum(c.text) //nolint:gosec // as above
		switch {
		case l.Why != "":
		case c.original.Mode&(fs.ModeSetuid|fs.ModeSetgid) != 0:
			l.Why = "changes its user or group"
		case sums[c.source] != hex.EncodeToString(sum[:]):
			l.State, l.Why = Drifted, "it is not as package "+pkg.Name+" has it"
		default:
			c.why = p.scriptWhy(pkg.Name, c.source)
			found = append(found, *c)
			continue
		}
		left = append(left, l)
	}
	return found, left, nil
}

// readScript reads a script of perl; nil when the file is none.
func readScript(s *Subject, name string) (*candidate, error) {
	c, f, err := openCandidate(s, name)
	if c == nil || err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, scriptMax+1))
	if err != nil {
		return nil, fmt.Errorf("read /%s of the root: %w", name, err)
	}
	if len(text) > scriptMax || !perlLine().Match(text) {
		return nil, nil
	}
	c.text, c.original.SHA256 = text, sumOf(text)
	return c, nil
}

// nativeScript is a script with native perl in its first line, and all else as
// it was.
func nativeScript(text []byte, libs string) []byte {
	return perlLine().ReplaceAll(text, []byte("${1}/"+nativePerl(libs)+"${2}"))
}

// ScriptLine is what the first line of a script names, with what it gives
// to it; nothing for what is no script.
func ScriptLine(text []byte) (name string, words []string) {
	line, ok := strings.CutPrefix(string(text), "#!")
	line, _, _ = strings.Cut(line, "\n")
	if words = strings.Fields(line); !ok || len(words) == 0 {
		return "", nil
	}
	return words[0], words[1:]
}

// findPerl finds the root's own perl, and what has compiled modules for it. why
// says what makes it impossible that another stands in.
func (set *scriptSet) findPerl(s *Subject, in *Installed) (why string, err error) {
	c, why, err := examine(s, perlPath)
	if err != nil {
		return "", err
	}
	owner := in.Owner[perlPath]
	switch {
	case why != "":
		return "the root's perl " + why, nil
	case c == nil || owner == "":
		return "the root has no /" + perlPath + " of a package", nil
	}
	c.original.Package, c.original.Version = owner, in.Packages[owner].Version
	set.perl = c
	set.owners = []string{owner}
	for name, pkg := range in.Owner {
		if !wantsModule(s.Arch.GNU, name) {
			continue
		}
		if !slices.Contains(set.owners, pkg) {
			set.owners = append(set.owners, pkg)
		}
		if ext := path.Ext(name); ext == ".pm" || ext == ".so" { // others are not the same everywhere
			set.files = append(set.files, name)
		}
	}
	slices.Sort(set.owners[1:])
	slices.Sort(set.files)
	// What comes with perl itself goes with it.
	for _, dir := range []string{"usr/lib/" + s.Arch.GNU + "/perl5", "usr/local/lib/" + s.Arch.GNU + "/perl"} {
		if why, err := set.watch(s, in, dir); why != "" || err != nil {
			return why, err
		}
	}
	return "", nil
}

// directoriesMax is more than any root has for perl's modules.
const directoriesMax = 2000

// watch notes the directories below one for compiled modules. A module that no
// package has is in no twin.
func (set *scriptSet) watch(s *Subject, in *Installed, dir string) (why string, err error) {
	if _, err := s.Root.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		set.modules = append(set.modules, Directory{Path: "/" + dir})
		return "", nil
	}
	err = fs.WalkDir(s.Root.FS(), dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case !d.IsDir():
			if in.Owner[name] == "" {
				why = "the root has a module of perl that is of no package: /" + name
				return fs.SkipAll
			}
			return nil
		case len(set.modules) == directoriesMax:
			why = "the root has too many modules of perl"
			return fs.SkipAll
		}
		st, err := d.Info()
		if err != nil {
			return err
		}
		mtime := st.ModTime()
		set.modules = append(set.modules, Directory{Path: "/" + name, MTime: &mtime})
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("look at /%s of the root: %w", dir, err)
	}
	return why, nil
}

// notModules are files and directories beside perl's modules that no script loads:
// documentation, headers, and what builds perl for another machine.
var notModules = []string{"CORE", "*.pod", "*.h", "*.a", "debian-config-data-*", "cross-config-*"}

// wantsModule tells whether a file is one of perl's modules for an architecture:
// the directories of Debian's @INC.
func wantsModule(gnu, name string) bool {
	rest, ok := strings.CutPrefix(name, "usr/lib/"+gnu+"/")
	first, rest, below := strings.Cut(rest, "/")
	if !ok || !below || first != "perl-base" && first != "perl5" && first != "perl" {
		return false
	}
	return !slices.ContainsFunc(strings.Split(rest, "/"), func(part string) bool { return matches(notModules, part) })
}

// pickScripts picks the packages of native perl and of its modules, and of the
// scripts that are of packages for one architecture.
func (c *chooser) pickScripts(p *Policy) (left []Left) {
	set := c.scripts
	for _, owner := range set.owners {
		if _, state, why := c.pick(owner); state != Native {
			return set.drop(state, "perl cannot stand in: "+why, p)
		}
	}
	set.list = slices.DeleteFunc(set.list, func(s candidate) bool {
		name := s.original.Package
		if c.in.Packages[name].Arch == "all" {
			return false
		}
		_, state, why := c.pick(name)
		if state != Native {
			left = append(left, leftScript(s, state, why, p))
		}
		return state != Native
	})
	return left
}

// wanted are the files that the farm needs of the packages, next to modules.
func (set *scriptSet) wanted() []string {
	if len(set.list) == 0 {
		return nil
	}
	names := []string{perlPath}
	for _, c := range set.list {
		names = append(names, c.source)
	}
	return names
}

// key is what of the scripts decides what is in a farm.
func (set *scriptSet) key() []string {
	var parts []string
	for _, c := range set.list {
		parts = append(parts, "script "+c.source+" "+c.original.SHA256)
	}
	return parts
}

// sameScript tells whether two builds of a script differ in no more than the names
// of the directories of their architectures.
func sameScript(own []byte, ownGNU string, twin []byte, twinGNU string) bool {
	return bytes.Equal(bytes.ReplaceAll(own, []byte(ownGNU), []byte(twinGNU)), twin)
}
