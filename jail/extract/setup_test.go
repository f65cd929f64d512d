package extract

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mholt/archiver/v4"
	"github.com/xjail/xjail/internal/fault"
)

// sparseBytes are the most that a file of holes may take on disk: UFS has the data,
// the last block and a block that points to them, of up to 64 KiB each.
const sparseBytes = 256 << 10

// file is an entry of a test's archive. Without an owner it gets the user who
// runs the test, so that tests pass as root and as anybody.
type file struct {
	tar.Header
	body string
}

// stamp has nanoseconds that a float would lose.
var stamp = time.Unix(1700000000, 123456789)

func reg(name, body string) file {
	return file{tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644}, body}
}

func dir(name string, mode int64) file {
	return file{tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: mode}, ""}
}

func link(name, target string) file {
	return file{tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: target, Mode: 0o777}, ""}
}

func hard(name, target string) file {
	return file{tar.Header{Name: name, Typeflag: tar.TypeLink, Linkname: target, Mode: 0o644}, ""}
}

func special(name string, typ byte) file {
	return file{tar.Header{Name: name, Typeflag: typ, Mode: 0o640, Devmajor: 1, Devminor: 3}, ""}
}

// tarOf makes a tar of files in this order.
func tarOf(t testing.TB, files ...file) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, f := range files {
		h := f.Header
		h.Size = int64(len(f.body))
		if h.Uid == 0 && h.Typeflag != tar.TypeXGlobalHeader {
			h.Uid, h.Gid = os.Getuid(), os.Getgid()
		}
		if h.ModTime.IsZero() && h.Typeflag != tar.TypeXGlobalHeader {
			h.ModTime, h.Format = stamp, tar.FormatPAX
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatalf("%.80s: %.200v", h.Name, err)
		}
		if _, err := w.Write([]byte(f.body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// sign puts the right check sum in a header that a test has changed.
func sign(h []byte) {
	copy(h[148:], "        ")
	sum := 0
	for _, b := range h[:512] {
		sum += int(b)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
}

// formats are the compressed forms of a tar.
var formats = map[string]archiver.Compression{
	"tar": nil, "tar.xz": archiver.Xz{}, "tar.zst": archiver.Zstd{}, "tar.gz": archiver.Gz{},
	"tar.bz2": archiver.Bz2{CompressionLevel: 9},
}

func compress(t testing.TB, c archiver.Compression, data []byte) []byte {
	t.Helper()
	if c == nil {
		return data
	}
	var buf bytes.Buffer
	w, err := c.OpenWriter(&buf)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func newRoot(t testing.TB) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := Clear(context.Background(), root); err != nil {
			t.Error(err)
		}
		if err := root.Close(); err != nil {
			t.Error(err)
		}
	})
	return root
}

// extracted unpacks files and fails the test when that fails.
func extracted(t testing.TB, opts Options, files ...file) (*os.Root, *Report) {
	t.Helper()
	root := newRoot(t)
	r, err := Archive(context.Background(), bytes.NewReader(tarOf(t, files...)), root, opts)
	if err != nil {
		t.Fatal(err)
	}
	return root, r
}

// refused unpacks data, which must fail with that kind and these words, and
// leave nothing.
func refused(t *testing.T, data io.Reader, opts Options, kind fault.Kind, words ...string) {
	t.Helper()
	root := newRoot(t)
	r, err := Archive(context.Background(), data, root, opts)
	if err == nil {
		t.Fatalf("no error, report %+v", r)
	}
	checkError(t, err, kind, words...)
	isEmpty(t, root)
}

func checkError(t *testing.T, err error, kind fault.Kind, words ...string) {
	t.Helper()
	if fault.KindOf(err) != kind {
		t.Errorf("kind %d, want %d: %v", fault.KindOf(err), kind, err)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q is not in %q", word, err)
		}
	}
}

func isEmpty(t *testing.T, root *os.Root) {
	t.Helper()
	left, err := os.ReadDir(root.Name())
	if err != nil {
		t.Fatal(err)
	}
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func contentsOf(t testing.TB, root *os.Root, name, want string) {
	t.Helper()
	got, err := os.ReadFile(filepath.Join(root.Name(), name))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s holds %q, want %q", name, got, want)
	}
}

func lstat(t testing.TB, root *os.Root, name string) os.FileInfo {
	t.Helper()
	info, err := os.Lstat(filepath.Join(root.Name(), name))
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func modeOf(t testing.TB, root *os.Root, name string, want os.FileMode) {
	t.Helper()
	if got := lstat(t, root, name).Mode(); got != want {
		t.Errorf("%s has the mode %v, want %v", name, got, want)
	}
}

func timeOf(t testing.TB, root *os.Root, name string, want time.Time) {
	t.Helper()
	if got := lstat(t, root, name).ModTime(); !got.Equal(want) {
		t.Errorf("%s has the time %v, want %v", name, got, want)
	}
}

func keptOf(r *Report, path string) *Metadata {
	for i := range r.Kept {
		if r.Kept[i].Path == path {
			return &r.Kept[i]
		}
	}
	return &Metadata{}
}
