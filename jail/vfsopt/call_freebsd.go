package vfsopt

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Error is a failed call with the kernel's own words.
type Error struct {
	Errno  unix.Errno
	Errmsg string
}

// Error returns the kernel's words, and errno's where they add something.
func (e *Error) Error() string {
	if e.Errmsg == "" {
		return e.Errno.Error()
	}
	return fmt.Sprintf("%s (%s)", e.Errmsg, e.Errno)
}

// Unwrap gives errors.Is the errno.
func (e *Error) Unwrap() error { return e.Errno }

// Call makes the system call trap, one of SYS_NMOUNT, SYS_JAIL_SET and
// SYS_JAIL_GET, and returns its value: the jail's id for the latter two. Values
// of o are written to where they are buffers. An error of the kernel is an
// *Error.
func Call(trap uintptr, o Options, flags int) (int, error) {
	o = o.WithErrmsg()
	memory, err := o.Encode()
	if err != nil {
		return 0, err
	}
	// The kernel reads pointers out of this slice, which the collector may not
	// move: the memory is on the heap, and pinned for the call.
	var pins runtime.Pinner
	defer pins.Unpin()
	vectors := make([]unix.Iovec, len(memory))
	for i, b := range memory {
		if len(b) > 0 {
			pins.Pin(&b[0])
			vectors[i].Base = &b[0]
			vectors[i].SetLen(len(b))
		}
	}
	id, _, errno := unix.Syscall(trap, uintptr(unsafe.Pointer(&vectors[0])), uintptr(len(vectors)), uintptr(flags))
	runtime.KeepAlive(vectors)
	if errno != 0 {
		return 0, &Error{errno, o.Errmsg()}
	}
	return int(id), nil
}
