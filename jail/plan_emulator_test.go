package jail

import (
	"encoding/hex"
	"runtime"
	"slices"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/qemu"
)

func mustArch(t *testing.T, name string) *arch.Arch {
	t.Helper()
	a, err := arch.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// The bytes are those of FreeBSD's sys/sys/imgact_binmisc.h and binmiscctl(8),
// and of QEMU's scripts/qemu-binfmt-conf.sh.
func TestActivator(t *testing.T) {
	linuxUser := &qemu.Emulator{Family: qemu.LinuxUser, Version: "7.2.22"}
	bsdUser := &qemu.Emulator{Family: qemu.BSDUser, Version: "3.1.0"}
	const port = "/usr/local/bin/qemu-x-static"
	tests := []struct {
		host, guest, arch string
		emulator          *qemu.Emulator
		preOpen           bool
		name, magic, mask string
		args              []string
		flags             string
	}{
		{"linux", "linux", "mips64", linuxUser, false, "xjail-mips64", "7f454c4602020100000000000000000000020008", "ffffffffffffff0000fffffffffffffffffeffff", nil, "PF"},
		{"linux", "freebsd", "mips64", bsdUser, false, "xjail-mips64-freebsd", "7f454c4602020109000000000000000000020008", "fffffffffffffffffffffffffffffffffffeffff", nil, "F"},
		{"freebsd", "freebsd", "mips64", bsdUser, true, "mips64", "7f454c4602020100000000000000000000020008", "ffffffffffffff00fffffffffffffffffffeffff", nil, "PRE_OPEN"},
		{"freebsd", "freebsd", "armv7", bsdUser, false, "armv7", "7f454c4601010100000000000000000002002800", "ffffffffffffff00fffffffffffffffffeffffff", nil, ""},
		{"freebsd", "freebsd", "powerpcspe", bsdUser, true, "powerpcspe", "7f454c4601020100000000000000000000020014", "ffffffffffffff00fffffffffffffffffffeffff", []string{"-cpu", "e500v2"}, "PRE_OPEN"},
	}
	for _, tt := range tests {
		t.Run(tt.host+" "+tt.guest+" "+tt.arch, func(t *testing.T) {
			e := Activator(tt.host, policy(tt.host, tt.guest), mustArch(t, tt.arch), tt.emulator, port, tt.preOpen)
			if e.Name != tt.name || e.Interpreter != port || !e.Enabled || e.Offset != 0 || !slices.Equal(e.Args, tt.args) || e.Flags.String() != tt.flags {
				t.Errorf("entry %+v", e)
			}
			if got := hex.EncodeToString(e.Magic); got != tt.magic {
				t.Errorf("magic %s, want %s", got, tt.magic)
			}
			if got := hex.EncodeToString(e.Mask); got != tt.mask {
				t.Errorf("mask %s, want %s", got, tt.mask)
			}
			if err := e.Validate(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A FreeBSD root of the machine's own architecture is foreign to Linux: its
// activator takes FreeBSD's programs, and none of the machine's.
func TestActivatorOwnArch(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("what the machine's own programs are like is Linux's here")
	}
	host := arch.Host()
	e := Activator("linux", policy("linux", "freebsd"), host, &qemu.Emulator{Family: qemu.BSDUser}, "/e", false)
	if err := activators.Native(e); err != nil {
		t.Errorf("FreeBSD's programs of %s: %v", host, err)
	}
	if err := activators.Native(Activator("linux", policy("linux", "linux"), host, &qemu.Emulator{}, "/e", false)); err == nil {
		t.Error("an entry for the machine's own programs was allowed")
	}
}

// On FreeBSD the emulator of a root is where the kernel's entry looks for it.
func TestEmulatorInRoot(t *testing.T) {
	a, e := mustArch(t, "aarch64"), &qemu.Emulator{Path: "/opt/qemu/qemu-aarch64"}
	if got := emulatorInRoot("freebsd", a, e); got != e.Path {
		t.Errorf("FreeBSD: %s", got)
	}
	if got := emulatorInRoot("linux", a, e); got != "/usr/bin/qemu-aarch64-static" {
		t.Errorf("Linux: %s", got)
	}
}
