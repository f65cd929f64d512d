package qemu

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/xjail/xjail/internal/fault"
)

const inRoot = "usr/bin/qemu-arm-static"

// placeEnv is an emulator's file and an empty root.
func placeEnv(t *testing.T, content string) (*Emulator, *os.Root, string) {
	t.Helper()
	dir := t.TempDir()
	file, rootDir := filepath.Join(dir, "qemu"), filepath.Join(dir, "root")
	if err := os.WriteFile(file, []byte(content), 0o711); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(rootDir, 0o755); err != nil {
		t.Fatal(err)
	}
	sum, err := Digest(file)
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(rootDir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return &Emulator{Path: file, SHA256: sum}, root, rootDir
}

// tree lists what is below dir, with types and modes.
func tree(t *testing.T, dir string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		list = append(list, strings.TrimPrefix(path, dir)+" "+info.Mode().String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestPlace(t *testing.T) {
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	e, root, dir := placeEnv(t, "emulator")
	p, err := Place(root, "usr//bin/./qemu-arm-static", e)
	if err != nil {
		t.Fatal(err)
	}
	if p.Path != inRoot || p.SHA256 != e.SHA256 || p.Size != 8 || p.Unchanged || p.Replaced != nil || !slices.Equal(p.Dirs, []string{"usr", "usr/bin"}) {
		t.Errorf("placed %+v", p)
	}
	want := []string{"/usr drwxr-xr-x", "/usr/bin drwxr-xr-x", "/usr/bin/qemu-arm-static -rwxr-xr-x"}
	if got := tree(t, dir)[1:]; !slices.Equal(got, want) {
		t.Errorf("tree %q", got)
	}
	if err := Verify(root, p); err != nil {
		t.Error(err)
	}
	before, err := os.Stat(filepath.Join(dir, inRoot))
	if err != nil {
		t.Fatal(err)
	}
	again, err := Place(root, inRoot, e)
	if err != nil || !again.Unchanged || again.Size != 8 || len(again.Dirs) != 0 {
		t.Errorf("again: %+v, %v", again, err)
	}
	if after, err := os.Stat(filepath.Join(dir, inRoot)); err != nil || !os.SameFile(before, after) {
		t.Errorf("the same file was written once more (%v)", err)
	}
	if err := Remove(root, p); err != nil {
		t.Fatal(err)
	}
	if got := tree(t, dir); len(got) != 1 {
		t.Errorf("left: %q", got)
	}
	if err := Remove(root, p); err != nil {
		t.Errorf("removed twice: %v", err)
	}
}

func TestPlaceReplaces(t *testing.T) {
	e, root, dir := placeEnv(t, "emulator")
	file := filepath.Join(dir, inRoot)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	// The other name of a hard link keeps its content; a leftover goes.
	other, leftover := filepath.Join(dir, "other"), filepath.Join(dir, "usr/bin/.qemu-arm-static.xjail-new")
	for _, f := range []string{other, leftover} {
		if err := os.WriteFile(f, []byte("theirs"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(other, file); err != nil {
		t.Fatal(err)
	}
	p, err := Place(root, inRoot, e)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := Digest(other)
	if err != nil {
		t.Fatal(err)
	}
	if p.Replaced == nil || p.Replaced.SHA256 != theirs || p.Replaced.Size != 6 || p.Replaced.Mode != 0o600 || p.Dirs != nil {
		t.Errorf("placed %+v, %+v", p, p.Replaced)
	}
	if b, err := os.ReadFile(other); err != nil || string(b) != "theirs" {
		t.Errorf("the other link is %q, %v", b, err)
	}
	if _, err := os.Lstat(leftover); err == nil {
		t.Error("the leftover stayed")
	}
	// The right content with a wrong mode is not what was asked for.
	if err := os.Chmod(file, 0o755|os.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	if p, err = Place(root, inRoot, e); err != nil || p.Unchanged {
		t.Errorf("setuid: %+v, %v", p, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o755 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// Whatever a root holds, nothing outside of it changes, and it stays as it was.
func TestPlaceInHostileRoot(t *testing.T) {
	outside := t.TempDir()
	must := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		name  string
		plant func(t *testing.T, dir string)
		rel   string
		word  string
	}{
		{"absolute link as parent", func(t *testing.T, dir string) { must(t, os.Symlink(outside, dir+"/usr")) }, inRoot, "escapes"},
		{"relative link as parent", func(t *testing.T, dir string) { must(t, os.Symlink("../..", dir+"/usr")) }, inRoot, "escapes"},
		{"link to outside as directory", func(t *testing.T, dir string) {
			must(t, os.Mkdir(dir+"/usr", 0o755))
			must(t, os.Symlink(outside, dir+"/usr/bin"))
		}, inRoot, "escapes"},
		{"link in the way", func(t *testing.T, dir string) {
			must(t, os.MkdirAll(dir+"/usr/bin", 0o755))
			must(t, os.Symlink(outside+"/victim", dir+"/"+inRoot))
		}, inRoot, "is a symbolic link"},
		{"fifo in the way", func(t *testing.T, dir string) {
			must(t, os.MkdirAll(dir+"/usr/bin", 0o755))
			must(t, syscall.Mkfifo(dir+"/"+inRoot, 0o666))
		}, inRoot, "is a FIFO"},
		{"directory in the way", func(t *testing.T, dir string) { must(t, os.MkdirAll(dir+"/"+inRoot, 0o755)) }, inRoot, "is a directory"},
		{"file as parent", func(t *testing.T, dir string) { must(t, os.WriteFile(dir+"/usr", nil, 0o644)) }, inRoot, "not a directory"},
		{"file as the last parent", func(t *testing.T, dir string) {
			must(t, os.Mkdir(dir+"/usr", 0o755))
			must(t, os.WriteFile(dir+"/usr/bin", nil, 0o644))
		}, inRoot, "not a directory"},
		{"directory for the temporary name", func(t *testing.T, dir string) {
			must(t, os.MkdirAll(dir+"/usr/bin/.qemu-arm-static.xjail-new/x", 0o755))
		}, inRoot, "not empty"},
		{"path to outside", func(*testing.T, string) {}, "../qemu", "not a path below the root"},
		{"absolute path", func(*testing.T, string) {}, "/usr/bin/qemu", "not a path below the root"},
		{"the root", func(*testing.T, string) {}, "x/..", "not a path below the root"},
		{"no path", func(*testing.T, string) {}, "", "not a path below the root"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e, root, dir := placeEnv(t, "emulator")
			tc.plant(t, dir)
			before := tree(t, filepath.Dir(dir))
			_, err := Place(root, tc.rel, e)
			if err == nil || !strings.Contains(err.Error(), tc.word) {
				t.Fatalf("got %v, want %q", err, tc.word)
			}
			if k := fault.KindOf(err); k != fault.Unsafe && k != fault.Failed {
				t.Errorf("kind %d", k)
			}
			if after := tree(t, filepath.Dir(dir)); !slices.Equal(before, after) {
				t.Errorf("was %q\nis  %q", before, after)
			}
			if got := tree(t, outside); len(got) != 1 {
				t.Errorf("outside: %q", got)
			}
		})
	}
}

// A link that stays in the root is followed, as the kernel will.
func TestPlaceThroughLink(t *testing.T) {
	e, root, dir := placeEnv(t, "emulator")
	if err := os.MkdirAll(filepath.Join(dir, "real/bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real", filepath.Join(dir, "usr")); err != nil {
		t.Fatal(err)
	}
	p, err := Place(root, inRoot, e)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "real/bin/qemu-arm-static")); err != nil {
		t.Error(err)
	}
	if err := Verify(root, p); err != nil {
		t.Error(err)
	}
}

func TestPlaceChangedEmulator(t *testing.T) {
	e, root, dir := placeEnv(t, "emulator")
	if err := os.WriteFile(e.Path, []byte("something else"), 0o755); err != nil {
		t.Fatal(err)
	}
	_, err := Place(root, inRoot, e)
	wantKind(t, err, fault.Mismatch, "has changed since it was examined")
	if got := tree(t, dir); len(got) != 1 {
		t.Errorf("left: %q", got)
	}
	e.Path = filepath.Join(dir, "gone")
	_, err = Place(root, inRoot, e)
	wantKind(t, err, fault.NotFound, "no such file")
}

func TestPlaceNoPermission(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may write everywhere")
	}
	e, root, dir := placeEnv(t, "emulator")
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	_, err := Place(root, inRoot, e)
	wantKind(t, err, fault.Permission, "permission denied")
}

func TestVerify(t *testing.T) {
	content := string(bytes.Repeat([]byte("emulator"), 100))
	for _, tc := range []struct {
		name  string
		spoil func(t *testing.T, file string) error
		kind  fault.Kind
		word  string
	}{
		{"gone", func(_ *testing.T, f string) error { return os.Remove(f) }, fault.NotFound, "no such file"},
		{"changed", func(_ *testing.T, f string) error {
			return os.WriteFile(f, []byte(strings.ToUpper(content)), 0o755)
		}, fault.Mismatch, "its digest is"},
		{"cut", func(_ *testing.T, f string) error { return os.Truncate(f, 7) }, fault.Mismatch, "it has 7 bytes"},
		{"not executable", func(_ *testing.T, f string) error { return os.Chmod(f, 0o644) }, fault.Mismatch, "not executable"},
		{"a link", func(_ *testing.T, f string) error {
			if err := os.Rename(f, f+"2"); err != nil {
				return err
			}
			return os.Symlink("qemu-arm-static2", f)
		}, fault.Unsafe, "symbolic link"},
		{"huge", func(_ *testing.T, f string) error { return os.Truncate(f, maxDigested+1) }, fault.Mismatch, "bytes"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e, root, dir := placeEnv(t, content)
			p, err := Place(root, inRoot, e)
			if err != nil {
				t.Fatal(err)
			}
			if err := tc.spoil(t, filepath.Join(dir, inRoot)); err != nil {
				t.Fatal(err)
			}
			wantKind(t, Verify(root, p), tc.kind, tc.word)
			// Only path and digest are kept in records.
			short := Placed{Path: p.Path, SHA256: p.SHA256}
			if fault.KindOf(Verify(root, short)) != tc.kind {
				t.Errorf("by digest alone: %v", Verify(root, short))
			}
			if err := Remove(root, p); fault.KindOf(err) != tc.kind && tc.kind != fault.NotFound {
				t.Errorf("Remove: %v", err)
			}
		})
	}
	_, root, _ := placeEnv(t, "")
	wantKind(t, Verify(root, Placed{Path: "../x"}), fault.Unsafe, "not a path")
}

// A sparse file in the way is replaced without being read.
func TestPlaceOverHugeFile(t *testing.T) {
	e, root, dir := placeEnv(t, "emulator")
	file := filepath.Join(dir, "qemu")
	if err := os.WriteFile(file, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, maxDigested+1); err != nil {
		t.Skip("the file system has no sparse files")
	}
	p, err := Place(root, "qemu", e)
	if err != nil || p.Replaced == nil || p.Replaced.SHA256 != "" || p.Replaced.Size != maxDigested+1 {
		t.Errorf("%+v, %v", p.Replaced, err)
	}
}

func TestKindText(t *testing.T) {
	for mode, want := range map[os.FileMode]string{
		os.ModeDir: "a directory", os.ModeSymlink: "a symbolic link", os.ModeNamedPipe: "a FIFO", os.ModeSocket: "a socket", os.ModeDevice: "a device",
	} {
		if got := kindText(mode); got != want {
			t.Errorf("%v: %s", mode, got)
		}
	}
}
