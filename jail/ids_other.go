//go:build !linux

package jail

// enoughIDs holds everywhere else: there root is needed anyway.
func enoughIDs() error { return nil }
