package extract

import "strings"

// fileFlags are FreeBSD's, from sys/sys/stat.h, under the words of strtofflags(3)
// (lib/libc/gen/strtofflags.c) that bsdtar writes.
var fileFlags = []struct {
	word string
	bit  uint32
}{
	{"nodump", 0x1}, {"uchg", 0x2}, {"uappnd", 0x4}, {"opaque", 0x8}, {"uunlnk", 0x10},
	{"usystem", 0x80}, {"usparse", 0x100}, {"uoffline", 0x200}, {"ureparse", 0x400},
	{"uarch", 0x800}, {"urdonly", 0x1000}, {"uhidden", 0x8000},
	{"arch", 0x10000}, {"schg", 0x20000}, {"sappnd", 0x40000}, {"sunlnk", 0x100000},
}

// flagAliases are the other words of the same flags.
var flagAliases = map[string]string{
	"uchange": "uchg", "uimmutable": "uchg", "uappend": "uappnd", "uunlink": "uunlnk",
	"system": "usystem", "sparse": "usparse", "offline": "uoffline", "reparse": "ureparse",
	"uarchive": "uarch", "rdonly": "urdonly", "readonly": "urdonly", "hidden": "uhidden",
	"archived": "arch", "schange": "schg", "simmutable": "schg", "sappend": "sappnd", "sunlink": "sunlnk",
}

// ParseFlags gives the bits of comma separated words, false when one of them is
// unknown.
func ParseFlags(words string) (uint32, bool) {
	var bits uint32
	for word := range strings.SplitSeq(words, ",") {
		if plain, ok := flagAliases[word]; ok {
			word = plain
		}
		bit := flagBit(word)
		if bit == 0 {
			return 0, false
		}
		bits |= bit
	}
	return bits, true
}

func flagBit(word string) uint32 {
	for _, f := range fileFlags {
		if f.word == word {
			return f.bit
		}
	}
	return 0
}

// FormatFlags is the opposite of ParseFlags; "" for no flags. Unknown bits are
// left out.
func FormatFlags(bits uint32) string {
	var words []string
	for _, f := range fileFlags {
		if bits&f.bit != 0 {
			words = append(words, f.word)
		}
	}
	return strings.Join(words, ",")
}

// joinFlags gives the words of both, each once where they are known.
func joinFlags(a, b string) string {
	switch {
	case a == "":
		return b
	case b == "":
		return a
	}
	bitsA, okA := ParseFlags(a)
	bitsB, okB := ParseFlags(b)
	if !okA || !okB {
		return a + "," + b
	}
	return FormatFlags(bitsA | bitsB)
}
