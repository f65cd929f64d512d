package extract

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"
	"github.com/mholt/archiver/v4"
	"github.com/xjail/xjail/internal/fault"
)

// identifyBytes of the start of a file are looked at.
const identifyBytes = 64 << 10

// maxWindow is the most memory in bytes that a zstd frame may ask for, what
// zstd(1) allows without --long.
const maxWindow = 128 << 20

// codec is one form of a tar.
type codec struct {
	name string
	open func(io.Reader) (io.ReadCloser, error) // nil: not compressed
}

// compressions are the accepted ones. They are asked one by one: the order of
// archiver.Identify is random, and its brotli takes about anything for brotli.
var compressions = []interface {
	archiver.Compression
	Extension() string
}{
	archiver.Xz{},
	archiver.Zstd{DecoderOptions: []zstd.DOption{zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderMaxMemory(1 << 62)}},
	archiver.Gz{},
	archiver.Bz2{},
}

// identify tells the format from the first bytes. A plain tar is looked for
// first, since the name of its first entry may look like any magic number.
func identify(ctx context.Context, head []byte, label string) (codec, error) {
	if len(head) == 0 {
		return codec{}, damaged("%s is empty", label)
	}
	if m, err := (archiver.Tar{}).Match(ctx, "", bytes.NewReader(head)); err == nil && m.ByStream {
		return codec{name: "tar"}, nil
	}
	if c, ok := compressionOf(ctx, head); ok {
		return codec{name: "tar." + c.name, open: c.open}, nil
	}
	if looksLikeTar(head) {
		return codec{name: "tar"}, nil
	}
	return codec{}, notTar(label, "", head)
}

// compressionOf finds what compresses a file, by its first bytes.
func compressionOf(ctx context.Context, head []byte) (codec, bool) {
	for _, c := range compressions {
		if m, err := c.Match(ctx, "", bytes.NewReader(head)); err == nil && m.ByStream {
			return codec{name: strings.TrimPrefix(c.Extension(), "."), open: c.OpenReader}, true
		}
	}
	return codec{}, false
}

// looksLikeTar accepts what the tar reader shall judge: an archive of nothing,
// and one whose first header is longer than head or damaged.
func looksLikeTar(head []byte) bool {
	if len(head) >= tarBlock && bytes.Equal(head[:tarBlock], zeros[:tarBlock]) {
		return true
	}
	return len(head) > 262 && string(head[257:262]) == "ustar"
}

// notTar says what was found in place of a tar.
func notTar(label, format string, head []byte) error {
	what := sniff(head)
	if format != "" && format != "tar" {
		what = strings.TrimPrefix(format, "tar.") + "-compressed data that holds " + what
	}
	return fault.New(fault.Damaged, "give a tar archive, plain or compressed with xz, zstd, gzip or bzip2",
		"%s is not a tar archive but %s", label, what)
}

// magics name what people hand over by mistake.
var magics = []struct {
	offset int
	magic  string
	what   string
}{
	{0, "\x7fELF", "an ELF program or library"},
	{0, "PK\x03\x04", "a zip archive"},
	{0, "PK\x05\x06", "a zip archive"},
	{0, "7z\xbc\xaf\x27\x1c", "a 7z archive"},
	{0, "Rar!", "a rar archive"},
	{0, "!<arch>\ndebian-binary", "a Debian package"},
	{0, "!<arch>\n", "an ar archive"},
	{0, "\xed\xab\xee\xdb", "an RPM package"},
	{0, "070701", "a cpio archive"},
	{0, "070707", "a cpio archive"},
	{0, "hsqs", "a squashfs image"},
	{0, "QFI\xfb", "a qcow2 disk image"},
	{0, "\xfd7zXZ\x00", "an xz file"},
	{0, "\x28\xb5\x2f\xfd", "a zstd file"},
	{0, "\x1f\x8b", "a gzip file"},
	{0, "BZh", "a bzip2 file"},
	{0, "\x04\x22\x4d\x18", "an lz4 file"},
	{0, "LZIP", "an lzip file"},
	{0, "%PDF", "a PDF document"},
	{0, "#!", "a script"},
	{510, "\x55\xaa", "a disk image"},
	{32769, "CD001", "an ISO 9660 image"},
}

func sniff(head []byte) string {
	for _, m := range magics {
		if len(head) > m.offset && bytes.HasPrefix(head[m.offset:], []byte(m.magic)) {
			return m.what
		}
	}
	start := strings.ToLower(string(bytes.TrimSpace(head[:min(len(head), 512)])))
	switch {
	case start == "":
		return "nothing"
	case strings.HasPrefix(start, "<!doctype html"), strings.HasPrefix(start, "<html"):
		return "an HTML page (an error page of a web server?)"
	case strings.HasPrefix(start, "<?xml"):
		return "an XML document"
	case isText(head[:min(len(head), 512)]):
		first, _, _ := strings.Cut(strings.TrimSpace(string(head[:min(len(head), 40)])), "\n")
		return fmt.Sprintf("text that starts with %q", first)
	}
	return fmt.Sprintf("data that starts with % x", head[:min(len(head), 8)])
}

func isText(b []byte) bool {
	// A rune may be cut at the end.
	for i := 0; i < utf8.UTFMax && len(b) > 0 && !utf8.Valid(b); i++ {
		b = b[:len(b)-1]
	}
	return utf8.Valid(b) && !bytes.ContainsFunc(b, func(r rune) bool { return r < ' ' && !strings.ContainsRune("\t\r\n\f", r) })
}
