package xtools

import (
	"path"
	"slices"
	"strings"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
)

// shelf is a tree of native files in which the loader looks for libraries.
type shelf struct {
	host *arch.Arch
	// dirs are where the loader looks, in its order, ld.so(8).
	dirs []string
	// read reads an object by its path in the tree; nil when there is none.
	read func(name string) (*object, error)
	// missing is the library that was not found.
	missing string
}

// closureMax is more libraries than any program needs.
const closureMax = 2000

// library finds what DT_NEEDED names, as the loader does: RUNPATH of the object
// that needs it, then the usual directories. A library of another architecture
// is passed over.
func (s *shelf) library(name string, needs *object, origin string) (string, error) {
	if strings.Contains(name, "/") {
		return "", fault.New(fault.Unsupported, "", "it needs the library %s by a path", name)
	}
	var dirs []string
	for _, d := range needs.RunPath {
		d = strings.NewReplacer("$ORIGIN", "/"+origin, "${ORIGIN}", "/"+origin).Replace(d)
		if strings.HasPrefix(d, "/") && !strings.Contains(d, "$") {
			dirs = append(dirs, path.Clean(d)[1:])
		}
	}
	for _, dir := range append(dirs, s.dirs...) {
		file := path.Join(dir, name)
		o, err := s.read(file)
		if err != nil {
			return "", err
		}
		if o != nil && s.host.Accepts(o.id) == nil {
			return file, nil
		}
	}
	s.missing = name
	return "", fault.New(fault.NotFound, "", "library %s is not to be found", name)
}

// closure lists the libraries that the objects at names need, and those that
// these need: each by the path at which the loader finds it, sorted, without
// names themselves. The error names who needs what is missing.
func (s *shelf) closure(names []string) ([]string, error) {
	var found []string
	seen := map[string]bool{}
	for todo := slices.Clone(names); len(todo) > 0; {
		name := todo[0]
		todo = todo[1:]
		if seen[name] {
			continue
		}
		if seen[name] = true; len(seen) > closureMax {
			return nil, fault.New(fault.Damaged, "", "%s and what it needs: more than %d libraries", names[0], closureMax)
		}
		o, err := s.read(name)
		if err != nil {
			return nil, err
		}
		if o == nil {
			return nil, fault.New(fault.NotFound, "", "%s is not there", name)
		}
		for _, lib := range slices.Concat(o.Needed, o.Aux) {
			file, err := s.library(lib, o, path.Dir(name))
			if err != nil {
				return nil, fault.Wrap(fault.KindOf(err), err, "/"+name, "")
			}
			if !seen[file] && !slices.Contains(names, file) {
				found = append(found, file)
			}
			todo = append(todo, file)
		}
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}
