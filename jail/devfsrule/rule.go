// Package devfsrule makes the rules that decide which nodes a devfs of FreeBSD
// shows. A jail's /dev is made of them: everything is hidden, and what reaches
// neither hardware nor another process is shown again.
//
// Rules that are merely applied to a mounted devfs do not hold for nodes that
// come later, a disk that is plugged in for one (devfs_rules_apply in
// sys/fs/devfs/devfs_rule.c). So the rules are a ruleset of the kernel, which
// the mount then uses.
package devfsrule

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Layout of struct devfs_rule, sys/fs/devfs/devfs.h: ten fields, the host's
// byte order, the same on every FreeBSD since 9.
const (
	// Size is that of struct devfs_rule, in bytes.
	Size    = 236
	magic   = 0xdb0a087a
	pathMax = 200

	atMagic = 0
	atID    = 4
	atConds = 8
	atPath  = 16
	atActs  = 216
	atBool  = 220

	condPath = 0x2 // DRC_PATHPTRN
	actBool  = 0x1 // DRA_BACTS
	hide     = 0x1 // DRB_HIDE
	unhide   = 0x2 // DRB_UNHIDE
)

// Requests of ioctl(2) on a directory of a devfs: _IOWR and _IOW of group D.
const (
	RequestAdd   = 0xc0000000 | Size<<16 | 'D'<<8     // DEVFSIO_RADD, number 0
	RequestNext  = 0xc0000000 | Size<<16 | 'D'<<8 | 4 // DEVFSIO_RGETNEXT
	RequestUse   = 0x80000000 | 2<<16 | 'D'<<8 | 10   // DEVFSIO_SUSE
	RequestApply = 0x80000000 | 2<<16 | 'D'<<8 | 11   // DEVFSIO_SAPPLY
)

// Rule hides or shows the nodes whose path below /dev matches Path, a pattern
// of fnmatch(3) in which * does not match a slash; "" matches every node.
type Rule struct {
	Number uint16 // the place in the ruleset
	Path   string
	Hide   bool
}

// ID is the number by which the kernel knows a rule of a ruleset.
func ID(set, number uint16) uint32 { return uint32(set)<<16 | uint32(number) }

// Encode gives the kernel's struct of a rule in a ruleset.
func (r Rule) Encode(set uint16) ([]byte, error) {
	if len(r.Path) >= pathMax || bytes.IndexByte([]byte(r.Path), 0) >= 0 {
		return nil, fmt.Errorf("devfs rule: pattern %q does not fit", r.Path)
	}
	b := make([]byte, Size)
	order := binary.NativeEndian
	order.PutUint32(b[atMagic:], magic)
	order.PutUint32(b[atID:], ID(set, r.Number))
	if r.Path != "" {
		order.PutUint32(b[atConds:], condPath)
		copy(b[atPath:], r.Path)
	}
	order.PutUint32(b[atActs:], actBool)
	order.PutUint32(b[atBool:], unhide)
	if r.Hide {
		order.PutUint32(b[atBool:], hide)
	}
	return b, nil
}

// Decode reads a rule that the kernel gave, and the ruleset that it is of. One
// that does more than a Rule can say is an error.
func Decode(b []byte) (set uint16, r Rule, err error) {
	order := binary.NativeEndian
	if len(b) != Size || order.Uint32(b[atMagic:]) != magic {
		return 0, r, fmt.Errorf("devfs rule: %d bytes without the magic number", len(b))
	}
	id := order.Uint32(b[atID:])
	set, r.Number = uint16(id>>16), uint16(id)
	path, _, ended := bytes.Cut(b[atPath:atActs], []byte{0})
	conds := order.Uint32(b[atConds:])
	if conds == condPath {
		r.Path = string(path)
	}
	what := order.Uint32(b[atBool:])
	r.Hide = what == hide
	if conds&^condPath != 0 || (conds == condPath) != (len(path) > 0) || !ended ||
		order.Uint32(b[atActs:]) != actBool || what != hide && what != unhide {
		return 0, Rule{}, fmt.Errorf("devfs rule %d of ruleset %d is not one that xjail makes", uint16(id), set)
	}
	return set, r, nil
}
