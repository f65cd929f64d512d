package jail

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/memory"
	"github.com/xjail/xjail/arch"
)

// spoilt is an entry for an architecture in which some bits of the mask or the
// magic are wrong: what people who type tables make.
func spoilt(t *testing.T, r *rand.Rand, a *arch.Arch, kernel string) activators.Entry {
	e := of(t, a.Name)
	if kernel == "freebsd" {
		e.Flags = activators.Flags{}
	}
	e.Magic, e.Mask = bytes.Clone(e.Magic), bytes.Clone(e.Mask)
	places := []int{4, 5, 7, 8, 16, 17, 18, 19, len(e.Magic) - 1}
	for range r.IntN(4) {
		at := places[r.IntN(len(places))]
		switch r.IntN(5) {
		case 0:
			e.Mask[at] = 0
		case 1:
			e.Mask[at] = byte(r.Uint32())
		case 2:
			e.Mask[at] = 0xff
		case 3:
			e.Magic[at] ^= 1 << r.IntN(8)
		case 4:
			low := 16
			if a.Order == arch.Big {
				low++
			}
			e.Magic[low], e.Mask[low] = 2+byte(r.IntN(2)), 0xff
		}
	}
	e.Enabled = r.IntN(8) > 0
	return e
}

// brutes are programs of the machine in everything that programs of one kind
// differ in.
func brutes(r *rand.Rand, own []byte, order arch.Order) [][]byte {
	var list [][]byte
	for _, osabi := range []byte{own[7], 0, 3} {
		for _, kind := range []uint16{2, 3} {
			h := bytes.Clone(own[:64])
			h[7] = osabi
			order.Binary().PutUint16(h[16:], kind)
			for at := 24; at < 36; at++ { // the entry point
				h[at] = byte(r.Uint32())
			}
			list = append(list, h)
		}
	}
	return list
}

// Over all programs of all architectures, what Check says of capturing, missing
// and taking others' is what the model of the kernel does with each.
func TestCheckProgramsEqualBruteForce(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	rows := slices.DeleteFunc(arch.All(), func(a *arch.Arch) bool { return a.QEMU == "" })
	counts := map[activators.Code]int{}
	for round := range 250 {
		kernel, model := "linux", memory.Linux
		if round%2 == 1 {
			kernel, model = "freebsd", memory.FreeBSD
		}
		host := amd64Host(t, kernel)
		table := memory.New(model)
		for range 1 + r.IntN(6) {
			a := rows[r.IntN(len(rows))]
			if e := spoilt(t, r, a, kernel); table.Add(e) == nil && !e.Enabled {
				_ = table.Disable(e.Name)
			}
		}
		entries, err := table.List()
		if err != nil {
			t.Fatal(err)
		}
		b := &bruteCheck{t: t, table: table, entries: entries, host: host, findings: activators.Check(entries, host, nil)}
		b.natives(r)
		b.others()
		b.missed()
		for _, f := range b.findings {
			counts[f.Code]++
		}
	}
	for _, code := range []activators.Code{activators.CapturesNative, activators.NeverAsked, activators.MatchesOther, activators.NeverMatches,
		activators.WrongTarget, activators.MissesPIE, activators.MissesExec, activators.MissesSystem, activators.MissesFlags} {
		if counts[code] == 0 {
			t.Errorf("no set has %s: the sets are not what this test is for", code)
		}
	}
}

type bruteCheck struct {
	t        *testing.T
	table    *memory.Table
	entries  []activators.Entry
	host     activators.Host
	findings []activators.Finding
}

func (b *bruteCheck) said(entry string, codes ...activators.Code) bool {
	return slices.ContainsFunc(b.findings, func(f activators.Finding) bool {
		return f.Entry == entry && slices.Contains(codes, f.Code)
	})
}

// natives: whoever takes a native program is told, with a native witness.
func (b *bruteCheck) natives(r *rand.Rand) {
	code := activators.CapturesNative
	if !b.host.AsksFirst {
		code = activators.NeverAsked
	}
	own := b.host.Natives[0].Header
	for _, e := range b.entries {
		for _, h := range brutes(r, own, arch.Little) {
			if activators.Captures(e, h) && !b.said(e.Name, code) {
				b.t.Errorf("%+v takes %x and nobody says it", e, h)
			}
		}
	}
	for _, f := range b.findings {
		if f.Code == code && f.Other == "amd64" && (!bytes.Equal(f.Witness[:7], own[:7]) || !bytes.Equal(f.Witness[18:20], own[18:20])) {
			b.t.Errorf("the witness %x is no program of amd64", []byte(f.Witness))
		}
	}
}

// others: an entry takes usual programs that its emulator does not run, just
// when that is said.
func (b *bruteCheck) others() {
	for _, e := range b.entries {
		if b.said(e.Name, activators.CapturesNative, activators.NeverMatches, activators.WrongTarget) {
			continue // which is worse
		}
		runs := targetsOf(e.Interpreter)
		for _, a := range b.host.Archs {
			if slices.Contains(runs, a.Name) || a.Name == "amd64" || a.Name == "i386" || a.Name == "x32" {
				continue
			}
			takes := slices.ContainsFunc(a.Programs, func(s activators.Sample) bool {
				got, ok := b.table.Match(s.Header)
				return s.Usual && ok && got.Name == e.Name
			})
			said := slices.ContainsFunc(b.findings, func(f activators.Finding) bool {
				return f.Code == activators.MatchesOther && f.Entry == e.Name && (f.Other == a.Name || slices.Contains(a.Same, f.Other))
			})
			if takes != said {
				b.t.Errorf("%+v takes programs of %s: %v, and it is said: %v", e, a.Name, takes, said)
			}
		}
	}
}

// missed: a usual program of what an enabled entry is for that no entry runs is
// the witness of something that is said of an entry for it.
func (b *bruteCheck) missed() {
	codes := []activators.Code{activators.NeverMatches, activators.WrongTarget, activators.MissesPIE, activators.MissesExec, activators.MissesSystem,
		activators.MissesABIVersion, activators.MissesFlags}
	for _, e := range b.entries {
		a := b.host.Archs[slices.IndexFunc(b.host.Archs, func(a activators.Architecture) bool { return a.Name == e.Name })]
		hit, miss := 0, 0
		for _, s := range a.Programs {
			switch {
			case activators.Captures(e, s.Header):
				hit++
			case s.Usual && !b.runs(a.Name, s):
				miss++
			}
		}
		said := b.said(e.Name, codes...) || b.said(e.Name, activators.CapturesNative)
		if (miss > 0 || hit == 0) && !said && (b.host.AsksFirst || !b.said(e.Name, activators.NeverAsked)) {
			b.t.Errorf("%+v misses %d programs of %s and nobody says it: %+v", e, miss, a.Name, b.findings)
		}
	}
}

// runs tells whether an enabled entry has an emulator for a program.
func (b *bruteCheck) runs(name string, s activators.Sample) bool {
	got, ok := b.table.Match(s.Header)
	return ok && slices.Contains(targetsOf(got.Interpreter), name)
}
