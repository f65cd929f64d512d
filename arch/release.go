package arch

import (
	"cmp"
	"strconv"
	"strings"
)

// CompareReleases orders two FreeBSD releases by their numbers: 9.3 is before
// 13.0. A release without a minor number, such as the catalog's 14, is before
// those that have one.
func CompareReleases(a, b string) int {
	aMajor, aMinor := releaseNumbers(a)
	bMajor, bMinor := releaseNumbers(b)
	return cmp.Or(cmp.Compare(aMajor, bMajor), cmp.Compare(aMinor, bMinor))
}

func releaseNumbers(release string) (major, minor int) {
	first, second, found := strings.Cut(release, ".")
	major, _ = strconv.Atoi(first)
	if !found {
		return major, -1
	}
	minor, _ = strconv.Atoi(second)
	return major, minor
}

// within tells whether release is last or before it; a last without a minor
// number, such as 14, stands for all of its branch.
func within(release, last string) bool {
	if _, minor := releaseNumbers(last); minor < 0 {
		release, _, _ = strings.Cut(release, ".")
	}
	return CompareReleases(release, last) <= 0
}

// HasRelease tells whether FreeBSD's release (MAJOR.MINOR) has the architecture.
func (a *Arch) HasRelease(release string) bool {
	return a.FirstRelease != "" && CompareReleases(release, a.FirstRelease) >= 0 &&
		(a.LastRelease == "" || within(release, a.LastRelease))
}
