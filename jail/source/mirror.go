package source

import (
	"net/url"
	"strings"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
)

// The project's own servers: current releases, and all that were, which has no
// snapshots.
const (
	downloadHost = "https://download.FreeBSD.org"
	oldReleases  = "http://ftp-archive.freebsd.org/pub/FreeBSD-Archive/old-releases/{target}/{arch}/{version}"
)

// DefaultMirrors are asked when the configuration names none.
func DefaultMirrors(v Version) []string {
	if v.Snapshot() {
		return []string{downloadHost}
	}
	return []string{downloadHost, oldReleases}
}

// CheckMirror refuses what is not the address of a mirror.
func CheckMirror(mirror string) error {
	u, err := url.Parse(strings.NewReplacer("{", "", "}", "").Replace(mirror))
	ok := err == nil && u.RawQuery == "" && u.Fragment == "" && u.User == nil
	if ok {
		switch u.Scheme {
		case "http", "https":
			ok = u.Host != ""
		case "file":
			ok = u.Host == "" && strings.HasPrefix(u.Path, "/")
		default:
			ok = false
		}
	}
	if !ok {
		return fault.New(fault.Usage, "freebsd_mirrors: [https://download.FreeBSD.org, file:///srv/mirror]", "%q is not the address of a mirror: http, https or file, without a query", mirror)
	}
	return nil
}

// releaseURL is the directory of a version on a mirror. A mirror with {version}
// in it is the whole address, with {type}, {target}, {arch}; FreeBSD's download
// host has its releases at the top, and other mirrors below pub/FreeBSD.
func releaseURL(mirror string, a *arch.Arch, v Version) string {
	kind := "releases"
	if v.Snapshot() {
		kind = "snapshots"
	}
	mirror = strings.TrimRight(mirror, "/")
	if !strings.Contains(mirror, "{version}") {
		if !isDownloadHost(mirror) {
			mirror += "/pub/FreeBSD"
		}
		mirror += "/{type}/{target}/{arch}/{version}"
	}
	return strings.NewReplacer("{type}", kind, "{target}", a.Target, "{arch}", a.Name, "{version}", v.String()).Replace(mirror)
}

func isDownloadHost(mirror string) bool {
	u, err := url.Parse(mirror)
	return err == nil && strings.HasSuffix(strings.ToLower(u.Hostname()), "download.freebsd.org")
}
