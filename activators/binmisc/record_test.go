package binmisc

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/tabletest"
	"github.com/xjail/xjail/internal/fault"
)

func unhexed(t testing.TB, s string) activators.Hex {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// mips64 is the example of the announcement of 2013 and of
// sys/sys/imgact_binmisc.h, MIPS64_ELF_MAGIC and MIPS64_ELF_MASK.
func mips64(t testing.TB) activators.Entry {
	return activators.Entry{
		Name: "mips64elf", Interpreter: "/usr/local/bin/qemu-mips64", Enabled: true,
		Magic: unhexed(t, "7f454c4602020100000000000000000000020008"),
		Mask:  unhexed(t, "ffffffffffffff00fffffffffffffffffffeffff"),
	}
}

func mips64Record(t testing.TB) *Record {
	r, err := NewRecord(mips64(t))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The record of the announcement's example, byte by byte, in both orders.
func TestRecordBytes(t *testing.T) {
	for _, c := range []struct {
		order binary.ByteOrder
		head  string
	}{
		{binary.LittleEndian, "01000000" + "03000000" + "00000000" + "14000000"},
		{binary.BigEndian, "00000001" + "00000003" + "00000000" + "00000014"},
	} {
		want := unhexed(t, c.head+strings.Repeat("00", 12))
		want = append(want, "mips64elf"+strings.Repeat("\x00", 32-9)...)
		want = append(want, "/usr/local/bin/qemu-mips64"+strings.Repeat("\x00", 1280-26)...)
		want = append(want, "\x7fELF\x02\x02\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x08"+strings.Repeat("\x00", 236)...)
		want = append(want, "\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff"+strings.Repeat("\x00", 236)...)
		got := mips64Record(t).Bytes(c.order)
		if len(got) != 1852 || !bytes.Equal(got, want) {
			t.Errorf("%v:\n got %x\nwant %x", c.order, got, []byte(want))
		}
		back, err := ParseRecord(got, c.order)
		if err != nil || !reflect.DeepEqual(back, mips64Record(t)) {
			t.Errorf("%v: %+v, %v", c.order, back, err)
		}
	}
}

func TestNamedRecord(t *testing.T) {
	r, err := NamedRecord("mips64elf")
	if err != nil {
		t.Fatal(err)
	}
	want := tabletest.BinmiscRecord{Version: 1, Name: "mips64elf"}.Bytes()
	if got := r.Bytes(binary.NativeEndian); !bytes.Equal(got, want) {
		t.Errorf("%x", got)
	}
	if _, err := NamedRecord(strings.Repeat("n", 31)); err != nil {
		t.Error(err)
	}
	for _, name := range []string{strings.Repeat("n", 32), "a\x00b"} {
		if _, err := NamedRecord(name); !errors.Is(err, activators.ErrInvalid) || fault.KindOf(err) != fault.Usage {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// What the kernel holds as entries, strings in the form that it gives them.
func TestRecordEntry(t *testing.T) {
	for text, want := range map[string][]string{
		"/a": {"/a"}, "/a b c": {"/a", "b", "c"}, " /a b c ": {"", "/a", "b", "c", ""}, "": {""}, " ": {"", ""}, "/a #a ##": {"/a", "#a", "##"}, "/a\nb": {"/a\nb"},
	} {
		r := mips64Record(t)
		r.Interpreter = [1280]byte{}
		copy(r.Interpreter[:], text)
		e := r.Entry()
		if got := append([]string{e.Interpreter}, e.Args...); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
		back, err := NewRecord(e)
		if err != nil || *back != *r {
			t.Errorf("%q: sent again it is %q, %v", text, cString(back.Interpreter[:]), err)
		}
	}
	r := mips64Record(t)
	r.Flags, r.Offset = FlagPreOpen|8, 0xfffffff0
	e := r.Entry()
	if e.Enabled || e.Mask != nil || !e.Flags.PreOpen || len(e.Magic) != 20 || strconv.IntSize == 64 && e.Offset != 0xfffffff0 {
		t.Errorf("%+v", e)
	}
}

func TestNewRecordRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*activators.Entry)
		want   error
	}{
		"F":             {func(e *activators.Entry) { e.Flags.FixBinary = true }, activators.ErrUnsupported},
		"extension":     {func(e *activators.Entry) { e.Extension = "jar" }, activators.ErrUnsupported},
		"name":          {func(e *activators.Entry) { e.Name = strings.Repeat("n", 32) }, activators.ErrInvalid},
		"NUL":           {func(e *activators.Entry) { e.Args = []string{"a\x00b"} }, activators.ErrInvalid},
		"interpreter":   {func(e *activators.Entry) { e.Interpreter = strings.Repeat("/", 1280) }, activators.ErrInvalid},
		"arguments":     {func(e *activators.Entry) { e.Interpreter, e.Args = strings.Repeat("/", 1278), []string{"x"} }, activators.ErrInvalid},
		"magic":         {func(e *activators.Entry) { e.Magic = make([]byte, 257) }, activators.ErrInvalid},
		"mask":          {func(e *activators.Entry) { e.Mask = e.Mask[:3] }, activators.ErrInvalid},
		"before":        {func(e *activators.Entry) { e.Offset = -1 }, activators.ErrInvalid},
		"beyond 32 bit": {func(e *activators.Entry) { e.Offset = math.MaxInt }, activators.ErrInvalid},
	} {
		if name == "beyond 32 bit" && strconv.IntSize == 32 {
			continue
		}
		e := mips64(t)
		c.change(&e)
		if _, err := NewRecord(e); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParseRecordRefuses(t *testing.T) {
	good := mips64Record(t).Bytes(binary.LittleEndian)
	change := func(at int, b ...byte) []byte {
		c := bytes.Clone(good)
		copy(c[at:], b)
		return c
	}
	for name, b := range map[string][]byte{
		"empty": nil, "short": good[:1851], "long": append(bytes.Clone(good), 0), "version": change(0, 2), "order": change(0, 0, 0, 0, 1),
		"size": change(12, 1, 1), "name": change(28, bytes.Repeat([]byte("n"), 32)...), "interpreter": change(60, bytes.Repeat([]byte("i"), 1280)...),
	} {
		if r, err := ParseRecord(b, binary.LittleEndian); fault.KindOf(err) != fault.Damaged || !errors.Is(err, activators.ErrInvalid) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

func TestParseRecords(t *testing.T) {
	one, list := mips64Record(t), []byte{}
	for i := range 64 {
		r := *one
		r.Name[0] = byte('A' + i%26)
		list = append(list, r.Bytes(binary.BigEndian)...)
	}
	records, err := ParseRecords(list, binary.BigEndian)
	if err != nil || len(records) != 64 || records[27].Entry().Name != "Bips64elf" {
		t.Errorf("%d records, %v", len(records), err)
	}
	if records, err := ParseRecords(nil, binary.BigEndian); err != nil || records == nil || len(records) != 0 {
		t.Errorf("%v, %v", records, err)
	}
	for _, b := range [][]byte{list[:1851], list[:1853], list[:2*1852-1], make([]byte, 2*1852)} {
		if _, err := ParseRecords(b, binary.BigEndian); fault.KindOf(err) != fault.Damaged {
			t.Errorf("%d bytes: %v", len(b), err)
		}
	}
}

// What is read is written as the same bytes, and an entry is the same again
// after it was sent; in either order, whatever comes.
func FuzzRecord(f *testing.F) {
	f.Add(mips64Record(f).Bytes(binary.LittleEndian), false)
	f.Add(mips64Record(f).Bytes(binary.BigEndian), true)
	f.Add(make([]byte, RecordSize), false)
	f.Add([]byte("short"), true)
	blank := mips64Record(f)
	copy(blank.Interpreter[:], " /a b ")
	f.Add(blank.Bytes(binary.LittleEndian), false)
	f.Fuzz(func(t *testing.T, b []byte, big bool) {
		var order binary.ByteOrder = binary.LittleEndian
		if big {
			order = binary.BigEndian
		}
		_, err := ParseRecord(b, order)
		if _, lerr := ParseRecords(b, order); (err == nil) != (lerr == nil) && len(b) == RecordSize {
			t.Errorf("one record: %v, a list of one: %v", err, lerr)
		}
		b = likeKernel(b, order)
		r, err := ParseRecord(b, order)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(r.Bytes(order), b) {
			t.Errorf("read %x, written %x", b, r.Bytes(order))
		}
		e := r.Entry()
		sent, err := NewRecord(e)
		if err != nil {
			t.Fatalf("%+v cannot be sent: %v", e, err)
		}
		if back := sent.Entry(); !back.Equal(e) || command(back) != cString(r.Interpreter[:]) {
			t.Errorf("%+v became %+v", e, back)
		}
	})
}

// likeKernel makes any bytes a record that a kernel could give.
func likeKernel(b []byte, order binary.ByteOrder) []byte {
	b = append(bytes.Clone(b), make([]byte, RecordSize)...)[:RecordSize]
	order.PutUint32(b[0:], 1)
	order.PutUint32(b[12:], order.Uint32(b[12:])%257)
	clear(b[16:28])
	b[59], b[1339] = 0, 0
	return b
}
