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
// file by file, and the loader with another place for its cache, since /dev is
// not a root's own.
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
		if base := path.Base(wants[i].Source); loader == "" || base != loader && !strings.HasPrefix(base, "ld-linux-") {
			continue
		}
		text, err := farm.ReadFile(wants[i].Source)
		if err == nil {
			_, err = editStrings(text, []string{LoaderCache}, func(old string) (string, bool) { return WrittenCache, old == LoaderCache })
		}
		if err != nil {
			return nil, err
		}
		wants[i].Text = text
	}
	if _, err := farm.Lstat(loaderCache); err == nil {
		wants = append(wants, Want{Path: WrittenCache[1:], Source: loaderCache})
	}
	return wants, nil
}
