package qemu

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/xjail/xjail/internal/fault"
)

// Placed says what Place did. Verify and Remove need Path and SHA256 only.
type Placed struct {
	Path   string `json:"path"` // below the root, without a leading slash
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"` // bytes
	// Unchanged is set when the same file was there already.
	Unchanged bool `json:"unchanged,omitempty"`
	// Replaced is the file that was there before, nil when there was none.
	Replaced *Replaced `json:"replaced,omitempty"`
	// Dirs are the directories that were made, parents first.
	Dirs []string `json:"dirs,omitempty"`
}

// Replaced is a file that Place has replaced.
type Replaced struct {
	SHA256 string      `json:"sha256,omitempty"` // "" for more than 1 GiB
	Size   int64       `json:"size"`             // bytes
	Mode   fs.FileMode `json:"mode"`
}

const placedMode = 0o755

// Place installs e in root at rel, with mode 0755: at the path of the
// activator. The file appears complete or not at all, and is what e was when
// it was examined, by its digest. Parent directories are made as needed.
//
// The root is hostile: nothing outside of it is touched. Errors are of kind
// Unsafe when a parent leads out of the root or something other than a regular
// file is in the way, Mismatch when the emulator has changed, NoSpace,
// Permission or Failed; then root is as it was.
func Place(root *os.Root, rel string, e *Emulator) (Placed, error) {
	rel, err := localPath(rel)
	if err != nil {
		return Placed{}, err
	}
	src, _, err := openRegular(e.Path)
	if err != nil {
		return Placed{}, err
	}
	defer src.Close()
	p := Placed{Path: rel, SHA256: e.SHA256}
	if p.Dirs, err = makeParents(root, filepath.Dir(rel)); err == nil {
		err = p.install(root, src)
	}
	if err != nil {
		removeDirs(root, p.Dirs)
		return Placed{}, placeError(err, rel)
	}
	return p, nil
}

func placeError(err error, rel string) error {
	err = fileError(err)
	return &fault.Error{Kind: fault.KindOf(err), What: "place emulator at " + rel, Err: err}
}

// localPath is rel in its shortest form; it must stay below the root.
func localPath(rel string) (string, error) {
	clean := filepath.Clean(rel)
	if rel == "" || clean == "." || !filepath.IsLocal(clean) {
		return "", fault.New(fault.Unsafe, "", "%q is not a path below the root", rel)
	}
	return clean, nil
}

// makeParents makes dir with its parents and returns those that were missing.
func makeParents(root *os.Root, dir string) (made []string, err error) {
	var missing []string
	for d := dir; d != "."; d = filepath.Dir(d) {
		_, err := root.Stat(d)
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		missing = append(missing, d)
	}
	slices.Reverse(missing)
	for _, d := range missing {
		if err := root.Mkdir(d, placedMode); err != nil {
			return made, err
		}
		made = append(made, d)
		// The umask may have taken bits away.
		if err := root.Chmod(d, placedMode); err != nil {
			return made, err
		}
	}
	return made, nil
}

// removeDirs removes directories that are empty, children first.
func removeDirs(root *os.Root, dirs []string) {
	for _, d := range slices.Backward(dirs) {
		if root.Remove(d) != nil {
			return
		}
	}
}

