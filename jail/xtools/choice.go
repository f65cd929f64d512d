package xtools

import (
	"path"
	"slices"
	"strings"

	"github.com/xjail/xjail/arch"
)

// NotChosen is the state of a program that the source has, and that a jail is to
// do without.
const NotChosen State = "not chosen"

// notChosen is why.
const notChosen = "a choice was made by an advice, and this is not in it"

// IsCompiler tells whether a package of a root for target has programs that only
// work together: a compiler, what it runs, and what shares its plug-ins.
func IsCompiler(name string, target *arch.Arch) bool {
	if name == "" || target == nil {
		return false
	}
	base := strings.TrimSuffix(name, "-"+triplet(target))
	return base == "binutils" || compilerName().MatchString(base)
}

// Choose leaves of the programs those at the given paths of the root, and with
// one program of the compiler all of it. The others stay emulated. The paths that
// are not to be had are returned.
func (m *Manifest) Choose(paths []string) (absent []string) {
	target, err := arch.Lookup(m.Target)
	if err != nil {
		target = nil // no package is a compiler's then
	}
	chosen := map[string]bool{}
	for _, p := range paths {
		chosen[p] = true
	}
	compiler := false
	for _, f := range m.Files {
		compiler = compiler || chosen[f.Path] && isCompilerFile(f, target)
	}
	var files []File
	for _, f := range m.Files {
		keep := f.Kind == Loader || chosen[f.Path] || compiler && (f.Kind == Plugin || isCompilerFile(f, target))
		switch {
		case keep:
			files = append(files, f)
			delete(chosen, f.Path)
		case f.Choosable():
			m.Left = append(m.Left, Left{Path: f.Path, State: NotChosen, Why: notChosen, Package: f.rootPackage(), Pays: f.Pays})
		}
	}
	m.Files, m.Only = files, slices.Sorted(slices.Values(paths))
	m.Only = slices.Compact(m.Only)
	m.Beside = slices.DeleteFunc(m.Beside, func(f File) bool { return !m.runs(f) })
	m.dropPackages()
	slices.SortFunc(m.Left, func(a, b Left) int { return strings.Compare(a.Path, b.Path) })
	for p := range chosen {
		absent = append(absent, p)
	}
	slices.Sort(absent)
	return absent
}

// runs tells whether one of the files is a chooser that runs a program beside.
func (m *Manifest) runs(beside File) bool {
	return slices.ContainsFunc(m.Files, func(f File) bool {
		dir, name := path.Split(path.Clean(beside.Source))
		of := path.Base(path.Dir(path.Clean(dir)))
		return f.Kind == Chooser && path.Base(f.Path) == name && of == "gcc-"+path.Base(path.Dir(f.Path))
	})
}

// Choosable tells whether a file is one that is run, and not a part of others.
func (f *File) Choosable() bool { return f.Kind != Plugin && f.Kind != Loader }

func isCompilerFile(f File, target *arch.Arch) bool { return IsCompiler(f.rootPackage(), target) }

// rootPackage is the root's package of the file that one is laid over.
func (f *File) rootPackage() string {
	if f.Original == nil {
		return ""
	}
	return f.Original.Package
}

// dropPackages leaves of the packages those with a native program.
func (m *Manifest) dropPackages() {
	used := map[string]bool{}
	for _, f := range m.Files {
		used[f.rootPackage()] = true
	}
	m.Packages = slices.DeleteFunc(m.Packages, func(p PackagePair) bool { return !used[p.Name] })
}

// Has tells whether a program of the root is laid over.
func (m *Manifest) Has(name string) bool {
	return slices.ContainsFunc(m.Files, func(f File) bool { return f.Path == name })
}

// LooksFor tells whether a program at that path of a root, without the first
// slash, is one that may be native by its place.
func (p *Policy) LooksFor(name string) bool { return p.isProgram(path.Clean(name)) }
