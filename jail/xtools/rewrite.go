package xtools

import (
	"bytes"
	"strings"

	"github.com/xjail/xjail/internal/fault"
)

// editStrings changes every string of a file that has one of the marks in it, and
// that each has a new text for. The new one is not longer, and what it leaves
// over is filled with NULs: nothing moves. It says how many were changed.
//
// Strings are what is between two NULs; what a compiler has put into
// instructions is not one, and stays.
func editStrings(text []byte, marks []string, each func(old string) (string, bool)) (int, error) {
	count := 0
	for _, mark := range marks {
		for at := 0; ; {
			i := bytes.Index(text[at:], []byte(mark))
			if i < 0 {
				break
			}
			start, end := bounds(text, at+i)
			at += i + len(mark)
			old := string(text[start:end])
			fresh, ok := each(old)
			if !ok || fresh == old {
				continue
			}
			if len(fresh) > len(old) || end == len(text) {
				return count, fault.New(fault.Unsupported, "", "no room to make %q of %q", fresh, old)
			}
			n := copy(text[start:end], fresh)
			clear(text[start+n : end])
			at = start + n
			count++
		}
	}
	return count, nil
}

// longestString is more than a path, and less than a table of texts.
const longestString = 8192

// bounds are where the string at i begins and ends.
func bounds(text []byte, i int) (start, end int) {
	start = max(0, i-longestString) + 1 + bytes.LastIndexByte(text[max(0, i-longestString):i], 0)
	end = min(len(text), i+longestString)
	if n := bytes.IndexByte(text[i:end], 0); n >= 0 {
		end = i + n
	}
	return start, end
}

// compilerMarks are what strings of a cross compiler begin with that are not as
// in the target's own compiler.
var compilerMarks = []string{"/usr/lib/gcc-cross/", "/usr/libexec/gcc-cross/", "gcc-cross"}

// nativePath is the path of a cross compiler's file in the target's own.
func nativePath(name string) string { return strings.Replace(name, "/gcc-cross/", "/gcc/", 1) }

// compilerPath gives the paths in a cross compiler of Debian those of the
// target's own compiler. Its private directory is /usr/lib/gcc, where the
// target's own headers and objects are. The C++ headers are in /usr/include, not
// in the directory of a cross compiler; Debian's own compiler looks for them, and
// for no others, by a path without .. in it. What is written into debug
// information is then what the target's own would write.
//
// Debian's cross compilers do not look into /usr/local/include. The table of
// directories has no place for one more, but one for include-fixed, next to where
// it belongs. With local it is put there: for roots that have no include-fixed, as
// those of Debian since gcc 7.
//
// triplet is what gcc calls the machine, and multiarch what directories of libraries
// and headers are called by. The strings are those of gcc's cppdefault.cc.
func compilerPath(triplet, multiarch string, local bool) func(old string) (string, bool) {
	return func(old string) (string, bool) {
		if old == "gcc-cross" {
			return "gcc", true
		}
		if !strings.HasPrefix(old, "/usr/lib/gcc-cross/") && !strings.HasPrefix(old, "/usr/libexec/gcc-cross/") {
			return old, false
		}
		fresh := nativePath(old)
		_, tail, up := strings.Cut(fresh, "/../../../../"+triplet+"/")
		version, cxx := strings.CutPrefix(tail, "include/c++/")
		switch {
		case local && strings.HasSuffix(fresh, "/include-fixed"):
			return "/usr/local/include", true
		case cxx && strings.HasSuffix(version, "/"+triplet):
			return "/usr/include/" + multiarch + "/c++/" + strings.TrimSuffix(version, "/"+triplet), true
		case cxx:
			return "/usr/include/c++/" + version, true
		case up && strings.HasPrefix(tail, "libc++_include/"):
			return "/usr/" + tail, true
		}
		return fresh, true
	}
}

// preloadError is what glibc's loader prints of each object of LD_PRELOAD that
// it cannot load (elf/rtld.c, do_preload).
const preloadError = "ERROR: ld.so: object '%s' from %s cannot be preloaded (%s): ignored.\n"

// fitLoader makes a loader say nothing of libraries of the other side in
// LD_PRELOAD: every program of a build would say it, and tests that compare
// what is printed would fail. And it makes it look into a cache of its own: that
// of the root has none of its libraries, and it would look through directories
// for each.
func fitLoader(text []byte) error {
	n, err := editStrings(text, []string{preloadError}, func(string) (string, bool) { return "", true })
	if err != nil {
		return err
	}
	if n != 1 {
		return fault.New(fault.Unsupported, "", "the loader has the message of LD_PRELOAD %d times, not once", n)
	}
	n, err = editStrings(text, []string{usualCache}, func(old string) (string, bool) { return LoaderCache, old == usualCache })
	if err == nil && n != 1 {
		err = fault.New(fault.Unsupported, "", "the loader has the path of its cache %d times, not once", n)
	}
	return err
}
