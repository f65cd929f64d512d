package explain

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"syscall"
)

// place is where a name leads to.
type place struct {
	path  string // without symlinks, seen from the root
	info  Info
	links []string // "a -> b" for each symlink that was followed
}

// dead is why a name leads nowhere.
type dead struct {
	cause Cause
	errno Errno
	at    string // the part of the path where it ended
	why   string
}

func (d *dead) Error() string { return d.why }

// walk is a name being looked up as a kernel does, component by component.
// Absolute symlinks start at the root again, and .. of the root is the root:
// nothing leads out of it.
type walk struct {
	w     *World
	links []string
	own   int // components of what is left that the name itself has; the rest are of symlinks
}

// lookup finds a file by its name, relative names from the working directory.
// The last component is followed when it is a symlink.
func (w *World) lookup(name string) (*place, *dead) {
	if name == "" {
		return nil, &dead{Missing, ENOENT, name, "the name is empty"}
	}
	if limit := w.limit(pathMax, pathMaxBSD); len(name) >= limit {
		return nil, &dead{NameTooLong, ENAMETOOLONG, name, fmt.Sprintf("the path has %d bytes, %d at most", len(name), limit-1)}
	}
	at := "/"
	if !path.IsAbs(name) {
		at = path.Join("/", w.Dir)
	}
	k := &walk{w: w}
	return k.from(at, name)
}

// from walks name from the directory at. What a symlink says is walked in the
// place of the link, before the rest.
func (k *walk) from(at, name string) (*place, *dead) {
	rest := split(name)
	k.own = len(rest)
	info, d := k.stat(at)
	for d == nil && len(rest) > 0 {
		part := rest[0]
		rest = rest[1:]
		if d = k.enter(at, info, part); d != nil {
			break
		}
		ofLink := len(rest) >= k.own
		k.own = min(k.own, len(rest))
		next := path.Join(at, part)
		var st Info
		if st, d = k.stat(next); d != nil {
			return nil, k.dangling(d, ofLink)
		}
		if st.Mode&fs.ModeSymlink == 0 {
			at, info = next, st
			continue
		}
		var target string
		if target, d = k.follow(next); d != nil {
			break
		}
		rest = append(split(target), rest...)
		if path.IsAbs(target) {
			at = "/"
		}
		info, d = k.stat(at)
	}
	if d != nil {
		return nil, d
	}
	return &place{at, info, k.links}, nil
}

// split cuts a name into components. A slash at the end asks for a directory,
// as a last component "." does.
func split(name string) []string {
	parts := strings.FieldsFunc(name, func(r rune) bool { return r == '/' })
	if strings.HasSuffix(name, "/") && len(parts) > 0 {
		parts = append(parts, ".")
	}
	return parts
}

// enter tells whether a component may be looked up in a directory.
func (k *walk) enter(at string, info Info, part string) *dead {
	switch {
	case !info.Mode.IsDir():
		return &dead{NotADirectory, ENOTDIR, at, at + " is not a directory"}
	case !k.w.may(info):
		return &dead{NotSearchable, EACCES, at, fmt.Sprintf("%s has mode %04o: uid %d may not search it", at, info.Mode.Perm(), k.w.UID)}
	case len(part) > nameMax:
		return &dead{NameTooLong, ENAMETOOLONG, at, fmt.Sprintf("a component of the path has %d bytes, %d at most", len(part), nameMax)}
	}
	return nil
}

func (k *walk) stat(name string) (Info, *dead) {
	info, err := k.w.Files.Lstat(name)
	switch {
	case err == nil:
		return info, nil
	case errors.Is(err, fs.ErrNotExist):
		return info, &dead{Missing, ENOENT, name, name + " is not there"}
	case errors.Is(err, fs.ErrPermission):
		return info, &dead{NotSearchable, EACCES, path.Dir(name), name + " may not be looked at"}
	case errors.Is(err, syscall.ENOTDIR):
		return info, &dead{NotADirectory, ENOTDIR, path.Dir(name), path.Dir(name) + " is not a directory"}
	case errors.Is(err, syscall.ENAMETOOLONG):
		return info, &dead{NameTooLong, ENAMETOOLONG, name, "the path is too long"}
	}
	return info, &dead{Unreadable, EIO, name, err.Error()}
}

// dangling makes a missing file that only a symlink names a dangling link.
func (k *walk) dangling(d *dead, ofLink bool) *dead {
	if d.cause == Missing && len(k.links) > 0 {
		if ofLink {
			d.cause = DanglingLink
		}
		d.why = fmt.Sprintf("%s is not there; the way to it is %s", d.at, strings.Join(k.links, ", "))
	}
	return d
}

func (k *walk) follow(link string) (string, *dead) {
	target, err := k.w.Files.Readlink(link)
	if err != nil {
		return "", &dead{Unreadable, EIO, link, err.Error()}
	}
	k.links = append(k.links, link+" -> "+target)
	if limit := k.w.limit(linksMax, linksMaxBSD); len(k.links) > limit {
		last := k.links[len(k.links)-1]
		return "", &dead{LinkLoop, ELOOP, link, fmt.Sprintf("more than %d symlinks on the way, the last one %s", limit, last)}
	}
	if target == "" {
		return "", &dead{DanglingLink, ENOENT, link, link + " is an empty symlink"}
	}
	return target, nil
}

// may tells whether the user has the x bit that counts. Root may search any
// directory, and run what anybody may run.
func (w *World) may(info Info) bool {
	bits := info.Mode.Perm()
	if w.UID == 0 {
		return info.Mode.IsDir() || bits&0o111 != 0
	}
	switch {
	case info.UID == w.UID:
		return bits&0o100 != 0
	case w.inGroup(info.GID):
		return bits&0o010 != 0
	}
	return bits&0o001 != 0
}

func (w *World) inGroup(gid uint32) bool {
	for _, g := range w.Groups {
		if g == gid {
			return true
		}
	}
	return false
}

// searchPath is where execvp(3) finds a name without a slash: the first file
// that this user may run; or the first file of that name, when there is none.
func (w *World) searchPath(name string) (string, bool) {
	first := ""
	for dir := range strings.SplitSeq(w.Path, ":") {
		if dir == "" {
			dir = "."
		}
		file := dir + "/" + name
		p, d := w.lookup(file)
		if d != nil || !p.info.Mode.IsRegular() {
			continue
		}
		if w.may(p.info) {
			return file, true
		}
		if first == "" {
			first = file
		}
	}
	return first, first != ""
}
