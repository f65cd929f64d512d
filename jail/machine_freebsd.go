package jail

import (
	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/binmisc"
	"golang.org/x/sys/unix"
)

// MachineTable is the machine's table of activators: FreeBSD has one, which all
// jails use.
func MachineTable() activators.Machine { return binmisc.New() }

// inJail tells whether this process is in a jail(2).
func inJail() bool {
	n, err := unix.SysctlUint32("security.jail.jailed")
	return err == nil && n != 0
}
