package freebsd

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// rawSysctl calls a node by its name, without any of xjail's code: a nil out or
// in is a null pointer. It returns how much came, or would.
func rawSysctl(name string, out, in []byte) (int, error) {
	mib := make([]int32, 24)
	size := 4 * uintptr(len(mib))
	text := []byte(name)
	if err := call(&[]int32{0, 3}[0], 2, unsafe.Pointer(&mib[0]), &size, unsafe.Pointer(&text[0]), len(text)); err != nil {
		return 0, err
	}
	n := uintptr(len(out))
	err := call(&mib[0], int(size/4), unsafe.Pointer(unsafe.SliceData(out)), &n, unsafe.Pointer(unsafe.SliceData(in)), len(in))
	return int(n), err
}

func call(mib *int32, count int, out unsafe.Pointer, outSize *uintptr, in unsafe.Pointer, inSize int) error {
	_, _, errno := unix.Syscall6(unix.SYS___SYSCTL, uintptr(unsafe.Pointer(mib)), uintptr(count),
		uintptr(out), uintptr(unsafe.Pointer(outSize)), uintptr(in), uintptr(inSize))
	if errno != 0 {
		return errno
	}
	return nil
}

// unload unloads a file of the kernel's linker.
func unload(file string) error {
	p, err := unix.BytePtrFromString(file)
	if err != nil {
		return err
	}
	id, _, errno := unix.Syscall(unix.SYS_KLDFIND, uintptr(unsafe.Pointer(p)), 0, 0)
	if errno == 0 {
		_, _, errno = unix.Syscall(unix.SYS_KLDUNLOAD, id, 0, 0)
	}
	if errno != 0 {
		return errno
	}
	return nil
}
