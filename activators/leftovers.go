package activators

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"
)

// ledgerTemp is the end of the name of a ledger that is being written.
const ledgerTemp = ".tmp"

// LedgerLeftover tells whether a killed xjail left something beside the ledger
// at path: one that was written in part, or the lock of one that is not there.
// While another xjail holds the lock nothing is left.
func LedgerLeftover(path string) bool {
	_, part := os.Lstat(path + ledgerTemp)
	_, ledger := os.Lstat(path)
	_, lock := os.Lstat(path + ".lock")
	if part != nil && (lock != nil || ledger == nil) {
		return false
	}
	return !ledgerBusy(path)
}

// ledgerBusy tells whether another process holds the lock.
func ledgerBusy(path string) bool {
	f, err := os.Open(path + ".lock")
	if err != nil {
		return false
	}
	defer f.Close()
	return errors.Is(syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB), syscall.EWOULDBLOCK)
}

// SweepLedger removes what LedgerLeftover found. fault.Locked: another xjail
// changes activators.
func SweepLedger(path string) error {
	lock, err := lockFile(path+".lock", time.Now().Add(lockWait))
	if err != nil {
		return err
	}
	err = os.Remove(path + ledgerTemp)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	(&Ledger{path: path, lock: lock}).Close()
	return ledgerError(err)
}

// Differences compares the ledger with the entries of its table: the names of
// those that are gone, and of those that somebody changed since.
func (l *Ledger) Differences(list []Entry) (gone, changed []string) {
	there := map[string]bool{} // whether it is as it was recorded
	for _, e := range list {
		there[e.Name] = there[e.Name] || l.Owns(e)
	}
	for _, k := range l.entries {
		switch as, ok := there[k.Name]; {
		case !ok:
			gone = append(gone, k.Name)
		case !as:
			changed = append(changed, k.Name)
		}
	}
	return gone, changed
}

// StandInOf is the name of the entry in the place of which name stands while it
// is replaced, "" when it is not such a name. A killed xjail leaves them.
func StandInOf(name string) string {
	of, ok := strings.CutSuffix(name, tempSuffix)
	if !ok {
		return ""
	}
	return of
}
