package xtools

import (
	"errors"
	"io/fs"
	"os"
	"path"

	"github.com/xjail/xjail/arch"
)

// CheckLibraries looks that a farm has every library that the files of a manifest
// need, and those that these need. There is an error for each file that misses
// one; it names both.
func CheckLibraries(farm *os.Root, host *arch.Arch, m *Manifest) []error {
	objects := map[string]*object{}
	read := func(name string) (*object, error) {
		if o, ok := objects[name]; ok {
			return o, nil
		}
		o, err := readFarmObject(farm, name)
		if err == nil {
			objects[name] = o
		}
		return o, err
	}
	s := &shelf{host: host, read: read}
	for _, t := range m.Trees {
		s.dirs = append(s.dirs, t.Source)
	}
	var found []error
	for _, f := range m.Files {
		if f.Kind == Loader {
			s.dirs = append(s.dirs, path.Dir(f.Source)) // it is a library as well
		}
	}
	for _, f := range m.InFarm() {
		if !f.IsNative() {
			continue
		}
		if _, err := s.closure([]string{f.Source}); err != nil {
			found = append(found, err)
		}
	}
	if len(m.Interpreters) > 0 {
		found = append(found, s.checkModules(farm, m.Trees)...)
	}
	return found
}

// checkModules looks at perl's modules below the trees, which the interpreters
// load.
func (s *shelf) checkModules(farm *os.Root, trees []Tree) []error {
	var found []error
	for _, t := range trees {
		_ = fs.WalkDir(farm.FS(), t.Source, func(name string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && path.Ext(name) == ".so" && wantsModule(s.host.GNU, name) {
				_, err = s.closure([]string{name})
			}
			if err != nil {
				found = append(found, err)
			}
			return nil
		})
	}
	return found
}

// readFarmObject is nil for what is not there or no ELF file.
func readFarmObject(farm *os.Root, name string) (*object, error) {
	f, err := farm.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if !isELF(f) {
		return nil, nil
	}
	return readObject(name, f)
}
