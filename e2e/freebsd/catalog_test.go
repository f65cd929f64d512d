package freebsd

import (
	"slices"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/binmisc"
	"github.com/xjail/xjail/arch"
)

// nativeMachines are the e_machine of what the kernel runs by itself.
func nativeMachines(t *testing.T, table *binmisc.Table) []uint16 {
	t.Helper()
	names, err := table.SupportedArchs()
	if err != nil {
		t.Fatal(err)
	}
	var machines []uint16
	for _, name := range names {
		a, err := arch.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		machines = append(machines, a.Machine)
	}
	return machines
}

// Programs of every architecture that FreeBSD ever had reach their entry:
// executables and position-independent ones, with and without FreeBSD's mark.
func TestCatalog(t *testing.T) {
	table := emptyTable(t)
	native := nativeMachines(t, table)
	for _, a := range arch.All() {
		if a.FirstRelease == "" || slices.Contains(native, a.Machine) {
			continue
		}
		pattern := a.Pattern(arch.Binmisc)
		e := entry(t, a.Name, string(pattern.Magic))
		e.Offset, e.Mask = pattern.Offset, pattern.Mask
		if err := table.Safe(e, ownKind(t)); err != nil {
			t.Errorf("%s: %v", a, err)
		}
		mustAdd(t, table, e)
		for _, kind := range []uint16{2, 3} {
			for _, osabi := range []byte{0, 9} {
				file := append(slices.Clone(pattern.Magic), make([]byte, 128)...)
				file[7] = osabi
				a.Order.Binary().PutUint16(file[16:], kind)
				if got := takenBy(t, string(file)); got != a.Name {
					t.Errorf("a program of %s, type %d, OSABI %d, is taken by %q", a, kind, osabi, got)
				}
			}
		}
		if err := table.Remove(a.Name); err != nil {
			t.Fatal(err)
		}
	}
}

// ownKind is the architecture of this program.
func ownKind(t *testing.T) binmisc.Native {
	t.Helper()
	header, err := activators.ReadHeader(self())
	if err != nil {
		t.Fatal(err)
	}
	return binmisc.Native{Arch: "this program", Header: header}
}
