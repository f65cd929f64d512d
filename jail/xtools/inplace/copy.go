package inplace

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
)

// openPlain opens a regular file, and waits for no fifo.
func openPlain(root *os.Root, name string) (*os.File, fs.FileInfo, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, nil, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fault.New(fault.Unsafe, "", "it is no regular file")
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, st, nil
}

// copyFile copies a file with all that it has: owner, mode, attributes, times.
// The copy has its name when it is whole.
func copyFile(from *os.Root, name string, to *os.Root, copied string) error {
	in, st, err := openPlain(from, name)
	if err != nil {
		return err
	}
	defer in.Close()
	temp := temporary(copied)
	if err := absent(to.Remove(temp)); err != nil {
		return err
	}
	out, err := to.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err == nil {
		err = out.Chown(int(sysStat(st).Uid), int(sysStat(st).Gid))
	}
	if err == nil {
		err = copyAttributes(in, out)
	}
	if err == nil {
		err = out.Chmod(st.Mode())
	}
	if err == nil {
		err = out.Sync()
	}
	err = errors.Join(err, out.Close())
	if err == nil {
		err = to.Chtimes(temp, accessTime(sysStat(st)), st.ModTime())
	}
	if err == nil {
		err = to.Rename(temp, copied)
	}
	if err != nil {
		return errors.Join(err, absent(to.Remove(temp)))
	}
	return nil
}

// attributesMax is XATTR_LIST_MAX and XATTR_SIZE_MAX of Linux, bytes.
const attributesMax = 64 << 10

// copyAttributes copies the extended attributes of a file, ACLs among them.
func copyAttributes(in, out *os.File) error {
	list := make([]byte, attributesMax)
	n, err := unix.Flistxattr(int(in.Fd()), list)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("extended attributes: %w", err)
	}
	value := make([]byte, attributesMax)
	for name := range strings.SplitSeq(string(list[:n]), "\x00") {
		if name == "" {
			continue
		}
		n, err := unix.Fgetxattr(int(in.Fd()), name, value)
		if err == nil {
			err = unix.Fsetxattr(int(out.Fd()), name, value[:n], 0)
		}
		if err != nil {
			return fmt.Errorf("extended attribute %s: %w", name, err)
		}
	}
	return nil
}

// fill writes the content of a tool and finds out its digest and size.
func (l *layer) fill(out *os.File, w Want) (sum string, size int64, err error) {
	var in io.Reader = bytes.NewReader(w.Text)
	if w.Text == nil {
		f, _, err := openPlain(l.farm, w.Source)
		if err != nil {
			return "", 0, err
		}
		defer f.Close()
		in = f
	}
	h := sha256.New()
	size, err = io.Copy(io.MultiWriter(out, h), in)
	return hex.EncodeToString(h.Sum(nil)), size, err
}

// digest is the SHA-256 of a file.
func digest(root *os.Root, name string) (string, error) {
	f, _, err := openPlain(root, name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// putBack gives a path of the root the name of what was kept.
func putBack(root, state *os.Root, f *file) error {
	dir, err := root.Open(path.Dir(f.Path))
	if err != nil {
		return err
	}
	defer dir.Close()
	from, err := state.Open(keptDir)
	if err != nil {
		return err
	}
	defer from.Close()
	return unix.Renameat(int(from.Fd()), f.Kept, int(dir.Fd()), path.Base(f.Path))
}

// writeError gives an error of writing its kind, unless it has one.
func writeError(err error) error {
	switch {
	case err == nil || fault.KindOf(err) != fault.Failed:
		return err
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fault.Wrap(fault.Interrupted, err, "native tools in the root", "")
	case noSpace(err):
		return fault.Wrap(fault.NoSpace, err, "native tools in the root", "make room on the file system of the root; nothing was changed")
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fault.Wrap(fault.Permission, err, "native tools in the root", "writing to the root must be allowed")
	}
	return fault.Wrap(fault.Failed, err, "native tools in the root", "")
}

func noSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
