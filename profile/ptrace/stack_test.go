package ptrace

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"
)

// image is a stack as execve(2) makes it, at an address.
func image(sp, word uint64, argv, env []string, aux ...uint64) []byte {
	number := func(b []byte, v uint64) []byte {
		if word == 4 {
			return binary.NativeEndian.AppendUint32(b, uint32(v))
		}
		return binary.NativeEndian.AppendUint64(b, v)
	}
	at := sp + word*uint64(1+len(argv)+1+len(env)+1+len(aux)+2)
	b := number(nil, uint64(len(argv)))
	var text []byte
	for _, list := range [][]string{argv, env} {
		for _, s := range list {
			b = number(b, at+uint64(len(text)))
			text = append(append(text, s...), 0)
		}
		b = number(b, 0)
	}
	for _, v := range append(slices.Clone(aux), 0, 0) {
		b = number(b, v)
	}
	return append(b, text...)
}

func readImage(b []byte, sp, word uint64) stack {
	r := stackReader{mem: func(at uint64, into []byte) int {
		if at < sp || at-sp >= uint64(len(b)) {
			return 0
		}
		return copy(into, b[at-sp:])
	}}
	return r.read(sp, word)
}

func TestStack(t *testing.T) {
	const sp = 0x7ffc0000
	long, many := strings.Repeat("x", 2*argBytes), strings.Split(strings.Repeat("a ", 100), " ")
	for _, tt := range []struct {
		name string
		argv []string
		env  []string
		aux  []uint64
		want stack
	}{
		{"plain", []string{"ls", "-l"}, []string{"A=b"}, []uint64{6, 4096}, stack{argv: []string{"ls", "-l"}, execFD: -1}},
		{"binfmt_misc", []string{"/q", "/bin/ls", "ls"}, nil, []uint64{atExecFD, 3, atFlags, 1}, stack{argv: []string{"/q", "/bin/ls", "ls"}, execFD: 3, argv0: true}},
		{"none", nil, nil, nil, stack{argv: []string{}, execFD: -1}},
		{"empty", []string{"", ""}, nil, nil, stack{argv: []string{"", ""}, execFD: -1}},
		{"long", []string{"x", long}, nil, nil, stack{argv: []string{"x", long[:argBytes-2]}, cut: true, execFD: -1}},
		{"many", many, many, []uint64{atExecFD, 4}, stack{argv: many[:argsMax], cut: true, execFD: 4}},
		{"more than a page", []string{"a"}, slices.Repeat([]string{"B"}, 2000), []uint64{atExecFD, 5}, stack{argv: []string{"a"}, execFD: 5}},
	} {
		for _, word := range []uint64{4, 8} {
			got := readImage(image(sp, word, tt.argv, tt.env, tt.aux...), sp, word)
			if !slices.Equal(got.argv, tt.want.argv) || got.cut != tt.want.cut || got.execFD != tt.want.execFD || got.argv0 != tt.want.argv0 {
				t.Errorf("%s, %d bytes: %+v, want %+v", tt.name, word, got, tt.want)
			}
		}
	}
	if got := readImage(image(sp, 4, []string{"x32", "b"}, nil), sp, 8); !slices.Equal(got.argv, []string{"x32", "b"}) {
		t.Errorf("words of 4 bytes are read as %q", got.argv)
	}
	if got := readImage(nil, sp, 8); got.argv != nil {
		t.Errorf("%+v from nowhere", got)
	}
}

func FuzzStack(f *testing.F) {
	f.Add(image(1<<20, 8, []string{"a", "b"}, []string{"C=d"}, 2, 3), true)
	f.Add(image(1<<20, 4, []string{"a"}, nil), false)
	f.Fuzz(func(t *testing.T, b []byte, wide bool) {
		word := uint64(4)
		if wide {
			word = 8
		}
		s := readImage(b, 1<<20, word)
		n := 0
		for _, a := range s.argv {
			n += len(a)
		}
		if len(s.argv) > argsMax || n > argBytes*argsMax {
			t.Errorf("%d arguments of %d bytes", len(s.argv), n)
		}
	})
}

func TestSplit(t *testing.T) {
	for _, tt := range []struct {
		c            clocks
		user, system int64
	}{
		{clocks{run: 100}, 100, 0},
		{clocks{run: 100, both: 8}, 0, 100},
		{clocks{run: 100, user: 8, both: 8}, 100, 0},
		{clocks{run: 100, user: 4, both: 16}, 25, 75},
	} {
		if u, s := tt.c.split(); u != tt.user || s != tt.system {
			t.Errorf("%+v: %d and %d", tt.c, u, s)
		}
	}
	var a account
	u1, s1 := a.charge(clocks{run: 100, user: 4, both: 4})
	u2, s2 := a.charge(clocks{run: 150, user: 4, both: 16})
	if u1 != 100 || s1 != 0 || u2 != 0 || s2 != 50 {
		t.Errorf("%d %d, %d %d", u1, s1, u2, s2)
	}
}

func TestFilter(t *testing.T) {
	run := func(prog []Instruction, arch, number uint32) uint32 {
		acc := uint32(0)
		for pc := 0; pc < len(prog); pc++ {
			switch f := prog[pc]; {
			case f.Code == load:
				acc = map[uint32]uint32{offsetArch: arch, offsetNumber: number}[f.K]
			case f.Code == leave:
				return f.K
			case acc == f.K:
				pc += int(f.JT)
			default:
				pc += int(f.JF)
			}
		}
		t.Fatal("the filter does not end")
		return 0
	}
	for goarch, calls := range execCalls {
		prog := Filter(goarch)
		for _, c := range calls {
			if run(prog, c.auditArch, c.number) != stopIt {
				t.Errorf("%s: %x %d passes", goarch, c.auditArch, c.number)
			}
			if run(prog, c.auditArch, c.number+2) != allow || run(prog, 1, c.number) != allow {
				t.Errorf("%s: what is not %x %d stops", goarch, c.auditArch, c.number)
			}
		}
	}
}
