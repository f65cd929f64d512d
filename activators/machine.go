package activators

// Machine is the Table that a kernel holds: the whole machine's, or on Linux
// that of a user namespace.
type Machine interface {
	Table
	// Instance names the table and the boot for a Ledger. What another instance
	// knew is not believed: tables do not survive a reboot.
	Instance() (string, error)
}

// loader is a Machine whose table is in a kernel module.
type loader interface {
	// Load loads the module; nothing happens when it is there.
	Load() error
}

// Loadable tells whether Load can make the table of t available.
func Loadable(t Machine) bool {
	_, ok := t.(loader)
	return ok
}

// Load makes the table of t available where that takes no more than loading a
// kernel module.
func Load(t Machine) error {
	if l, ok := t.(loader); ok {
		return l.Load()
	}
	return nil
}

// preOpener is a Table whose kernel may know PRE_OPEN.
type preOpener interface {
	// PreOpen tells whether the kernel opens an interpreter when its entry is
	// registered (IBF_PRE_OPEN, FreeBSD 13.2).
	PreOpen() bool
}

// PreOpens tells whether entries of t can have the flag PRE_OPEN.
func PreOpens(t Table) bool {
	p, ok := t.(preOpener)
	return ok && p.PreOpen()
}
