package e2e

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// modeOf is the kind, the mode and the owners of a file.
func modeOf(st *unix.Stat_t) string {
	mode := uint32(st.Mode) //nolint:unconvert // 16 bits elsewhere
	kind := map[uint32]string{unix.S_IFREG: "-", unix.S_IFDIR: "d", unix.S_IFIFO: "p"}[mode&unix.S_IFMT]
	return fmt.Sprintf("%s%o %d:%d", kind, mode&0o7777, st.Uid, st.Gid)
}
