package extract

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/mholt/archiver/v4"
)

// The words that fuzzed names and link targets are made of: what hurts.
var words = []string{
	"a", "b", "c", ".", "..", "/", "//", "etc", "passwd", "root", "l", "m", "a/b", "../etc", "/etc", "../../..", "l/passwd",
	"", "\x00", "\xff", "é", strings.Repeat("n", 256), strings.Repeat("d/", 40), ".xjail-clear-1", " ", "\\", "\n", "*",
}

var types = []byte{
	tar.TypeReg, tar.TypeDir, tar.TypeSymlink, tar.TypeLink, tar.TypeChar, tar.TypeBlock, tar.TypeFifo,
	tar.TypeXGlobalHeader, tar.TypeGNUSparse, tar.TypeCont, 'V', 'Z',
}

// decodeArchive makes a tar of arbitrary bytes: each entry takes a type, a mode,
// and words for its name, its target and its contents.
func decodeArchive(data []byte) []byte {
	r := bytes.NewReader(data)
	next := func() byte { b, _ := r.ReadByte(); return b }
	phrase := func() string {
		var parts []string
		for range next() % 4 {
			parts = append(parts, words[int(next())%len(words)])
		}
		return strings.Join(parts, "/")
	}
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for r.Len() > 0 {
		h := tar.Header{
			Typeflag: types[int(next())%len(types)], Mode: int64(next()) << 4, Name: phrase(), Linkname: phrase(),
			Uid: int(next()), ModTime: time.Unix(int64(next())<<32, 5), Format: tar.FormatPAX,
		}
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(next()) * 37
		}
		if next()%4 == 0 {
			h.PAXRecords = map[string]string{"SCHILY.xattr.user." + phrase(): phrase(), "SCHILY.acl.access": phrase()}
		}
		if w.WriteHeader(&h) == nil {
			_, _ = w.Write(make([]byte, h.Size))
		}
	}
	_ = w.Close() // fails after a header that was refused: an archive without its end
	return buf.Bytes()
}

// FuzzArchive unpacks arbitrary bytes, as they are and as a list of entries with
// evil names, and looks whether anything around the root changed.
func FuzzArchive(f *testing.F) {
	plain := tarOf(f, smallRoot()[:6]...)
	for _, c := range formats {
		f.Add(compress(f, c, plain), byte(0))
	}
	f.Add(tarOf(f, link("l", "../etc"), reg("l/passwd", "x")), byte(0))
	f.Add(tarOf(f, link("l", "/etc"), hard("h", "l/passwd"), dir("..", 0o777)), byte(0))
	f.Add(gnuSparse(1<<20), byte(0))
	f.Add([]byte("\x02\x10\x01\x0a\x01\x0d\x00\x00\x01\x00\x10\x02\x0a\x08\x00\x00\x00\x05\x01"), byte(1))
	f.Add([]byte("\x03\x10\x01\x00\x02\x0a\x08\x00\x00\x01\x01\x10\x01\x04\x00\x00\x00\x01"), byte(2))
	f.Fuzz(func(t *testing.T, data []byte, form byte) {
		switch form % 3 {
		case 1:
			data = decodeArchive(data)
		case 2:
			data = compress(t, archiver.Gz{}, decodeArchive(data))
		}
		root, outside := jailed(t)
		before := canary(t, outside)
		opts := Options{MaxEntries: 1000, MaxBytes: 8 << 20, Devices: form&4 != 0, SkipDevices: form&8 != 0}
		_, err := Archive(context.Background(), bytes.NewReader(data), root, opts)
		if after := canary(t, outside); after != before {
			t.Fatalf("outside changed from\n%s\nto\n%s", before, after)
		}
		if err != nil {
			isEmpty(t, root)
		}
	})
}

func TestPanicOfADecompressorIsAnError(t *testing.T) {
	a := newReadAhead(context.Background(), func() (io.ReadCloser, error) { return panicking{}, nil })
	defer a.stop()
	if _, err := io.ReadAll(a); err == nil || !strings.Contains(err.Error(), "index out of range") {
		t.Error(err)
	}
}
