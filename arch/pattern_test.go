package arch

import (
	"bytes"
	"slices"
	"testing"
)

// header makes the first 64 bytes of a program of a.
func header(a *Arch, etype uint16, osabi, abiVersion byte, flags uint32) []byte {
	h := make([]byte, 64)
	copy(h, elfMagic)
	h[atClass], h[atData], h[atVersion], h[atOSABI], h[atABIVersion] = 1, 1, 1, osabi, abiVersion
	if a.Class == 64 {
		h[atClass] = 2
	}
	if a.Order == Big {
		h[atData] = 2
	}
	bo := a.Order.Binary()
	bo.PutUint16(h[atType:], etype)
	bo.PutUint16(h[atMachine:], a.Machine)
	bo.PutUint32(h[atEVersion:], 1)
	bo.PutUint32(h[24:], 0x10000) // e_entry; its upper half in a 64-bit file
	bo.PutUint32(h[atFlags(a.Class):], flags)
	return h
}

// flagVariants are e_flags that programs of a have: the bits that matter, with
// all others clear and all set.
func flagVariants(a *Arch) []uint32 {
	return []uint32{a.Flags.Value, a.Flags.Value | ^a.Flags.Mask}
}

func TestPatternOfOwnPrograms(t *testing.T) {
	lets := map[Policy][]byte{Any: {0, 3, 9, 97}, Binmisc: {0, 3, 9, 97}, FreeBSD: {9}, Linux: {0, 3}}
	for _, a := range All() {
		for _, p := range Policies() {
			pat := a.Pattern(p)
			for _, osabi := range []byte{0, 3, 9, 97} {
				for _, flags := range flagVariants(a) {
					for etype := range uint16(6) {
						want := slices.Contains(lets[p], osabi) && (etype == 2 || etype == 3)
						if got := pat.Match(header(a, etype, osabi, 0, flags)); got != want {
							t.Errorf("%s %s: OSABI %d, type %d, flags %#x: match is %v", a, p, osabi, etype, flags, got)
						}
					}
				}
			}
		}
	}
}

// glibc gives EI_ABIVERSION 1, 3 and 5 to MIPS programs that need it; a pattern
// that asks for 0 would leave them to no emulator.
func TestPatternABIVersion(t *testing.T) {
	for _, a := range All() {
		for _, version := range []byte{1, 3, 5} {
			h := header(a, 2, 3, version, a.Flags.Value)
			if got := a.Pattern(Any).Match(h); got != a.AnyABIVersion {
				t.Errorf("%s any: EI_ABIVERSION %d: match is %v", a, version, got)
			}
			if got := a.Pattern(Linux).Match(h); got != a.AnyABIVersion {
				t.Errorf("%s linux: EI_ABIVERSION %d: match is %v", a, version, got)
			}
			if a.Pattern(Binmisc).Match(h) {
				t.Errorf("%s binmisc: EI_ABIVERSION %d matches", a, version)
			}
		}
	}
	for _, name := range []string{"mips", "mipsel", "mips64", "mips64el", "mipsn32", "mipsn32el", "mips64hf"} {
		if a, err := Lookup(name); err != nil || !a.AnyABIVersion {
			t.Errorf("%s: programs of glibc do not match (%v)", name, err)
		}
	}
}

// No pattern matches another architecture's programs, but for the rows that
// say so.
func TestPatternOfOthersPrograms(t *testing.T) {
	for _, a := range All() {
		for _, b := range All() {
			if a == b || slices.Contains(a.Same, b.Name) {
				continue
			}
			for _, flags := range flagVariants(b) {
				got := a.Pattern(Any).Match(header(b, 2, 0, 0, flags))
				want := b.Over == a.Name || a.Over == b.Name && flags&a.Flags.Mask == a.Flags.Value
				if got != want {
					t.Errorf("%s on a program of %s with flags %#x: match is %v", a, b, flags, got)
				}
			}
		}
	}
}

