package extract

import (
	"archive/tar"
	"bytes"
	"context"
	"os"
	"testing"
	"time"
)

// file is an entry of a test's archive.
type file struct {
	tar.Header
	body string
}

// tarOf makes a tar of files in this order.
func tarOf(t testing.TB, files ...file) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, f := range files {
		h := f.Header
		h.Size = int64(len(f.body))
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if h.Uid == 0 {
			h.Uid, h.Gid = os.Getuid(), os.Getgid()
		}
		if h.ModTime.IsZero() {
			h.ModTime = time.Unix(1700000000, 123456789)
			h.Format = tar.FormatPAX
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
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

func newRoot(t testing.TB) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return root
}

func TestSmoke(t *testing.T) {
	root := newRoot(t)
	data := tarOf(t,
		file{tar.Header{Name: "./", Typeflag: tar.TypeDir, Mode: 0o755}, ""},
		file{tar.Header{Name: "./usr/bin/", Typeflag: tar.TypeDir, Mode: 0o555}, ""},
		file{tar.Header{Name: "usr/bin/su", Mode: 0o4755}, "su"},
		file{tar.Header{Name: "bin", Typeflag: tar.TypeSymlink, Linkname: "/usr/bin", Mode: 0o777}, ""},
		file{tar.Header{Name: "bin/sh", Mode: 0o755}, "sh"},
		file{tar.Header{Name: "usr/bin/bash", Typeflag: tar.TypeLink, Linkname: "usr/bin/sh"}, ""},
	)
	r, err := Archive(context.Background(), bytes.NewReader(data), root, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", r)
	if got, err := root.ReadFile("usr/bin/bash"); err != nil || string(got) != "sh" {
		t.Fatalf("%q %v", got, err)
	}
	if err := Clear(context.Background(), root); err != nil {
		t.Fatal(err)
	}
}
