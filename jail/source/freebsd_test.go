package source

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xjail/xjail/internal/fault"
)

var bsdHost = Host{"freebsd", "15.1-RELEASE"}

func TestPkgBase(t *testing.T) {
	p, err := NewPkgBase(lookup(t, "aarch64"), "15.1", nil, bsdHost)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"/usr/local/sbin/pkg", "--rootdir", "/r", "--repo-conf-dir", "/t/repos", "-o", "ABI=FreeBSD:15:aarch64",
		"-o", "OSVERSION=1501000", "-o", "IGNORE_OSVERSION=yes", "-o", "ASSUME_ALWAYS_YES=yes",
		"install", "-y", "-r", "FreeBSD-base", "FreeBSD-set-base-jail"}
	if got := p.Command("/usr/local/sbin/pkg", "/r", "/t/repos"); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	// The URL and the keys of usr.sbin/pkg/FreeBSD.conf.quarterly-release.
	for _, want := range []string{`FreeBSD-base: {`, `url: "pkg+https://pkg.FreeBSD.org/FreeBSD:15:aarch64/base_release_1"`, `mirror_type: "srv"`,
		`signature_type: "fingerprints"`, `fingerprints: "/usr/share/keys/pkgbase-15"`, "enabled: yes"} {
		if !strings.Contains(p.RepoConf(), want) {
			t.Errorf("%q is not in %s", want, p.RepoConf())
		}
	}
	if p.Sets = []string{"minimal", "lib32"}; !slices.Equal(p.Packages(), []string{"FreeBSD-set-minimal", "FreeBSD-set-lib32"}) {
		t.Errorf("%q", p.Packages())
	}
	for _, tt := range []struct {
		arch, version string
		host          Host
		kind          fault.Kind
		text          string
	}{
		{"aarch64", "14.3", bsdHost, fault.NotFound, "since 15.0"},
		{"aarch64", "15.1", Host{OS: "linux"}, fault.Unsupported, "pkg(8)"},
		{"mips64", "15.1", bsdHost, fault.NotFound, "9.0 to 13.5"},
		{"aarch64", "16.0-CURRENT", bsdHost, fault.Unsupported, "from day to day"},
	} {
		_, err := NewPkgBase(lookup(t, tt.arch), tt.version, nil, tt.host)
		if fault.KindOf(err) != tt.kind || !strings.Contains(err.Error(), tt.text) || fault.HintOf(err) == "" {
			t.Errorf("%s %s: %v", tt.arch, tt.version, err)
		}
	}
}

// sourceTree makes what NewBuiltTree looks at.
func sourceTree(t *testing.T, newvers string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "sys/conf"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"Makefile.inc1": "#\n", "sys/conf/newvers.sh": newvers} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestBuiltTree(t *testing.T) {
	dir := sourceTree(t, "TYPE=\"FreeBSD\"\nREVISION=\"13.5\"\nBRANCH=\"RELEASE-p3\"\nif x; then\n\tBRANCH=\"${BRANCH_OVERRIDE}\"\nfi\n")
	s, err := NewBuiltTree(lookup(t, "mips64"), dir, bsdHost)
	if err != nil || s.Version.String() != "13.5-RELEASE" {
		t.Fatalf("%+v, %v", s, err)
	}
	got := s.Commands("/r")
	want := []string{"make", "-C", dir, "installworld", "TARGET=mips", "TARGET_ARCH=mips64", "DESTDIR=/r", "DB_FROM_SRC=yes"}
	if len(got) != 2 || !slices.Equal(got[0], want) || got[1][3] != "distribution" {
		t.Errorf("%q", got)
	}
	newer := sourceTree(t, "REVISION=\"15.1\"\nBRANCH=\"STABLE\"\n")
	for _, tt := range []struct {
		dir  string
		host Host
		kind fault.Kind
		text string
	}{
		{t.TempDir(), bsdHost, fault.Damaged, "no Makefile.inc1"},
		{sourceTree(t, "nothing"), bsdHost, fault.Damaged, "newvers.sh"},
		{newer, bsdHost, fault.NotFound, "9.0 to 13.5"},
		{dir, Host{OS: "linux"}, fault.Unsupported, "make"},
	} {
		_, err := NewBuiltTree(lookup(t, "mips64"), tt.dir, tt.host)
		if fault.KindOf(err) != tt.kind || !strings.Contains(err.Error(), tt.text) || fault.HintOf(err) == "" {
			t.Errorf("%s: %v, hint %q", tt.dir, err, fault.HintOf(err))
		}
	}
}
