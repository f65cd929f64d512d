package e2e

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// modeOf is the kind, the mode and the owners of a file.
func modeOf(st *unix.Stat_t) string {
	mode := wide(st.Mode)
	kind := map[uint32]string{unix.S_IFREG: "-", unix.S_IFDIR: "d", unix.S_IFIFO: "p"}[mode&unix.S_IFMT]
	return fmt.Sprintf("%s%o %d:%d", kind, mode&0o7777, st.Uid, st.Gid)
}

// wide makes one type of a field that has 16 bits on FreeBSD.
func wide[T uint16 | uint32](field T) uint32 { return uint32(field) }
