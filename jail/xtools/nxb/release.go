package nxb

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
)

// Release is which FreeBSD a root is of.
type Release struct {
	// Version is USERLAND_VERSION of freebsd-version(1) without the patch level:
	// 15.1-RELEASE, 16.0-CURRENT. It is MAJOR.MINOR where only OSVersion is known.
	Version string `json:"version"`
	// Patch is the patch level, p1, or "".
	Patch string `json:"patch,omitempty"`
	// OSVersion is __FreeBSD_version of sys/param.h, or of the ABI note of a
	// program; 0 when it is not known.
	OSVersion int `json:"osversion,omitempty"`
}

// String is the version with its patch level, as freebsd-version -u prints it.
func (r Release) String() string {
	if r.Patch == "" {
		return r.Version
	}
	return r.Version + "-" + r.Patch
}

// Number is the release's MAJOR.MINOR.
func (r Release) Number() string {
	number, _, _ := strings.Cut(r.Version, "-")
	return number
}

// major is the first part of Number.
func (r Release) major() int {
	text, _, _ := strings.Cut(r.Number(), ".")
	n, _ := strconv.Atoi(text)
	return n
}

// released tells whether it is a release, of which __FreeBSD_version says no
// more than the version, and not a point of a branch.
func (r Release) released() bool { return strings.HasSuffix(r.Version, "-RELEASE") }

// same fails unless a tree is of the jail's release. Patch levels may differ:
// they change neither versions nor interfaces.
func (r Release) same(jail Release, what string) error {
	hint := fmt.Sprintf("take the tree of FreeBSD %s", jail)
	equal := r.OSVersion == jail.OSVersion && r.OSVersion != 0
	named := r.Version == jail.Version || bare(r, jail) && (equal || r.Number() == jail.Number())
	numbered := equal || r.OSVersion == 0 || jail.OSVersion == 0 || r.released() || jail.released()
	switch {
	case !named:
		return fault.New(fault.Mismatch, hint, "the %s is of FreeBSD %s, the jail of %s", what, r, jail)
	case !numbered:
		return fault.New(fault.Mismatch, hint, "the %s is of FreeBSD %s (%d), the jail of %s (%d)", what, r, r.OSVersion, jail, jail.OSVersion)
	}
	return nil
}

// coming tells whether number is that of the release before: a branch is called
// 15.2-PRERELEASE and 15.2-BETA1 while its __FreeBSD_version is of 15.1 still.
func (r Release) coming(number string) bool {
	text, minor, _ := strings.Cut(r.Number(), ".")
	n, err := strconv.Atoi(minor)
	return err == nil && !r.released() && number == fmt.Sprintf("%s.%d", text, n-1)
}

// bare tells whether one of the two is known by its number only.
func bare(a, b Release) bool { return a.Version == a.Number() || b.Version == b.Number() }

// Patterns of freebsd-version(1), a shell script, and of sys/param.h.
var (
	userlandPattern = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?m)^USERLAND_VERSION="([0-9]{1,3}\.[0-9]{1,3}-[A-Z]+[0-9]*)(?:-(p[0-9]{1,3}))?"`)
	})
	paramPattern = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?m)^#define[ \t]+__FreeBSD_version[ \t]+([0-9]{6,8})\b`)
	})
)

// noted are programs whose ABI note tells __FreeBSD_version, where the root has
// no headers.
var noted = []string{"bin/sh", "lib/libc.so.7", "usr/bin/cc", "bin/cat", "rescue/rescue"}

// ReadRelease finds out which FreeBSD a root is of: by bin/freebsd-version, by
// sys/param.h, and by the ABI notes of its programs. Errors have the kinds
// NotFound when nothing tells, and Damaged when two of them contradict.
func ReadRelease(root *os.Root) (Release, error) {
	t := &tree{root: root}
	var r Release
	text, err := t.text("bin/freebsd-version", 1<<16)
	if err != nil {
		return r, err
	}
	if m := userlandPattern().FindStringSubmatch(text); m != nil {
		r.Version, r.Patch = m[1], m[2]
	}
	if text, err = t.text("usr/include/sys/param.h", 1<<20); err != nil {
		return r, err
	}
	if m := paramPattern().FindStringSubmatch(text); m != nil {
		r.OSVersion, _ = strconv.Atoi(m[1])
	}
	return t.note(r)
}

// note completes a release by an ABI note.
func (t *tree) note(r Release) (Release, error) {
	for _, name := range noted {
		if r.OSVersion != 0 {
			break
		}
		n, err := t.osVersion(name)
		if err != nil && !missing(err) && fault.KindOf(err) != fault.Damaged {
			return r, err
		}
		r.OSVersion = n
	}
	switch number := numberOf(r.OSVersion); {
	case r.Version == "" && r.OSVersion == 0:
		return r, fault.New(fault.NotFound, "it must be a root of FreeBSD, such as base.txz unpacked",
			"nothing in %s tells which FreeBSD it is: no bin/freebsd-version, no usr/include/sys/param.h", t.root.Name())
	case r.Version == "":
		r.Version = number
	case r.OSVersion != 0 && number != r.Number() && !r.coming(number):
		return r, damaged("%s is of two releases: bin/freebsd-version says %s, its headers or programs %s (%d)", t.root.Name(), r, number, r.OSVersion)
	}
	return r, nil
}

// numberOf is MAJOR.MINOR of __FreeBSD_version: 15.1 of 1501000.
func numberOf(osVersion int) string {
	return fmt.Sprintf("%d.%d", osVersion/100000, osVersion/1000%100)
}

// osVersion is __FreeBSD_version in a program's note, 0 when it has none.
func (t *tree) osVersion(name string) (int, error) {
	f, _, err := t.open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	id, err := arch.Identify(f)
	if err != nil || id.OS != "freebsd" {
		return 0, err
	}
	n, err := strconv.Atoi(id.OSVersion)
	if err != nil {
		return 0, nil // no note, but another mark of FreeBSD
	}
	return n, nil
}

// text reads a small file, "" when there is none.
func (t *tree) text(name string, limit int64) (string, error) {
	f, _, err := t.open(name)
	if missing(err) || errors.Is(err, fs.ErrPermission) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit))
	return string(b), err
}
