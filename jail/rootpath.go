package jail

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
)

// maxLinks is how many symlinks a path may lead through, as in path_resolution(7).
const maxLinks = 40

// resolve follows name in a root as a process in it would: absolute symlinks
// begin at the root again and .. stops there. os.Root refuses absolute links,
// which every real root has.
func resolve(root *os.Root, name string) (string, error) {
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
		}
		todo = append(strings.Split(target, "/"), todo...)
	}
	return done, nil
}

// landmarks are programs that tell a root's architecture, the surest first.
var landmarks = []string{
	"bin/sh", "usr/bin/sh", "bin/ls", "usr/bin/ls", "sbin/init", "usr/sbin/init", "bin/busybox",
	"usr/bin/env", "rescue/sh", "lib/libc.so.7", "lib/libc.so.6", "libexec/ld-elf.so.1",
}

// checkArch looks at a program of the root and refuses a root that is of
// another architecture than a.
func checkArch(root *os.Root, a *arch.Arch) error {
	for _, name := range landmarks {
		id, err := identify(root, name)
		if errors.Is(err, fs.ErrNotExist) || fault.KindOf(err) == fault.Damaged {
			continue
		}
		if err != nil {
			return fault.Wrap(fault.Damaged, err, "look at /"+name+" of the root", "")
		}
		if err := a.Accepts(id); err != nil {
			return fault.New(fault.WrongArch, "name the root's own architecture with --arch; xjail arch identify tells what a file is",
				"the root is not of %s: /%s: %w", a.Name, name, err)
		}
		return nil
	}
	return fault.New(fault.Damaged, "a root has at least /bin/sh", "no program found in the root: it is no root file system, or one directory too high or too deep")
}

func identify(root *os.Root, name string) (*arch.Identity, error) {
	real, err := resolve(root, name)
	if err != nil {
		return nil, err
	}
	// A FIFO in the root would block an ordinary open for ever.
	f, err := root.OpenFile(real, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return arch.Identify(f)
}

// findInRoot is the first of dirs of defaultPath's kind in which the root has
// an executable name, as an absolute path in the root; "" when none has it.
func findInRoot(root *os.Root, name string) string {
	for dir := range strings.SplitSeq(defaultPath, ":") {
		p := path.Join(dir, name)
		real, err := resolve(root, p)
		if err != nil {
			continue
		}
		if st, err := root.Lstat(real); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
			return p
		}
	}
	return ""
}
