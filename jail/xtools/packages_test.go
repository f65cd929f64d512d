package xtools

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xjail/xjail/internal/fault"
)

// makeRoot makes a root of files; "-> target" makes a symlink.
func makeRoot(t *testing.T, files map[string]string) *os.Root {
	t.Helper()
	dir := t.TempDir()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		text, full := files[name], filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		target, link := strings.CutPrefix(text, "-> ")
		err := error(nil)
		if link {
			err = os.Symlink(target, full)
		} else {
			err = os.WriteFile(full, []byte(text), 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

const status = `Package: sed
Status: install ok installed
Architecture: mips64el
Version: 4.9-1+b2
Pre-Depends: libacl1 (>= 2.2.23), libc6 (>= 2.34) | libc6.1
Description: x
 Package: fake

Package: gone
Status: deinstall ok config-files
Architecture: mips64el
Version: 1

Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2

Package: ../evil
Status: install ok installed
Architecture: mips64el
Version: 1

Package: libc6
Status: install ok installed
Architecture: mips64el
Version: 2.36-9`

func TestReadInstalled(t *testing.T) {
	root := makeRoot(t, map[string]string{
		statusFile: status, "bin": "-> usr/bin", "usr/bin/sed": "x", "usr/lib/libc.so.6": "x",
		infoDir + "/sed.list": "/.\n/bin\n/bin/sed\n/nowhere/x\n", infoDir + "/libc6:mips64el.list": "/usr/lib/libc.so.6\n",
	})
	in, err := ReadInstalled(root, "mips64el")
	if err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(maps.Keys(in.Packages)); !slices.Equal(got, []string{"libc6", "sed"}) {
		t.Errorf("packages %q", got)
	}
	if p := in.Packages["sed"]; p.Version != "4.9-1+b2" || !slices.Equal(p.Depends, []string{"libacl1", "libc6"}) {
		t.Errorf("sed: %+v", p)
	}
	if in.Packages["libc6"].Version != "2.36-9" || !slices.Equal(in.Foreign, []string{"amd64"}) {
		t.Errorf("foreign %q, libc6 %+v", in.Foreign, in.Packages["libc6"])
	}
	if in.Owner["usr/bin/sed"] != "sed" || in.Owner["usr/lib/libc.so.6"] != "libc6" || in.Owner["nowhere/x"] != "" {
		t.Errorf("owners %v", in.Owner)
	}
}

func TestReadInstalledRefuses(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "status")
	if err := os.WriteFile(outside, []byte(status), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		files map[string]string
		kind  fault.Kind
	}{
		"no dpkg":             {map[string]string{"etc/x": ""}, fault.NotFound},
		"symlink out of root": {map[string]string{statusFile: "-> " + outside}, fault.NotFound},
		"a directory":         {map[string]string{statusFile + "/x": ""}, fault.Damaged},
		"an endless line":     {map[string]string{statusFile: strings.Repeat("x", 2*lineMax)}, fault.Damaged},
	} {
		if _, err := ReadInstalled(makeRoot(t, tt.files), "mips64el"); fault.KindOf(err) != tt.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReadRelease(t *testing.T) {
	r, err := ReadRelease(makeRoot(t, map[string]string{"etc/os-release": "-> ../usr/lib/os-release", "usr/lib/os-release": "ID=debian\nVERSION_CODENAME=bookworm\n"}))
	if err != nil || r.String() != "debian:bookworm" {
		t.Errorf("%v, %v", r, err)
	}
	for _, text := range []string{"ID=alpine\nVERSION_CODENAME=x\n", "ID=debian\n", "", "ID=debian\nVERSION_CODENAME=../../etc\n"} {
		if _, err := ReadRelease(makeRoot(t, map[string]string{"etc/os-release": text})); fault.KindOf(err) != fault.Unsupported {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestReadSources(t *testing.T) {
	root := makeRoot(t, map[string]string{
		"etc/apt/sources.list": "deb [trusted=yes arch=mips64el] http://example.org/debian bookworm main contrib # x\n" +
			"deb file:///etc bookworm main\ndeb copy:/root bookworm main\ndeb http://example.org/flat ./\ndeb-src http://example.org/debian bookworm main\n",
		"etc/apt/sources.list.d/x.sources": "Types: deb\nURIs: https://example.org/s\nSuites: bookworm-security \"evil\nComponents: main\n",
		"etc/apt/sources.list.d/y.list":    "-> /etc/passwd",
	})
	want := []string{"http://example.org/debian bookworm main contrib", "https://example.org/s bookworm-security main"}
	if got := readSources(root); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestVersions(t *testing.T) {
	for _, tt := range []struct {
		a, b         string
		same, author bool
	}{
		{"4.9-1", "4.9-1", true, true}, {"4.9-1+b2", "4.9-1", true, true}, {"4.9-1+b2", "4.9-1+b13", true, true},
		{"12.2.0-14+deb12u1", "12.2.0-14cross5", false, true}, {"2.40-2", "2.40-2cross2", false, true},
		{"1:1.0-1", "1.0-1", false, true}, {"4.9-1", "4.8-1", false, false}, {"1+bad-1", "1-1", false, false},
	} {
		if SameVersion(tt.a, tt.b) != tt.same || SameUpstream(tt.a, tt.b) != tt.author {
			t.Errorf("%s and %s", tt.a, tt.b)
		}
	}
}

func FuzzControl(f *testing.F) {
	f.Add(status)
	f.Fuzz(func(t *testing.T, text string) {
		_ = readControl(strings.NewReader(text), func(field map[string]string) {
			for _, d := range packageOf(field).Depends {
				if d == "" {
					t.Error("an empty dependency")
				}
			}
		})
	})
}
