package jail

import (
	"slices"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/binmisc"
	"github.com/xjail/xjail/arch"
)

// supporter is the table of a kernel that names the architectures whose programs
// it runs by itself: FreeBSD's.
type supporter interface {
	SupportedArchs() ([]string, error)
}

// safer is a table that knows when its kernel asks it.
type safer interface {
	Safe(e activators.Entry, natives ...binmisc.Native) error
}

// Safe refuses an entry of t that could take programs of the machine itself, or
// its own interpreter, which begins with emulator. On FreeBSD it refuses those
// for the other architectures that the kernel runs by itself, too: as
// activators.ErrUnsupported where such an entry would only never be used.
func Safe(t activators.Table, e activators.Entry, emulator ...[]byte) error {
	if err := activators.Native(e, emulator...); err != nil {
		return err
	}
	s, ok := t.(safer)
	if !ok {
		return nil
	}
	var natives []binmisc.Native
	for _, name := range supported(t) {
		if a, err := arch.Lookup(name); err == nil {
			natives = append(natives, binmisc.Native{Arch: a.Name, Header: a.Header(osabiFreeBSD)})
		}
	}
	return s.Safe(e, natives...)
}

// tableOf is where the activators of a jail are; nil for a private instance,
// which holds for the jail alone.
func tableOf(global bool) activators.Table {
	if global {
		return MachineTable()
	}
	return nil
}

// osabiFreeBSD is ELFOSABI_FREEBSD.
const osabiFreeBSD = 9

// supported are the architectures whose programs the kernel of t runs by itself,
// as far as it says so.
func supported(t activators.Table) []string {
	s, ok := t.(supporter)
	if !ok {
		return nil
	}
	names, err := s.SupportedArchs()
	if err != nil {
		return nil // kernels before 9 have no such sysctl
	}
	return names
}

// native tells whether the host runs the programs of a root by itself: those of
// its own architecture, and on FreeBSD of others that the kernel knows, such as
// i386 on amd64.
func native(t activators.Table, hostOS string, a *arch.Arch, guest string) bool {
	host := arch.Host()
	if guest != hostOS {
		return false
	}
	return host != nil && a.Name == host.Name || slices.Contains(supported(t), a.Name)
}
