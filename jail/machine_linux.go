package jail

import (
	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/binfmt"
)

// MachineTable is the machine's own table of activators. On Linux only jails
// made with --global use it.
func MachineTable() activators.Machine { return binfmt.New(binfmt.DefaultDir) }

// inJail: jail(2) is FreeBSD's.
func inJail() bool { return false }
