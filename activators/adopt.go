package activators

// Adopt makes entries ours that xjail declared in a file of the machine, from
// which something else registers them: systemd-binfmt does so at boot, and each
// time that it is started anew. Those that are not in the table are forgotten
// with the next change. Which file the kernel opened for them is not known, so
// they are never Stale until xjail registers them itself.
func (l *Ledger) Adopt(declared []Entry) {
	if l == nil {
		return
	}
	for _, e := range declared {
		if l.find(e) < 0 {
			l.entries = append(l.entries, ledgerEntry{Name: e.Name, Digest: e.Digest()})
		}
	}
}
