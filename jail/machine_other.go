//go:build !linux && !freebsd

package jail

import (
	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/binfmt"
)

// MachineTable has nothing here: binfmt_misc is mounted nowhere, and says so.
func MachineTable() activators.Machine { return binfmt.New(binfmt.DefaultDir) }

// inJail: jail(2) is FreeBSD's.
func inJail() bool { return false }
