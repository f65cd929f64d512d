// Package qemu finds, examines, fetches and places user-mode emulators: the
// programs that an activator starts for a foreign binary. What it says of an
// emulator comes from the file and from the program itself, not from its name.
package qemu

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/xjail/xjail/internal/fault"
)

// Families of user-mode emulators: whose system calls they translate.
const (
	LinuxUser = "linux-user"
	BSDUser   = "bsd-user"
)

// Emulator is a file that was examined and can be used on this host.
type Emulator struct {
	Path     string `json:"path"`      // absolute
	Target   string `json:"target"`    // QEMU's name of what it emulates: mips64, ppc64le
	Family   string `json:"family"`    // LinuxUser or BSDUser
	Version  string `json:"version"`   // as the program says: "7.2.22 (Debian 1:7.2+dfsg-7)"
	Static   bool   `json:"static"`    // always true: a dynamic one is refused
	HostArch string `json:"host_arch"` // catalog name of what the file itself runs on
	SHA256   string `json:"sha256,omitempty"`
	Size     int64  `json:"size"`   // bytes
	Device   uint64 `json:"device"` // with Inode, which file was examined
	Inode    uint64 `json:"inode"`
}

// PreservesArgv0 tells whether the emulator understands the P flag of
// binfmt_misc, which puts the program's argv[0] behind its path: it must look
// at AT_FLAGS to know. Linux 5.12 sets that bit, and QEMU's linux-user reads it
// since 6.0 (linux-user/main.c, preserve_argv0). An older one would take argv[0]
// for the program's first argument.
func (e *Emulator) PreservesArgv0() bool {
	return e.Family == LinuxUser && compareVersions(e.Version, "6.0") >= 0
}

// numbers are the numbers that a version begins with: "7.2.22 (Debian ...)"
// has 7, 2 and 22.
func numbers(version string) []int {
	end := strings.IndexFunc(version, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
	if end >= 0 {
		version = version[:end]
	}
	var list []int
	for field := range strings.SplitSeq(version, ".") {
		n, err := strconv.Atoi(field)
		if err != nil {
			break
		}
		list = append(list, n)
	}
	return list
}

// compareVersions is negative when a is older than b. Missing numbers count as
// 0; what follows the numbers does not count.
func compareVersions(a, b string) int {
	x, y := numbers(a), numbers(b)
	for i := range max(len(x), len(y)) {
		var m, n int
		if i < len(x) {
			m = x[i]
		}
		if i < len(y) {
			n = y[i]
		}
		if m != n {
			return m - n
		}
	}
	return 0
}

// Digest is the SHA-256 of a regular file, in hexadecimal.
func Digest(path string) (string, error) {
	f, _, err := openRegular(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return digest(f)
}

func digest(r io.Reader) (string, error) {
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return "", fault.Wrap(fault.Failed, err, "read", "")
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// openRegular opens a regular file for reading. Opening a FIFO does not hang.
func openRegular(path string) (*os.File, fs.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fileError(err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fault.New(fault.BadEmulator, "", "%s is %s, not a regular file", path, kindText(info.Mode()))
	}
	if err != nil {
		f.Close()
		return nil, nil, fileError(err)
	}
	return f, info, nil
}

// kindText names what a file is that is not regular.
func kindText(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a directory"
	case m&fs.ModeSymlink != 0:
		return "a symbolic link"
	case m&fs.ModeNamedPipe != 0:
		return "a FIFO"
	case m&fs.ModeSocket != 0:
		return "a socket"
	}
	return "a device"
}

// fileError gives the error of a system call its kind.
func fileError(err error) error {
	var f *fault.Error
	switch {
	case err == nil || errors.As(err, &f):
		return err
	case errors.Is(err, fs.ErrNotExist):
		return fault.Wrap(fault.NotFound, err, "", "")
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fault.Wrap(fault.Permission, err, "", "")
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fault.Wrap(fault.NoSpace, err, "", "free space there, or choose another place with --state DIR")
	case errors.Is(err, syscall.ELOOP), errors.Is(err, syscall.ENXIO):
		return fault.Wrap(fault.BadEmulator, err, "", "")
	case escapes(err):
		return fault.Wrap(fault.Unsafe, err, "", "a symlink of the root leads out of it: replace it by a directory")
	}
	return fault.Wrap(fault.Failed, err, "", "")
}

// escapes tells whether os.Root refused a path. Its error is not exported.
func escapes(err error) bool {
	var p *fs.PathError
	return errors.As(err, &p) && strings.Contains(p.Err.Error(), "escapes")
}
