package activators

import (
	"os"
	"syscall"
	"testing"

	"github.com/xjail/xjail/internal/fault"
)

// A record that cannot be written says what would mend it, where something would.
func TestLedgerError(t *testing.T) {
	for errno, want := range map[syscall.Errno]struct {
		kind fault.Kind
		hint bool
	}{
		syscall.EACCES: {fault.Permission, true},
		syscall.EROFS:  {fault.Permission, true},
		syscall.ENOSPC: {fault.NoSpace, false},
		syscall.EIO:    {fault.Failed, false},
	} {
		err := ledgerError(&os.PathError{Op: "mkdir", Path: "/var/lib/xjail", Err: errno})
		if fault.KindOf(err) != want.kind || (fault.HintOf(err) != "") != want.hint {
			t.Errorf("%v: kind %v, hint %q", errno, fault.KindOf(err), fault.HintOf(err))
		}
	}
}
