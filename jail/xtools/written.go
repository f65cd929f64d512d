package xtools

import (
	"io/fs"
	"os"
	"path"
	"strings"
)

// Layout is where native tools are.
type Layout string

// The layouts.
const (
	// LaidOver: in the farm, and laid over the root when it is entered.
	LaidOver Layout = ""
	// Written: in the root, in place of its own, which are kept aside.
	Written Layout = "written"
	// NxbBin: in /nxb-bin of the root, which is as poudriere has it.
	NxbBin Layout = "nxb-bin"
)

// WrittenCache is where programs that were written into a root find the cache of
// their loader. It is as long as LoaderCache.
const WrittenCache = "/nxb-bin/" + loaderCache

// Want is a file that is written into a root: the same as inplace.Want.
type Want struct {
	Path   string // below the root
	Source string // below the farm, for its mode and, unless there is Text, its content
	Text   []byte
}

// Wants are the files of a manifest as they are written into a root: the trees
// file by file, and what finds something in a farm with another place for that, since
// /dev is not a root's own.
func Wants(farm *os.Root, m *Manifest) ([]Want, error) {
	var wants []Want
	loader := ""
	for _, f := range m.Files {
		if f.Kind == Loader {
			loader = path.Base(f.Source)
		}
		if f.Original == nil && m.InTree(f.Path) {
			continue
		}
		wants = append(wants, Want{Path: f.Path[1:], Source: f.Source})
	}
	for _, t := range m.Trees {
		err := fs.WalkDir(farm.FS(), t.Source, func(name string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				wants = append(wants, Want{Path: path.Join(t.Path[1:], strings.TrimPrefix(name, t.Source)), Source: name})
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	for i := range wants {
		if err := fitWritten(farm, &wants[i], loader); err != nil {
			return nil, err
		}
	}
	more, err := localeWants(farm)
	if err != nil {
		return nil, err
	}
	wants = append(wants, more...)
	if _, err := farm.Lstat(loaderCache); err == nil {
		wants = append(wants, Want{Path: WrittenCache[1:], Source: loaderCache})
	}
	return wants, nil
}

// fitWritten gives what finds something in a farm the place where a root has it: the
// loader its cache, and libc its locales.
func fitWritten(farm *os.Root, w *Want, loader string) (err error) {
	base := path.Base(w.Source)
	isLoader := loader != "" && (base == loader || strings.HasPrefix(base, "ld-linux-"))
	if !isLoader && base != libc {
		return nil
	}
	text, err := farm.ReadFile(w.Source)
	switch {
	case err != nil:
		return err
	case isLoader:
		_, err = editStrings(text, []string{LoaderCache}, func(old string) (string, bool) { return WrittenCache, old == LoaderCache })
	default:
		err = moveLocales(text, FarmLocales, WrittenLocales)
	}
	w.Text = text
	return err
}
