package extract

import (
	"archive/tar"
	"encoding/base64"
	"net/url"
	"strings"
)

// typeflags are the opposite of kinds.
var typeflags = map[kind]byte{
	regular: tar.TypeReg, directory: tar.TypeDir, symlink: tar.TypeSymlink, hardlink: tar.TypeLink,
	charDevice: tar.TypeChar, blockDevice: tar.TypeBlock, fifo: tar.TypeFifo,
}

// formatHeader is the opposite of parseHeader. Names of users are left out, for
// they are the host's, and so is the time of the last reading, which packing
// itself changes.
func formatHeader(e *entry) *tar.Header {
	h := &tar.Header{
		Format: tar.FormatPAX, Typeflag: typeflags[e.kind], Name: e.path, Linkname: e.target,
		Mode: int64(e.mode), Uid: e.uid, Gid: e.gid, ModTime: e.mtime,
	}
	switch e.kind {
	case directory:
		h.Name += "/"
	case regular:
		h.Size = e.size
	case charDevice, blockDevice:
		h.Devmajor, h.Devminor = e.major, e.minor
	}
	if e.kind != hardlink { // the first name has said it
		h.PAXRecords = formatRecords(&e.attrs)
	}
	return h
}

// formatRecords is the opposite of parseRecords.
func formatRecords(a *attrs) map[string]string {
	records := map[string]string{}
	for name, value := range a.xattrs {
		word, ok := aclWords[name]
		text, okText := decodeACL(value)
		switch {
		case ok && okText:
			records[recordACL+word] = text
		case strings.Contains(name, "="):
			// The key of a record ends at the first "=". libarchive's form
			// encodes it.
			escaped := strings.ReplaceAll(url.PathEscape(name), "=", "%3D")
			records[recordXattrBase+escaped] = base64.RawStdEncoding.EncodeToString(value)
		default:
			records[recordXattr+name] = string(value)
		}
	}
	for word, text := range a.acls {
		records[recordACL+word] = text
	}
	if a.flags != "" {
		records[recordFlags] = a.flags
	}
	return records
}
