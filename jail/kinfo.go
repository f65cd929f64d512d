package jail

import "encoding/binary"

// Places in struct kinfo_proc of a 64-bit FreeBSD (sys/sys/user.h): its size
// and layout number, eight pointers, then the ids.
const (
	kinfoSize      = 1088 // KINFO_PROC_SIZE
	kinfoPID       = 72
	kinfoParentPID = 76
)

// kinfoParent reads the parent out of what the sysctl kern.proc.pid says of a
// process; 0 when it is not the struct that this program knows.
func kinfoParent(raw []byte, pid int) int {
	order := binary.NativeEndian
	if len(raw) < kinfoSize || order.Uint32(raw) != kinfoSize || int(int32(order.Uint32(raw[kinfoPID:]))) != pid {
		return 0
	}
	return int(int32(order.Uint32(raw[kinfoParentPID:])))
}
