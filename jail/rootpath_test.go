package jail

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// plant makes a tree: names that end in / are directories, "a -> b" are
// symlinks, others are files that hold their names. What cannot be made is left
// out.
func plant(t *testing.T, text string) *os.Root {
	t.Helper()
	outer := t.TempDir()
	if err := os.WriteFile(filepath.Join(outer, "outside"), []byte("outside"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(outer, "root")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		name, target, link := strings.Cut(line, " -> ")
		name = path.Clean("/" + name)[1:]
		switch {
		case link:
			_ = root.Symlink(target, name)
		case strings.HasSuffix(line, "/"):
			_ = root.MkdirAll(name, 0o755)
		default:
			_ = root.WriteFile(name, []byte(name), 0o644)
		}
	}
	return root
}

func TestResolve(t *testing.T) {
	root := plant(t, `usr/bin/
usr/bin/sh
etc/
etc/file
bin -> usr/bin
absolute -> /etc/file
up -> ../../../../etc/file
out -> ../outside
deep -> bin/../../etc/./file
chain -> absolute
loop -> loop
ping -> pong
pong -> ping
usr/back -> /
usr/dots -> ..
`)
	for name, want := range map[string]string{
		"bin/sh": "usr/bin/sh", "/bin/sh": "usr/bin/sh", "absolute": "etc/file", "up": "etc/file", "chain": "etc/file",
		"deep": "etc/file", "usr/back/usr/back/bin/sh": "usr/bin/sh", "usr/dots/etc/file": "etc/file",
		"": ".", "/": ".", "..": ".", "bin/..": ".", "../../etc": "etc", "bin": "usr/bin",
	} {
		if got, err := resolve(root, name); err != nil || got != want {
			t.Errorf("resolve(%q) = %q, %v, want %q", name, got, err, want)
		}
	}
	for name, want := range map[string]error{
		"out": fs.ErrNotExist, "none": fs.ErrNotExist, "bin/none": fs.ErrNotExist, "loop": unix.ELOOP, "ping": unix.ELOOP, "etc/file/x": unix.ENOTDIR,
	} {
		if got, err := resolve(root, name); !errors.Is(err, want) {
			t.Errorf("resolve(%q) = %q, %v, want %v", name, got, err, want)
		}
	}
}

func TestFindInRoot(t *testing.T) {
	root := plant(t, "usr/bin/\nusr/bin/sh\nusr/bin/cc\nbin -> usr/bin\nusr/bin/dash -> /bin/sh\nusr/bin/out -> ../../../outside\n")
	if err := root.Chmod("usr/bin/sh", 0o755); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"sh": "/usr/bin/sh", "dash": "/usr/bin/dash", "cc": "", "out": "", "none": ""} {
		if got := findInRoot(root, name); got != want {
			t.Errorf("findInRoot(%q) = %q, want %q", name, got, want)
		}
	}
}

// Whatever symlinks a root has, what a name resolves to is in the root, and is
// not a symlink itself.
func FuzzResolve(f *testing.F) {
	f.Add("a/\na/b\nl -> /a\nm -> ../../l/b\n", "m")
	f.Add("x -> ../outside\n", "x")
	f.Add("d/\nd/l -> ..\nl -> d/l/d/l/../outside\n", "l/../../x")
	f.Fuzz(func(t *testing.T, text, name string) {
		if len(text) > 500 || strings.ContainsRune(name, 0) {
			return
		}
		root := plant(t, text)
		got, err := resolve(root, name)
		if err != nil {
			return
		}
		if got != path.Clean(got) || path.IsAbs(got) || got == ".." || strings.HasPrefix(got, "../") {
			t.Fatalf("resolve(%q) = %q", name, got)
		}
		st, err := root.Lstat(got)
		if err != nil || st.Mode()&fs.ModeSymlink != 0 {
			t.Fatalf("resolve(%q) = %q, which is %v, %v", name, got, st, err)
		}
	})
}
