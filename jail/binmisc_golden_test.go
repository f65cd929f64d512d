package jail

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/binmisc"
	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/qemu"
)

// ports are the entries that the rc script of FreeBSD's port
// emulators/qemu-user-static registers (files/qemu_user_static.in, 2025), in its
// order. mips64 is the example of the announcement of 2013 too, and of
// sys/sys/imgact_binmisc.h. Left out are mips and mipsel, whose entries take
// programs of n32 as well, and miss position-independent ones.
var ports = []struct{ name, magic, mask string }{
	{"armv6", "7f454c4601010100000000000000000002002800", "ffffffffffffff00fffffffffffffffffeffffff"},
	{"armv7", "7f454c4601010100000000000000000002002800", "ffffffffffffff00fffffffffffffffffeffffff"},
	{"aarch64", "7f454c460201010000000000000000000200b700", "ffffffffffffff00fffffffffffffffffeffffff"},
	{"mips64", "7f454c4602020100000000000000000000020008", "ffffffffffffff00fffffffffffffffffffeffff"},
	{"powerpc", "7f454c4601020100000000000000000000020014", "ffffffffffffff00fffffffffffffffffffeffff"},
	{"powerpc64", "7f454c4602020100000000000000000000020015", "ffffffffffffff00fffffffffffffffffffeffff"},
	{"riscv64", "7f454c460201010000000000000000000200f300", "ffffffffffffff00fffffffffffffffffeffffff"},
	{"sparc64", "7f454c460202010000000000000000000002002b", "ffffffffffffff00fffffffffffffffffffeffff"},
}

// laidOut is struct ximgact_binmisc_entry, put together field by field.
func laidOut(order binary.ByteOrder, flags uint32, name, interpreter string, magic, mask []byte) []byte {
	field := func(size int, b []byte) []byte { return append(b, make([]byte, size-len(b))...) }
	number := func(n uint32) []byte {
		b := make([]byte, 4)
		order.PutUint32(b, n)
		return b
	}
	return slices.Concat(number(1), number(flags), number(0), number(uint32(len(magic))), make([]byte, 12),
		field(32, []byte(name)), field(1280, []byte(interpreter)), field(256, slices.Clone(magic)), field(256, slices.Clone(mask)))
}

func freebsdActivator(a *arch.Arch) activators.Entry {
	return Activator("freebsd", arch.Binmisc, a, &qemu.Emulator{}, "/usr/local/bin/qemu-"+a.QEMU+"-static", true)
}

func bytesOf(t *testing.T, r *binmisc.Record, err error, order binary.ByteOrder) []byte {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return r.Bytes(order)
}

// differAt is the first byte in which records differ.
func differAt(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// What FreeBSD's kernel gets for every row of the catalog: the records that add
// and remove an entry, and the one that it gives back.
func TestBinmiscRecords(t *testing.T) {
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		var list []byte
		for _, a := range arch.All() {
			e := freebsdActivator(a)
			interpreter := e.Interpreter
			if a.CPU != "" {
				interpreter += " -cpu " + a.CPU
			}
			p := a.Pattern(arch.Binmisc)
			// Enabled, with a mask, opened now.
			want := laidOut(order, 1|2|4, a.Name, interpreter, p.Magic, p.Mask)
			r, err := binmisc.NewRecord(e)
			if got := bytesOf(t, r, err, order); len(want) != 1852 || !bytes.Equal(got, want) {
				t.Errorf("%s: the records differ at byte %d", a, differAt(got, want))
			}
			r, err = binmisc.NamedRecord(e.Name)
			if got := bytesOf(t, r, err, order); !bytes.Equal(got, laidOut(order, 0, a.Name, "", nil, nil)) {
				t.Errorf("%s: its name is sent as %x", a, got)
			}
			list = append(want, list...)
		}
		wantListed(t, list, order)
	}
}

// wantListed reads what the kernel lists when all rows are registered.
func wantListed(t *testing.T, list []byte, order binary.ByteOrder) {
	t.Helper()
	records, err := binmisc.ParseRecords(list, order)
	rows := arch.All()
	if err != nil || len(records) != len(rows) {
		t.Fatalf("%d records, %v", len(records), err)
	}
	for i, r := range records {
		if a := rows[len(rows)-1-i]; !r.Entry().Equal(freebsdActivator(a)) {
			t.Errorf("%s is listed as %+v", a, r.Entry())
		}
	}
}

// What was published for poudriere's hosts is what xjail sends.
func TestBinmiscPublished(t *testing.T) {
	for _, p := range ports {
		a, err := arch.Lookup(p.name)
		if err != nil {
			t.Fatal(err)
		}
		magic, err := hex.DecodeString(p.magic)
		if err != nil {
			t.Fatal(err)
		}
		mask, err := hex.DecodeString(p.mask)
		if err != nil {
			t.Fatal(err)
		}
		e := freebsdActivator(a)
		e.Flags.PreOpen = false // the script does not ask for it
		r, err := binmisc.NewRecord(e)
		want := laidOut(binary.NativeEndian, 1|2, p.name, "/usr/local/bin/qemu-"+a.QEMU+"-static", magic, mask)
		if got := bytesOf(t, r, err, binary.NativeEndian); !bytes.Equal(got, want) {
			t.Errorf("%s: the records differ at byte %d", p.name, differAt(got, want))
		}
	}
}
