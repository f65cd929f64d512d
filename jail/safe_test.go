package jail

import (
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/binmisc"
	"github.com/xjail/xjail/activators/memory"
	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/qemu"
)

// amd64Table is the table of an amd64 FreeBSD that runs i386 programs too.
type amd64Table struct {
	*memory.Table
	asked []binmisc.Native
}

func (t *amd64Table) SupportedArchs() ([]string, error) { return []string{"amd64", "i386"}, nil }

func (t *amd64Table) Safe(_ activators.Entry, natives ...binmisc.Native) error {
	t.asked = natives
	return nil
}

func TestNativeArchs(t *testing.T) {
	table, linux := &amd64Table{Table: memory.New(memory.FreeBSD)}, memory.New(memory.Linux)
	host := arch.Host()
	for _, tt := range []struct {
		table       activators.Table
		host, guest string
		arch        *arch.Arch
		want        bool
	}{
		{table, "freebsd", "freebsd", host, true},
		{table, "freebsd", "freebsd", mustArch(t, "i386"), true},
		{table, "freebsd", "freebsd", mustArch(t, "mips64"), false},
		{table, "freebsd", "linux", mustArch(t, "i386"), false},
		{linux, "linux", "linux", host, true},
		{linux, "linux", "freebsd", host, false},
		{linux, "linux", "linux", mustArch(t, "mips64"), false},
	} {
		if got := native(tt.table, tt.host, tt.arch, tt.guest); got != tt.want {
			t.Errorf("%s on %s, programs of %s: native %v", tt.arch, tt.host, tt.guest, got)
		}
	}
}

// What the kernel runs by itself is handed to the table as headers that programs
// of it have.
func TestSafeAsksTheTable(t *testing.T) {
	table := &amd64Table{Table: memory.New(memory.FreeBSD)}
	e := Activator("freebsd", arch.Binmisc, mustArch(t, "mips64"), &qemu.Emulator{}, "/e", true)
	if err := Safe(table, e); err != nil {
		t.Fatal(err)
	}
	if len(table.asked) != 2 || table.asked[1].Arch != "i386" {
		t.Fatalf("asked about %+v", table.asked)
	}
	i386 := Activator("freebsd", arch.Binmisc, mustArch(t, "i386"), &qemu.Emulator{}, "/e", true)
	if !activators.Captures(i386, table.asked[1].Header) {
		t.Errorf("the header %x is none of i386", table.asked[1].Header)
	}
	own := Activator("freebsd", arch.Binmisc, arch.Host(), &qemu.Emulator{}, "/e", true)
	if err := Safe(table, own); fault.KindOf(err) != fault.Unsafe {
		t.Errorf("the machine's own programs: %v", err)
	}
	if err := Safe(memory.New(memory.Linux), e, e.Magic); fault.KindOf(err) != fault.Unsafe {
		t.Errorf("its own interpreter: %v", err)
	}
}
