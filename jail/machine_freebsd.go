package jail

import (
	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/binmisc"
)

// MachineTable is the machine's table of activators: FreeBSD has one, which all
// jails use.
func MachineTable() activators.Machine { return binmisc.New() }
