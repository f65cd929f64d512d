package activators

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// programs compares the rule with the programs of the architectures: those that
// it is for, and others. safe says that it takes none of the machine's own.
func (c *checker) programs(safe bool) {
	r := c.rule()
	if c.signed(r.Entry) {
		c.find(Finding{Code: NoMask, Severity: Severe, Other: c.archName(r.meant),
			Message: "it never matches: without a mask FreeBSD's kernel takes no byte of 0x80 or more for equal",
			Remedy:  "give a mask of ones"})
		return
	}
	if !r.elf || r.dead || !safe {
		return
	}
	c.loose()
	if c.matchesNone() {
		return
	}
	done := map[string]bool{}
	for _, a := range r.meant {
		name := c.host.Archs[a].Name
		if !r.matched[a] || done[name] {
			continue
		}
		for _, same := range c.host.Archs[a].Same {
			done[same] = true
		}
		c.misses(a)
	}
	c.matchesOther()
}

func (c *checker) archName(list []int) string {
	if len(list) == 0 {
		return ""
	}
	return c.host.Archs[list[0]].Name
}

// matchesNone finds rules that match no program of what they are for.
func (c *checker) matchesNone() bool {
	r := c.rule()
	if len(r.meant) == 0 || slices.ContainsFunc(r.meant, func(a int) bool { return r.matched[a] }) {
		return false
	}
	if slices.ContainsFunc(r.runs, func(a int) bool { return r.matched[a] }) {
		return false // named for one and made for another that its interpreter runs as well
	}
	if !slices.ContainsFunc(r.meant, func(a int) bool { return len(c.host.Archs[a].Programs) > 0 }) {
		return true // nothing is known of its programs
	}
	name := c.archName(r.meant)
	f := Finding{Code: NeverMatches, Severity: Severe, Other: name,
		Message: "it matches no program of " + name + ", neither executables nor PIE, of any system",
		Remedy:  patternRemedy(name)}
	if s, ok := c.sample(r.meant[0], func([]byte) bool { return true }); ok {
		f.Witness = s.Header
		f.Message += wrongMachine(r.Entry, s.Header)
	}
	if other := slices.Index(r.matched, true); other >= 0 {
		s, _ := c.sample(other, r.takes)
		f.Code, f.Other, f.Witness = WrongTarget, c.host.Archs[other].Name, s.Header
		f.Message = fmt.Sprintf("it takes programs of %s, and is for those of %s, which its interpreter runs", f.Other, name)
		f.Remedy = "give it the interpreter for " + f.Other + ", or the magic and mask of " + name
	}
	c.find(f)
	return true
}

// wrongMachine says of an entry which e_machine it wants, when that is another
// one than a program's.
func wrongMachine(e Entry, header []byte) string {
	const at = 18
	order := binary.ByteOrder(binary.LittleEndian)
	if header[5] == 2 {
		order = binary.BigEndian
	}
	low, high := e.pinAt(at), e.pinAt(at+1)
	value, mask := order.Uint16([]byte{low.value, high.value}), order.Uint16([]byte{low.mask, high.mask})
	if machine := order.Uint16(header[at:]); machine&mask != value {
		return fmt.Sprintf(": it wants an e_machine of 0x%x, and they have 0x%x", value, machine)
	}
	return ""
}

func patternRemedy(name string) string {
	return "xjail arch show " + name + " prints the magic and mask that match"
}

// field is what programs of one architecture differ in.
type field struct {
	of   func(Sample) uint32
	find func(c *checker, a int, missed []uint32, taken []uint32, s Sample)
}

// fields are independent: they are different bytes, of which a pattern wants
// each for itself. So it matches a program when it allows all its values, and
// what it misses can be told field by field.
var fields = []field{
	{func(s Sample) uint32 { return uint32(index(s.PIE)) }, (*checker).missesType},
	{func(s Sample) uint32 { return uint32(s.OSABI) }, (*checker).missesSystem},
	{func(s Sample) uint32 { return uint32(s.ABIVersion) }, (*checker).missesABIVersion},
	{func(s Sample) uint32 { return s.Flags }, (*checker).missesFlags},
}

// misses finds the usual programs of an architecture that the rule is for and
// does not match, unless another entry runs them.
func (c *checker) misses(a int) {
	r := c.rule()
	samples := c.host.Archs[a].Programs
	for _, f := range fields {
		var taken, missed []uint32
		for _, s := range samples {
			if v := f.of(s); !slices.Contains(taken, v) && r.takes(s.Header) {
				taken = append(taken, v)
			}
		}
		var example Sample
		for _, s := range samples {
			v := f.of(s)
			if !s.Usual || slices.Contains(taken, v) || slices.Contains(missed, v) || c.served(a, f, v) {
				continue
			}
			if missed = append(missed, v); len(missed) == 1 {
				example = s
			}
		}
		if len(missed) > 0 {
			f.find(c, a, missed, taken, example)
		}
	}
}

