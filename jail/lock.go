package jail

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
)

// lock is held while a jail is used (shared) or changed (exclusive). The
// kernel lets go of it when the process ends, however it ends.
type lock struct{ f *os.File }

// List looks whether a jail is in use by taking its lock for a moment; nobody
// else shall fail by that.
const (
	lockTries = 20
	lockPause = 10 * time.Millisecond
)

// lock takes the lock of a jail or fails.
func (s Store) lock(name string, how int) (*lock, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	if how == unix.LOCK_EX {
		if err := s.makeDirs(machineRoot()); err != nil {
			return nil, err
		}
	}
	if err := s.checkOwner(name); err != nil {
		return nil, err
	}
	for try := 0; ; try++ {
		l, err := tryLock(s.lockFile(name), how)
		if errors.Is(err, unix.EWOULDBLOCK) && try < lockTries {
			time.Sleep(lockPause)
			continue
		}
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fault.New(fault.Locked, "wait for it, or end the programs that run in it", "jail %s is in use by another xjail", name)
		}
		if err != nil && errors.Is(err, fs.ErrNotExist) {
			return nil, s.noJail(name)
		}
		if err != nil {
			return nil, writeError(err)
		}
		if l != nil {
			return l, nil
		}
	}
}

// use takes a jail that is to be looked at or run in, which others may do at the
// same time. The caller releases the lock.
func (s Store) use(name string) (*Record, *lock, error) {
	if err := s.recoverFirst(name); err != nil {
		return nil, nil, err
	}
	l, err := s.lock(name, unix.LOCK_SH)
	if err != nil {
		return nil, nil, err
	}
	r, err := s.Load(name)
	if err != nil {
		l.release()
		return nil, nil, err
	}
	return r, l, nil
}

// makeDirs makes the directories of the state. Nobody but the owner may look
// into roots: a setuid file in one would be a setuid file of this machine. Beside
// them root has the record of the machine's activators, which is for everybody.
func (s Store) makeDirs(shared bool) error {
	if shared {
		defer unix.Umask(unix.Umask(0o022))
		if err := os.MkdirAll(s.Dir, 0o755); err != nil {
			return writeError(err)
		}
	}
	return writeError(os.MkdirAll(s.jails(), 0o700))
}

func (s Store) lockFile(name string) string { return filepath.Join(s.jails(), name+".lock") }

// checkOwner refuses the state of somebody else: its records and journals say
// which directories go with a jail, and for root these could be any.
func (s Store) checkOwner(name string) error {
	if machineRoot() {
		// Who can rename jails can put another directory in its place.
		if info, err := os.Stat(s.Dir); err == nil && !ownedBy(info, 0) {
			return fault.New(fault.Permission, othersHint, "%s belongs to another user", s.Dir)
		} else if err == nil && info.Mode()&0o022 != 0 && info.Mode()&fs.ModeSticky == 0 {
			return fault.New(fault.Unsafe, "chmod go-w "+s.Dir, "%s can be written by others (mode %04o)", s.Dir, info.Mode().Perm())
		}
	}
	for _, dir := range []string{s.jails(), s.dir(name)} {
		info, err := os.Lstat(dir)
		switch {
		case err != nil:
			return nil //nolint:nilerr // it is not there, or cannot be seen: the next step says which
		case !info.IsDir():
			return fault.New(fault.Unsafe, "look what it is, and remove it", "%s is not a directory", dir)
		case !ownedBy(info, os.Geteuid()):
			return fault.New(fault.Permission, othersHint, "%s belongs to another user", dir)
		case info.Mode().Perm()&0o022 != 0:
			return fault.New(fault.Unsafe, "chmod go-w "+dir, "%s can be written by others (mode %04o)", dir, info.Mode().Perm())
		}
	}
	return nil
}

const othersHint = "run as the user who owns it (jails of root need root), or name a place of your own with --state DIR"

func ownedBy(info fs.FileInfo, uid int) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return !ok || int(st.Uid) == uid
}

// machineRoot tells whether this process is the machine's root.
func machineRoot() bool { return os.Geteuid() == 0 && !InUserNamespace() }

// tryLock returns nil when the file was removed between opening and locking:
// then it is another file that counts.
func tryLock(file string, how int) (*lock, error) {
	flags := os.O_RDONLY
	if how == unix.LOCK_EX {
		flags = os.O_RDWR | os.O_CREATE
	}
	f, err := os.OpenFile(file, flags|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", file, err)
	}
	mine, err1 := f.Stat()
	now, err2 := os.Stat(file)
	if err1 == nil && err2 == nil && os.SameFile(mine, now) {
		return &lock{f}, nil
	}
	f.Close()
	return nil, nil
}

func (l *lock) release() { l.f.Close() }

// remove takes the lock's file away while it is held.
func (l *lock) remove() {
	_ = os.Remove(l.f.Name())
	l.f.Close()
}

// writeError gives a failed write its kind, unless it has one.
func writeError(err error) error {
	switch {
	case err == nil:
		return nil
	case fault.KindOf(err) != fault.Failed:
		return err
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fault.Wrap(fault.NoSpace, err, "", "free space there, or choose another place with --state DIR or --path DIR")
	case errors.Is(err, syscall.EROFS):
		return fault.Wrap(fault.Permission, err, "", "mount it for writing, or choose another place with --state DIR or --path DIR")
	case errors.Is(err, fs.ErrPermission):
		return fault.Wrap(fault.Permission, err, "", "run as root, or choose a place of your own with --state DIR or --path DIR")
	}
	return err
}
