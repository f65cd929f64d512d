package extract

import (
	"archive/tar"
	"encoding/base64"
	"net/url"
	"strings"
	"time"
)

// Bits of a mode as the header of a tar and as stat(2) have them; fs.FileMode
// keeps the upper three elsewhere.
const (
	modeSetuid = 0o4000
	modeSetgid = 0o2000
	modeSticky = 0o1000
	modeBits   = 0o7777
)

// workMode is the mode of a directory while it is being filled: the owner must
// be able to write in it, and nobody else has business there yet.
const workMode = 0o700

// kind is the type of an entry.
type kind int

const (
	regular kind = iota
	directory
	symlink
	hardlink
	charDevice
	blockDevice
	fifo
)

// deviceNames are the kinds that Device.Type names.
var deviceNames = map[kind]string{charDevice: "char", blockDevice: "block", fifo: "fifo"}

// attrs is everything about an entry but its place and its contents.
type attrs struct {
	mode         uint32 // modeBits only
	uid, gid     int
	user, group  string
	mtime, atime time.Time // zero mtime: leave the times alone
	xattrs       map[string][]byte
	acls         map[string]string // text as in SCHILY.acl.*, by its last word
	flags        string            // chflags(1) words
	noOwner      bool              // an implied directory belongs to whoever extracts
}

// entry is one file to make.
type entry struct {
	attrs
	path         string // clean
	kind         kind
	target       string // of a symlink as it is, of a hardlink clean
	size         int64
	major, minor int64
}

// kinds of tar.Header.Typeflag; TypeCont and the sparse ones are files to
// everybody.
var kinds = map[byte]kind{
	tar.TypeReg: regular, tar.TypeCont: regular, tar.TypeGNUSparse: regular,
	tar.TypeDir: directory, tar.TypeSymlink: symlink, tar.TypeLink: hardlink,
	tar.TypeChar: charDevice, tar.TypeBlock: blockDevice, tar.TypeFifo: fifo,
}

// parseHeader makes an entry of a header. The type comes from Typeflag alone:
// by its fs.FileMode a hard link looks like an empty file.
func parseHeader(h *tar.Header) (*entry, error) {
	path, err := cleanName(h.Name)
	if err != nil {
		return nil, err
	}
	k, ok := kinds[h.Typeflag]
	if !ok {
		return nil, damaged("%s has the unknown type %q", quote(h.Name), h.Typeflag)
	}
	if k == regular && strings.HasSuffix(h.Name, "/") {
		k = directory // as the tars of before 1988 mark directories
	}
	e := &entry{path: path, kind: k, target: h.Linkname, size: h.Size, major: h.Devmajor, minor: h.Devminor}
	e.attrs = attrs{
		mode: uint32(h.Mode & modeBits), uid: h.Uid, gid: h.Gid, user: h.Uname, group: h.Gname,
		mtime: h.ModTime, atime: h.AccessTime, flags: h.PAXRecords[recordFlags],
	}
	if e.atime.IsZero() {
		e.atime = e.mtime
	}
	if err := e.checkNumbers(); err != nil {
		return nil, err
	}
	if err := e.checkTarget(); err != nil {
		return nil, err
	}
	return e, e.parseRecords(h.PAXRecords)
}

// maxID is the last user or group number; the one after it means "leave as it
// is" to chown(2).
const maxID = 1<<32 - 2

// checkNumbers keeps numbers that the calls would cut to 32 bits out, for such a
// cut can make a 0 of them.
func (e *entry) checkNumbers() error {
	if e.uid < 0 || e.gid < 0 || int64(e.uid) > maxID || int64(e.gid) > maxID {
		return damaged("%s has the impossible owner %d:%d", quote(e.path), e.uid, e.gid)
	}
	if deviceNames[e.kind] != "" && (e.major != int64(uint32(e.major)) || e.minor != int64(uint32(e.minor))) {
		return damaged("%s has the impossible device number %d:%d", quote(e.path), e.major, e.minor)
	}
	return nil
}

