package binmisc

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// system is the kernel that this program runs on.
type system struct{}

func (system) sysctl(mib []int32, out, in []byte) (int, error) {
	n := uintptr(len(out))
	_, _, errno := unix.Syscall6(unix.SYS___SYSCTL,
		uintptr(unsafe.Pointer(unsafe.SliceData(mib))), uintptr(len(mib)),
		uintptr(unsafe.Pointer(unsafe.SliceData(out))), uintptr(unsafe.Pointer(&n)),
		uintptr(unsafe.Pointer(unsafe.SliceData(in))), uintptr(len(in)))
	if errno != 0 {
		return int(n), errno
	}
	return int(n), nil
}

// named is a system call that takes a string and returns an id.
func named(number uintptr, name string) (int, error) {
	p, err := unix.BytePtrFromString(name)
	if err != nil {
		return 0, err
	}
	id, _, errno := unix.Syscall(number, uintptr(unsafe.Pointer(p)), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(id), nil
}

func (system) modfind(name string) (int, error) { return named(unix.SYS_MODFIND, name) }

func (system) kldfind(file string) (int, error) { return named(unix.SYS_KLDFIND, file) }

func (system) kldload(name string) error {
	_, err := named(unix.SYS_KLDLOAD, name)
	return err
}

func (system) euid() int { return os.Geteuid() }
