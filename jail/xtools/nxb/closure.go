package nxb

import (
	"errors"
	"slices"
	"strings"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
)

// libraries are those of a base tree, as its run-time linker finds them.
type libraries struct {
	t      *tree
	host   *arch.Arch
	linker *linker
	file   File // the run-time linker
	known  map[string]*library
}

// library is a shared library, or why it cannot be had.
type library struct {
	file  File
	needs []string
	err   error
}

// newLibraries reads the run-time linker of a base tree.
func newLibraries(t *tree, host *arch.Arch) (*libraries, error) {
	l := &libraries{t: t, host: host, known: map[string]*library{}}
	f, real, err := t.open(interpreter)
	if err != nil {
		kind := fault.KindOf(err)
		if missing(err) {
			kind = fault.NotFound
		}
		return nil, fault.Wrap(kind, err, "the run-time linker of the base tree", "it must be a whole base.txz, unpacked")
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	image, err := readImage(f, info.Size())
	if err == nil {
		err = image.native(host)
	}
	if err == nil {
		l.linker, err = readLinker(image)
	}
	if err != nil {
		return nil, about(err, interpreter+" of the base tree")
	}
	l.file = File{Path: linkerName, Kind: Linker, Source: real, Mode: mode(info), Size: info.Size(), Edits: l.linker.edits}
	return l, nil
}

// closure are the libraries that are loaded for a program that needs some, in
// no order. by is the program, for errors.
func (l *libraries) closure(needed []string, by string) ([]*library, error) {
	type want struct{ name, by string }
	var todo []want
	for _, name := range needed {
		todo = append(todo, want{name, by})
	}
	var all []*library
	seen := map[string]bool{}
	for len(todo) > 0 {
		next := todo[0]
		todo = todo[1:]
		if seen[next.name] {
			continue
		}
		seen[next.name] = true
		lib := l.library(next.name)
		if lib.err != nil {
			return nil, l.failed(lib.err, next.name, next.by)
		}
		all = append(all, lib)
		for _, name := range lib.needs {
			todo = append(todo, want{name, lib.file.Source})
		}
	}
	return all, nil
}

// failed says which library an error is about and who needs it. A refusal stays
// one: then the program is left out.
func (l *libraries) failed(err error, name, by string) error {
	var r *refusal
	if errors.As(err, &r) {
		return refuse("%s, which %s needs, cannot be a native library: %s", name, by, r.reason)
	}
	return about(err, "library "+name+", which "+by+" needs")
}

// library finds a library by its name.
func (l *libraries) library(name string) *library {
	if l.known[name] == nil {
		lib := &library{}
		lib.err = l.read(name, lib)
		l.known[name] = lib
	}
	return l.known[name]
}

// read takes the first file of the name, as rtld does: it never skips one that
// does not fit.
func (l *libraries) read(name string, lib *library) error {
	if name == "." || name == ".." {
		return damaged("it is no name of a file")
	}
	for _, dir := range l.linker.dirs {
		f, real, err := l.t.open(dir + "/" + name)
		if missing(err) {
			continue
		}
		if err != nil {
			return err
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return err
		}
		lib.file = File{Path: libraryDir + "/" + name, Kind: Library, Source: real, Mode: mode(info), Size: info.Size()}
		image, err := readImage(f, info.Size())
		if err != nil {
			return err
		}
		lib.needs, err = l.check(image)
		return err
	}
	return fault.New(fault.NotFound, "it must be a whole base.txz, unpacked", "not in %s of the base tree", strings.Join(l.linker.dirs, ", "))
}

// check refuses a library that would not work from another directory.
func (l *libraries) check(f *image) ([]string, error) {
	if err := f.native(l.host); err != nil {
		return nil, err
	}
	switch {
	case !f.shared():
		return nil, damaged("it is no shared library: %s", f.Type)
	case f.textRelocations():
		return nil, fault.New(fault.Unsupported, "", "it has text relocations")
	}
	if err := f.noSearchPath(); err != nil {
		return nil, err
	}
	return f.needs()
}

// libraries adds what a relocated program needs: the run-time linker and the
// closure of its libraries.
func (b *builder) libraries(needed []string, by string) error {
	if b.libs == nil {
		return fault.New(fault.Unsupported, "give the base tree of the same release as well, or build native-xtools with NO_SHARED, as FreeBSD does",
			"it is dynamic, and there is no base tree to take its libraries from")
	}
	all, err := b.libs.closure(needed, by)
	if err != nil {
		return err
	}
	if b.files[linkerName] == nil {
		b.add(b.libs.t, b.libs.file)
	}
	slices.SortFunc(all, func(x, y *library) int { return strings.Compare(x.file.Path, y.file.Path) })
	for _, lib := range all {
		if b.files[lib.file.Path] == nil {
			b.add(b.libs.t, lib.file)
		}
	}
	return nil
}
