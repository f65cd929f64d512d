package arch

import (
	"bytes"
	"slices"
	"testing"
)

// Every sample is a program of its row, as Identify and the row's own pattern
// for the system see it.
func TestSamples(t *testing.T) {
	for _, a := range All() {
		for system, policy := range map[string]Policy{"linux": Any, "freebsd": Binmisc} {
			usual := 0
			for _, s := range a.Samples(system) {
				id, err := Identify(bytes.NewReader(s.Header))
				if err != nil {
					t.Fatalf("%s: %v", a, err)
				}
				if err := a.Accepts(id); err != nil {
					t.Errorf("%s: e_flags 0x%x: %v", a, s.Flags, err)
				}
				if id.Arch != a && !slices.Contains(a.Same, id.Name) {
					t.Errorf("%s: e_flags 0x%x are those of %s", a, s.Flags, id.Name)
				}
				if id.OSABI != s.OSABI || id.ABIVersion != s.ABIVersion || id.Flags != s.Flags || (id.ELFType == typeDyn) != s.PIE {
					t.Errorf("%s: %+v has the header %x", a, s, s.Header)
				}
				if !s.Usual {
					continue
				}
				usual++
				if !a.Pattern(policy).Match(s.Header) {
					t.Errorf("%s: its pattern for %s misses a usual program: %+v", a, system, s)
				}
			}
			if usual < 2 {
				t.Errorf("%s: %d usual programs for %s", a, usual, system)
			}
		}
	}
}

// The tables of FreeBSD and of glibc on MIPS.
func TestUsualSamples(t *testing.T) {
	for _, c := range []struct {
		arch, system string
		osabi        byte
		version      byte
		want         bool
	}{
		{"mips", "linux", 0, 1, true}, {"mips", "linux", 0, 3, false}, {"mips", "freebsd", 9, 0, true},
		{"aarch64", "linux", 3, 0, true}, {"aarch64", "linux", 0, 1, false}, {"aarch64", "linux", 9, 0, false},
		{"aarch64", "freebsd", 9, 0, true}, {"aarch64", "freebsd", 0, 0, false},
	} {
		a, err := Lookup(c.arch)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range a.Samples(c.system) {
			if s.OSABI == c.osabi && s.ABIVersion == c.version && s.Usual != c.want && (c.want == (s.Flags == a.Samples(c.system)[0].Flags)) {
				t.Errorf("%+v: %+v", c, s)
			}
		}
	}
}

// AllNames is Lookup the other way round.
func TestAllNames(t *testing.T) {
	for row, words := range AllNames() {
		for _, w := range words {
			if a, err := Lookup(w); err != nil || a.Name != row {
				t.Errorf("%s: %s is %v, %v", row, w, a, err)
			}
		}
	}
	if all := AllNames()["armv7"]; !slices.Contains(all, "armhf") {
		t.Error(all)
	}
}
