// Package source knows where the root of a jail can come from. One file a
// kind; each says what it needs, and prepares what package jail then unpacks,
// copies or runs. It also fetches: files by HTTP, and the sets of FreeBSD's
// releases into a cache that all jails share.
package source

import (
	"net/url"
	"path/filepath"
	"strings"

	"github.com/xjail/xjail/internal/fault"
)

// Kind is a kind of source.
type Kind string

// The kinds that create knows.
const (
	Archive  Kind = "archive"  // a tar archive: a file or a URL
	Dir      Kind = "dir"      // a directory, which is copied
	Debian   Kind = "debian"   // a Debian suite, by mmdebstrap
	Miniroot Kind = "miniroot" // one static Go program that is many commands
	Release  Kind = "release"  // the sets of a FreeBSD release
	PkgBase  Kind = "pkgbase"  // the packages of FreeBSD's base system, by pkg(8)
	Src      Kind = "src"      // a FreeBSD source tree that is built
)

// Kinds are the sources by their first word, as a user begins to type them.
func Kinds() []string {
	return []string{"archive:", "debian:", "dir:", "miniroot", "pkgbase:", "release:", "src:"}
}

// Spec is a source as a user names it.
type Spec struct {
	Kind  Kind   `json:"kind"`
	Value string `json:"value,omitempty"` // path, URL, suite or version
}

// String is the form that Parse reads.
func (s Spec) String() string {
	if s.Value == "" {
		return string(s.Kind)
	}
	return string(s.Kind) + ":" + s.Value
}

// Guest is the system whose programs a root of this source has: linux, freebsd,
// or "" when it can be either.
func (s Spec) Guest() string {
	switch s.Kind {
	case Debian:
		return "linux"
	case Release, PkgBase, Src:
		return "freebsd"
	}
	return ""
}

// IsURL tells whether an archive has to be downloaded.
func (s Spec) IsURL() bool {
	return s.Kind == Archive && (strings.HasPrefix(s.Value, "http://") || strings.HasPrefix(s.Value, "https://"))
}

const hint = "sources: release:VERSION, debian:SUITE, miniroot, archive:FILE, archive:URL, dir:DIRECTORY, pkgbase:VERSION, src:DIRECTORY"

// Parse reads KIND:VALUE. A bare URL is an archive. Paths become absolute, and
// versions get the branch that they lack: 14.3 is 14.3-RELEASE.
func Parse(text string) (Spec, error) {
	if strings.HasPrefix(text, "http://") || strings.HasPrefix(text, "https://") {
		text = string(Archive) + ":" + text
	}
	kind, value, _ := strings.Cut(text, ":")
	s := Spec{Kind: Kind(kind), Value: value}
	switch s.Kind {
	case Miniroot:
		if value != "" {
			return s, fault.New(fault.Usage, hint, "source %q: miniroot takes no value", text)
		}
		return s, nil
	case Debian:
		if !validSuite(value) {
			return s, fault.New(fault.Usage, "debian:bookworm, debian:stable, ...", "source %q: %q is not the name of a suite", text, value)
		}
		return s, nil
	case Release, PkgBase:
		v, err := ParseVersion(value)
		s.Value = v.String()
		return s, fault.Wrap(fault.Usage, err, "source "+text, "")
	case Archive, Dir, Src:
		return s.parsePath(text)
	}
	return s, fault.New(fault.Usage, hint, "unknown source %q", text)
}

// parsePath reads the value of a source that is a file, a directory or a URL.
func (s Spec) parsePath(text string) (Spec, error) {
	if s.Value == "" {
		return s, fault.New(fault.Usage, hint, "source %q names no %s", text, s.Kind)
	}
	if s.IsURL() {
		u, err := url.Parse(s.Value)
		if err != nil || u.Host == "" {
			return s, fault.New(fault.Usage, hint, "source %q is not a URL", text)
		}
		return s, nil
	}
	abs, err := filepath.Abs(s.Value)
	s.Value = abs
	return s, err
}

func validSuite(name string) bool {
	if name == "" || name[0] == '-' {
		return false
	}
	return strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-.") == ""
}
