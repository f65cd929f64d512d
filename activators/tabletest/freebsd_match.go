package tabletest

import (
	"strings"
	"testing"
)

// matchCase is which entry a kernel takes for files. Entries are added in their
// order.
type matchCase struct {
	name    string
	entries []BinmiscRecord // version, name and interpreter are filled in: a, b, ...
	wide    bool            // an entry may match programs of the system
	files   []matchFile
}

type matchFile struct {
	content string
	want    string // the entry, "" for none
}

func masked(offset uint32, magic, mask string) BinmiscRecord {
	return BinmiscRecord{Flags: Enabled | UseMask, Offset: offset, Size: uint32(len(magic)), Magic: magic, Mask: mask}
}

func bare(magic string) BinmiscRecord {
	return BinmiscRecord{Flags: Enabled, Size: uint32(len(magic)), Magic: magic}
}

const (
	ff2 = "\xff\xff"
	ff4 = "\xff\xff\xff\xff"
	ff8 = ff4 + ff4
)

// body is a file of n bytes that are not zeros.
func body(n int) string { return strings.Repeat("-", n) }

var freebsdMatches = []matchCase{
	{"of two, the one added last", []BinmiscRecord{masked(0, "xj", ff2), masked(0, "xj", ff2)}, false, []matchFile{{"xj", "b"}}},
	{"a general one that was added last", []BinmiscRecord{masked(0, "xjt", "\xff\xff\xff"), masked(0, "xj", ff2)}, false, []matchFile{{"xjt", "b"}}},
	{"a disabled one is passed over", []BinmiscRecord{masked(0, "xj", ff2), {Flags: UseMask, Size: 2, Magic: "xj", Mask: ff2}}, false, []matchFile{{"xj", "a"}}},
	{"disabled", []BinmiscRecord{{Flags: UseMask, Size: 2, Magic: "xj", Mask: ff2}}, false, []matchFile{{"xj", ""}}},
	{"bits outside of the mask", []BinmiscRecord{masked(0, "xj\x12\xff", "\xff\xff\xf0\x00")}, false,
		[]matchFile{{"xj\x1f\x00", "a"}, {"xj\x12\xff", "a"}, {"xj\x22\xff", ""}}},
	{"0x80 and more without a mask", []BinmiscRecord{bare("xj\xaa")}, false, []matchFile{{"xj\xaa", ""}}},
	{"less than 0x80 without a mask", []BinmiscRecord{bare("xj\x7f")}, false, []matchFile{{"xj\x7f", "a"}, {"xj\x7e", ""}}},
	{"0x80 and more with a mask", []BinmiscRecord{masked(0, "xj\xaa", "\xff\xff\xff")}, false, []matchFile{{"xj\xaa", "a"}, {"xj\xab", ""}}},
	{"the example of binmiscctl(8), LLVM", []BinmiscRecord{bare("BC\xc0\xde")}, false, []matchFile{{"BC\xc0\xde", ""}}},
	{"the same with a mask", []BinmiscRecord{masked(0, "BC\xc0\xde", ff4)}, false, []matchFile{{"BC\xc0\xde", "a"}}},
	{"zeros after the end of a file of 512", []BinmiscRecord{masked(508, "\xaa\xaa\xaa\xaa\x00\x00\x00\x00", ff8)}, false,
		[]matchFile{{body(508) + "\xaa\xaa\xaa\xaa", "a"}, {body(508) + "\xaa\xaa\xaa\xaax", ""}}},
	{"no bytes after the end of a file of 512", []BinmiscRecord{masked(508, strings.Repeat("\xaa", 8), ff8)}, false,
		[]matchFile{{body(508) + "\xaa\xaa\xaa\xaa", ""}, {body(508) + strings.Repeat("\xaa", 8), "a"}}},
	{"zeros at 512", []BinmiscRecord{masked(512, "\x00\x00\x00\x00", ff4)}, true, []matchFile{{body(512), "a"}, {body(513), ""}}},
	{"zeros at 4088", []BinmiscRecord{masked(4088, "\x00\x00\x00\x00\x00\x00\x00\x00", ff8)}, true, []matchFile{{body(512), "a"}, {body(4089), ""}}},
	{"a file of two bytes", []BinmiscRecord{masked(0, "xj\x00\x00", ff4)}, false, []matchFile{{"xj", "a"}, {"xj\x00\x00\x01", "a"}, {"xj1", ""}}},
	{"the last bytes of the page", []BinmiscRecord{masked(4092, "\xaaxj\xaa", ff4)}, false,
		[]matchFile{{body(4092) + "\xaaxj\xaa", "a"}, {body(4092) + "\xaaxj\xaa" + body(9000), "a"}, {body(4093) + "\xaaxj\xaa", ""}}},
	{"size 0", []BinmiscRecord{{Flags: Enabled}}, true, []matchFile{{"anything", "a"}}},
	{"all bits of the mask 0", []BinmiscRecord{masked(0, "xj", "\x00\x00")}, true, []matchFile{{"anything", "a"}}},
	{"an empty file, size 0", []BinmiscRecord{{Flags: Enabled}}, true, []matchFile{{"", ""}}},
	{"an empty file, zeros", []BinmiscRecord{masked(0, "\x00\x00", ff2)}, true, []matchFile{{"", ""}, {"\x00", "a"}}},
}

func (c matchCase) check(t *testing.T, k FreeBSDKernel) {
	if c.wide && k.First {
		t.Skip("this kernel asks the table first: the entry would take the system's own programs")
	}
	for i, r := range c.entries {
		name := string(rune('a' + i))
		r.Version, r.Name, r.Interpreter = 1, name, plainRecord(t, k, name).Interpreter
		wantErrno(t, "add "+name, k.Add(r), 0)
	}
	for _, f := range c.files {
		if got := k.Match(t, f.content); got != f.want {
			t.Errorf("a file of %d bytes, %.20q, is taken by %q, want %q", len(f.content), f.content, got, f.want)
		}
	}
}