// install puts src in place. It works in the opened parent directory, so that
// nothing that happens above it matters.
func (p *Placed) install(root *os.Root, src *os.File) error {
	dir, err := root.OpenRoot(filepath.Dir(p.Path))
	if err != nil {
		return err
	}
	defer dir.Close()
	name := filepath.Base(p.Path)
	before, err := present(dir, name)
	if err != nil {
		return err
	}
	if before != nil && p.SHA256 != "" && before.SHA256 == p.SHA256 && before.Mode == placedMode {
		p.Unchanged, p.Size = true, before.Size
		return nil
	}
	p.Replaced = before
	// The name is fixed, so that a run that was killed leaves one file at most,
	// which the next one takes away.
	tmp := placeTemporary(name)
	if err := dir.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	err = p.copyTo(dir, tmp, src)
	if err == nil {
		err = dir.Rename(tmp, name)
	}
	if err != nil {
		return errors.Join(err, ignoreMissing(dir.Remove(tmp)))
	}
	return syncDir(dir)
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// copyTo writes the new file, and checks that it is the one that was examined.
func (p *Placed) copyTo(dir *os.Root, tmp string, src *os.File) error {
	dst, err := dir.OpenFile(tmp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	h := sha256.New()
	p.Size, err = io.Copy(io.MultiWriter(dst, h), src)
	sum := hex.EncodeToString(h.Sum(nil))
	if err == nil && p.SHA256 != "" && p.SHA256 != sum {
		err = fault.New(fault.Mismatch, "run it again", "%s has changed since it was examined", src.Name())
	}
	if err == nil {
		err = dst.Chmod(placedMode)
	}
	if err == nil {
		err = dst.Sync()
	}
	p.SHA256 = sum
	return errors.Join(err, dst.Close())
}

// syncDir makes the new name survive a power cut.
func syncDir(dir *os.Root) error {
	d, err := dir.Open(".")
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

// present describes the regular file at name, nil when nothing is there.
func present(dir *os.Root, name string) (*Replaced, error) {
	f, info, err := openIn(dir, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := &Replaced{Size: info.Size(), Mode: info.Mode()}
	if r.Size <= maxDigested {
		r.SHA256, err = digest(f)
	}
	return r, err
}

// maxDigested is the size in bytes up to which a file in the way is read: a
// root can hold a sparse file of any size.
const maxDigested = 1 << 30

// openIn opens a regular file below a root for reading; it does not follow a
// link at its end nor hang at a FIFO.
func openIn(dir *os.Root, name string) (*os.File, fs.FileInfo, error) {
	info, err := dir.Lstat(name)
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, inTheWay(name, info.Mode())
	}
	f, err := dir.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	// It may have been replaced between the two calls.
	now, err := f.Stat()
	if err == nil && !os.SameFile(info, now) {
		err = inTheWay(name, now.Mode())
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, now, nil
}

func inTheWay(name string, m fs.FileMode) error {
	return fault.New(fault.Unsafe, "remove it from the root", "%s in the root is %s, not a regular file", name, kindText(m))
}

// Verify checks that the file that Place installed is still there: regular,
// executable, and the same by its digest. Errors are of kind NotFound, Unsafe
// or Mismatch.
func Verify(root *os.Root, p Placed) error {
	rel, err := localPath(p.Path)
	if err != nil {
		return err
	}
	f, info, err := openIn(root, rel)
	if err != nil {
		return verifyError(err, rel)
	}
	defer f.Close()
	if info.Mode().Perm()&0o111 == 0 {
		return fault.New(fault.Mismatch, "", "emulator at %s is not executable (mode %04o)", rel, info.Mode().Perm())
	}
	if p.Size > 0 && info.Size() != p.Size || info.Size() > maxDigested {
		return fault.New(fault.Mismatch, "", "emulator at %s is not the one that was placed there: it has %d bytes", rel, info.Size())
	}
	sum, err := digest(f)
	if err != nil {
		return verifyError(err, rel)
	}
	if sum != p.SHA256 {
		return fault.New(fault.Mismatch, "", "emulator at %s is not the one that was placed there: its digest is %.12s, not %.12s", rel, sum, p.SHA256)
	}
	return nil
}

func verifyError(err error, rel string) error {
	err = fileError(err)
	return &fault.Error{Kind: fault.KindOf(err), What: "emulator at " + rel, Err: err}
}

// Remove takes away what Place installed: the file, when it is still the same,
// and the directories that Place made, when they are empty. A file that is gone
// is no error; one that has changed is, and stays.
func Remove(root *os.Root, p Placed) error {
	err := Verify(root, p)
	switch {
	case fault.KindOf(err) == fault.NotFound:
	case err != nil:
		return err
	default:
		if err := root.Remove(p.Path); err != nil {
			return verifyError(err, p.Path)
		}
	}
	removeDirs(root, p.Dirs)
	return nil
}
