package arch

import "testing"

func TestCompareReleases(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"9.3", "13.0", -1}, {"13.0", "9.3", 1}, {"14.10", "14.9", 1}, {"14.1", "14.1", 0}, {"14", "14.0", -1}} {
		if got := CompareReleases(c.a, c.b); got != c.want {
			t.Errorf("%s, %s: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestHasRelease(t *testing.T) {
	for _, c := range []struct {
		arch, release string
		want          bool
	}{
		{"mips64", "8.4", false}, {"mips64", "9.0", true}, {"mips64", "13.5", true}, {"mips64", "13.6", false}, {"mips64", "14.0", false},
		{"powerpc", "14.9", true}, {"powerpc", "15.0", false}, {"aarch64", "99.0", true}, {"aarch64", "10.4", false},
		{"loongarch64", "14.0", false},
	} {
		a, err := Lookup(c.arch)
		if err != nil {
			t.Fatal(err)
		}
		if got := a.HasRelease(c.release); got != c.want {
			t.Errorf("%s in %s: %v", c.arch, c.release, got)
		}
	}
}

// The architectures of which sets were published, from the names of the files
// in the ports' misc/freebsd-release-manifests.
func TestSets(t *testing.T) {
	want := map[string][2]string{
		"amd64": {"9.0", ""}, "i386": {"9.0", "14.5"}, "aarch64": {"11.0", ""}, "powerpc": {"9.0", "14.5"}, "powerpcspe": {"12.0", "14.5"},
		"powerpc64": {"9.0", ""}, "powerpc64le": {"13.0", ""}, "riscv64": {"13.0", ""}, "sparc64": {"9.0", "12.4"}, "ia64": {"9.0", "10.4"},
	}
	for _, a := range All() {
		if got := [2]string{a.FirstSets, a.LastSets}; got != want[a.Name] {
			t.Errorf("%s: sets of %q, want %q", a, got, want[a.Name])
		}
	}
}
