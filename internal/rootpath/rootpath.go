// Package rootpath finds files in a root from outside of it, as a program in it
// would find them. A root is hostile input: nothing here leads out of it, and
// nothing blocks.
package rootpath

import (
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// maxLinks is how many symlinks a path may lead through, as in path_resolution(7).
const maxLinks = 40

// Resolve follows name in a root as a process in it would: absolute symlinks
// begin at the root again and .. stops there. os.Root refuses absolute links,
// which every real root has. The result has no leading slash.
func Resolve(root *os.Root, name string) (string, error) {
	return ResolveIn(root, "", name)
}

// ResolveIn is Resolve in a tree that is meant to be at mount of a root: absolute
// symlinks that begin with it stay in the tree.
func ResolveIn(root *os.Root, mount, name string) (string, error) {
	todo := strings.Split(path.Clean("/" + name)[1:], "/")
	done := "."
	for links := 0; len(todo) > 0; {
		part := todo[0]
		todo = todo[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			done = path.Dir(done)
			continue
		}
		next := path.Join(done, part)
		st, err := root.Lstat(next)
		if err != nil {
			return "", err
		}
		if st.Mode()&fs.ModeSymlink == 0 {
			done = next
			continue
		}
		if links++; links > maxLinks {
			return "", &fs.PathError{Op: "resolve", Path: name, Err: unix.ELOOP}
		}
		target, err := root.Readlink(next)
		if err != nil {
			return "", err
		}
		if path.IsAbs(target) {
			done = "."
			target = inside(mount, target)
		}
		todo = append(strings.Split(target, "/"), todo...)
	}
	return done, nil
}

// inside takes mount off an absolute path.
func inside(mount, target string) string {
	if rest, ok := strings.CutPrefix(target, mount+"/"); ok && mount != "" {
		return rest
	}
	return target
}

// Open opens the regular file that name leads to.
func Open(root *os.Root, name string) (*os.File, error) {
	real, err := Resolve(root, name)
	if err != nil {
		return nil, err
	}
	// A FIFO in the root would block an ordinary open for ever.
	f, err := root.OpenFile(real, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		f.Close()
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	return f, nil
}
