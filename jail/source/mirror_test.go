package source

import (
	"testing"

	"github.com/xjail/xjail/internal/fault"
)

// The layouts that poudriere's jail.sh knows too.
func TestReleaseURL(t *testing.T) {
	for _, tt := range []struct{ mirror, arch, version, want string }{
		{downloadHost, "aarch64", "14.3-RELEASE", "https://download.FreeBSD.org/releases/arm64/aarch64/14.3-RELEASE"},
		{downloadHost, "amd64", "16.0-CURRENT", "https://download.FreeBSD.org/snapshots/amd64/amd64/16.0-CURRENT"},
		{downloadHost + "/", "riscv64", "15.0-BETA2", "https://download.FreeBSD.org/releases/riscv/riscv64/15.0-BETA2"},
		{"http://mirror.example.org", "powerpc64le", "14.3-RELEASE", "http://mirror.example.org/pub/FreeBSD/releases/powerpc/powerpc64le/14.3-RELEASE"},
		{"file:///srv/mirror", "i386", "14.3-STABLE", "file:///srv/mirror/pub/FreeBSD/snapshots/i386/i386/14.3-STABLE"},
		{oldReleases, "sparc64", "12.4-RELEASE", "http://ftp-archive.freebsd.org/pub/FreeBSD-Archive/old-releases/sparc64/sparc64/12.4-RELEASE"},
		{"file:///srv/{type}/{version}-{arch}", "aarch64", "14.3-RELEASE", "file:///srv/releases/14.3-RELEASE-aarch64"},
	} {
		v, err := ParseVersion(tt.version)
		if err != nil {
			t.Fatal(err)
		}
		if got := releaseURL(tt.mirror, lookup(t, tt.arch), v); got != tt.want {
			t.Errorf("%s of %s on %s: %s, want %s", tt.version, tt.arch, tt.mirror, got, tt.want)
		}
	}
}

func TestCheckMirror(t *testing.T) {
	for _, good := range []string{downloadHost, oldReleases, "http://localhost:8080/a", "file:///srv/mirror", "file:///srv/{version}"} {
		if err := CheckMirror(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"", "/srv/mirror", "ftp://ftp.example.org", "file://host/srv", "http://", "https://x.example/?a=b", "https://user:secret@x.example"} {
		if err := CheckMirror(bad); fault.KindOf(err) != fault.Usage {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
