package source

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
)

// Version is a version of FreeBSD, as the directories on its mirrors are named.
type Version struct {
	Major, Minor int
	Branch       string // RELEASE, RC1, BETA2, STABLE, CURRENT, ...
}

var versionPattern = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^([0-9]{1,3})\.([0-9]{1,3})(?:-(RELEASE|RC[0-9]{1,2}|BETA[0-9]{1,2}|ALPHA[0-9]{0,2}|PRERELEASE|STABLE|CURRENT))?$`)
})

// ParseVersion reads 14.3-RELEASE, 14.3 for the same, 15.0-BETA2, 16.0-CURRENT.
// Errors have the kind Usage.
func ParseVersion(text string) (Version, error) {
	m := versionPattern().FindStringSubmatch(strings.ToUpper(text))
	if m == nil {
		return Version{}, fault.New(fault.Usage, "14.3, 14.3-RELEASE, 15.0-RC1, 16.0-CURRENT", "%q is not a version of FreeBSD", text)
	}
	v := Version{Branch: m[3]}
	if v.Branch == "" {
		v.Branch = "RELEASE"
	}
	v.Major, _ = strconv.Atoi(m[1])
	v.Minor, _ = strconv.Atoi(m[2])
	return v, nil
}

// String is the form of uname -r, 14.3-RELEASE; "" for no version.
func (v Version) String() string {
	if v.Branch == "" {
		return ""
	}
	return v.Number() + "-" + v.Branch
}

// Number is the release without its branch: 14.3.
func (v Version) Number() string { return fmt.Sprintf("%d.%d", v.Major, v.Minor) }

// Snapshot tells whether the version is among the snapshots on a mirror, and not
// among the releases.
func (v Version) Snapshot() bool {
	for _, branch := range []string{"CURRENT", "ALPHA", "PRERELEASE", "STABLE"} {
		if strings.HasPrefix(v.Branch, branch) {
			return true
		}
	}
	return false
}

// OSVersion is __FreeBSD_version of a release, without its last two digits:
// 1403000 for 14.3.
func (v Version) OSVersion() int { return v.Major*100000 + v.Minor*1000 }

// checkRange refuses a version that never had the architecture.
func checkRange(a *arch.Arch, v Version) error {
	switch {
	case a.Target == "":
		return fault.New(fault.NotFound, "xjail arch list names those that it had", "FreeBSD was never released for %s", a.Name)
	case a.HasRelease(v.Number()):
		return nil
	case a.LastRelease == "":
		return fault.New(fault.NotFound, "name a version from "+a.FirstRelease+" on",
			"FreeBSD %s has no %s: releases since %s have it", v, a.Name, a.FirstRelease)
	}
	return fault.New(fault.NotFound, "name a version from "+a.FirstRelease+" to "+a.LastRelease,
		"FreeBSD %s has no %s: releases from %s to %s have it", v, a.Name, a.FirstRelease, a.LastRelease)
}

// CheckRelease refuses versions and architectures of which the project has not
// published sets.
func CheckRelease(a *arch.Arch, v Version) error {
	if err := checkRange(a, v); err != nil {
		return err
	}
	switch {
	case a.FirstSets == "":
		return noSets(a)
	case arch.CompareReleases(v.Number(), a.FirstSets) < 0:
		return fault.New(fault.NotFound, "--from release:"+a.FirstSets+", or --from archive:FILE",
			"FreeBSD %s has no sets for %s: they are published since %s", v, a.Name, a.FirstSets)
	}
	return nil
}

// noSets is why release: cannot work for an architecture, and the two commands
// that get a root of it.
func noSets(a *arch.Arch) error {
	until := "current releases have it as a source only"
	if a.LastRelease != "" {
		until = "its last release was " + a.LastRelease
	}
	return fault.New(fault.NotFound,
		"build one on FreeBSD (make -C DIR buildworld TARGET="+a.Target+" TARGET_ARCH="+a.Name+") and take it by --from src:DIR, or unpack one by --from archive:FILE --os freebsd",
		"no sets were ever published for %s: %s", a.Name, until)
}
