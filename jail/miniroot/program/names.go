package main

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
)

func runBasename(p *proc) int {
	o := p.options("+as:", "multiple=a", "suffix=s")
	suffix := o.value('s', "")
	names := o.operands(1, -1)
	if !o.has("as") {
		o.operands(1, 2)
		if len(names) == 2 {
			suffix, names = names[1], names[:1]
		}
	}
	for _, name := range names {
		base := path.Base(name)
		if name == "" {
			base = ""
		}
		if cut := strings.TrimSuffix(base, suffix); cut != "" {
			base = cut
		}
		p.printf("%s\n", base)
	}
	return 0
}

func runDirname(p *proc) int {
	for _, name := range p.options("+").operands(1, -1) {
		name = strings.TrimRight(name, "/") + strings.Repeat("/", min(1, len(name)-len(strings.TrimLeft(name, "/"))))
		p.printf("%s\n", dirname(name))
	}
	return 0
}

// dirname is POSIX's: it does not clean what it leaves.
func dirname(name string) string {
	trimmed := strings.TrimRight(name, "/")
	i := strings.LastIndexByte(trimmed, '/')
	switch {
	case trimmed == "" && name != "":
		return "/"
	case i < 0:
		return "."
	}
	dir := strings.TrimRight(trimmed[:i], "/")
	if dir == "" {
		return "/"
	}
	return dir
}

func runPwd(p *proc) int {
	o := p.options("LP")
	if !o.has("P") {
		if dir := p.getenv("PWD"); path.IsAbs(dir) && sameFile(dir, p.path(".")) {
			p.printf("%s\n", dir)
			return 0
		}
	}
	dir, err := p.cwd()
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if !p.fail("cannot tell the directory", err) {
		p.printf("%s\n", dir)
	}
	return 0
}

func sameFile(a, b string) bool {
	sa, errA := os.Stat(a)
	sb, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(sa, sb)
}

func runReadlink(p *proc) int {
	o := p.options("femnqsvz", "canonicalize=f", "canonicalize-existing=e", "canonicalize-missing=m", "no-newline=n")
	for i, name := range o.operands(1, -1) {
		target, err := "", error(nil)
		switch o.last("fem") {
		case 'f':
			target, err = p.canonical(name, missingLast)
		case 'e':
			target, err = p.canonical(name, missingNone)
		case 'm':
			target, err = p.canonical(name, missingAny)
		default:
			target, err = os.Readlink(p.path(name))
		}
		if err != nil { // readlink(1) is silent
			p.failed = true
			continue
		}
		p.printf("%s", target)
		if !o.has("n") || i < len(o.rest)-1 {
			p.printf("\n")
		}
	}
	return 0
}

func runRealpath(p *proc) int {
	o := p.options("emsLPqz", "no-symlinks=s", "strip=s", "canonicalize-existing=e", "canonicalize-missing=m")
	allowed := missingLast
	switch o.last("em") {
	case 'e':
		allowed = missingNone
	case 'm':
		allowed = missingAny
	}
	for _, name := range o.operands(1, -1) {
		var target string
		var err error
		if o.has("s") {
			target, err = p.absolute(name)
			target = path.Clean(target)
		} else {
			target, err = p.canonical(name, allowed)
		}
		if !p.fail(name, err) {
			p.printf("%s\n", target)
		}
	}
	return 0
}

// missing says which components of a path need not be there.
type missing int

const (
	missingNone missing = iota
	missingLast
	missingAny
)

func (p *proc) absolute(name string) (string, error) {
	if path.IsAbs(name) {
		return name, nil
	}
	dir, err := p.cwd()
	return dir + "/" + name, err
}

// canonical resolves every symbolic link, ".." and "." of a name.
func (p *proc) canonical(name string, allowed missing) (string, error) {
	if name == "" {
		return "", syscall.ENOENT
	}
	full, err := p.absolute(name)
	if err != nil {
		return "", err
	}
	todo := strings.Split(strings.Trim(full, "/"), "/")
	done := "/"
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
		target, err := os.Readlink(next)
		switch {
		case err == nil:
			if links++; links > 40 {
				return "", syscall.ELOOP
			}
			if path.IsAbs(target) {
				done = "/"
			}
			todo = append(strings.Split(target, "/"), todo...)
			continue
		case errors.Is(err, syscall.EINVAL): // there, and no link
			if st, err := os.Stat(next); err == nil && !st.IsDir() && len(todo) > 0 && allowed != missingAny {
				return "", syscall.ENOTDIR
			}
		case errors.Is(err, fs.ErrNotExist) && (allowed == missingAny || allowed == missingLast && onlyDots(todo)):
		case errors.Is(err, syscall.ENOTDIR) && allowed == missingAny:
		default:
			return "", err
		}
		done = next
	}
	return done, nil
}

// onlyDots tells that nothing but the end of a path is left.
func onlyDots(parts []string) bool {
	for _, part := range parts {
		if part != "" && part != "." {
			return false
		}
	}
	return true
}
