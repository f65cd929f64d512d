package binfmt

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// Instance names this table for an activators.Ledger: the boot, and the file
// system. What another boot or another instance knew is not believed.
func (t *Table) Instance() (string, error) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("identify this boot: %w", err)
	}
	var st syscall.Stat_t
	if err := syscall.Stat(t.dir, &st); err != nil {
		return "", t.failure("look at "+t.dir, err)
	}
	return fmt.Sprintf("binfmt_misc %s %x", strings.TrimSpace(string(boot)), st.Dev), nil
}
