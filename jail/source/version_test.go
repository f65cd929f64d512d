package source

import (
	"strings"
	"testing"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
)

func TestParseVersion(t *testing.T) {
	tests := []struct {
		in, want string
		snapshot bool
	}{
		{"14.3", "14.3-RELEASE", false},
		{"14.3-RELEASE", "14.3-RELEASE", false},
		{"14.3-release", "14.3-RELEASE", false},
		{"15.0-BETA2", "15.0-BETA2", false},
		{"15.0-RC1", "15.0-RC1", false},
		{"16.0-CURRENT", "16.0-CURRENT", true},
		{"15.0-ALPHA3", "15.0-ALPHA3", true},
		{"15.0-PRERELEASE", "15.0-PRERELEASE", true},
		{"14.3-STABLE", "14.3-STABLE", true},
		{"", "", false}, {"14", "", false}, {"14.3-", "", false}, {"14.3-RELEASE-p1", "", false}, {"14.3/..", "", false},
		{"../14.3", "", false}, {"14.3-RELEASE\n", "", false}, {"1234.5", "", false}, {"14.3-RC", "", false},
	}
	for _, tt := range tests {
		v, err := ParseVersion(tt.in)
		if v.String() != tt.want || (err != nil) != (tt.want == "") || (err != nil && fault.KindOf(err) != fault.Usage) {
			t.Errorf("ParseVersion(%q) = %q, %v, want %q", tt.in, v, err, tt.want)
		}
		if v.Snapshot() != tt.snapshot {
			t.Errorf("%s: snapshot %v", tt.in, v.Snapshot())
		}
	}
	if v, _ := ParseVersion("15.1"); v.OSVersion() != 1501000 {
		t.Errorf("OSVersion %d", v.OSVersion())
	}
}

func FuzzParseVersion(f *testing.F) {
	for _, s := range []string{"14.3", "14.3-RELEASE", "16.0-CURRENT", "15.0-alpha3", "x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := ParseVersion(text)
		if err != nil {
			return
		}
		if again, err := ParseVersion(v.String()); err != nil || again != v {
			t.Errorf("%q is %v, which reads as %v, %v", text, v, again, err)
		}
		if strings.ContainsAny(v.String(), "/\\ \n") || strings.Contains(v.String(), "..") {
			t.Errorf("%q is not one component of a path: %q", text, v)
		}
	})
}

func TestCheckRelease(t *testing.T) {
	tests := []struct {
		arch, version string
		text, hint    string // "" allows it
	}{
		{"aarch64", "14.3-RELEASE", "", ""},
		{"aarch64", "16.0-CURRENT", "", ""},
		{"powerpc", "14.3-RELEASE", "", ""},
		{"powerpc", "15.0-RELEASE", "releases from 6.0 to 14 have it", "to 14"},
		{"aarch64", "10.4-RELEASE", "releases since 11.0", "11.0"},
		{"amd64", "8.4-RELEASE", "published since 9.0", "release:9.0"},
		{"riscv64", "12.4-RELEASE", "published since 13.0", "release:13.0"},
		{"mips64", "13.5-RELEASE", "no sets were ever published for mips64: its last release was 13.5", "buildworld TARGET=mips TARGET_ARCH=mips64) and take it by --from src:DIR"},
		{"mips64", "14.0-RELEASE", "releases from 9.0 to 13.5", "13.5"},
		{"armv7", "14.3-RELEASE", "no sets were ever published for armv7", "TARGET=arm TARGET_ARCH=armv7"},
		{"loongarch64", "14.3-RELEASE", "never released for loongarch64", "arch list"},
	}
	for _, tt := range tests {
		v, err := ParseVersion(tt.version)
		if err != nil {
			t.Fatal(err)
		}
		err = CheckRelease(lookup(t, tt.arch), v)
		if tt.text == "" {
			if err != nil {
				t.Errorf("%s %s: %v", tt.arch, tt.version, err)
			}
			continue
		}
		if fault.KindOf(err) != fault.NotFound || !strings.Contains(err.Error(), tt.text) || !strings.Contains(fault.HintOf(err), tt.hint) {
			t.Errorf("%s %s: %v, hint %q", tt.arch, tt.version, err, fault.HintOf(err))
		}
	}
}

func lookup(t *testing.T, name string) *arch.Arch {
	t.Helper()
	a, err := arch.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
