package devfsrule

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Mount is a mounted devfs, by a descriptor of its root. The calls need root
// outside of any jail (PRIV_DEVFS_RULE).
type Mount int

// Next is DEVFSIO_RGETNEXT.
func (m Mount) Next(set, after uint16) ([]byte, error) {
	b, err := Rule{Number: after}.Encode(set)
	if err != nil {
		return nil, err
	}
	return b, m.ioctl(RequestNext, unsafe.Pointer(&b[0]))
}

// Add is DEVFSIO_RADD.
func (m Mount) Add(rule []byte) error {
	return m.ioctl(RequestAdd, unsafe.Pointer(&rule[0]))
}

// Use makes a ruleset the mount's own, for nodes to come (DEVFSIO_SUSE), and
// applies it to those that are there (DEVFSIO_SAPPLY).
func (m Mount) Use(set uint16) error {
	if err := m.ioctl(RequestUse, unsafe.Pointer(&set)); err != nil {
		return err
	}
	return m.ioctl(RequestApply, unsafe.Pointer(&set))
}

func (m Mount) ioctl(request uintptr, arg unsafe.Pointer) error {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(m), request, uintptr(arg))
	runtime.KeepAlive(arg)
	if errno != 0 {
		return errno
	}
	return nil
}
