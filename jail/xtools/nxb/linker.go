package nxb

import (
	"bytes"
	"debug/elf"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/xjail/xjail/internal/fault"
)

// maxLinker is more than any run-time linker has: 15.1's is 160 KiB.
const maxLinker = 16 << 20

// replaced are the strings of rtld(1), FreeBSD's run-time linker, that are
// overwritten; each must be there exactly once. They are those of rtld_paths.h.
var replaced = []struct{ old, text string }{
	{"/var/run/ld-elf.so.hints", prefix + "/ld-elf.so.hints"}, // never made: the jail's hints come before the standard path
	{"/etc/libmap.conf", prefix + "/lm.conf"},                 // never made
	{interpreter, relocated},
}

// standardPaths are what STANDARD_LIBRARY_PATH is, of which one must be there
// exactly once: since libcasper's services are ordinary libraries, and before.
var standardPaths = []string{"/lib:/usr/lib", "/lib/casper:/lib:/usr/lib"}

// envPrefix begins the names of all environment variables that rtld hears.
// Newer ones have it as a string of its own, older ones once for each variable.
const envPrefix, newPrefix = "LD_", "NX_"

// oldVariables are some that every older rtld has, if it is one at all.
var oldVariables = []string{"LD_LIBRARY_PATH", "LD_PRELOAD", "LD_LIBMAP"}

var variablePattern = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`\x00(LD_[A-Z0-9_]*)\x00`)
})

// linker is a run-time linker and how it is changed.
type linker struct {
	edits []Edit
	dirs  []string // where it looks for libraries: lib, usr/lib
}

// readLinker finds the strings of a run-time linker. It refuses one that it does
// not know entirely.
func readLinker(f *image) (*linker, error) {
	if f.size > maxLinker {
		return nil, damaged("a run-time linker of %d bytes", f.size)
	}
	if !f.shared() {
		return nil, damaged("it is no run-time linker: %s", f.Type)
	}
	b, err := f.bytes(0, uint64(f.size))
	if err != nil {
		return nil, err
	}
	l := &linker{}
	for _, r := range replaced {
		if err := l.replace(f, b, r.old, r.text); err != nil {
			return nil, err
		}
	}
	if err := l.standardPath(f, b); err != nil {
		return nil, err
	}
	if err := l.environment(f, b); err != nil {
		return nil, err
	}
	return l, order(l.edits)
}

// unknown is the error for a run-time linker that is not as expected.
func unknown(format string, args ...any) error {
	return fault.New(fault.Unsupported, "take native-xtools, or a release that docs/nxb.md names", "not a run-time linker that xjail knows: "+format, args...)
}

// find is where a string, with NUL before and behind it, is in what is loaded of
// the file b.
func (f *image) find(b []byte, text string) []int {
	var at []int
	whole := []byte("\x00" + text + "\x00")
	for from := 0; ; {
		i := bytes.Index(b[from:], whole)
		if i < 0 {
			return at
		}
		if f.loaded(uint64(from+i+1), uint64(len(text))) {
			at = append(at, from+i+1)
		}
		from += i + 1
	}
}

// loaded tells whether the bytes at off are in memory when the file runs. What
// debuggers read is not.
func (f *image) loaded(off, n uint64) bool {
	return slices.ContainsFunc(f.segments, func(s segment) bool {
		return s.kind == elf.PT_LOAD && off >= s.off && off+n <= s.end()
	})
}

func (l *linker) replace(f *image, b []byte, old, text string) error {
	at := f.find(b, old)
	if len(at) != 1 {
		return unknown("it has the string %q %d times, not once", old, len(at))
	}
	return l.put(f, at[0], old, text)
}

// put adds an edit, which must not change the name of a symbol.
func (l *linker) put(f *image, at int, old, text string) error {
	off := uint64(at)
	if from, size, err := f.table(); err != nil || off+uint64(len(old)) > from && off < from+size {
		return unknown("the string %q at %d is the name of a symbol", old, at)
	}
	e, err := overwrite(int64(at), old, text)
	l.edits = append(l.edits, e)
	return err
}

func (l *linker) standardPath(f *image, b []byte) error {
	found, at := "", 0
	for _, path := range standardPaths {
		for _, i := range f.find(b, path) {
			if found != "" {
				return unknown("it has two standard library paths, %s and %s", found, path)
			}
			found, at = path, i
		}
	}
	if found == "" {
		return unknown("it has none of the standard library paths %s", strings.Join(standardPaths, ", "))
	}
	for _, dir := range strings.Split(found, ":") {
		l.dirs = append(l.dirs, dir[1:])
	}
	return l.put(f, at, found, prefix+"/"+libraryDir)
}

// environment renames the variables. With the prefix as a string of its own
// there is nothing else to do; without it every name must be found.
func (l *linker) environment(f *image, b []byte) error {
	seen := map[string]bool{}
	for from := 0; ; {
		m := variablePattern().FindSubmatchIndex(b[from:])
		if m == nil {
			break
		}
		at, name := from+m[2], string(b[from+m[2]:from+m[3]])
		from += m[3] // the NUL may begin the next name
		if !f.loaded(uint64(at), uint64(len(name))) {
			continue
		}
		if seen[name] {
			return unknown("it has the string %q twice", name)
		}
		seen[name] = true
		if err := l.put(f, at, envPrefix, newPrefix); err != nil {
			return err
		}
	}
	if seen[envPrefix] {
		return nil
	}
	for _, name := range oldVariables {
		if !seen[name] {
			return unknown("it has neither the string %q nor %q", envPrefix, name)
		}
	}
	return nil
}
