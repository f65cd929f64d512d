// Package vfsopt encodes the options of FreeBSD's nmount(2), jail_set(2) and
// jail_get(2): pairs of a name and a value, which the kernel reads with one
// piece of code for all three (vfs_buildopts in sys/kern/vfs_mount.c).
package vfsopt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
)

// Limits of vfs_buildopts: VFS_MOUNTARG_SIZE_MAX bytes in all, and MAXPATHLEN for a
// path, with the NUL that ends it.
const (
	maxTotal = 1 << 16
	// PathMax is the longest path with its NUL, in bytes.
	PathMax = 1024
	// errmsgSize is what mount(8) and jail(8) give the kernel for its message.
	errmsgSize = 255
	errmsgName = "errmsg"
)

// Option is one option. The kernel tells a value that is not there from an
// empty one: a flag has a nil Value.
type Option struct {
	Name  string
	Value []byte
}

// Options are the options of one call, in its order.
type Options []Option

// String is an option whose value is text, with the NUL that the kernel asks
// for.
func String(name, value string) Option {
	return Option{name, append([]byte(value), 0)}
}

// Int is an option whose value is a C int in the host's byte order.
func Int(name string, value int) Option {
	return Option{name, binary.NativeEndian.AppendUint32(nil, uint32(int32(value)))}
}

// Flag is an option without a value, such as ro or nopersist.
func Flag(name string) Option { return Option{Name: name} }

// Bool is a flag of jail_set(2), whose opposite has no before the last part of
// its name: allow.mount, allow.nomount.
func Bool(name string, on bool) Option {
	if on {
		return Flag(name)
	}
	dot := strings.LastIndexByte(name, '.') + 1
	return Flag(name[:dot] + "no" + name[dot:])
}

// Buffer is an option that the kernel writes up to size bytes to.
func Buffer(name string, size int) Option {
	return Option{name, make([]byte, size)}
}

// WithErrmsg adds the buffer for the kernel's own words.
func (o Options) WithErrmsg() Options {
	return append(o[:len(o):len(o)], Buffer(errmsgName, errmsgSize))
}

// Errmsg is what the kernel wrote there, "" when it said nothing.
func (o Options) Errmsg() string { return o.Text(errmsgName) }

// Text is a value up to its NUL.
func (o Options) Text(name string) string {
	for _, opt := range o {
		if opt.Name == name {
			text, _, _ := bytes.Cut(opt.Value, []byte{0})
			return string(text)
		}
	}
	return ""
}

// Encode gives the memory of the iovecs: name, value, name, value. Names end
// in NUL; a flag's value is nil. What the kernel would misread is refused: an
// empty name, or a NUL within a name or a text.
func (o Options) Encode() ([][]byte, error) {
	vectors := make([][]byte, 0, 2*len(o))
	total := 0
	for _, opt := range o {
		if opt.Name == "" || strings.IndexByte(opt.Name, 0) >= 0 {
			return nil, fmt.Errorf("option %q has no valid name", opt.Name)
		}
		if len(opt.Value) > math.MaxUint16 {
			return nil, fmt.Errorf("option %s is too long: %d bytes", opt.Name, len(opt.Value))
		}
		name := append([]byte(opt.Name), 0)
		vectors = append(vectors, name, opt.Value)
		total += len(name) + len(opt.Value)
	}
	if total > maxTotal {
		return nil, fmt.Errorf("options are too long: %d bytes", total)
	}
	return vectors, nil
}

// CheckText refuses a text that would end early in the kernel, or does not fit
// in size bytes with its NUL.
func CheckText(what, text string, size int) error {
	if strings.IndexByte(text, 0) >= 0 {
		return fmt.Errorf("%s %q has a NUL byte", what, text)
	}
	if len(text) >= size {
		return fmt.Errorf("%s is longer than %d bytes: %s", what, size-1, text)
	}
	return nil
}
