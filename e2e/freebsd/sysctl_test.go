package freebsd

import (
	"encoding/binary"
	"strings"
)

// readString is a node of type string, "" when it cannot be read.
func readString(name string) string {
	b := make([]byte, 4096)
	n, err := rawSysctl(name, b, nil)
	if err != nil {
		return ""
	}
	return strings.TrimRight(string(b[:n]), "\x00")
}

// readInt is a node of type int, 0 when it cannot be read.
func readInt(name string) int {
	b := make([]byte, 4)
	if n, err := rawSysctl(name, b, nil); err != nil || n != 4 {
		return 0
	}
	return int(int32(binary.NativeEndian.Uint32(b)))
}
