package jail

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/xjail/xjail/internal/fault"
)

// packFile is an archive while it is being written: beside its place, under a
// name that nobody else has.
type packFile struct {
	*os.File
	final string
	force bool
}

// packMode is the mode of an archive: it holds what only the owner of the jail
// may read, such as the root's passwords.
const packMode = 0o600

// newPackFile begins an archive. It refuses a place in the root, where it would
// pack itself.
func newPackFile(final, root string, force bool) (*packFile, error) {
	if err := checkPackFile(final, force); err != nil {
		return nil, err
	}
	inside, err := isWithin(filepath.Dir(final), root)
	if err != nil {
		return nil, packError(err, final)
	}
	if inside {
		return nil, fault.New(fault.Usage, "name a file outside of "+root, "%s is in the root that is to be packed", final)
	}
	temp := final + ".xjail-" + strings.ToLower(rand.Text()[:12])
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, packMode)
	if err != nil {
		return nil, packError(err, final)
	}
	return &packFile{f, final, force}, nil
}

// checkPackFile looks at what is there already. Devices and the like are never
// replaced.
func checkPackFile(final string, force bool) error {
	info, err := os.Lstat(final)
	switch {
	case err != nil:
		return nil //nolint:nilerr // it is not there, or making it tells why it cannot be
	case !info.Mode().IsRegular() && info.Mode()&fs.ModeSymlink == 0:
		return fault.New(fault.Exists, "name another file, or - for the standard output", "%s exists and is no regular file", final)
	case !force:
		return fault.New(fault.Exists, "name another file, or replace it with --force", "%s exists", final)
	}
	return nil
}

// isWithin tells whether a directory is root or below it.
func isWithin(dir, root string) (bool, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return false, err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return false, err
	}
	if root, err = filepath.EvalSymlinks(root); err != nil {
		return false, err
	}
	rel, err := filepath.Rel(root, dir)
	return err == nil && filepath.IsLocal(rel), nil
}

// publish flushes the archive to the disk and gives it its name.
func (f *packFile) publish() error {
	if err := f.Sync(); err != nil {
		return err
	}
	temp := f.Name()
	if err := f.Close(); err != nil {
		return err
	}
	if f.force {
		if err := os.Rename(temp, f.final); err != nil {
			return err
		}
	} else if err := renameNew(temp, f.final); err != nil {
		return err
	}
	return flushDir(filepath.Dir(f.final))
}

// discard takes away what was not published; otherwise nothing has its name.
func (f *packFile) discard() {
	f.Close()
	_ = os.Remove(f.Name())
}

// flushDir makes a new name in a directory survive a power cut.
func flushDir(dir string) error {
	d, err := os.Open(dir)
	if errors.Is(err, fs.ErrPermission) {
		return nil // a directory can be writable and not readable
	}
	if err != nil {
		return err
	}
	defer d.Close()
	// Some file systems cannot sync a directory.
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) {
		return err
	}
	return nil
}

// packError gives a failed write its kind, unless it has one.
func packError(err error, file string) error {
	what := "writing " + file
	switch {
	case err == nil:
		return nil
	case fault.KindOf(err) != fault.Failed:
		return err
	case errors.Is(err, fs.ErrExist):
		return fault.Wrap(fault.Exists, err, what, "name another file, or replace it with --force")
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fault.Wrap(fault.NoSpace, err, what, "free space there, or name a file on another file system")
	case errors.Is(err, fs.ErrNotExist):
		return fault.Wrap(fault.NotFound, err, what, "mkdir -p "+filepath.Dir(file))
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fault.Wrap(fault.Permission, err, what, "name a file where this user may write")
	}
	return err
}
