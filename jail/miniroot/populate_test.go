package miniroot

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
)

// fakeBinary is a binary as Build would return it.
func fakeBinary(t *testing.T) *Binary {
	t.Helper()
	file := filepath.Join(t.TempDir(), binaryName)
	if err := os.WriteFile(file, []byte("program"), 0o600); err != nil {
		t.Fatal(err)
	}
	sum, err := digest(file)
	if err != nil {
		t.Fatal(err)
	}
	return &Binary{Path: file, SHA256: sum, Applets: []string{"[", "ls", "sh"}}
}

func openRoot(t *testing.T) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

// tree lists names, modes and contents or targets.
func tree(t *testing.T, root *os.Root) string {
	t.Helper()
	var b strings.Builder
	err := fs.WalkDir(root.FS(), ".", func(name string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		st, err := root.Lstat(name)
		if err != nil {
			return err
		}
		mode := st.Mode()
		if mode&fs.ModeSymlink != 0 {
			mode |= fs.ModePerm // FreeBSD's links have the umask's, which nothing asks for
		}
		fmt.Fprintf(&b, "%s %s", mode, name)
		switch {
		case st.Mode()&fs.ModeSymlink != 0:
			target, err := root.Readlink(name)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, " -> %s", target)
		case st.Mode().IsRegular():
			text, err := root.ReadFile(name)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, " %q", text)
		}
		b.WriteByte('\n')
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestPopulate(t *testing.T) {
	b := fakeBinary(t)
	root := openRoot(t)
	old := unix.Umask(0o077) // the modes must not depend on it
	err := Populate(t.Context(), root, b, "box")
	unix.Umask(old)
	if err != nil {
		t.Fatal(err)
	}
	got := tree(t, root)
	for _, want := range []string{
		"Lrwxrwxrwx bin -> usr/bin\n", "Lrwxrwxrwx usr/bin/sh -> xjail-miniroot\n", "Lrwxrwxrwx usr/bin/[ -> xjail-miniroot\n",
		"-rwxr-xr-x usr/bin/xjail-miniroot \"program\"\n", "dtrwxrwxrwx tmp\n", "dtrwxrwxrwx var/tmp\n", "drwx------ root\n",
		"drwxr-xr-x proc\n", "-rw-r--r-- etc/hostname \"box\\n\"\n", "-rw-r--r-- etc/resolv.conf \"\"\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
	for _, name := range []string{"bin/sh", "usr/bin/ls", "sbin"} { // links lead to something
		if _, err := root.Stat(name); err != nil {
			t.Error(err)
		}
	}
	second := openRoot(t)
	if err := Populate(t.Context(), second, b, "box"); err != nil {
		t.Fatal(err)
	}
	if again := tree(t, second); strings.SplitN(again, "\n", 2)[1] != strings.SplitN(got, "\n", 2)[1] {
		t.Errorf("not the same again:\n%s", again)
	}
}

func TestPopulateErrors(t *testing.T) {
	done, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		name    string
		ctx     context.Context
		prepare func(*os.Root, *Binary) error
		kind    fault.Kind
	}{
		{"another program", t.Context(), func(_ *os.Root, b *Binary) error { b.SHA256 = strings.Repeat("0", 64); return nil }, fault.Mismatch},
		{"no program", t.Context(), func(_ *os.Root, b *Binary) error { b.Path += "x"; return nil }, fault.NotFound},
		{"not empty", t.Context(), func(r *os.Root, _ *Binary) error { return r.Mkdir("etc", 0o755) }, fault.Exists},
		{"a link in the way", t.Context(), func(r *os.Root, _ *Binary) error { return r.Symlink("/tmp", "usr") }, fault.Exists},
		{"a name with a slash", t.Context(), func(_ *os.Root, b *Binary) error { b.Applets = []string{"../x"}; return nil }, fault.Unsafe},
		{"interrupted", done, func(*os.Root, *Binary) error { return nil }, fault.Interrupted},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root, b := openRoot(t), fakeBinary(t)
			if err := tt.prepare(root, b); err != nil {
				t.Fatal(err)
			}
			if err := Populate(tt.ctx, root, b, "box"); fault.KindOf(err) != tt.kind {
				t.Errorf("kind %d: %v", fault.KindOf(err), err)
			}
		})
	}
}

func TestApplets(t *testing.T) {
	names := Applets()
	if !slices.IsSorted(names) || !slices.Contains(names, "sh") || slices.Contains(names, "") {
		t.Errorf("%q", names)
	}
}

// FreeBSD has no group root.
func TestFilesOfSystems(t *testing.T) {
	for goos, want := range map[string]string{"linux": "root:x:0:", "freebsd": "wheel:x:0:"} {
		text := ""
		for _, f := range files(goos, "box") {
			if f.name == "etc/group" {
				text = f.text
			}
		}
		if !strings.HasPrefix(text, want) {
			t.Errorf("%s: /etc/group is %q", goos, text)
		}
	}
}
