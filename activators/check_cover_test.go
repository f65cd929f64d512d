package activators

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

// Sets at the point where about half of them take everything: the search has to
// go both ways at a bit. Each answer is that of trying all files.
func TestCoveringEqualsBruteForce(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	counts := map[answer]int{}
	for range 400 {
		const bits = 10
		all := Entry{Name: "all", Magic: Hex{'C', 0, 0}, Mask: Hex{0xff, 0, 0}}
		var others []Entry
		for i := range 30 + r.IntN(30) {
			o := Entry{Name: fmt.Sprint(i), Magic: Hex{'C', 0, 0}, Mask: Hex{0xff, 0, 0}}
			for range 3 {
				bit := r.IntN(bits)
				o.Mask[1+bit/8] |= 1 << (bit % 8)
				o.Magic[1+bit/8] ^= byte(r.IntN(2)) << (bit % 8)
			}
			others = append(others, o)
		}
		want := yes
		for v := range 1 << bits {
			file, taken := []byte{'C', byte(v), byte(v >> 8)}, false
			for _, o := range others {
				taken = taken || Captures(o, file)
			}
			if !taken {
				want = no
				break
			}
		}
		s := search{budget: coverBudget}
		if got := s.covering(all, others); got != want {
			t.Fatalf("%v: got %v, want %v", others, got, want)
		}
		counts[want]++
	}
	if counts[yes] < 50 || counts[no] < 50 {
		t.Errorf("%v: the sets are not what this test is for", counts)
	}
}

// The witness of a capture is a program that machines have, also where the entry
// wants an odd bit of EI_OSABI.
func TestLike(t *testing.T) {
	self := make([]byte, 64)
	copy(self, "\x7fELF\x02\x01\x01")
	self[16], self[18] = 3, 0x3e
	e := Entry{Magic: bytes.Clone(self[:20]), Mask: bytes.Repeat([]byte{0xff}, 20)}
	e.Magic[7], e.Mask[7] = 1, 1 // odd
	e.Magic[16] = 2
	if w := like(e, self); w[7] != 3 || w[16] != 2 || !Captures(e, w) {
		t.Errorf("%x", w)
	}
	e.Mask[7] = 0xff
	if w := like(e, self); w != nil {
		t.Errorf("HP-UX has no programs here: %x", w)
	}
}

// Without a mask FreeBSD's kernel takes 0x7f for equal, and 0x80 not.
func TestSigned(t *testing.T) {
	for _, c := range []struct {
		system string
		e      Entry
		want   bool
	}{
		{"freebsd", Entry{Magic: Hex{0x7f}}, false}, {"freebsd", Entry{Magic: Hex{0x80}}, true},
		{"freebsd", Entry{Magic: Hex{0x80}, Mask: Hex{0xff}}, false}, {"linux", Entry{Magic: Hex{0x80}}, false},
	} {
		checker := &checker{host: Host{OS: c.system}}
		if got := checker.signed(c.e); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
