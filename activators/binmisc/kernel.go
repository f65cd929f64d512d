package binmisc

import (
	"encoding/binary"
	"errors"
	"strings"
	"syscall"
)

// kernel is the boundary to the system: the calls of FreeBSD that a Table needs.
// Their errors are of type syscall.Errno.
type kernel interface {
	// sysctl is __sysctl(2). A nil out or in is a null pointer. It returns how
	// much came, or with a nil out how much would, in bytes; with ENOMEM what
	// fitted.
	sysctl(mib []int32, out, in []byte) (int, error)
	// modfind is modfind(2): the id of a module of the kernel, which is another
	// one each time that it is loaded. ENOENT: it is not there.
	modfind(name string) (int, error)
	// kldfind is kldfind(2): the id of a file that was loaded into the kernel.
	kldfind(file string) (int, error)
	// kldload is kldload(2). EEXIST: it is loaded.
	kldload(name string) error
	// euid is the effective user id.
	euid() int
}

// name2oid is the sysctl that finds the number of a node by its name:
// CTL_SYSCTL, CTL_SYSCTL_NAME2OID of sys/sys/sysctl.h. It is there in every
// release, __sysctlbyname(2) is not.
var name2oid = []int32{0, 3}

// oidMax is CTL_MAXNAME, the most numbers that a node has.
const oidMax = 24

// oid resolves the name of a node. The numbers of most differ from boot to boot
// and from load to load, so that they are never kept.
func oid(k kernel, name string) ([]int32, error) {
	out := make([]byte, 4*oidMax)
	n, err := k.sysctl(name2oid, out, []byte(name))
	if err != nil {
		return nil, err
	}
	mib := make([]int32, n/4)
	for i := range mib {
		mib[i] = int32(binary.NativeEndian.Uint32(out[4*i:]))
	}
	return mib, nil
}

// readTries is how often a value may grow while it is read.
const readTries = 8

// read is the value of a node, of whatever size. It may grow between the call
// that asks for its size and the one that fetches it.
func read(k kernel, mib []int32) ([]byte, error) {
	for range readTries {
		n, err := k.sysctl(mib, nil, nil)
		if err != nil || n == 0 {
			// A buffer of no bytes is EINVAL to kern.binmisc.list.
			return nil, err
		}
		out := make([]byte, 2*n)
		n, err = k.sysctl(mib, out, nil)
		if err == nil {
			return out[:n], nil
		}
		if !errors.Is(err, syscall.ENOMEM) {
			return nil, err
		}
	}
	return nil, errors.New("it grew each time that it was read")
}

func readNamed(k kernel, name string) ([]byte, error) {
	mib, err := oid(k, name)
	if err != nil {
		return nil, err
	}
	return read(k, mib)
}

// readInt is a node of type int.
func readInt(k kernel, name string) (int, error) {
	b, err := readNamed(k, name)
	if err != nil {
		return 0, err
	}
	if len(b) != 4 {
		return 0, syscall.EINVAL
	}
	return int(int32(binary.NativeEndian.Uint32(b))), nil
}

// readString is a node of type string.
func readString(k kernel, name string) (string, error) {
	b, err := readNamed(k, name)
	return strings.TrimRight(string(b), "\x00"), err
}