// checkTarget looks at the text of a link. That of a symbolic link is free, for
// it is never followed outside the root.
func (e *entry) checkTarget() error {
	var err error
	switch e.kind {
	case hardlink:
		if e.target == "" {
			return damaged("%s is a hard link to nothing", quote(e.path))
		}
		target, terr := cleanName(e.target)
		if terr != nil {
			return unsafe(e.path, "it is a hard link to %s, which is not a path below the root", quote(e.target))
		}
		e.target = target
	case symlink:
		switch {
		case e.target == "":
			err = damaged("%s is a symbolic link to nothing", quote(e.path))
		case len(e.target) > maxTarget:
			err = unsafe(e.path, "it is a symbolic link of more than %d bytes", maxTarget)
		case strings.IndexByte(e.target, 0) >= 0:
			err = unsafe(e.path, "the text of its symbolic link holds a NUL byte")
		}
	}
	if e.path == "." && e.kind != directory {
		err = unsafe(e.path, "it would replace the root itself by another file")
	}
	return err
}

// Prefixes of the records that tar(5) of libarchive and star(1) document.
const (
	recordXattr     = "SCHILY.xattr."
	recordXattrBase = "LIBARCHIVE.xattr."
	recordACL       = "SCHILY.acl."
	recordFlags     = "SCHILY.fflags" // the whole key
)

// parseRecords takes extended attributes and ACLs from a PAX header. bsdtar
// writes each attribute in both forms; SCHILY's is the value itself and wins.
func (e *entry) parseRecords(records map[string]string) error {
	total := 0
	for key, value := range records {
		var err error
		switch {
		case strings.HasPrefix(key, recordXattr):
			err = e.addXattr(key[len(recordXattr):], []byte(value), true)
		case strings.HasPrefix(key, recordXattrBase):
			err = e.addEncodedXattr(key[len(recordXattrBase):], value)
		case strings.HasPrefix(key, recordACL):
			if e.acls == nil {
				e.acls = map[string]string{}
			}
			e.acls[key[len(recordACL):]] = value
		default:
			continue
		}
		if err != nil {
			return err
		}
		if total += len(key) + len(value); total > 2*maxXattrs {
			return unsafe(e.path, "its extended attributes take more than %d bytes", maxXattrs)
		}
	}
	return nil
}

func (e *entry) addXattr(name string, value []byte, replace bool) error {
	if name == "" || len(name) > 255 || strings.IndexByte(name, 0) >= 0 {
		return unsafe(e.path, "the name of an extended attribute is empty, too long or holds a NUL byte")
	}
	if len(value) > maxXattrs {
		return unsafe(e.path, "its extended attribute %s takes more than %d bytes", quote(name), maxXattrs)
	}
	if e.xattrs == nil {
		e.xattrs = map[string][]byte{}
	}
	if _, ok := e.xattrs[name]; !ok || replace {
		e.xattrs[name] = value
	}
	return nil
}

// addEncodedXattr decodes libarchive's form: the name is URL-encoded and the
// value is base64, without padding (archive_write_set_format_pax.c); padding
// and white space are accepted.
func (e *entry) addEncodedXattr(name, value string) error {
	plain, err := url.PathUnescape(name)
	if err != nil {
		return damaged("%s: name of an extended attribute: %w", quote(e.path), err)
	}
	value = strings.TrimRight(strings.TrimSpace(value), "=")
	raw, err := base64.RawStdEncoding.DecodeString(value)
	if err != nil {
		return damaged("%s: extended attribute %s: %w", quote(e.path), quote(plain), err)
	}
	return e.addXattr(plain, raw, false)
}

// settable tells the extended attributes that are set on disk. Others, such as
// security labels and trusted.overlay.*, give orders to the kernel of the host,
// which an archive has no right to; they are recorded.
func settable(name string) bool {
	return strings.HasPrefix(name, "user.") || name == "security.capability" || name == aclAccess || name == aclDefault
}
