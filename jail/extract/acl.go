package extract

import (
	"encoding/binary"
	"slices"
	"strconv"
	"strings"
)

// Names of the extended attributes in which Linux keeps POSIX.1e ACLs.
const (
	aclAccess  = "system.posix_acl_access"
	aclDefault = "system.posix_acl_default"
)

// aclAttrs maps the last word of SCHILY.acl.* to the attribute.
var aclAttrs = map[string]string{"access": aclAccess, "default": aclDefault}

// aclWords are the opposite of aclAttrs.
var aclWords = map[string]string{aclAccess: "access", aclDefault: "default"}

// Tags of Linux include/uapi/linux/posix_acl.h.
var aclTags = map[string][2]uint16{ // without and with a qualifier
	"user": {0x01, 0x02}, "u": {0x01, 0x02},
	"group": {0x04, 0x08}, "g": {0x04, 0x08},
	"mask": {0x10, 0x10}, "m": {0x10, 0x10},
	"other": {0x20, 0x20}, "o": {0x20, 0x20},
}

const (
	aclVersion = 2          // POSIX_ACL_XATTR_VERSION
	aclNoID    = 0xffffffff // ACL_UNDEFINED_ID
	aclMax     = 1024       // entries; more than any file system stores
)

type aclEntry struct {
	tag, perm uint16
	id        uint32
}

// encodeACL turns the text of SCHILY.acl.access or .default, entries with commas
// or line ends between them, into the value of Linux's attribute
// (include/uapi/linux/posix_acl_xattr.h). It fails for names without a number,
// which only the source's passwd(5) could resolve, and for NFSv4 ACLs.
func encodeACL(text string) ([]byte, bool) {
	var entries []aclEntry
	for field := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == '\n' }) {
		e, ok := parseACLEntry(strings.TrimSpace(field))
		if !ok || len(entries) == aclMax {
			return nil, false
		}
		entries = append(entries, e)
	}
	if len(entries) == 0 {
		return nil, false
	}
	// The kernel wants them ordered by tag, then by number (fs/posix_acl.c).
	slices.SortStableFunc(entries, func(a, b aclEntry) int {
		if a.tag != b.tag {
			return int(a.tag) - int(b.tag)
		}
		return int(int64(a.id) - int64(b.id))
	})
	out := binary.LittleEndian.AppendUint32(nil, aclVersion)
	for _, e := range entries {
		out = binary.LittleEndian.AppendUint16(out, e.tag)
		out = binary.LittleEndian.AppendUint16(out, e.perm)
		out = binary.LittleEndian.AppendUint32(out, e.id)
	}
	return out, true
}

// parseACLEntry reads TAG:QUALIFIER:PERMS with star's fourth field, the number
// of a user or group that the qualifier names.
func parseACLEntry(field string) (aclEntry, bool) {
	parts := strings.Split(field, ":")
	if len(parts) == 2 { // "mask:rwx", "other:r-x"
		parts = []string{parts[0], "", parts[1]}
	}
	if len(parts) < 3 || len(parts) > 4 {
		return aclEntry{}, false
	}
	tags, ok := aclTags[parts[0]]
	perm, okPerm := parsePerm(parts[2])
	if !ok || !okPerm {
		return aclEntry{}, false
	}
	if parts[1] == "" {
		return aclEntry{tags[0], perm, aclNoID}, true
	}
	number := parts[len(parts)-1]
	if len(parts) == 3 {
		number = parts[1]
	}
	id, err := strconv.ParseUint(number, 10, 32)
	return aclEntry{tags[1], perm, uint32(id)}, err == nil && tags[0] != tags[1] && id != aclNoID
}

func parsePerm(text string) (uint16, bool) {
	bits := map[rune]uint16{'r': 4, 'w': 2, 'x': 1, '-': 0}
	var perm uint16
	for _, c := range text {
		bit, ok := bits[c]
		if !ok {
			return 0, false
		}
		perm |= bit
	}
	return perm, text != ""
}

// aclNames are the opposite of aclTags.
var aclNames = map[uint16]string{
	0x01: "user", 0x02: "user", 0x04: "group", 0x08: "group", 0x10: "mask", 0x20: "other",
}

// Sizes in bytes of posix_acl_xattr_header and posix_acl_xattr_entry.
const (
	aclHeaderSize = 4
	aclEntrySize  = 8
)

// decodeACL is the opposite of encodeACL. It writes a user or group by number,
// in the place of the name too, for whoever reads no fourth field.
func decodeACL(value []byte) (string, bool) {
	if len(value) <= aclHeaderSize || (len(value)-aclHeaderSize)%aclEntrySize != 0 ||
		binary.LittleEndian.Uint32(value) != aclVersion {
		return "", false
	}
	var entries []string
	for b := range slices.Chunk(value[aclHeaderSize:], aclEntrySize) {
		tag, perm, id := binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint16(b[2:]), binary.LittleEndian.Uint32(b[4:])
		name := aclNames[tag]
		if name == "" || perm > 7 {
			return "", false
		}
		qualifier, rest := "", ""
		if tag == aclTags[name][1] && tag != aclTags[name][0] {
			qualifier = strconv.FormatUint(uint64(id), 10)
			rest = ":" + qualifier
		}
		entries = append(entries, name+":"+qualifier+":"+formatPerm(perm)+rest)
	}
	return strings.Join(entries, ","), true
}

func formatPerm(perm uint16) string {
	text := []byte("rwx")
	for i := range text {
		if perm&(4>>i) == 0 {
			text[i] = '-'
		}
	}
	return string(text)
}
