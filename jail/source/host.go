package source

import (
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// Host is what of a machine decides where roots come from.
type Host struct {
	OS string // as runtime.GOOS
	// Release is the version of a FreeBSD machine without its patch level, such
	// as 15.1-RELEASE; "" on others.
	Release string
}

// ThisHost is the machine that xjail runs on.
func ThisHost() Host {
	h := Host{OS: runtime.GOOS}
	var u unix.Utsname
	if h.OS == "freebsd" && unix.Uname(&u) == nil {
		h.Release = withoutPatch(unix.ByteSliceToString(u.Release[:]))
	}
	return h
}

// withoutPatch takes -p3 from 15.1-RELEASE-p3.
func withoutPatch(release string) string {
	if i := strings.LastIndex(release, "-p"); i > 0 && strings.Trim(release[i+2:], "0123456789") == "" {
		return release[:i]
	}
	return release
}