func TestPatternSize(t *testing.T) {
	for _, a := range All() {
		want := 20
		if a.Flags.Mask != 0 {
			want = map[int]int{32: 40, 64: 52}[a.Class]
		}
		for _, p := range Policies() {
			pat := a.Pattern(p)
			if len(pat.Magic) != want || len(pat.Mask) != want || pat.Offset != 0 {
				t.Errorf("%s %s: %d bytes at %d, want %d at 0", a, p, len(pat.Magic), pat.Offset, want)
			}
			for i := range pat.Magic {
				if pat.Magic[i]&^pat.Mask[i] != 0 {
					t.Errorf("%s %s: magic[%d] has bits outside of the mask", a, p, i)
				}
			}
		}
	}
}

func TestMatchShortHeader(t *testing.T) {
	p := Pattern{Offset: 2, Magic: []byte{1, 0, 0}, Mask: []byte{0xff, 0xff, 0xff}}
	for _, c := range []struct {
		header string
		want   bool
	}{{"xx\x01\x00\x00", true}, {"xx\x01", true}, {"xx", false}, {"xx\x01\x00\x01", false}, {"", false}} {
		if got := p.Match([]byte(c.header)); got != c.want {
			t.Errorf("%q: match is %v", c.header, got)
		}
	}
}

func TestOverlaps(t *testing.T) {
	abc := Pattern{Magic: []byte("abc"), Mask: []byte{0xff, 0xff, 0xff}}
	for _, c := range []struct {
		name string
		q    Pattern
		want bool
	}{
		{"itself", abc, true},
		{"shorter", Pattern{Magic: []byte("a"), Mask: []byte{0xff}}, true},
		{"other", Pattern{Magic: []byte("x"), Mask: []byte{0xff}}, false},
		{"masked", Pattern{Magic: []byte("x"), Mask: []byte{0}}, true},
		{"behind", Pattern{Offset: 3, Magic: []byte("x"), Mask: []byte{0xff}}, true},
		{"in the middle", Pattern{Offset: 1, Magic: []byte("x"), Mask: []byte{0xff}}, false},
		{"in the middle, equal", Pattern{Offset: 1, Magic: []byte("bcd"), Mask: []byte{0xff, 0xff, 0xff}}, true},
	} {
		if abc.Overlaps(c.q) != c.want || c.q.Overlaps(abc) != c.want {
			t.Errorf("%s: want %v both ways", c.name, c.want)
		}
	}
}

func TestPolicies(t *testing.T) {
	for _, s := range []string{"any", "freebsd", "linux", "binmisc", "FreeBSD"} {
		if _, err := ParsePolicy(s); err != nil {
			t.Error(err)
		}
	}
	if p, err := ParsePolicy(""); p != Any || err != nil {
		t.Errorf("empty: %v, %v", p, err)
	}
	if p, err := ParsePolicy("solaris"); err == nil {
		t.Errorf("solaris is %v", p)
	}
	if DefaultPolicy("freebsd") != Binmisc || DefaultPolicy("linux") != Any {
		t.Error("default policies")
	}
}

func TestEscape(t *testing.T) {
	if got := Escape([]byte("\x7fE\x00")); got != `\x7f\x45\x00` {
		t.Error(got)
	}
}

// A header that is made of a row is one of its programs, by its own pattern and
// to Identify.
func TestHeader(t *testing.T) {
	for _, a := range All() {
		for _, osabi := range []byte{0, 3, 9} {
			h := a.Header(osabi)
			if !a.Pattern(Any).Match(h) {
				t.Errorf("%s, system %d: its pattern does not match %x", a, osabi, h)
			}
			id, err := Identify(bytes.NewReader(h))
			if err != nil || id.Arch == nil || id.OSABI != osabi {
				t.Fatalf("%s, system %d: identified as %+v, %v", a, osabi, id, err)
			}
			// Flags of zeros are those of soft float on RISC-V, a row of its own.
			if id.Arch != a && !slices.Contains(id.Also, a.Name) && id.Arch.Over != a.Name {
				t.Errorf("%s, system %d: identified as %s, or %v", a, osabi, id.Arch, id.Also)
			}
		}
	}
}
