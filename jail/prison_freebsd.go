package jail

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/vfsopt"
)

// Flags of jail_set(2), sys/sys/jail.h.
const (
	prisonCreate = 0x1 // JAIL_CREATE
	prisonUpdate = 0x2 // JAIL_UPDATE
)

// Prisons lists the jails that are not dying, by jail_get(2).
func (hostKernel) Prisons() (map[int]string, error) {
	all := map[int]string{}
	for last := 0; ; {
		o := nextPrison(last)
		jid, err := vfsopt.Call(unix.SYS_JAIL_GET, o, 0)
		if errors.Is(err, unix.ENOENT) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		all[jid], last = o.Text("path"), jid
	}
}

// RemovePrison is jail_remove(2).
func (hostKernel) RemovePrison(jid int) error {
	_, _, errno := unix.Syscall(unix.SYS_JAIL_REMOVE, uintptr(jid), 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// newPrison makes the jail(2) of a view, and returns its number.
func newPrison(e *entrance, v *view, g guest) (int, error) {
	o, err := prisonOptions(e, v.root, v.id, g, knownParameter)
	if err != nil {
		return 0, fault.Wrap(fault.KindOf(err), err, "jail "+e.Name, "")
	}
	jid, err := vfsopt.Call(unix.SYS_JAIL_SET, o, prisonCreate)
	if errors.Is(err, unix.EPERM) {
		return 0, fault.Wrap(fault.Permission, err, "make a jail", "jails are entered by root of the machine, not from within a jail")
	}
	return jid, fault.Wrap(fault.Failed, err, "make a jail", "")
}

// knownParameter asks the kernel for the node that describes a parameter.
func knownParameter(name string) bool {
	_, err := unix.SysctlRaw("security.jail.param." + name)
	return !errors.Is(err, unix.ENOENT)
}
