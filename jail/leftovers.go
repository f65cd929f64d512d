package jail

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/qemu"
)

// LeftoverKind is what a Leftover is of.
type LeftoverKind string

// The kinds.
const (
	LeftIncomplete LeftoverKind = "incomplete" // a jail whose creation or removal was interrupted
	LeftStrange    LeftoverKind = "strange"    // a directory without a record that has more in it than jails have
	LeftLock       LeftoverKind = "lock"       // the lock of a jail that is not there
	LeftTemporary  LeftoverKind = "temporary"  // files of a step, beside a jail that is complete
	LeftJournal    LeftoverKind = "journal"    // of a jail that is complete, and needs none
	LeftView       LeftoverKind = "view"       // what a killed command left mounted (FreeBSD)
	LeftLedger     LeftoverKind = "ledger"     // beside the record of activators
	LeftFetch      LeftoverKind = "fetch"      // of xjail emulator fetch
	LeftCache      LeftoverKind = "cache"      // temporary files in the cache
)

// Leftover is something that a killed command left in a state directory, and
// that nobody uses.
type Leftover struct {
	Kind LeftoverKind
	Jail string // "" when it is of none
	Path string
}

// Leftovers finds what killed commands left. What a running command holds by
// its lock is not among it. Nothing is changed.
func (s Store) Leftovers() ([]Leftover, error) {
	names, err := s.Names()
	if err != nil {
		return nil, err
	}
	var left []Leftover
	for _, name := range names {
		if s.checkOwner(name) == nil && !s.inUse(name) {
			left = append(left, s.leftoversOf(name)...)
		}
	}
	left = append(left, s.staleLocks(names)...)
	if file := filepath.Join(s.Dir, activators.LedgerName); activators.LedgerLeftover(file) {
		left = append(left, Leftover{LeftLedger, "", file})
	}
	for _, dir := range qemu.FetchLeftovers(s.EmulatorDir()) {
		left = append(left, Leftover{LeftFetch, "", dir})
	}
	for _, file := range s.Cache().Leftovers() {
		left = append(left, Leftover{LeftCache, "", file})
	}
	return left, nil
}

// leftoversOf are those of a jail that nobody uses.
func (s Store) leftoversOf(name string) []Leftover {
	if _, err := os.Lstat(s.record(name)); errors.Is(err, fs.ErrNotExist) {
		if len(s.strangersIn(name)) > 0 {
			return []Leftover{{LeftStrange, name, s.dir(name)}}
		}
		return []Leftover{{LeftIncomplete, name, s.dir(name)}}
	}
	var left []Leftover
	for _, file := range s.temporaries(name) {
		left = append(left, Leftover{LeftTemporary, name, file})
	}
	if s.needlessJournal(name) {
		left = append(left, Leftover{LeftJournal, name, s.journal(name)})
	}
	for _, dir := range leftViews(s.views(name)) {
		left = append(left, Leftover{LeftView, name, dir})
	}
	return left
}

// temporaries are files and directories that only steps of create have, and are
// gone when it is done. Those in the directory of the jail have fixed names, and
// so has that of an emulator that is put into a root.
func (s Store) temporaries(name string) []string {
	var found []string
	for _, sub := range []string{partialName, "tmp", "download", "jail.json.new", "metadata.json.new", keptEmulator, updatedMetadata, updateName + ".new"} {
		file := filepath.Join(s.dir(name), sub)
		if _, err := os.Lstat(file); err == nil {
			found = append(found, file)
		}
	}
	r, err := s.Load(name)
	if err != nil || r.Emulator == nil {
		return found
	}
	root, err := os.OpenRoot(r.Root)
	if err != nil {
		return found
	}
	defer root.Close()
	if rel := placedTemporary(r); rel != "" {
		if st, err := root.Lstat(rel); err == nil && st.Mode().IsRegular() {
			found = append(found, filepath.Join(r.Root, rel))
		}
	}
	return found
}

// placedTemporary is the file in the root, by its path below it, that becomes
// the emulator.
func placedTemporary(r *Record) string {
	rel := strings.TrimPrefix(path.Clean("/"+r.Emulator.Path), "/")
	return qemu.PlaceTemporary(rel)
}

// needlessJournal tells whether a complete jail has a journal that says nothing
// that its record does not.
func (s Store) needlessJournal(name string) bool {
	if _, err := os.Lstat(s.journal(name)); err != nil {
		return false
	}
	if _, err := s.Load(name); err != nil {
		return false
	}
	entries, err := s.readJournal(name)
	return err == nil && !slices.ContainsFunc(entries, func(e journalEntry) bool {
		return len(e.Outside)+len(e.Parents)+len(e.Global) > 0
	})
}

// leftViews are the views in a directory that nobody has locked.
func leftViews(dir string) []string {
	entries, _ := os.ReadDir(dir)
	var left []string
	for _, e := range entries {
		id, ok := strings.CutSuffix(e.Name(), viewLock)
		if !ok || !e.Type().IsRegular() {
			continue
		}
		l, err := tryLock(filepath.Join(dir, e.Name()), unix.LOCK_SH)
		if err == nil && l != nil {
			l.release()
			left = append(left, filepath.Join(dir, id))
		}
	}
	return left
}

// staleLocks are lock files of which there is no jail, and that nobody holds.
func (s Store) staleLocks(names []string) []Leftover {
	entries, _ := os.ReadDir(s.jails())
	var left []Leftover
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".lock")
		if !ok || !e.Type().IsRegular() || !validName(name) || slices.Contains(names, name) || s.inUse(name) {
			continue
		}
		left = append(left, Leftover{LeftLock, name, s.lockFile(name)})
	}
	return left
}

