package activators_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/memory"
)

// universe is all files that differ in a few bits only: small enough to try each.
type universe struct {
	at   []int  // places of the bytes that differ
	bits []byte // and in which bits
}

// files are all of them, long enough for every pattern.
func (u universe) files() [][]byte {
	list := [][]byte{make([]byte, u.at[len(u.at)-1]+1)}
	for i, at := range u.at {
		for bit := range 8 {
			if u.bits[i]>>bit&1 == 0 {
				continue
			}
			for _, f := range list {
				g := slices.Clone(f)
				g[at] |= 1 << bit
				list = append(list, g)
			}
		}
	}
	return list
}

// randomUniverse has up to fourteen bits in up to three bytes.
func randomUniverse(r *rand.Rand) universe {
	u := universe{at: []int{r.IntN(3), 4 + r.IntN(20)}}
	if r.IntN(3) == 0 {
		u.at = append(u.at, 100+r.IntN(90)) // with a longer magic no line holds it
	}
	for range u.at {
		bits := byte(0)
		for range 1 + r.IntN(3) {
			bits |= 1 << r.IntN(8)
		}
		u.bits = append(u.bits, bits)
	}
	if r.IntN(3) == 0 {
		u.bits[0] = 0xff // a byte that an entry can have without a mask
	}
	return u
}

// randomEntry wants something of one or more neighbouring bytes of u, and
// nothing outside of its bits.
func (u universe) randomEntry(r *rand.Rand, i int) activators.Entry {
	first := r.IntN(len(u.at))
	last := first + r.IntN(len(u.at)-first)
	start := u.at[first] - r.IntN(min(u.at[first], 3)+1)
	e := activators.Entry{Name: fmt.Sprintf("e%d", i), Interpreter: fmt.Sprintf("/i%d", r.IntN(40)), Offset: start, Enabled: r.IntN(6) > 0}
	e.Magic, e.Mask = make([]byte, u.at[last]-start+1), make([]byte, u.at[last]-start+1)
	for k := first; k <= last; k++ {
		at := u.at[k] - start
		e.Magic[at] = byte(r.Uint32()) & u.bits[k]
		e.Mask[at] = byte(r.Uint32()) & u.bits[k]
		if r.IntN(2) == 0 { // sparse ones make unions
			e.Mask[at] &= byte(r.Uint32())
		}
	}
	if len(e.Magic) == 1 && u.bits[first] == 0xff && r.IntN(3) == 0 {
		e.Mask = nil
	}
	return e
}

// matched are, for each entry, which files it takes alone in a kernel's table.
// An entry that the kernel does not take has none.
func matched(kernel memory.Kernel, entries []activators.Entry, files [][]byte) [][]bool {
	all := make([][]bool, len(entries))
	for i, e := range entries {
		all[i] = make([]bool, len(files))
		e.Enabled = true
		table := memory.New(kernel)
		if table.Add(e) != nil {
			continue
		}
		for k, f := range files {
			_, all[i][k] = table.Match(f)
		}
	}
	return all
}

// relation is what one entry does to another.
type relation struct{ code, entry, other string }

// brute finds by trying each file which entries shadow which. When several take
// all files of one together, other is "".
func brute(entries []activators.Entry, takes [][]bool) []relation {
	var list []relation
	for i, e := range entries {
		if !e.Enabled || !slices.Contains(takes[i], true) {
			continue
		}
		taken := make([]bool, len(takes[i]))
		var part []relation
		single := ""
		for j, o := range entries[:i] {
			some, all, same := false, true, true
			for k := range takes[i] {
				some = some || takes[i][k] && takes[j][k]
				all = all && (!takes[i][k] || takes[j][k])
				same = same && takes[i][k] == takes[j][k]
				taken[k] = taken[k] || o.Enabled && takes[j][k]
			}
			switch {
			case !o.Enabled || !some:
			case all && single == "":
				single = o.Name
				code := "shadowed"
				if same {
					code = "duplicate"
				}
				list = append(list, relation{code, e.Name, o.Name})
			case o.Interpreter != e.Interpreter:
				part = append(part, relation{"shadowed-partly", e.Name, o.Name})
			}
		}
		whole := true
		for k := range taken {
			whole = whole && (!takes[i][k] || taken[k])
		}
		switch {
		case single != "":
		case whole:
			list = append(list, relation{"shadowed", e.Name, ""})
		default:
			list = append(list, part...)
		}
	}
	return list
}

// found are the relations that Check tells.
func found(findings []activators.Finding) []relation {
	var list []relation
	for _, f := range findings {
		r := relation{string(f.Code), f.Entry, f.Other}
		switch {
		case f.Code == activators.Shadowed && strings.Contains(f.Message, "together"):
			r.other = ""
		case f.Code != activators.Shadowed && f.Code != activators.ShadowedPartly && f.Code != activators.Duplicate:
			continue
		}
		list = append(list, r)
	}
	return list
}

