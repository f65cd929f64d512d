package tabletest

import (
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// addCase is one call of kern.binmisc.add, and what lookup gives afterwards.
type addCase struct {
	name   string
	change func(*BinmiscRecord)
	want   syscall.Errno
	stored func(*BinmiscRecord) // what the kernel keeps otherwise than it was sent
	bytes  func([]byte) []byte  // on the record's bytes, for what a BinmiscRecord cannot say
	raw    bool                 // it is about bytes that an entry does not have
}

const (
	einval = syscall.EINVAL
	ff20   = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
)

func interpreter(s string) func(*BinmiscRecord) {
	return func(r *BinmiscRecord) { r.Interpreter = s }
}

func named(s string) func(*BinmiscRecord) { return func(r *BinmiscRecord) { r.Name = s } }

func flags(f uint32) func(*BinmiscRecord) { return func(r *BinmiscRecord) { r.Flags = f } }

// at sets a magic of n bytes, which begins with a byte that is not 0, at an
// offset.
func at(offset uint32, n int) func(*BinmiscRecord) {
	return func(r *BinmiscRecord) {
		r.Offset, r.Size = offset, uint32(n)
		r.Magic, r.Mask = "x"+strings.Repeat("\x00", max(n-1, 0)), strings.Repeat("\xff", n)
	}
}

// freebsdAdds are sent disabled, unless they are about flags: some would make
// the kernel panic at the next exec.
var freebsdAdds = []addCase{
	{name: "plain", change: func(*BinmiscRecord) {}},
	{name: "version 0", change: func(r *BinmiscRecord) { r.Version = 0 }, want: einval, raw: true},
	{name: "version 2", change: func(r *BinmiscRecord) { r.Version = 2 }, want: einval, raw: true},
	{name: "flags 0", change: flags(0)},
	{name: "flags 1", change: flags(Enabled)},
	{name: "flags 3", change: flags(Enabled | UseMask)},
	{name: "flags 7", change: flags(Enabled | UseMask | PreOpen)},
	{name: "flags 8", change: flags(8), want: einval, raw: true},
	{name: "flags 0xffff", change: flags(0xffff), want: einval, raw: true},
	{name: "size 0", change: at(0, 0), stored: func(r *BinmiscRecord) { r.Magic = "" }},
	{name: "size 256", change: at(0, 256)},
	{name: "size 257", change: func(r *BinmiscRecord) { r.Size = 257 }, want: einval, raw: true},
	{name: "4076+20", change: at(4076, 20)},
	{name: "4077+20", change: at(4077, 20), want: einval},
	{name: "sum of 32 bits wraps", change: at(0xfffffff0, 20), raw: strconv.IntSize == 32},
	{name: "name of 31 bytes", change: named(strings.Repeat("n", 31))},
	{name: "name of 32 bytes", change: named(strings.Repeat("n", 32)), want: einval},
	{name: "name of 32 bytes, empty interpreter", change: func(r *BinmiscRecord) { r.Name, r.Interpreter = strings.Repeat("n", 32), "" },
		stored: named(strings.Repeat("n", 31))},
	{name: "name with 0x80", change: named("n\x80"), want: einval},
	{name: "empty name", change: named("")},
	{name: "space in the name", change: named("a b")},
	{name: "newline in the name", change: named("a\nb")},
	{name: "interpreter of 1279 bytes", change: interpreter(strings.Repeat("/", 1279))},
	{name: "interpreter of 1280 bytes", change: interpreter(strings.Repeat("/", 1280)), want: einval},
	{name: "interpreter with 0x80", change: interpreter("/\x80"), want: einval},
	{name: "empty interpreter", change: interpreter("")},
	{name: "relative interpreter", change: interpreter("bin/x")},
	{name: "interpreter that is not there", change: interpreter("/nonexistent/x")},
	{name: "interpreter that is not there, PRE_OPEN", change: func(r *BinmiscRecord) { r.Interpreter, r.Flags = "/nonexistent/x", UseMask|PreOpen }},
	{name: "interpreter that is a directory, PRE_OPEN", change: func(r *BinmiscRecord) { r.Interpreter, r.Flags = "/", UseMask|PreOpen }},
	{name: "newline in the interpreter", change: interpreter("/a\nb")},
	{name: "blanks and tabs", change: interpreter(" /a  b\t\tc "), stored: interpreter(" /a b c ")},
	{name: "#", change: interpreter("/a #"), want: einval},
	{name: "#b", change: interpreter("/a #b"), want: einval},
	{name: "###", change: interpreter("/a ###"), want: einval},
	{name: "# before a blank", change: interpreter("/a # a"), want: einval},
	{name: "##", change: interpreter("/a ##")},
	{name: "#a", change: interpreter("/a #a")},
	{name: "#a in words, again", change: interpreter("/a -x=#a ## y##z #a#a")},
	{name: "bits of the magic outside of the mask", change: func(r *BinmiscRecord) { r.Magic, r.Mask = "xjt1", "\xff\x00\xf0\xff" }},
	{name: "all bits of the mask 0", change: func(r *BinmiscRecord) { r.Magic, r.Mask = "xjt1", "\x00\x00\x00\x00" }},
	{name: "a mask without USE_MASK", change: flags(0), raw: true},
	{name: "spare is not 0", change: func(r *BinmiscRecord) { r.Spare = 7 }, stored: func(r *BinmiscRecord) { r.Spare = 0 }, raw: true},
	{name: "garbage after the ends", change: func(*BinmiscRecord) {}, bytes: func(b []byte) []byte {
		b[59], b[1338], b[1595], b[1851] = 'g', 'g', 'g', 'g'
		return b
	}, raw: true},
	{name: "1851 bytes", change: func(*BinmiscRecord) {}, bytes: func(b []byte) []byte { return b[:1851] }, want: einval, raw: true},
	{name: "1856 bytes", change: func(*BinmiscRecord) {}, bytes: func(b []byte) []byte { return append(b, "tail"...) }, raw: true},
}

// runAdd adds each record to an empty table, and compares what the kernel keeps.
func runAdd(t *testing.T, create func(t *testing.T) FreeBSDKernel) {
	for _, c := range freebsdAdds {
		t.Run(c.name, func(t *testing.T) {
			k := create(t)
			if c.raw && k.Sysctl == nil {
				t.Skip("this model knows entries, not bytes")
			}
			r := BinmiscRecord{Version: 1, Flags: UseMask, Size: 20, Name: "plain", Interpreter: "/nonexistent/plain -x", Magic: "xjt1" + strings.Repeat("\x00", 16), Mask: ff20}
			c.change(&r)
			if len(r.Magic) == 4 {
				r.Size = 4
			}
			if r.Flags&UseMask == 0 && !c.raw {
				r.Mask = strings.Repeat("\x00", len(r.Magic)) // an entry without a mask has no bytes of one
			}
			add := func() error { return k.Add(r) }
			if c.bytes != nil {
				add = func() error {
					_, err := k.Sysctl("add", nil, c.bytes(r.Bytes()))
					return err
				}
			}
			wantErrno(t, "add", add(), c.want)
			wantStored(t, k, r, c)
		})
	}
}

// wantStored compares the table with what was sent.
func wantStored(t *testing.T, k FreeBSDKernel, r BinmiscRecord, c addCase) {
	t.Helper()
	list, err := k.List()
	if err != nil || c.want != 0 {
		if err != nil || len(list) != 0 {
			t.Errorf("the table has %#v, %v", list, err)
		}
		return
	}
	if c.stored != nil {
		c.stored(&r)
	}
	if len(list) != 1 || list[0] != r {
		t.Fatalf("the table has\n%#v, want\n%#v", list, r)
	}
	if got, err := k.Lookup(r.Name); err != nil || got != r {
		t.Errorf("lookup gives\n%#v, %v, want\n%#v", got, err, r)
	}
	wantErrno(t, "the same again", k.Add(r), syscall.EEXIST)
	wantErrno(t, "remove", k.Change("remove", r.Name), 0)
}
