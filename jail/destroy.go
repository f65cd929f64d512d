package jail

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/extract"
)

// Destroy removes a jail, complete or not, with all that it has made anywhere.
func (s Store) Destroy(ctx context.Context, name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	if _, err := os.Lstat(s.dir(name)); errors.Is(err, fs.ErrNotExist) {
		s.removeStaleLock(name)
		return s.noJail(name)
	}
	l, err := s.lock(name, unix.LOCK_EX)
	if err != nil {
		return err
	}
	defer l.release()
	if err := s.dropViews(name); err != nil {
		return err
	}
	if err := s.checkMounts(name); err != nil {
		return err
	}
	if err := s.condemn(name); err != nil {
		return err
	}
	if err := s.sweep(ctx, name); err != nil {
		return err
	}
	l.remove()
	s.removeEmpty()
	return nil
}

// checkMounts refuses to begin what could not be ended: a jail with something
// mounted below its root stays as it is.
func (s Store) checkMounts(name string) error {
	dirs := []string{s.dir(name)}
	if r, err := s.Load(name); err == nil && r.Outside {
		dirs = append(dirs, r.Root)
	}
	for _, dir := range dirs {
		root, err := os.OpenRoot(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		err = extract.CheckMounts(root)
		root.Close()
		if err != nil {
			return fmt.Errorf("remove %s: %w", dir, err)
		}
	}
	return nil
}

// Belongings are the paths that Destroy would remove, and the activators as
// "activator NAME".
func (s Store) Belongings(name string) ([]string, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	if _, err := os.Lstat(s.dir(name)); errors.Is(err, fs.ErrNotExist) {
		return nil, s.noJail(name)
	}
	entries, err := s.readJournal(name)
	if err != nil {
		return nil, err
	}
	paths, registered := outside(entries), global(entries)
	if r, err := s.Load(name); err == nil {
		if r.Outside {
			paths = append(paths, r.Root)
		}
		registered = append(registered, r.registered()...)
	}
	for _, entry := range registered {
		paths = append(paths, "activator "+entry)
	}
	return append(paths, s.dir(name)), nil
}

// condemn turns a complete jail into one that the next sweep removes: what it
// has outside goes into the journal, and then the record goes.
func (s Store) condemn(name string) error {
	r, err := s.Load(name)
	if errors.Is(err, fs.ErrNotExist) || fault.KindOf(err) == fault.NotFound {
		return nil
	}
	if err != nil && fault.KindOf(err) != fault.Damaged {
		return err
	}
	if err == nil {
		if err := s.announceDestroy(r); err != nil {
			return err
		}
	}
	return os.Remove(s.record(name))
}

// announceDestroy writes down what the sweep would not know of without the
// record. Where that is nothing, nothing is written: a full disk is a reason to
// destroy jails.
func (s Store) announceDestroy(r *Record) error {
	known, err := s.readJournal(r.Name)
	if err != nil {
		return err
	}
	e := journalEntry{Step: "destroy"}
	if r.Outside && !slices.Contains(outside(known), r.Root) {
		e.Outside = []string{r.Root}
	}
	for _, entry := range r.registered() {
		if !slices.Contains(global(known), entry) {
			e.Global = append(e.Global, entry)
		}
	}
	if len(e.Outside)+len(e.Global) == 0 {
		return nil
	}
	j, err := s.openJournal(r.Name)
	if err != nil {
		return err
	}
	defer j.close()
	return j.announce(e)
}

// sweep removes what is left of a jail without a record. It can be interrupted
// and called again.
func (s Store) sweep(ctx context.Context, name string) error {
	if err := s.dropViews(name); err != nil {
		return err
	}
	entries, err := s.readJournal(name)
	if err != nil {
		return err
	}
	for _, entry := range global(entries) {
		if err := s.unregisterGlobal(MachineTable(), entry, name); err != nil {
			return err
		}
	}
	for _, dir := range outside(entries) {
		if err := removeTree(ctx, dir); err != nil {
			return err
		}
	}
	for _, dir := range parents(entries) {
		_ = os.Remove(dir) // others may have put something there
	}
	// The journal goes last: as long as it is there, all this is known.
	for _, sub := range []string{partialName, "root", "tmp", "download", "metadata.json"} {
		if err := removeTree(ctx, filepath.Join(s.dir(name), sub)); err != nil {
			return err
		}
	}
	return removeTree(ctx, s.dir(name))
}

// removeTree removes dir without following a link, and not across a mount.
func removeTree(ctx context.Context, dir string) error {
	st, err := os.Lstat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if st.IsDir() {
		if err := clearTree(ctx, dir); err != nil {
			return err
		}
	}
	err = os.Remove(dir)
	hint := ""
	if errors.Is(err, unix.EBUSY) {
		hint = "it is empty, and a file system of its own: umount " + dir + ", or zfs destroy its dataset, and destroy the jail again"
	}
	return fault.Wrap(fault.Failed, err, "remove", hint)
}

func clearTree(ctx context.Context, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := extract.Clear(ctx, root); err != nil {
		return fmt.Errorf("remove %s: %w", dir, err)
	}
	return nil
}

// removeStaleLock takes away what a create or destroy leaves that was killed
// while it had no more than the file of the lock.
func (s Store) removeStaleLock(name string) {
	if _, err := os.Lstat(s.lockFile(name)); err == nil && s.checkOwner(name) == nil {
		l, err := tryLock(s.lockFile(name), unix.LOCK_EX)
		if err != nil || l == nil {
			return
		}
		if _, err := os.Lstat(s.dir(name)); err == nil {
			l.release()
			return
		}
		l.remove()
	}
	s.removeEmpty()
}

// removeEmpty takes away the directories that hold nothing any more.
func (s Store) removeEmpty() {
	if err := os.Remove(s.jails()); err == nil || errors.Is(err, fs.ErrNotExist) {
		_ = os.Remove(s.Dir)
	}
}
