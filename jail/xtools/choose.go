package xtools

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/xjail/xjail/arch"
)

// compilerName are the packages with compilers for the machine that they run on.
// The cross compiler's package has the triplet behind.
var compilerName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(gcc|cpp|g\+\+|gfortran|gobjc|gobjc\+\+|gdc|gm2|gccgo|gnat)-[0-9.]+$`)
})

// chooser picks the packages of a twin.
type chooser struct {
	subject *Subject
	in      *Installed
	index   map[string][]Package
	triplet string // of the target, as names of packages have it
	scripts *scriptSet
	policy  *Policy

	pairs  map[string]PackagePair // by the root's package
	chosen map[string]Package     // by name
	// revisions are those that compilers of the twin get, by the package's name.
	revisions map[string]string
	// treated are programs of compilers of another revision, by path in the farm.
	treated map[string]treatment
	choices []choice
}

// counterpart is the name of the native package that has the programs of one
// of the root's. compiler: the two are of one version of the authors, and need
// not be of one revision.
func (c *chooser) counterpart(name string) (native string, compiler bool) {
	base, cross := strings.CutSuffix(name, "-"+c.triplet)
	switch {
	case compilerName().MatchString(base):
		return base + "-" + c.triplet, true
	case cross && base == "binutils":
		return name, true
	}
	return name, false
}

// pick chooses the native package of one of the root's. The reason is of why
// there is none.
func (c *chooser) pick(name string) (p Package, state State, why string) {
	if pair, ok := c.pairs[name]; ok {
		return c.chosen[pair.Twin], Native, ""
	}
	own := c.in.Packages[name]
	native, compiler := c.counterpart(name)
	same := SameVersion
	if compiler {
		same = SameUpstream
	}
	var others []string
	for _, p := range c.index[native] {
		if p.Arch == "all" {
			continue
		}
		if !same(p.Version, own.Version) {
			others = append(others, p.Version)
			continue
		}
		c.take(p)
		c.pairs[name] = PackagePair{Name: name, Version: own.Version, Twin: native, TwinVer: p.Version, SHA256: p.SHA256}
		return p, Native, ""
	}
	if len(others) == 0 {
		return Package{}, Missing, "there is no package " + native + " for " + c.subject.Host.Name
	}
	return Package{}, Drifted, fmt.Sprintf("%s is of version %s in the root, and of %s for %s", name, own.Version, strings.Join(others, ", "), c.subject.Host.Name)
}

func (c *chooser) take(p Package) { c.chosen[p.Name] = p }

// takeLibraries chooses the packages of shared libraries that those chosen
// depend on, and always those that programs load by themselves. Of these any
// version will do that satisfies them, the root's own first.
func (c *chooser) takeLibraries(always ...string) {
	libs := c.libraryPackages()
	for _, name := range always {
		libs[name] = true
	}
	todo := slices.Clone(always)
	for _, p := range c.chosen {
		todo = append(todo, p.Depends...)
	}
	for len(todo) > 0 {
		name := todo[0]
		todo = todo[1:]
		if _, ok := c.chosen[name]; ok || !libs[name] && (c.has(name) || !strings.HasPrefix(name, "lib")) {
			continue
		}
		p, ok := c.library(name)
		if !ok {
			continue // the closure tells when something is missing by that
		}
		c.take(p)
		todo = append(todo, p.Depends...)
	}
}

func (c *chooser) has(name string) bool {
	_, ok := c.in.Packages[name]
	return ok
}

func (c *chooser) library(name string) (Package, bool) {
	best := Package{}
	for _, p := range c.index[name] {
		if p.Arch == "all" {
			continue
		}
		best = p
		if SameVersion(p.Version, c.in.Packages[name].Version) {
			break
		}
	}
	return best, best.Name != ""
}

// libraryPackages are the packages of the root with shared libraries.
func (c *chooser) libraryPackages() map[string]bool {
	libs := map[string]bool{}
	for file, name := range c.in.Owner {
		dir := path.Dir(file)
		multiarch := dir == "usr/lib/"+c.subject.Arch.GNU || dir == "lib/"+c.subject.Arch.GNU
		if (multiarch || dir == "usr/lib" || dir == "lib") && strings.Contains(path.Base(file), ".so") {
			libs[name] = true
		}
	}
	return libs
}

// triplet is the machine's name as names of packages have it.
func triplet(a *arch.Arch) string { return strings.ReplaceAll(compilerTriplet(a), "_", "-") }

// compilerTriplet is what gcc calls the machine. On Debian it calls i386, whose
// libraries are in directories of that name, i686.
func compilerTriplet(a *arch.Arch) string {
	if rest, ok := strings.CutPrefix(a.GNU, "i386-"); ok {
		return "i686-" + rest
	}
	return a.GNU
}