// RemoveLeftover removes what Leftovers found, if it still is one: it takes the
// locks that commands hold, and looks again. fault.Locked: a command uses it.
func (s Store) RemoveLeftover(ctx context.Context, l Leftover) error {
	switch l.Kind {
	case LeftLock:
		s.removeStaleLock(l.Jail)
		return nil
	case LeftLedger:
		return activators.SweepLedger(l.Path)
	case LeftFetch:
		return qemu.SweepFetch(s.EmulatorDir())
	case LeftCache:
		return s.Cache().RemoveLeftover(l.Path)
	case LeftIncomplete, LeftStrange:
		return s.RemoveIncomplete(ctx, l.Jail)
	}
	lock, err := s.lock(l.Jail, unix.LOCK_EX)
	if err != nil {
		return err
	}
	defer lock.release()
	if !slices.Contains(s.leftoversLocked(l.Jail), l) {
		return nil
	}
	switch l.Kind {
	case LeftView:
		return s.dropViews(l.Jail)
	case LeftJournal:
		return os.Remove(l.Path)
	}
	return s.removeTemporary(ctx, l)
}

// leftoversLocked is leftoversOf for who holds the jail's lock.
func (s Store) leftoversLocked(name string) []Leftover {
	if _, err := os.Lstat(s.dir(name)); err != nil {
		return nil
	}
	return s.leftoversOf(name)
}

// removeTemporary removes a file of a step. One in a root is reached from the
// root only.
func (s Store) removeTemporary(ctx context.Context, l Leftover) error {
	if filepath.Dir(l.Path) == s.dir(l.Jail) {
		return removeTree(ctx, l.Path)
	}
	r, err := s.Load(l.Jail)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(r.Root)
	if err != nil {
		return err
	}
	defer root.Close()
	return root.Remove(placedTemporary(r))
}

// RemoveIncomplete removes a jail whose creation or removal was interrupted. One
// that is complete stays, see Incomplete.
func (s Store) RemoveIncomplete(ctx context.Context, name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	if _, err := os.Lstat(s.dir(name)); errors.Is(err, fs.ErrNotExist) {
		s.removeStaleLock(name)
		return nil
	}
	l, err := s.lock(name, unix.LOCK_EX)
	if err != nil {
		return err
	}
	defer l.release()
	if err := s.Incomplete(name); err != nil {
		return err
	}
	if err := s.checkMounts(name); err != nil {
		return err
	}
	if err := s.sweep(ctx, name); err != nil {
		return err
	}
	l.remove()
	s.removeEmpty()
	return nil
}

// Incomplete is nil for a jail without a record. One with a record is
// fault.Exists, and one with more in it than jails have fault.Unsafe: somebody
// put it there.
func (s Store) Incomplete(name string) error {
	all := "xjail destroy " + name + " removes it all the same"
	if _, err := os.Lstat(s.record(name)); errors.Is(err, fs.ErrNotExist) {
		if strange := s.strangersIn(name); len(strange) > 0 {
			return fault.New(fault.Unsafe, all, "%s is not of a jail", strange[0])
		}
		return nil
	}
	return fault.New(fault.Exists, all, "jail %s is complete, or has a record at least", name)
}

// RestoreEmulator puts the emulator of a jail into its root again, when the file
// that it came from is still the same one. Nobody must be in the jail.
func (s Store) RestoreEmulator(name string) error {
	l, err := s.lock(name, unix.LOCK_EX)
	if err != nil {
		return err
	}
	defer l.release()
	r, err := s.Load(name)
	if err != nil {
		return err
	}
	if err := restorable(r); err != nil {
		return err
	}
	root, err := os.OpenRoot(r.Root)
	if err != nil {
		return err
	}
	defer root.Close()
	// Place takes only a file with the digest of the record.
	_, err = qemu.Place(root, strings.TrimPrefix(r.Emulator.Path, "/"), &qemu.Emulator{Path: r.Emulator.Origin, SHA256: r.Emulator.SHA256})
	return err
}

// restorable says why the emulator of a jail cannot be put into its root again.
func restorable(r *Record) error {
	again := "xjail destroy " + r.Name + " and make it again"
	if r.Emulator == nil {
		return fault.New(fault.NotFound, again, "jail %s has no emulator", r.Name)
	}
	sum, err := qemu.Digest(r.Emulator.Origin)
	if err != nil {
		return fault.Wrap(fault.KindOf(err), err, "the emulator's origin", again)
	}
	if sum != r.Emulator.SHA256 {
		return fault.New(fault.Mismatch, again, "%s is not the file that jail %s was made with", r.Emulator.Origin, r.Name)
	}
	return nil
}

// Restorable tells whether RestoreEmulator can put the emulator of a jail into
// its root again.
func (s Store) Restorable(r *Record) bool { return restorable(r) == nil }

// RegisterAgain registers the activators of a jail that uses the machine's
// table, or switches them on: what a reboot, an update or somebody else took
// away. The emulator must fit; entries that xjail did not make stay as they are,
// and are fault.Exists where they are in the way.
func (s Store) RegisterAgain(ctx context.Context, name string) error {
	r, l, err := s.use(name)
	if err != nil {
		return err
	}
	defer l.release()
	if !r.Global || len(r.Activators) == 0 {
		return fault.New(fault.NotFound, "xjail verify "+name, "jail %s uses no activator of the machine", name)
	}
	if err := s.renewGlobal(MachineTable(), r, fits(ctx, r)); err != nil {
		return fmt.Errorf("register the activators of jail %s: %w", name, err)
	}
	return nil
}
