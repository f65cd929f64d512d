package main

import (
	"bytes"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// umask is the process's mask. The kernel's text says it without changing it,
// which would let another command of the process see the change.
func umask() fs.FileMode {
	text, err := os.ReadFile("/proc/self/status")
	if err == nil {
		if _, after, ok := bytes.Cut(text, []byte("\nUmask:\t")); ok {
			line, _, _ := bytes.Cut(after, []byte("\n"))
			if mask, err := strconv.ParseUint(string(line), 8, 9); err == nil {
				return fs.FileMode(mask)
			}
		}
	}
	mask := syscall.Umask(0o022)
	syscall.Umask(mask)
	return fs.FileMode(mask) & fs.ModePerm
}

// randomName makes n letters and digits.
func randomName(n int) string {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	name := make([]byte, n)
	for i := range name {
		name[i] = letters[rand.IntN(len(letters))]
	}
	return string(name)
}

var errMode = errors.New("invalid mode")

// unixBits are the twelve bits of a mode, as chmod(2) takes them.
func unixBits(m fs.FileMode) uint32 {
	bits := uint32(m.Perm())
	for _, b := range specialBits {
		if m&b.mode != 0 {
			bits |= b.bit
		}
	}
	return bits
}

// fileMode is the inverse of unixBits.
func fileMode(bits uint32) fs.FileMode {
	m := fs.FileMode(bits & 0o777)
	for _, b := range specialBits {
		if bits&b.bit != 0 {
			m |= b.mode
		}
	}
	return m
}

var specialBits = [...]struct {
	mode fs.FileMode
	bit  uint32
}{{fs.ModeSetuid, 0o4000}, {fs.ModeSetgid, 0o2000}, {fs.ModeSticky, 0o1000}}

// changeMode applies chmod(1)'s mode, octal or symbolic, to a file's mode. mask
// is the umask, which counts where a clause names nobody.
func changeMode(spec string, old, mask fs.FileMode) (fs.FileMode, error) {
	if n, err := strconv.ParseUint(spec, 8, 13); err == nil && n <= 0o7777 {
		bits := uint32(n)
		if old.IsDir() && len(spec) < 5 { // as GNU: a directory keeps set-ID bits that are not named
			bits |= unixBits(old) & 0o6000
		}
		return fileMode(bits) | old.Type(), nil
	}
	bits := unixBits(old)
	for _, clause := range strings.Split(spec, ",") {
		var err error
		if bits, err = applyClause(clause, bits, old.IsDir(), uint32(mask)); err != nil {
			return old, err
		}
	}
	return fileMode(bits) | old.Type(), nil
}

// applyClause applies a clause such as u+rwx-s or go=u.
func applyClause(clause string, bits uint32, dir bool, mask uint32) (uint32, error) {
	at := strings.IndexAny(clause, "+-=")
	if at < 0 {
		return 0, errMode
	}
	who, err := whoBits(clause[:at])
	if err != nil {
		return 0, err
	}
	keep := uint32(0)
	if who == 0 {
		who, keep = 0o7777, mask
	}
	for rest := clause[at:]; rest != ""; {
		op := rest[0]
		end := strings.IndexAny(rest[1:], "+-=") + 1
		if end == 0 {
			end = len(rest)
		}
		perm, err := permBits(rest[1:end], bits, dir)
		if err != nil {
			return 0, err
		}
		perm = perm & who &^ keep
		rest = rest[end:]
		switch op {
		case '+':
			bits |= perm
		case '-':
			bits &^= perm
		default:
			clear := who
			if dir { // set-ID bits of directories stay unless they are named
				clear &^= 0o6000
			}
			bits = bits&^clear | perm
		}
	}
	return bits, nil
}

func whoBits(text string) (uint32, error) {
	who := uint32(0)
	for _, c := range text {
		switch c {
		case 'u':
			who |= 0o4700
		case 'g':
			who |= 0o2070
		case 'o':
			who |= 0o1007
		case 'a':
			who |= 0o7777
		default:
			return 0, errMode
		}
	}
	return who, nil
}

func permBits(text string, bits uint32, dir bool) (uint32, error) {
	switch text {
	case "u":
		return (bits >> 6 & 7) * 0o111, nil
	case "g":
		return (bits >> 3 & 7) * 0o111, nil
	case "o":
		return (bits & 7) * 0o111, nil
	}
	perm := uint32(0)
	for _, c := range text {
		switch c {
		case 'r':
			perm |= 0o444
		case 'w':
			perm |= 0o222
		case 'x':
			perm |= 0o111
		case 'X':
			if dir || bits&0o111 != 0 {
				perm |= 0o111
			}
		case 's':
			perm |= 0o6000
		case 't':
			perm |= 0o1000
		default:
			return 0, errMode
		}
	}
	return perm, nil
}

func runChmod(p *proc) int {
	// A mode may begin with a minus: it is found before the options are.
	args := p.args
	for i, arg := range args {
		if arg == "--" {
			break
		}
		if len(arg) > 1 && arg[0] == '-' && strings.Trim(arg[1:], "rwxXstugo,+-=") == "" && arg != "-R" {
			p.args = append(append(append([]string{}, args[:i]...), "--", arg), args[i+1:]...)
			break
		}
	}
	o := p.options("Rvcf", "recursive=R", "verbose=v", "changes=c", "quiet=f", "silent=f")
	rest := o.operands(2, -1)
	spec, mask := rest[0], umask()
	if _, err := changeMode(spec, 0, mask); err != nil {
		p.fatal(1, "invalid mode: '%s'", spec)
	}
	change := func(name string, st fs.FileInfo) {
		mode, err := changeMode(spec, st.Mode(), mask)
		if err == nil {
			err = os.Chmod(p.path(name), mode)
		}
		if !p.fail("changing permissions of "+name, err) && o.has("v") {
			p.printf("mode of '%s' changed to %04o\n", name, unixBits(mode))
		}
	}
	for _, name := range rest[1:] {
		st, err := os.Stat(p.path(name))
		switch {
		case p.fail("cannot access "+name, err):
		case !o.has("R"):
			change(name, st)
		default:
			p.walk(name, func(name string, st fs.FileInfo) {
				if st.Mode()&fs.ModeSymlink == 0 {
					change(name, st)
				}
			})
		}
	}
	return 0
}

func runChown(p *proc) int {
	o := p.options("RhvfHLP", "recursive=R", "no-dereference=h")
	rest := o.operands(2, -1)
	uid, gid := p.ownerOf(rest[0])
	change := func(name string, st fs.FileInfo) {
		chown := os.Chown
		if o.has("h") || o.has("R") && st.Mode()&fs.ModeSymlink != 0 {
			chown = os.Lchown
		}
		p.fail("changing ownership of "+name, chown(p.path(name), uid, gid))
	}
	for _, name := range rest[1:] {
		st, err := os.Lstat(p.path(name))
		switch {
		case p.fail("cannot access "+name, err):
		case o.has("R"):
			p.walk(name, change)
		default:
			change(name, st)
		}
	}
	return 0
}

// ownerOf reads OWNER:GROUP; -1 is what stays as it is.
func (p *proc) ownerOf(spec string) (uid, gid int) {
	owner, group, has := strings.Cut(spec, ":")
	uid, gid = -1, -1
	if owner != "" {
		u, ok := findAccount("/etc/passwd", owner)
		if !ok {
			p.fatal(1, "invalid user: '%s'", spec)
		}
		uid = u.id
		if has && group == "" {
			gid = u.group
		}
	}
	if group != "" {
		g, ok := findAccount("/etc/group", group)
		if !ok {
			p.fatal(1, "invalid group: '%s'", spec)
		}
		gid = g.id
	}
	return uid, gid
}
