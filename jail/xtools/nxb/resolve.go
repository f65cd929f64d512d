package nxb

import (
	"io/fs"
	"os"

	"github.com/xjail/xjail/internal/rootpath"
)

// tree is a directory that is read as if it were /. Symbolic links are followed
// as a process in a chroot would follow them: absolute ones begin at the root
// again, and .. ends there. os.Root refuses absolute links, which base trees
// have, and keeps everything else inside.
type tree struct {
	root *os.Root
	// mount is where the tree is meant to be: absolute links that begin with it
	// are those within the tree. "" for a whole root.
	mount string
}

// resolve is the path of name without symbolic links.
func (t *tree) resolve(name string) (string, error) {
	return rootpath.ResolveIn(t.root, t.mount, name)
}

// open opens a regular file by its path in the tree. The path that it was found
// under is returned as well.
func (t *tree) open(name string) (*os.File, string, error) {
	real, err := t.resolve(name)
	if err != nil {
		return nil, "", err
	}
	st, err := t.root.Lstat(real)
	if err != nil {
		return nil, "", err
	}
	// A FIFO would block the open.
	if !st.Mode().IsRegular() {
		return nil, "", &fs.PathError{Op: "open", Path: name, Err: errNotRegular}
	}
	f, err := t.root.Open(real)
	return f, real, err
}

// has tells whether there is something at name.
func (t *tree) has(name string) bool {
	_, err := t.resolve(name)
	return err == nil
}

// names are the entries of a directory, sorted; none when there is no such
// directory.
func (t *tree) names(dir string) ([]string, error) {
	real, err := t.resolve(dir)
	if err != nil {
		return nil, absent(err)
	}
	entries, err := fs.ReadDir(t.root.FS(), real)
	if err != nil {
		return nil, absent(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, nil
}
