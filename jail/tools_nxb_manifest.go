package jail

import (
	"os"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/xtools/nxb"
)

// NxbOf is the jail that has a directory as its root, and what xjail wrote to
// /nxb-bin there; nil where it wrote nothing. The error is of kind NotFound when
// no jail has that root. Roots are compared as directories, not by their names.
func (s Store) NxbOf(dir string) (name string, m *nxb.Manifest, err error) {
	want, err := os.Stat(dir)
	if err != nil {
		return "", nil, fault.Wrap(fault.NotFound, err, "root of a jail", "")
	}
	names, err := s.Names()
	if err != nil {
		return "", nil, err
	}
	for _, name := range names {
		r, err := s.Load(name)
		if err != nil {
			continue // another one may have it
		}
		if st, err := os.Stat(r.Root); err != nil || !os.SameFile(st, want) {
			continue
		}
		if s.unfinishedNxb(name) {
			return name, nil, nil
		}
		m, err := s.loadNxb(name)
		return name, m, err
	}
	return "", nil, fault.New(fault.NotFound, "", "no jail in %s has the root %s", s.Dir, dir)
}
