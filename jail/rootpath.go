package jail

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/internal/rootpath"
)

// resolve follows name in a root as a process in it would.
func resolve(root *os.Root, name string) (string, error) { return rootpath.Resolve(root, name) }

// landmarks are programs that tell a root's architecture, the surest first.
var landmarks = []string{
	"bin/sh", "usr/bin/sh", "bin/ls", "usr/bin/ls", "sbin/init", "usr/sbin/init", "bin/busybox",
	"usr/bin/env", "rescue/sh", "lib/libc.so.7", "lib/libc.so.6", "libexec/ld-elf.so.1",
}

// neverNative are programs over which nothing is ever laid.
var neverNative = []string{"usr/bin/uname", "bin/uname", "usr/bin/dpkg", "usr/bin/perl"}

// checkRoot looks at the programs of the root and refuses a root that is of
// another architecture than a, or of another system than guest. A static program
// may bear no mark of its system: then the next is asked. Roots of Linux need no
// mark at all, and those of FreeBSD do, since all its programs have one.
func checkRoot(root *os.Root, a *arch.Arch, guest string) error {
	return checkRootBut(root, a, guest, nil)
}

// checkRootBut is checkRoot for a root in which programs at some paths are not
// its own.
func checkRootBut(root *os.Root, a *arch.Arch, guest string, foreign map[string]bool) error {
	known, names := "", landmarks
	if len(foreign) > 0 {
		names = append(slices.Clone(names), neverNative...)
	}
	for _, name := range names {
		if real, err := resolve(root, name); err == nil && foreign[real] {
			continue
		}
		id, err := identify(root, name)
		if errors.Is(err, fs.ErrNotExist) || fault.KindOf(err) == fault.Damaged {
			continue
		}
		if err != nil {
			return fault.Wrap(fault.Damaged, err, "look at /"+name+" of the root", "")
		}
		if err := a.Accepts(id); known == "" && err != nil {
			return fault.New(fault.WrongArch, "name the root's own architecture with --arch; xjail arch identify tells what a file is",
				"the root is not of %s: /%s: %w", a.Name, name, err)
		}
		if known = name; id.OS != "" {
			return checkGuest(name, id.OS, guest)
		}
	}
	switch {
	case known == "":
		return fault.New(fault.Damaged, "a root has at least /bin/sh", "no program found in the root: it is no root file system, or one directory too high or too deep")
	case guest == "freebsd":
		return checkGuest(known, "an unknown system", guest)
	}
	return nil
}

// checkGuest compares the system of a program with that of the root.
func checkGuest(name, system, guest string) error {
	if system == guest {
		return nil
	}
	hint := "xjail arch identify tells what a file is"
	if system == "linux" || system == "freebsd" {
		hint = "xjail create ... --os " + system
	}
	return fault.New(fault.WrongArch, hint, "the root is not of %s: /%s is a program of %s", guest, name, system)
}

// guestOf is the system of the programs of a root, linux or freebsd; "" when
// they are of another or do not tell.
func guestOf(root *os.Root) string {
	for _, name := range landmarks {
		if id, err := identify(root, name); err == nil && id.OS != "" {
			if id.OS == "linux" || id.OS == "freebsd" {
				return id.OS
			}
			return ""
		}
	}
	return ""
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
