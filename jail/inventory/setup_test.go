package inventory

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
)

// program is a static program of an architecture: a header is all it needs.
func program(name string) string {
	a, err := arch.Lookup(name)
	if err != nil {
		panic(err)
	}
	return string(a.Header(3))
}

// tree makes files below a new directory: a name that ends with a slash is a
// directory, contents that begin with "-> " are a symbolic link.
func tree(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, contents := range files {
		path := filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		switch target, isLink := strings.CutPrefix(contents, "-> "); {
		case err != nil:
		case strings.HasSuffix(name, "/"):
			err = os.MkdirAll(path, 0o755)
		case isLink:
			err = os.Symlink(target, path)
		default:
			err = os.WriteFile(path, []byte(contents), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// member is a file in an archive that the tests make.
type member struct{ name, contents string }

func tarOf(t testing.TB, members ...member) string {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, m := range members {
		h := &tar.Header{Name: m.name, Mode: 0o755, Size: int64(len(m.contents))}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(m.contents)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

func zipOf(t testing.TB, members ...member) string {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for _, m := range members {
		f, err := w.Create(m.name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(m.contents)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

// arOf makes an ar archive; names are written as they are given.
func arOf(members ...member) string {
	var b strings.Builder
	b.WriteString(arMagic)
	for _, m := range members {
		fmt.Fprintf(&b, "%-16s%-12d%-6d%-6d%-8o%-10d%s%s", m.name, 0, 0, 0, 0o100644, len(m.contents), arEnd, m.contents)
		if len(m.contents)%2 == 1 {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// debOf makes a Debian package that installs members.
func debOf(t testing.TB, pack func(testing.TB, string) string, ending string, members ...member) string {
	t.Helper()
	control := tarOf(t, member{"./control", "Package: x\n"})
	return arOf(member{debianBinary, "2.0\n"}, member{"control.tar", control}, member{"data.tar" + ending, pack(t, tarOf(t, members...))})
}

func mustScan(t testing.TB, opts Options, args ...string) *Result {
	t.Helper()
	r, err := Scan(context.Background(), args, nil, opts)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// lines are what was found, one line each: relative to dir, with the
// architecture or the kind of the failure.
func lines(r *Result, dir string) []string {
	var list []string
	for _, f := range r.Found {
		what := ""
		switch {
		case f.Err != nil:
			what = fmt.Sprintf("error %d", fault.KindOf(f.Err))
		case f.Cut:
			what = f.ID.Name + " cut"
		default:
			what = f.ID.Name
		}
		name := strings.TrimPrefix(strings.TrimPrefix(joined(&f), dir), "/")
		list = append(list, name+" "+what)
	}
	return list
}

func wantLines(t testing.TB, r *Result, dir string, want ...string) {
	t.Helper()
	if got := lines(r, dir); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
		for _, f := range r.Failed() {
			t.Log(f.Err)
		}
	}
}
