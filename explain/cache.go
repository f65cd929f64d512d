package explain

import (
	"bytes"
	"encoding/binary"
	"path"
	"slices"
	"strings"
)

// libc is whose dynamic linker it is.
type libc string

const (
	glibc      libc = "glibc"
	musl       libc = "musl"
	freebsdRTL libc = "rtld" // of FreeBSD
	otherLibc  libc = ""
)

// libcOf knows the linker by its name.
func libcOf(interp string) libc {
	base := path.Base(interp)
	switch {
	case strings.HasPrefix(base, "ld-musl-"):
		return musl
	case strings.HasPrefix(base, "ld-elf"):
		return freebsdRTL
	case strings.HasPrefix(base, "ld-linux"), strings.HasPrefix(base, "ld64.so"), base == "ld.so.1":
		return glibc
	}
	return otherLibc
}

// libcOfFile knows it by its content when its name is another: what symlinks and
// odd toolchains call it.
func libcOfFile(interp string, linker *elfFile) libc {
	if l := libcOf(interp); l != otherLibc || linker == nil {
		return l
	}
	if muslPath(linker) != "" {
		return musl
	}
	return libcOf(readObject(linker, interp, nil).soname)
}

// muslPath is the file in which musl's linker finds the directories of libraries,
// as it is compiled in (musl ldso/dynlink.c, load_library); "" when it is not
// musl's.
func muslPath(linker *elfFile) string {
	text := linker.at(0, readMax)
	i := bytes.Index(text, []byte("/etc/ld-musl-"))
	if i < 0 {
		return ""
	}
	name, _, _ := bytes.Cut(text[i:], []byte{0})
	if len(name) > nameMax || !bytes.HasSuffix(name, []byte(".path")) {
		return ""
	}
	return string(name)
}

// glibcDirs are the default directories of a glibc: they are compiled into its
// dynamic linker as strings with a slash at the end (SYSTEM_DIRS of
// elf/dl-load.c), which differ from distribution to distribution.
func glibcDirs(linker *elfFile) []string {
	var dirs []string
	text := linker.at(0, readMax)
	for at := 0; ; {
		i := bytes.Index(text[at:], []byte("/lib"))
		if i < 0 {
			break
		}
		at += i
		start := bytes.LastIndexByte(text[max(0, at-64):at], 0) + max(0, at-64) + 1
		end := bytes.IndexByte(text[at:], 0)
		if end < 0 {
			break
		}
		word := string(text[min(start, at) : at+end])
		at += max(end, 1)
		if dir := strings.TrimSuffix(word, "/"); defaultDir(word) && !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	if len(dirs) == 0 && linker.class == 64 {
		return []string{"/lib64", "/usr/lib64", "/lib", "/usr/lib"}
	}
	if len(dirs) == 0 {
		return []string{"/lib", "/usr/lib"}
	}
	return dirs
}

// defaultDir tells whether a string is one of them.
func defaultDir(s string) bool {
	ok := strings.HasSuffix(s, "/") && (strings.HasPrefix(s, "/lib") || strings.HasPrefix(s, "/usr/") || strings.HasPrefix(s, "/usr/local/"))
	return ok && len(s) < 64 && !strings.ContainsAny(s, "%$ \n:") && !strings.Contains(s, "/locale") && !strings.Contains(s, "gconv")
}

// Offsets in /etc/ld.so.cache, of the form "glibc-ld.so.cache1.1" (glibc
// elf/cache.c and sysdeps/generic/dl-cache.h): a header of 48 bytes with the
// number of entries at byte 20, then entries of 24 bytes, with the flags, and
// the places of the name and of the path, counted from the header. The old form
// before it, "ld.so-1.7.0", is skipped.
const (
	cacheMagic  = "glibc-ld.so.cache1.1"
	cacheHeader = 48
	cacheEntry  = 24
	cacheMax    = 1 << 17 // entries
	cacheName   = 512     // bytes of a name or a path
	cacheSame   = 64      // paths of one library
)

// parseCache reads the libraries that ldconfig has found: paths by name, in the
// order of the file.
func parseCache(b []byte, bo binary.ByteOrder) map[string][]string {
	i := bytes.Index(b, []byte(cacheMagic))
	if i < 0 || len(b)-i < cacheHeader {
		return nil
	}
	b = b[i:]
	n := min(uint64(bo.Uint32(b[20:])), cacheMax, uint64(len(b)-cacheHeader)/cacheEntry)
	libs := map[string][]string{}
	for k := range n {
		entry := b[cacheHeader+k*cacheEntry:]
		key, value := uint64(bo.Uint32(entry[4:])), uint64(bo.Uint32(entry[8:]))
		if key >= uint64(len(b)) || value >= uint64(len(b)) {
			continue
		}
		name := cString(b[key:min(key+cacheName, uint64(len(b)))])
		if len(libs[name]) < cacheSame {
			libs[name] = append(libs[name], cString(b[value:min(value+cacheName, uint64(len(b)))]))
		}
	}
	return libs
}

// parseHints reads FreeBSD's /var/run/ld-elf.so.hints (sys/elf-hints.h): a magic
// number, then the place of the strings, their size, and the place and length of
// the list of directories in them.
func parseHints(b []byte, bo binary.ByteOrder) []string {
	const magic = 0x746e6845
	if len(b) < 24 || bo.Uint32(b) != magic {
		return nil
	}
	start := uint64(bo.Uint32(b[8:])) + uint64(bo.Uint32(b[16:]))
	end := start + uint64(bo.Uint32(b[20:]))
	if end > uint64(len(b)) {
		return nil
	}
	return splitList(string(b[start:end]), ":")
}

// splitList cuts a list of directories at any of the separators.
func splitList(s, separators string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(separators, r) })
}

// confDirs are the directories of ld.so.conf(5), in which ldconfig looks; the
// lines "include" are not followed further than one level.
func confDirs(read func(string) []byte, list func(string) []string) []string {
	var dirs []string
	add := func(text string) (includes []string) {
		for line := range strings.Lines(text) {
			line, _, _ = strings.Cut(line, "#")
			line = strings.TrimSpace(line)
			if pattern, ok := strings.CutPrefix(line, "include"); ok {
				includes = append(includes, strings.TrimSpace(pattern))
			} else if strings.HasPrefix(line, "/") {
				dirs = append(dirs, line)
			}
		}
		return includes
	}
	for _, pattern := range add(string(read("/etc/ld.so.conf"))) {
		if !path.IsAbs(pattern) {
			pattern = "/etc/" + pattern
		}
		for _, name := range list(path.Dir(pattern)) {
			if ok, _ := path.Match(path.Base(pattern), name); ok {
				add(string(read(path.Join(path.Dir(pattern), name))))
			}
		}
	}
	return dirs
}
