package activators

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/xjail/xjail/internal/fault"
)

// LedgerName is the ledger's name in a state directory.
const LedgerName = "activators.json"

// ledgerVersion is written into every ledger; a newer one is not read.
const ledgerVersion = 1

// lockWait is how long OpenLedger waits for another xjail, which needs
// milliseconds.
const lockWait = 5 * time.Second

// Ledger is a file that remembers which entries of a table xjail made. An entry
// is ours when its name and its content are in it. Tables do not survive a
// reboot, so a ledger of another instance (another boot) counts as empty.
//
// Entries are written down before they are registered, so that one which a
// killed xjail left behind is known. A nil Ledger owns nothing and keeps
// nothing.
type Ledger struct {
	path     string
	instance string
	entries  []ledgerEntry
	reopened map[ledgerEntry]openedFile // their Opened when the changes under way succeed
	lock     *os.File
}

type ledgerEntry struct {
	Name   string `json:"name"`
	Digest string `json:"digest"`
	// Opened is the interpreter that the kernel opened, for entries that make it
	// do so.
	Opened openedFile `json:"opened,omitzero"`
	// File is what was written in the place of Opened before there was one.
	File string `json:"file,omitempty"`
}

type ledgerFile struct {
	Version  int           `json:"version"`
	Instance string        `json:"instance"`
	Entries  []ledgerEntry `json:"entries"`
}

// ReadLedger reads a ledger for looking only. instance names the table and the
// boot; a file that is not there is an empty ledger.
func ReadLedger(path, instance string) (*Ledger, error) {
	l := &Ledger{path: path, instance: instance}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return l, ledgerError(err)
	}
	var f ledgerFile
	err = json.Unmarshal(text, &f)
	if err == nil && f.Version != ledgerVersion {
		err = errors.New("it is of another version of xjail")
	}
	if err != nil {
		return l, fault.Wrap(fault.Damaged, err, "record of activators "+path, "remove it; xjail then no longer knows the entries in it as its own")
	}
	if f.Instance == instance {
		l.entries = f.Entries
	}
	return l, nil
}

// OpenLedger reads a ledger to change it, and keeps other xjails from doing so
// until Close. It makes the directory of path. fault.Locked: another one has it
// for more than a few seconds.
func OpenLedger(path, instance string) (*Ledger, error) {
	lock, err := lockFile(path+".lock", time.Now().Add(lockWait))
	if err != nil {
		return nil, err
	}
	l, err := ReadLedger(path, instance)
	if err != nil {
		lock.Close()
		return nil, err
	}
	l.lock = lock
	return l, nil
}

// lockFile waits for the lock on a file until end. Who holds it may remove the
// file and its directory, so it counts only when it still has the name
// afterwards.
func lockFile(name string, end time.Time) (*os.File, error) {
	for ; ; time.Sleep(10 * time.Millisecond) {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return nil, ledgerError(err)
		}
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
		if errors.Is(err, fs.ErrNotExist) && time.Now().Before(end) {
			continue
		}
		if err != nil {
			return nil, ledgerError(err)
		}
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		mine, err1 := f.Stat()
		now, err2 := os.Stat(name)
		if err == nil && err1 == nil && err2 == nil && os.SameFile(mine, now) {
			return f, nil
		}
		f.Close()
		if err != nil && !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, ledgerError(err)
		}
		if time.Now().After(end) {
			return nil, fault.New(fault.Locked, "try again when it is done", "another xjail changes activators (%s)", name)
		}
	}
}

// Close lets other xjails change the ledger. When there is nothing left to
// remember, its files and an empty directory go.
func (l *Ledger) Close() {
	if l == nil || l.lock == nil {
		return
	}
	if _, err := os.Lstat(l.path); errors.Is(err, fs.ErrNotExist) {
		_ = os.Remove(l.lock.Name())
		_ = os.Remove(filepath.Dir(l.path))
	}
	l.lock.Close()
	l.lock = nil
}

// Forget drops the entries that are not in the table any more, because somebody
// else removed them or the machine was started anew.
func (l *Ledger) Forget(t Table) error { return l.settle(t, false) }

// find is the place of e, or -1.
func (l *Ledger) find(e Entry) int {
	if l == nil {
		return -1
	}
	digest := e.Digest()
	return slices.IndexFunc(l.entries, func(k ledgerEntry) bool { return k.Name == e.Name && k.Digest == digest })
}

// Owns tells whether xjail made e.
func (l *Ledger) Owns(e Entry) bool { return l.find(e) >= 0 }

// Stale says that the interpreter which the kernel holds open (flag F,
// PRE_OPEN) is no longer the file of its path, or not what was registered: an
// update replaced it, or it is gone.
func (l *Ledger) Stale(e Entry) string {
	i := l.find(e)
	if i < 0 {
		return ""
	}
	if old := l.entries[i].File; old != "" {
		return staleFile(old, e.Interpreter)
	}
	return l.entries[i].Opened.stale(e.Interpreter)
}

// expect writes down entries that are about to be registered.
func (l *Ledger) expect(list []Entry) error {
	if l == nil {
		return nil
	}
	l.reopened = map[ledgerEntry]openedFile{}
	files := map[string]openedFile{} // an entry and its stand-in open the same one
	for _, e := range list {
		var file openedFile
		if opens(e) {
			if _, known := files[e.Interpreter]; !known {
				files[e.Interpreter] = lookAtOpened(e.Interpreter)
			}
			file = files[e.Interpreter]
		}
		if i := l.find(e); i >= 0 {
			// Until it is registered again the kernel holds the old file.
			l.reopened[l.entries[i]] = file
			continue
		}
		l.entries = append(l.entries, ledgerEntry{Name: e.Name, Digest: e.Digest(), Opened: file})
	}
	return l.save()
}

// settle forgets the entries that are not in the table. done says that all
// changes were made: entries that were registered again have opened their
// interpreters.
func (l *Ledger) settle(t Table, done bool) error {
	if l == nil {
		return nil
	}
	list, err := t.List()
	if err != nil {
		return err
	}
	there := map[int]bool{}
	for _, e := range list {
		there[l.find(e)] = true
	}
	var kept []ledgerEntry
	for i, e := range l.entries {
		if file, ok := l.reopened[e]; ok && done {
			e.Opened, e.File = file, ""
		}
		if there[i] {
			kept = append(kept, e)
		}
	}
	l.entries = kept
	return l.save()
}

// save replaces the file in one step; with no entries there is none.
func (l *Ledger) save() error {
	if len(l.entries) == 0 {
		err := os.Remove(l.path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return ledgerError(err)
	}
	slices.SortFunc(l.entries, func(a, b ledgerEntry) int { return strings.Compare(a.Name+a.Digest, b.Name+b.Digest) })
	text, err := json.MarshalIndent(ledgerFile{ledgerVersion, l.instance, l.entries}, "", "  ")
	if err != nil {
		return err
	}
	return ledgerError(replaceFile(l.path, append(text, '\n')))
}

func replaceFile(path string, text []byte) error {
	tmp := path + ledgerTemp
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		_ = os.Remove(tmp)
	}
	return err
}

func ledgerError(err error) error {
	kind, hint := fault.Failed, ""
	switch {
	case errors.Is(err, fs.ErrPermission):
		kind, hint = fault.Permission, "run it as root"
	case errors.Is(err, syscall.EROFS):
		kind, hint = fault.Permission, "mount it for writing, or choose another place with --state DIR"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		kind = fault.NoSpace
	}
	return fault.Wrap(kind, err, "record of activators", hint)
}
