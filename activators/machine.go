package activators

// Machine is the Table that a kernel holds: the whole machine's, or on Linux
// that of a user namespace.
type Machine interface {
	Table
	// Instance names the table and the boot for a Ledger. What another instance
	// knew is not believed: tables do not survive a reboot.
	Instance() (string, error)
}
