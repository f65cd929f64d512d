package arch

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/xjail/xjail/internal/fault"
)

// Policy says which operating systems' programs a pattern matches, by EI_OSABI
// (byte 7 of the header) and EI_ABIVERSION (byte 8).
type Policy string

// The policies.
const (
	// Any is the default: EI_OSABI is not looked at. EI_ABIVERSION is not looked
	// at either where the catalog says that programs have another one than 0.
	Any Policy = "any"
	// FreeBSD matches EI_OSABI 9 only, EI_ABIVERSION 0.
	FreeBSD Policy = "freebsd"
	// Linux matches EI_OSABI 0 (System V) and 3 (GNU) and no other that is used;
	// EI_ABIVERSION as Any.
	Linux Policy = "linux"
	// Binmisc is what binmiscctl(8), sys/sys/imgact_binmisc.h and the ports'
	// script register on a FreeBSD host: any EI_OSABI, EI_ABIVERSION 0. FreeBSD's
	// programs have no other one.
	Binmisc Policy = "binmisc"
)

// Policies are all policies, the default first.
func Policies() []Policy { return []Policy{Any, FreeBSD, Linux, Binmisc} }

// ParsePolicy gives the policy named s; "" is Any.
func ParsePolicy(s string) (Policy, error) {
	p := Policy(strings.ToLower(s))
	if p == "" {
		return Any, nil
	}
	if !slices.Contains(Policies(), p) {
		return "", fault.New(fault.Usage, "", "unknown OSABI policy %q: use any, freebsd, linux or binmisc", s)
	}
	return p, nil
}

// DefaultPolicy is the policy of entries for the kernel of goos ("linux",
// "freebsd") that asks for nothing else.
func DefaultPolicy(goos string) Policy {
	if goos == "freebsd" {
		return Binmisc
	}
	return Any
}

// Values of the ELF header, from the System V ABI and FreeBSD
// sys/sys/elf_common.h.
const (
	elfMagic     = "\x7fELF"
	osabiFreeBSD = 9
	osabiGNU     = 3
	typeExec     = 2
	typeMask     = 0xfffe // ET_EXEC is 2, ET_DYN (PIE) is 3
	versionNow   = 1

	atClass      = 4
	atData       = 5
	atVersion    = 6
	atOSABI      = 7
	atABIVersion = 8
	atType       = 16
	atMachine    = 18
	atEVersion   = 20
	shortPattern = 20 // up to and with e_machine
)

// Pattern is what both kernels compare with the start of a file: at Offset,
// (byte ^ Magic) & Mask must be 0. Bits outside of Mask are 0 in Magic.
type Pattern struct {
	Offset int
	Magic  []byte
	Mask   []byte
}

// Pattern computes the magic and mask of a's programs, ET_EXEC and ET_DYN. It
// is 20 bytes, or reaches to the end of e_flags (40 or 52) where they matter.
// A policy that ParsePolicy does not know counts as Any.
func (a *Arch) Pattern(p Policy) Pattern {
	n := shortPattern
	if a.Flags.Mask != 0 {
		n = atFlags(a.Class) + 4
	}
	pat := Pattern{Magic: make([]byte, n), Mask: make([]byte, n)}
	a.ident(pat, p)
	bo := a.Order.Binary()
	bo.PutUint16(pat.Magic[atType:], typeExec)
	bo.PutUint16(pat.Mask[atType:], typeMask)
	bo.PutUint16(pat.Magic[atMachine:], a.Machine)
	bo.PutUint16(pat.Mask[atMachine:], 0xffff)
	if n > shortPattern {
		bo.PutUint32(pat.Magic[atEVersion:], versionNow)
		bo.PutUint32(pat.Mask[atEVersion:], 0xffffffff)
		bo.PutUint32(pat.Magic[atFlags(a.Class):], a.Flags.Value)
		bo.PutUint32(pat.Mask[atFlags(a.Class):], a.Flags.Mask)
	}
	return pat
}

// ident fills in the first 16 bytes, e_ident.
func (a *Arch) ident(pat Pattern, p Policy) {
	copy(pat.Magic, elfMagic)
	for i := range atType {
		pat.Mask[i] = 0xff
	}
	pat.Magic[atClass], pat.Magic[atData], pat.Magic[atVersion] = 1, 1, versionNow
	if a.Class == 64 {
		pat.Magic[atClass] = 2
	}
	if a.Order == Big {
		pat.Magic[atData] = 2
	}
	switch p {
	case FreeBSD:
		pat.Magic[atOSABI] = osabiFreeBSD
	case Linux:
		// One byte cannot say "0 or 3": the bits that both have in common are
		// fixed, so 1 (HP-UX) and 2 (NetBSD) come along, and 9 does not.
		pat.Mask[atOSABI] = fixedBits(0, osabiGNU)
	default:
		pat.Mask[atOSABI] = 0
	}
	if a.AnyABIVersion && p != FreeBSD && p != Binmisc {
		pat.Mask[atABIVersion] = 0
	}
}

// fixedBits is the mask of the bits above the highest one in which x and y
// differ, so that the mask stays a range of values.
func fixedBits(x, y byte) byte {
	mask := byte(0xff)
	for x&mask != y&mask {
		mask <<= 1
	}
	return mask
}

// atFlags is the offset of e_flags.
func atFlags(class int) int {
	if class == 64 {
		return 48
	}
	return 36
}

// Match tells whether a file that starts with header is matched. What lies
// beyond header counts as zeros, as it does in both kernels.
func (p Pattern) Match(header []byte) bool {
	for i := range p.Magic {
		var b byte
		if at := p.Offset + i; at < len(header) {
			b = header[at]
		}
		if (b^p.Magic[i])&p.Mask[i] != 0 {
			return false
		}
	}
	return true
}

// Overlaps tells whether there is a file that both p and q match.
func (p Pattern) Overlaps(q Pattern) bool {
	for i, m := range p.Magic {
		j := p.Offset + i - q.Offset
		if j < 0 || j >= len(q.Magic) {
			continue
		}
		if (m^q.Magic[j])&p.Mask[i]&q.Mask[j] != 0 {
			return false
		}
	}
	return true
}

// Equal tells whether p and q are the same bytes at the same place.
func (p Pattern) Equal(q Pattern) bool {
	return p.Offset == q.Offset && slices.Equal(p.Magic, q.Magic) && slices.Equal(p.Mask, q.Mask)
}

// String is magic and mask in hexadecimal.
func (p Pattern) String() string {
	return hex.EncodeToString(p.Magic) + "/" + hex.EncodeToString(p.Mask)
}

// Escape writes b with \xHH for every byte, the form that binmiscctl(8) and
// the register file of binfmt_misc read.
func Escape(b []byte) string {
	var s strings.Builder
	for _, c := range b {
		fmt.Fprintf(&s, `\x%02x`, c)
	}
	return s.String()
}

// Header is the start of a program of a for a system: the fields of its ELF
// header that say what it is, and zeros.
func (a *Arch) Header(osabi byte) []byte {
	h := make([]byte, headerSize64)
	copy(h, elfMagic)
	h[atClass], h[atData], h[atVersion], h[atOSABI] = byte(a.Class/32), 1, versionNow, osabi
	if a.Order == Big {
		h[atData] = 2
	}
	bo := a.Order.Binary()
	bo.PutUint16(h[atType:], typeExec)
	bo.PutUint16(h[atMachine:], a.Machine)
	bo.PutUint32(h[atEVersion:], versionNow)
	bo.PutUint32(h[atFlags(a.Class):], a.Flags.Value)
	return h
}
