package xtools

import (
	"strings"
)

// sourceVersion is a package's version without the mark of a rebuild, +bN: an
// architecture is rebuilt by itself, of the same source.
func sourceVersion(v string) string {
	if i := strings.LastIndex(v, "+b"); i >= 0 && isDigits(v[i+2:]) {
		return v[:i]
	}
	return v
}

// SameVersion tells whether two builds of a package are of one source.
func SameVersion(a, b string) bool { return sourceVersion(a) == sourceVersion(b) }

// upstreamVersion is what the authors call it: 12.2.0 of 4:12.2.0-14+deb12u1.
func upstreamVersion(v string) string {
	if _, rest, ok := strings.Cut(v, ":"); ok {
		v = rest
	}
	if i := strings.LastIndexByte(v, '-'); i >= 0 {
		v = v[:i]
	}
	return v
}

// SameUpstream tells whether two packages are of the same version of the
// authors. Debian builds its cross compilers of the same source as its compilers,
// and not always of the same revision of it.
func SameUpstream(a, b string) bool { return upstreamVersion(a) == upstreamVersion(b) }

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
