package devfsrule

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// The struct by hand, from sys/fs/devfs/devfs.h of FreeBSD 15.1: magic, id,
// icond, dswflags, pathptrn[200], iacts, bacts, uid, gid, mode, incset.
func TestEncode(t *testing.T) {
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("the vectors are little-endian")
	}
	tests := []struct {
		set  uint16
		rule Rule
		want string
	}{
		{30826, Rule{Number: 100, Hide: true}, "7a080adb 64006a78 00000000 00000000" + strings.Repeat("00", 200) + "01000000 01000000" + strings.Repeat("00", 12)},
		{4, Rule{Number: 1200, Path: "pts/*"}, "7a080adb b0040400 02000000 00000000 7074732f2a" + strings.Repeat("00", 195) + "01000000 02000000" + strings.Repeat("00", 12)},
	}
	for _, tt := range tests {
		want, err := hex.DecodeString(strings.ReplaceAll(tt.want, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		got, err := tt.rule.Encode(tt.set)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%+v: %x, %v, want %x", tt.rule, got, err, want)
		}
		set, rule, err := Decode(got)
		if err != nil || set != tt.set || rule != tt.rule {
			t.Errorf("back: %d %+v, %v", set, rule, err)
		}
	}
	for _, path := range []string{strings.Repeat("a", 200), "a\x00b"} {
		if _, err := (Rule{Path: path}).Encode(1); err == nil {
			t.Errorf("%q was encoded", path)
		}
	}
}

// As the C compiler computes _IOWR('D', 0, struct devfs_rule) and the others.
func TestRequests(t *testing.T) {
	for got, want := range map[uint32]uint32{RequestAdd: 0xc0ec4400, RequestNext: 0xc0ec4404, RequestUse: 0x8002440a, RequestApply: 0x8002440b} {
		if got != want {
			t.Errorf("%#x, want %#x", got, want)
		}
	}
}

// list of rulesets as devfs_rule.c keeps it.
type fakeKernel map[uint32][]byte

func (k fakeKernel) Next(set, after uint16) ([]byte, error) {
	best := ID(set, 0xffff) + 1
	for id := range k {
		if id>>16 == uint32(set) && id > ID(set, after) && id < best {
			best = id
		}
	}
	if b, ok := k[best]; ok {
		return b, nil
	}
	return nil, syscall.ENOENT
}

func (k fakeKernel) Add(b []byte) error {
	id := binary.NativeEndian.Uint32(b[4:])
	if _, ok := k[id]; ok {
		return syscall.EEXIST
	}
	k[id] = b
	return nil
}

func (k fakeKernel) fill(t *testing.T, set uint16, rules ...Rule) fakeKernel {
	t.Helper()
	if err := add(k, set, rules); err != nil {
		t.Fatal(err)
	}
	return k
}

func TestEnsure(t *testing.T) {
	all := Jail()
	full := fakeKernel{}
	for set := uint16(firstSet); set <= lastSet; set++ {
		full.fill(t, set, Rule{Number: 1})
	}
	odd, err := Rule{Number: 100, Hide: true}.Encode(firstSet)
	if err != nil {
		t.Fatal(err)
	}
	odd[atActs] = 0x9 // it sets a mode too
	tests := []struct {
		name string
		k    fakeKernel
		want uint16
		bad  bool
	}{
		{"none yet", fakeKernel{}, firstSet, false},
		{"complete", fakeKernel{}.fill(t, firstSet, all...), firstSet, false},
		{"half made", fakeKernel{}.fill(t, firstSet, all[:3]...), firstSet, false},
		{"a later half", fakeKernel{}.fill(t, firstSet, all[5:]...), firstSet, false},
		{"another's", fakeKernel{}.fill(t, firstSet, Rule{Number: 50, Path: "da*"}), firstSet + 1, false},
		{"ours and more", fakeKernel{}.fill(t, firstSet, append(all, Rule{Number: 9000, Path: "da*"})...), firstSet + 1, false},
		{"one differs", fakeKernel{}.fill(t, firstSet, Rule{Number: 100}), firstSet + 1, false},
		{"beyond a Rule", fakeKernel{ID(firstSet, 100): odd}, firstSet + 1, false},
		{"all taken", full, 0, true},
	}
	for _, tt := range tests {
		got, err := Ensure(tt.k, all)
		if got != tt.want || (err != nil) != tt.bad {
			t.Errorf("%s: %d, %v, want %d", tt.name, got, err, tt.want)
			continue
		}
		if have, _ := list(tt.k, got); !tt.bad && !slices.Equal(have, all) {
			t.Errorf("%s: holds %v", tt.name, have)
		}
		if !tt.bad {
			if again, err := Ensure(tt.k, all); err != nil || again != got {
				t.Errorf("%s: again %d, %v", tt.name, again, err)
			}
		}
	}
}

// Everything is hidden first, and what can do harm stays so.
func TestJail(t *testing.T) {
	rules := Jail()
	if first := rules[0]; !first.Hide || first.Path != "" {
		t.Errorf("the first rule is %+v", first)
	}
	if !slices.IsSortedFunc(rules, func(a, b Rule) int { return int(a.Number) - int(b.Number) }) {
		t.Error("the rules are not in the kernel's order")
	}
	for _, name := range []string{"mem", "kmem", "io", "da0", "ada0", "nvd0", "md0", "bpf", "pci", "devctl", "zfs", "fuse", "console", "ttyv0", "klog", "consolectl"} {
		for _, r := range rules[1:] {
			if r.Hide || r.Path == name || r.Path == "*" {
				t.Errorf("%+v shows %s", r, name)
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, r := range Jail() {
		b, err := r.Encode(firstSet)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		set, r, err := Decode(b)
		if err != nil {
			return
		}
		again, err := r.Encode(set)
		if err != nil {
			t.Fatalf("%+v: %v", r, err)
		}
		if s, same, err := Decode(again); err != nil || s != set || same != r {
			t.Errorf("%+v became %+v, %v", r, same, err)
		}
	})
}
