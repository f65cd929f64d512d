package inventory

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/xjail/xjail/arch"
)

// kind is what a file is by its first bytes.
type kind int

const (
	other kind = iota
	elf
	compressed // xz, zstd, gzip, bzip2
	tarball
	arLibrary // an ar archive: a Debian package or a static library
	zipFile
	unread // an archive of a kind that is not read
)

// magics are those of archives. That of bzip2 is text, and checked further.
var magics = []struct {
	magic string
	kind  kind
}{
	{"\x1f\x8b\x08", compressed}, {"\xfd7zXZ\x00", compressed}, {"\x28\xb5\x2f\xfd", compressed}, {"BZh", compressed},
	{"!<arch>\n", arLibrary}, {"PK\x03\x04", zipFile}, {"PK\x05\x06", zipFile},
	{"\xed\xab\xee\xdb", unread}, {"070701", unread}, {"070702", unread}, {"070707", unread}, {"7z\xbc\xaf\x27\x1c", unread}, {"Rar!\x1a\x07", unread},
}

// unreadKinds name the archives that are not read, and what makes of them
// something that is.
var unreadKinds = []struct{ magic, name, hint string }{
	{"\xed\xab\xee\xdb", "an RPM package", "rpm2archive FILE makes a tar of it"},
	{"0707", "a cpio archive", "unpack it (cpio -idm) and name the directory"},
	{"7z", "a 7z archive", "unpack it and name the directory"},
	{"Rar!", "a rar archive", "unpack it and name the directory"},
}

// sniff tells what a file is. A tar is looked for before the archives, since the
// name of its first member may look like any magic number.
func sniff(head []byte) kind {
	if arch.IsELF(head) {
		return elf
	}
	if isTar(head) {
		return tarball
	}
	for _, m := range magics {
		if len(head) < len(m.magic) || string(head[:len(m.magic)]) != m.magic {
			continue
		}
		if m.magic == "BZh" && !isBzip2(head) {
			return other
		}
		return m.kind
	}
	return other
}

// isBzip2: a level, and the number that begins a block or the end.
func isBzip2(head []byte) bool {
	return len(head) >= 10 && head[3] >= '1' && head[3] <= '9' &&
		(string(head[4:10]) == "1AY&SY" || string(head[4:10]) == "\x17\x72\x45\x38\x50\x90")
}

const (
	tarBlock      = 512
	tarChecksumAt = 148
	tarMagicAt    = 257
)

// isTar wants the checksum of the first header to be right: the magic of POSIX
// and GNU is text, and older tars have none.
func isTar(head []byte) bool {
	if len(head) < tarBlock || head[0] == 0 {
		return false
	}
	field := strings.Trim(string(head[tarChecksumAt:tarChecksumAt+8]), " \x00")
	want, err := strconv.ParseInt(field, 8, 32)
	if err != nil {
		return bytes.HasPrefix(head[tarMagicAt:], []byte("ustar"))
	}
	sum, signed := int64(8*' '), int64(8*' ')
	for i, c := range head[:tarBlock] {
		if i < tarChecksumAt || i >= tarChecksumAt+8 {
			sum += int64(c)
			signed += int64(int8(c))
		}
	}
	return want == sum || want == signed || bytes.HasPrefix(head[tarMagicAt:], []byte("ustar"))
}