// served tells whether other entries run the usual programs of an architecture
// that have a value in a field.
func (c *checker) served(a int, f field, v uint32) bool {
	some := false
	for _, s := range c.host.Archs[a].Programs {
		if !s.Usual || f.of(s) != v {
			continue
		}
		w := c.winner(s.Header)
		if w < 0 || !slices.Contains(c.rules[w].runs, a) && c.rules[w].Interpreter != c.rule().Interpreter {
			return false
		}
		some = true
	}
	return some
}

func (c *checker) missing(code Code, severity Severity, a int, s Sample, format string, args ...any) {
	name := c.host.Archs[a].Name
	c.find(Finding{Code: code, Severity: severity, Other: name, Witness: s.Header,
		Message: fmt.Sprintf(format, args...), Remedy: patternRemedy(name)})
}

func (c *checker) missesType(a int, missed, _ []uint32, s Sample) {
	name := c.host.Archs[a].Name
	if slices.Contains(missed, 1) {
		c.missing(MissesPIE, Severe, a, s, "it does not match position-independent programs (ET_DYN) of %s", name)
		return
	}
	c.missing(MissesExec, Warning, a, s, "it does not match programs with fixed addresses (ET_EXEC) of %s", name)
}

// osabis are names of EI_OSABI.
var osabis = map[uint32]string{0: "System V", 3: "GNU", 9: "FreeBSD", 97: "ARM"}

// missesSystem is a warning, unless the rule takes programs of another system
// alone, which nobody does by mistake on Linux.
func (c *checker) missesSystem(a int, missed, taken []uint32, s Sample) {
	var words []string
	for _, v := range missed {
		words = append(words, fmt.Sprintf("%d (%s)", v, osabis[v]))
	}
	severity := Warning
	if c.host.OS != "freebsd" && len(taken) > 0 && !slices.Contains(taken, 0) && slices.Contains(taken, 9) {
		severity = Note
	}
	c.missing(MissesSystem, severity, a, s, "it does not match programs of %s whose EI_OSABI is %s", c.host.Archs[a].Name, strings.Join(words, " or "))
}

func (c *checker) missesABIVersion(a int, missed, _ []uint32, s Sample) {
	c.missing(MissesABIVersion, Warning, a, s, "it does not match programs of %s whose EI_ABIVERSION is %s", c.host.Archs[a].Name, join("%d", missed))
}

func (c *checker) missesFlags(a int, missed, _ []uint32, s Sample) {
	c.missing(MissesFlags, Warning, a, s, "it does not match programs of %s whose e_flags are %s", c.host.Archs[a].Name, join("0x%x", missed))
}

func join(format string, list []uint32) string {
	var words []string
	for _, v := range list {
		words = append(words, fmt.Sprintf(format, v))
	}
	return strings.Join(words, " or ")
}

// matchesOther finds usual programs of architectures that the interpreter does
// not run, and that reach this rule.
func (c *checker) matchesOther() {
	r := c.rule()
	if r.runs == nil || !r.Enabled {
		return
	}
	done := map[string]bool{}
	for b, matched := range r.matched {
		other := c.host.Archs[b]
		if !matched || done[other.Name] || slices.Contains(r.runs, b) || c.isNative(other.Name) {
			continue
		}
		for _, s := range other.Programs {
			if !s.Usual || !r.takes(s.Header) || c.winner(s.Header) != c.at {
				continue
			}
			c.other(b, s)
			for _, same := range other.Same {
				done[same] = true
			}
			break
		}
	}
}

// other says that the rule takes a program of an architecture b: severe when an
// entry is there that would run it.
func (c *checker) other(b int, s Sample) {
	r, name := c.rule(), c.host.Archs[b].Name
	f := Finding{Code: MatchesOther, Severity: Warning, Other: name, Witness: s.Header,
		Message: fmt.Sprintf("it takes programs of %s, which its interpreter does not run", name),
		Remedy:  patternRemedy(c.archName(r.meant)) + " and no others"}
	for j := c.at + 1; j < len(c.rules); j++ {
		o := &c.rules[j]
		if o.Enabled && o.takes(s.Header) && slices.Contains(o.runs, b) {
			f.Severity = Severe
			f.Message += fmt.Sprintf(", from the entry %q, which does", o.Name)
			break
		}
	}
	c.find(f)
}

// loose finds rules for programs that match files which are none.
func (c *checker) loose() {
	r := c.rule()
	if Covers(elfStart, r.Entry) {
		return
	}
	c.find(Finding{Code: Loose, Severity: Warning, Witness: notELF(r.Entry),
		Message: "it matches files that are no programs: it does not want the bytes 7f 45 4c 46 at the start",
		Remedy:  patternRemedy(c.archName(r.meant))})
}

// notELF is the start of a file that e matches and that is no ELF file: e does
// not fix one of the bits of the ELF magic.
func notELF(e Entry) []byte {
	w := overlay([]byte("\x7fELF"), e)
	for at := range elfStart.Magic {
		if free := ^e.pinAt(at).mask; free != 0 {
			w[at] ^= free & -free
			return w
		}
	}
	return w
}
