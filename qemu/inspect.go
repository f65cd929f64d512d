package qemu

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
)

// Inspect looks into the file at path and asks the program what it emulates.
// The file must be a complete, executable, static ELF program of this host's
// architecture and system that answers as QEMU's user-mode emulators do.
//
// Errors are of kind BadEmulator, with the reason; NotFound when there is no
// such file, Permission when it cannot be read.
func Inspect(ctx context.Context, path string) (*Emulator, error) {
	e, f, err := examine(ctx, path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return e, e.addDigest(f)
}

// examine is Inspect without the digest, which costs more than all the rest. f
// is the file that was examined.
func examine(ctx context.Context, path string) (*Emulator, *os.File, error) {
	e, f, err := examineFile(ctx, path)
	if err != nil && fault.HintOf(err) == "" {
		err = fault.Wrap(fault.KindOf(err), err, "", "xjail emulator find ARCH lists those that would do")
	}
	return e, f, err
}

func examineFile(ctx context.Context, path string) (e *Emulator, f *os.File, err error) {
	path, err = filepath.Abs(path)
	if err != nil {
		return nil, nil, fault.Wrap(fault.Failed, err, path, "")
	}
	f, info, err := openRegular(path)
	if err != nil {
		return nil, nil, err
	}
	e = &Emulator{Path: path, Static: true, Size: info.Size()}
	e.Device, e.Inode = fileID(info)
	if err = e.look(ctx, f, info); err != nil {
		f.Close()
		return nil, nil, err
	}
	return e, f, nil
}

// look does the checks in the order of their cost.
func (e *Emulator) look(ctx context.Context, f *os.File, info fs.FileInfo) error {
	if err := checkMode(e.Path, info.Mode()); err != nil {
		return err
	}
	host, err := checkELF(e.Path, f, info.Size())
	if err != nil {
		return err
	}
	e.HostArch = host
	says, err := ask(ctx, e.Path)
	if err != nil {
		return err
	}
	e.Target, e.Family, e.Version = says.target, says.family, says.version
	return unchanged(e.Path, info)
}

func (e *Emulator) addDigest(f *os.File) error {
	sum, err := digest(io.NewSectionReader(f, 0, e.Size))
	e.SHA256 = sum
	return err
}

// unchanged tells whether the file that was asked is the one that was read.
func unchanged(path string, was fs.FileInfo) error {
	now, err := os.Stat(path)
	if err != nil {
		return fileError(err)
	}
	if !os.SameFile(was, now) || was.Size() != now.Size() || !was.ModTime().Equal(now.ModTime()) {
		return fault.New(fault.BadEmulator, "run it again", "%s was replaced while xjail looked at it", path)
	}
	return nil
}

func checkMode(path string, m fs.FileMode) error {
	switch {
	case m.Perm()&0o111 == 0:
		return fault.New(fault.BadEmulator, "chmod +x "+path, "%s is not executable (mode %04o)", path, m.Perm())
	case m.Perm()&0o002 != 0:
		// Every foreign program of the jail goes through this file.
		return fault.New(fault.BadEmulator, "chmod o-w "+path, "%s can be written by everybody (mode %04o)", path, m.Perm())
	}
	return nil
}

// checkELF checks the file itself and returns what it runs on.
func checkELF(path string, r io.ReaderAt, size int64) (hostArch string, err error) {
	id, err := arch.Identify(r)
	switch {
	case fault.KindOf(err) == fault.Damaged:
		return "", fault.New(fault.BadEmulator, "", "%s: %w", path, err)
	case err != nil:
		return "", fault.Wrap(fault.Failed, err, path, "")
	}
	if err := CheckComplete(r, size); err != nil {
		return "", fault.New(fault.BadEmulator, "copy or fetch it again", "%s is truncated: %w", path, err)
	}
	return hostArchOf(path, id)
}

var errDynamic = errors.New("dynamically linked")

// hostArchOf checks that the host can run a program like id by itself, and in
// any root.
func hostArchOf(path string, id *arch.Identity) (string, error) {
	host := arch.Host()
	if host == nil {
		return "", fault.New(fault.Unsupported, "", "the catalog does not have this host's architecture, %s", runtime.GOARCH)
	}
	if err := host.Accepts(id); err != nil {
		return "", fault.New(fault.BadEmulator, "an emulator is a program of the host: get the build for "+host.Name,
			"%s does not run on this host: %w", path, err)
	}
	switch {
	case id.OS != "" && id.OS != runtime.GOOS:
		return "", fault.New(fault.BadEmulator, "get the build for "+runtime.GOOS, "%s is a program for %s, not for %s", path, id.OS, runtime.GOOS)
	case id.Interp != "":
		return "", fault.New(fault.BadEmulator, InstallAnyHint(),
			"%s is %w: in a root of another architecture there is no %s for it", path, errDynamic, id.Interp)
	case !id.Static:
		return "", fault.New(fault.BadEmulator, "", "%s is not a program but ELF of type %s", path, id.Type)
	}
	return host.Name, nil
}

// CheckComplete finds out whether an ELF file was cut: all that its tables
// point to must lie within it. Kernels start a file that lost its tail, and it
// dies later, somewhere else.
func CheckComplete(r io.ReaderAt, size int64) error {
	f, err := elf.NewFile(io.NewSectionReader(r, 0, size))
	if err != nil {
		return fmt.Errorf("its tables cannot be read: %w", err)
	}
	if len(f.Progs) == 0 {
		return fmt.Errorf("it has no program headers")
	}
	for i, p := range f.Progs {
		if !within(p.Off, p.Filesz, size) {
			return fmt.Errorf("segment %d (%s) ends at byte %d of %d", i, p.Type, p.Off+p.Filesz, size)
		}
	}
	for _, s := range f.Sections {
		if s.Type != elf.SHT_NOBITS && s.Type != elf.SHT_NULL && !within(s.Offset, s.FileSize, size) {
			return fmt.Errorf("section %q ends at byte %d of %d", s.Name, s.Offset+s.FileSize, size)
		}
	}
	return nil
}

// within tells whether n bytes at off lie in a file of that size.
func within(off, n uint64, size int64) bool {
	return off <= uint64(size) && n <= uint64(size)-off
}
