package xtools

import (
	"encoding/binary"
	"slices"
)

// FarmDir is where an entered jail sees the farm that it has, and LoaderCache
// where native programs find the cache of their loader there: a path that is as
// long as /etc/ld.so.cache, which is the cache of the root's own libraries. Where
// the file is not there the loader looks through its directories.
const (
	FarmDir     = "/dev/nxb"
	loaderCache = "ldcache"
	LoaderCache = FarmDir + "/" + loaderCache
)

// usualCache is the path in a loader as it is built (LD_SO_CACHE).
const usualCache = "/etc/ld.so.cache"

// libraryFlags are flags of a library in the cache: of ELF and libc 6, of the
// architecture (sysdeps/generic/ldconfig.h), by GOARCH.
var libraryFlags = map[string]uint32{"amd64": 0x0303, "arm64": 0x0a03}

// Sizes in a cache, dl-cache.h.
const (
	cacheHeader = 48
	cacheEntry  = 24
)

// ldCache writes a cache of libraries, as ldconfig of glibc 2.2 or newer: names
// of libraries in dir. It is nil for an architecture of which the flags are not
// known.
func ldCache(goarch, dir string, names []string) []byte {
	flags, ok := libraryFlags[goarch]
	if !ok {
		return nil
	}
	names = slices.Clone(names)
	slices.SortFunc(names, func(a, b string) int { return compareLibraries(b, a) })
	le := binary.LittleEndian
	var entries, text []byte
	at := uint32(cacheHeader + cacheEntry*len(names))
	for _, name := range names {
		key := at + uint32(len(text))
		text = append(append(text, name...), 0)
		value := at + uint32(len(text))
		text = append(append(text, dir+"/"+name...), 0)
		for _, v := range []uint32{flags, key, value, 0, 0, 0} {
			entries = le.AppendUint32(entries, v)
		}
	}
	b := []byte("glibc-ld.so.cache1.1")
	b = le.AppendUint32(b, uint32(len(names)))
	b = le.AppendUint32(b, uint32(len(text)))
	b = append(b, 2, 0, 0, 0) // little-endian
	b = append(b, make([]byte, cacheHeader-len(b))...)
	return append(append(b, entries...), text...)
}

// compareLibraries is the order of a cache, _dl_cache_libcmp: numbers count as
// such.
func compareLibraries(a, b string) int {
	for len(a) > 0 && len(b) > 0 {
		switch digitA, digitB := isDigits(a[:1]), isDigits(b[:1]); {
		case digitA && digitB:
			var m, n int
			m, a = leadingNumber(a)
			n, b = leadingNumber(b)
			if m != n {
				return m - n
			}
		case digitA:
			return 1
		case digitB:
			return -1
		case a[0] != b[0]:
			return int(a[0]) - int(b[0])
		default:
			a, b = a[1:], b[1:]
		}
	}
	return len(a) - len(b)
}

func leadingNumber(s string) (n int, rest string) {
	for len(s) > 0 && s[0] >= '0' && s[0] <= '9' {
		n, s = n*10+int(s[0]-'0'), s[1:]
	}
	return n, s
}