func sorted(list []relation) []relation {
	slices.SortFunc(list, func(a, b relation) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return list
}

// Whatever the set, Check says what trying each file says, and its witnesses
// match both entries in the model of the kernel.
func TestCheckEqualsBruteForce(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	together := 0
	for round := range 800 {
		kernel, system := memory.Linux, "linux"
		if round%2 == 1 {
			kernel, system = memory.FreeBSD, "freebsd"
		}
		u := randomUniverse(r)
		files := u.files()
		var entries []activators.Entry
		for i := range 1 + r.IntN(14) {
			if e := u.randomEntry(r, i); e.Validate() == nil || kernel == memory.FreeBSD {
				entries = append(entries, e)
			}
		}
		takes := matched(kernel, entries, files)
		findings := activators.Check(entries, activators.Host{OS: system, AsksFirst: kernel == memory.Linux}, nil)
		want, got := sorted(brute(entries, takes)), sorted(found(findings))
		if !slices.Equal(want, got) {
			t.Fatalf("round %d on %s\nentries %v\nwant %v\ngot  %v", round, system, entries, want, got)
		}
		for _, w := range want {
			if w.other == "" {
				together++
			}
		}
		checkWitnesses(t, kernel, entries, findings)
	}
	if together < 20 {
		t.Errorf("only %d unions: the sets are not what this test is for", together)
	}
}

// checkWitnesses holds every witness of a shadow to the model of the kernel: both
// entries match it, and the one that is shadowed does not get it.
func checkWitnesses(t *testing.T, kernel memory.Kernel, entries []activators.Entry, findings []activators.Finding) {
	t.Helper()
	table := memory.New(kernel)
	for _, e := range slices.Backward(entries) {
		if err := table.Add(e); err != nil {
			t.Fatal(err)
		}
		if !e.Enabled {
			_ = table.Disable(e.Name)
		}
	}
	for _, f := range findings {
		if f.Code != activators.Shadowed && f.Code != activators.ShadowedPartly && f.Code != activators.Duplicate {
			continue
		}
		for _, name := range []string{f.Entry, f.Other} {
			i := slices.IndexFunc(entries, func(e activators.Entry) bool { return e.Name == name })
			if !matched(kernel, entries[i:i+1], [][]byte{f.Witness})[0][0] {
				t.Fatalf("%s does not match the witness %x of %+v", name, []byte(f.Witness), f)
			}
		}
		if got, _ := table.Match(f.Witness); got.Name == f.Entry {
			t.Fatalf("the shadowed entry gets the witness %x of %+v", []byte(f.Witness), f)
		}
	}
}

// Two entries that share no file by themselves take all files of a third one
// together; a hole of one file makes the difference.
func TestCheckUnion(t *testing.T) {
	host := activators.Host{OS: "linux", AsksFirst: true}
	header := func(name string, machine, kind, mask byte) activators.Entry {
		return activators.Entry{Name: name, Interpreter: "/" + name, Enabled: true,
			Magic: activators.Hex{0x7f, 'E', 'L', 'F', kind, machine}, Mask: activators.Hex{0xff, 0xff, 0xff, 0xff, mask, 0xff}}
	}
	exec, dyn, both := header("exec", 9, 2, 0xff), header("dyn", 9, 3, 0xff), header("both", 9, 2, 0xfe)
	got := found(activators.Check([]activators.Entry{dyn, exec, both}, host, nil))
	if want := []relation{{"shadowed", "both", ""}}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	both.Mask[4] = 0xfc
	got = found(activators.Check([]activators.Entry{dyn, exec, both}, host, nil))
	if want := []relation{{"shadowed-partly", "both", "dyn"}, {"shadowed-partly", "both", "exec"}}; !slices.Equal(got, want) {
		t.Errorf("with a hole: got %v, want %v", got, want)
	}
	dyn.Enabled = false
	both.Mask[4] = 0xfe
	got = found(activators.Check([]activators.Entry{dyn, exec, both}, host, nil))
	if want := []relation{{"shadowed-partly", "both", "exec"}}; !slices.Equal(got, want) {
		t.Errorf("with one disabled: got %v, want %v", got, want)
	}
}

// A set made to need a search of 2^60 gets a sound answer all the same: partly.
func TestCheckBudget(t *testing.T) {
	host := activators.Host{OS: "linux", AsksFirst: true}
	entries := append(pigeons(12), activators.Entry{Name: "all", Interpreter: "/all", Enabled: true, Magic: activators.Hex("P"), Mask: activators.Hex("\xff")})
	for _, f := range activators.Check(entries, host, nil) {
		if f.Entry == "all" && f.Code == activators.Shadowed {
			return // decided within the budget: fine as well
		}
		if f.Entry == "all" && f.Code == activators.ShadowedPartly && strings.Contains(f.Message, "too much to work out") {
			return
		}
	}
	t.Error("nothing is said of the entry")
}

// pigeons are entries of which every file that begins with P matches one: those
// that say which of n pigeons has no hole, and which two of them share one of
// n-1. That they do takes an exponential search to see.
func pigeons(n int) []activators.Entry {
	var list []activators.Entry
	add := func(bits map[int]bool) {
		e := activators.Entry{Name: fmt.Sprintf("p%d", len(list)), Interpreter: fmt.Sprintf("/p%d", len(list)), Enabled: true,
			Magic: make([]byte, 40), Mask: make([]byte, 40)}
		e.Magic[0], e.Mask[0] = 'P', 0xff
		for bit, set := range bits {
			e.Mask[1+bit/8] |= 1 << (bit % 8)
			if set {
				e.Magic[1+bit/8] |= 1 << (bit % 8)
			}
		}
		list = append(list, e)
	}
	in := func(pigeon, hole int) int { return pigeon*(n-1) + hole }
	for p := range n {
		none := map[int]bool{}
		for h := range n - 1 {
			none[in(p, h)] = false
			for q := range p {
				add(map[int]bool{in(p, h): true, in(q, h): true})
			}
		}
		add(none)
	}
	return list
}
