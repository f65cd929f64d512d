package nxb

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"github.com/xjail/xjail/internal/fault"
)

// planned is a plan of a twin, the jail's root, and the base tree's directory.
func planned(t *testing.T) (*Plan, *os.Root, *os.Root) {
	t.Helper()
	base, root := baseTree().make(t), arm64Jail().make(t)
	p, err := NewTwinPlan(context.Background(), base, arm64(t, root))
	if err != nil {
		t.Fatal(err)
	}
	return p, root, base
}

// A plan changes nothing, and applying it adds /nxb-bin and nothing else.
func TestApplyAdds(t *testing.T) {
	p, root, base := planned(t)
	before, baseBefore := contents(t, root), contents(t, base)
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	m, err := p.Apply(context.Background(), root)
	if err != nil {
		t.Fatal(err)
	}
	unchanged(t, base, baseBefore)
	for name, b := range contents(t, root) {
		was, ok := before[name]
		if !ok && name != Dir+"/" && !strings.HasPrefix(name, Dir+"/") || ok && !bytes.Equal(b, was) {
			t.Errorf("%s changed or is new", name)
		}
	}
	if st, err := root.Stat(Dir + "/usr/bin"); err != nil || st.Mode().Perm() != 0o755 {
		t.Errorf("usr/bin has the mode %v, %v", st.Mode(), err)
	}
	if !reflect.DeepEqual(*m, p.Manifest) {
		t.Error("the manifest is not what was planned")
	}
	if found, err := Verify(context.Background(), root, m); err != nil || found != nil {
		t.Errorf("Verify: %v, %v", found, err)
	}
}

func TestApplyTwice(t *testing.T) {
	p, root, _ := planned(t)
	if _, err := p.Apply(context.Background(), root); err != nil {
		t.Fatal(err)
	}
	before := contents(t, root)
	_, err := p.Apply(context.Background(), root)
	checkError(t, err, fault.Exists, "has a /nxb-bin already")
	unchanged(t, root, before)
}

// What an earlier, killed Apply left goes. A link of the name is not followed.
func TestApplyAfterKill(t *testing.T) {
	for name, leave := range map[string]func(t *testing.T, root *os.Root){
		"directory": func(t *testing.T, root *os.Root) {
			if err := root.MkdirAll(partName+"/usr/bin", 0o755); err != nil {
				t.Fatal(err)
			}
			if err := root.WriteFile(partName+"/usr/bin/cc", []byte("half"), 0o555); err != nil {
				t.Fatal(err)
			}
		},
		"link": func(t *testing.T, root *os.Root) {
			if err := root.Symlink("bin", partName); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, root, _ := planned(t)
			leave(t, root)
			if _, err := p.Apply(context.Background(), root); err != nil {
				t.Fatal(err)
			}
			if _, err := root.Lstat(partName); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the rest is still there: %v", err)
			}
			if _, err := root.Stat("bin/sh"); err != nil {
				t.Error(err)
			}
		})
	}
}

// stopAfter is done after a number of looks at it.
type stopAfter struct {
	context.Context
	looks int
}

func (s *stopAfter) Err() error {
	if s.looks--; s.looks < 0 {
		return context.Canceled
	}
	return nil
}

// Interrupted anywhere, it leaves nothing.
func TestApplyInterrupted(t *testing.T) {
	p, root, _ := planned(t)
	before := contents(t, root)
	for _, looks := range []int{0, 1, 10, 100, 200} {
		_, err := p.Apply(&stopAfter{context.Background(), looks}, root)
		checkError(t, err, fault.Interrupted, "context canceled")
		unchanged(t, root, before)
	}
}

func TestPlanInterrupted(t *testing.T) {
	base, root := baseTree().make(t), arm64Jail().make(t)
	for _, looks := range []int{0, 20, 100} {
		_, err := NewTwinPlan(&stopAfter{context.Background(), looks}, base, arm64(t, root))
		checkError(t, err, fault.Interrupted, "context canceled")
	}
}

// A tree that changes between plan and Apply is noticed.
func TestApplyChangedSource(t *testing.T) {
	for name, change := range map[string]func(path string) error{
		"contents": func(path string) error {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			b[len(b)-1] ^= 1
			return os.WriteFile(path, b, 0)
		},
		"interpreter": func(path string) error {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			return os.WriteFile(path, bytes.Replace(b, []byte(interpreter), []byte("/libexec/ld-elf.so.2"), 1), 0)
		},
		"size": func(path string) error { return os.Truncate(path, 100) },
		"gone": os.Remove,
		"link out": func(path string) error {
			return errors.Join(os.Remove(path), os.Symlink("/etc/passwd", path))
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, root, base := planned(t)
			before := contents(t, root)
			path := filepath.Join(base.Name(), "usr/bin/find")
			if err := os.Chmod(path, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := change(path); err != nil {
				t.Fatal(err)
			}
			if _, err := p.Apply(context.Background(), root); err == nil {
				t.Error("no error")
			}
			unchanged(t, root, before)
		})
	}
}

func TestVerify(t *testing.T) {
	tests := []struct {
		name   string
		change func(dir string) error
		want   string
	}{
		{"missing", func(d string) error { return os.Remove(d + "/usr/bin/find") }, "usr/bin/find: missing"},
		{"contents", func(d string) error { return flip(d + "/lib/libz.so.6") }, "lib/libz.so.6: drifted: its contents changed"},
		{"size", func(d string) error { return os.Truncate(d+"/usr/bin/find", 9) }, "usr/bin/find: drifted: it has 9 bytes"},
		{"mode", func(d string) error { return os.Chmod(d+"/usr/bin/find", 0o755) }, "usr/bin/find: drifted: its mode"},
		{"set-id", func(d string) error { return os.Chmod(d+"/usr/bin/find", 0o555|os.ModeSetuid) }, "usr/bin/find: drifted: its mode"},
		{"a link", func(d string) error {
			return errors.Join(os.Remove(d+"/usr/bin/find"), os.Symlink("/etc/passwd", d+"/usr/bin/find"))
		}, "usr/bin/find: drifted: it is L"},
		{"a FIFO", func(d string) error {
			return errors.Join(os.Remove(d+"/usr/bin/find"), syscall.Mkfifo(d+"/usr/bin/find", 0o555))
		}, "usr/bin/find: drifted: it is p"},
		{"extra", func(d string) error { return os.WriteFile(d+"/lib/libextra.so.1", nil, 0o444) }, "lib/libextra.so.1: extra"},
		{"extra directory", func(d string) error { return os.MkdirAll(d+"/home/me", 0o755) }, "home: extra"},
		{"not the same file", func(d string) error {
			b, err := os.ReadFile(d + "/bin/cat")
			return errors.Join(err, os.Remove(d+"/bin/cat"), os.WriteFile(d+"/bin/cat", b, 0o555), os.Chmod(d+"/bin/cat", 0o555))
		}, "bin/cat: drifted: it is no longer the same file as rescue/rescue"},
		{"all gone", os.RemoveAll, "bin/["},
		{"a link in its place", func(d string) error { return errors.Join(os.RemoveAll(d), os.Symlink("usr", d)) }, ": drifted: it is no directory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			base := baseTree()
			base.put("bin/[", program("[", "libc.so.7"))
			m, root := planTwin(t, base, arm64Jail())
			if err := tt.change(filepath.Join(root.Name(), Dir)); err != nil {
				t.Fatal(err)
			}
			found, err := Verify(context.Background(), root, m)
			if err != nil || len(found) == 0 || !strings.HasPrefix(found[0].String(), tt.want) {
				t.Fatalf("%v, %v; want %q", found, err, tt.want)
			}
			if whole := tt.name == "all gone" || tt.name == "a link in its place"; !whole && len(found) != 1 {
				t.Errorf("%v", found)
			}
		})
	}
}

func flip(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	b[len(b)-1] ^= 1
	return errors.Join(os.Chmod(path, 0o644), os.WriteFile(path, b, 0), os.Chmod(path, 0o444))
}

func TestRemove(t *testing.T) {
	jail := arm64Jail()
	m, root := planTwin(t, baseTree(), jail)
	if err := os.Remove(filepath.Join(root.Name(), Dir, "usr/bin/find")); err != nil {
		t.Fatal(err)
	}
	before := contents(t, root)
	if err := Remove(context.Background(), root, m); err != nil {
		t.Fatal(err)
	}
	for name := range before {
		if strings.HasPrefix(name, Dir+"/") {
			delete(before, name)
		}
	}
	unchanged(t, root, before)
	if err := Remove(context.Background(), root, m); err != nil {
		t.Errorf("a second time: %v", err)
	}
}

// What is not as it was written stays.
func TestRemoveRefuses(t *testing.T) {
	m, root := planTwin(t, baseTree(), arm64Jail())
	if err := root.WriteFile(Dir+"/usr/bin/mine", []byte("mine"), 0o555); err != nil {
		t.Fatal(err)
	}
	before := contents(t, root)
	checkError(t, Remove(context.Background(), root, m), fault.Unsafe, "usr/bin/mine: extra")
	unchanged(t, root, before)
}

func TestReplace(t *testing.T) {
	m, root := planTwin(t, baseTree(), arm64Jail())
	base := baseTree()
	base.put("usr/bin/find", program("a newer find", "libc.so.7"))
	p, err := NewTwinPlan(context.Background(), base.make(t), arm64(t, root))
	if err != nil {
		t.Fatal(err)
	}
	next, err := p.Replace(context.Background(), root, m, nil)
	if err != nil {
		t.Fatal(err)
	}
	if found, err := Verify(context.Background(), root, next); err != nil || found != nil {
		t.Errorf("%v, %v", found, err)
	}
	if found, err := Verify(context.Background(), root, m); err != nil || len(found) != 1 {
		t.Errorf("by the old manifest: %v, %v", found, err)
	}
	before := contents(t, root)
	if _, err := p.Replace(context.Background(), root, m, nil); fault.KindOf(err) != fault.Unsafe {
		t.Errorf("replaced what the manifest does not know: %v", err)
	}
	if _, err := p.Replace(&stopAfter{context.Background(), 400}, root, next, nil); fault.KindOf(err) != fault.Interrupted {
		t.Errorf("not interrupted: %v", err)
	}
	unchanged(t, root, before)
}

// Killed at any moment, Replace leaves one of the two layouts, whole.
func TestSettle(t *testing.T) {
	base := baseTree()
	base.put("usr/bin/find", program("a newer find", "libc.so.7"))
	for name, tt := range map[string]struct {
		kill     func(p *Plan, root *os.Root, m *Manifest) error
		replaced bool
	}{
		"while it is built":   {func(_ *Plan, root *os.Root, _ *Manifest) error { return root.MkdirAll(partName+"/usr/bin", 0o755) }, false},
		"between two renames": {func(_ *Plan, root *os.Root, _ *Manifest) error { return root.Rename(Dir, asideName) }, false},
		"while it is tried": {func(p *Plan, root *os.Root, _ *Manifest) error {
			if err := root.Rename(Dir, asideName); err != nil {
				return err
			}
			_, err := p.Apply(context.Background(), root)
			return err
		}, false},
		"while it is taken back": {func(p *Plan, root *os.Root, _ *Manifest) error {
			if err := root.Rename(Dir, asideName); err != nil {
				return err
			}
			_, err := p.Apply(context.Background(), root)
			return errors.Join(err, root.Rename(Dir, partName))
		}, false},
		"when it is there": {func(p *Plan, root *os.Root, m *Manifest) error {
			_, err := p.Replace(context.Background(), root, m, nil)
			return err
		}, true},
		"while the old goes": {func(p *Plan, root *os.Root, m *Manifest) error {
			_, err := p.Replace(context.Background(), root, m, nil)
			return errors.Join(err, root.MkdirAll(asideName+"/usr/bin", 0o755))
		}, true},
		"when one file of the old is gone": {func(p *Plan, root *os.Root, _ *Manifest) error {
			if err := root.Rename(Dir, asideName); err != nil {
				return err
			}
			_, err := p.Apply(context.Background(), root)
			return errors.Join(err, root.Remove(asideName+"/usr/bin/sed"))
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			m, root := planTwin(t, baseTree(), arm64Jail())
			p, err := NewTwinPlan(context.Background(), base.make(t), arm64(t, root))
			if err == nil {
				err = tt.kill(p, root, m)
			}
			if err != nil {
				t.Fatal(err)
			}
			replaced, err := Settle(context.Background(), root, m, &p.Manifest)
			if err != nil || replaced != tt.replaced {
				t.Errorf("%v, %v", replaced, err)
			}
			there := m
			if replaced {
				there = &p.Manifest
			}
			if found, err := Verify(context.Background(), root, there); err != nil || found != nil {
				t.Errorf("%v, %v", found, err)
			}
			for _, left := range []string{partName, asideName} {
				if _, err := root.Lstat(left); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("%s is there: %v", left, err)
				}
			}
		})
	}
}

func TestCompare(t *testing.T) {
	before := bytes.Repeat([]byte("0123456789"), 20000)
	edits := []Edit{{Offset: 65530, Old: string(before[65530:65545]), New: "abcdefghijklmn\x00"}}
	after := apply(t, before, edits)
	check := func(b []byte) error {
		return compare(bytes.NewReader(before), bytes.NewReader(b), int64(len(before)), edits)
	}
	if err := check(after); err != nil {
		t.Error(err)
	}
	for _, at := range []int{0, 65529, 65530, 65544, 65545, len(after) - 1} {
		b := bytes.Clone(after)
		b[at] ^= 0x40
		checkError(t, check(b), fault.Mismatch, "")
	}
	if err := check(after[:len(after)-1]); err == nil {
		t.Error("a short file was taken")
	}
	checkError(t, check(before), fault.Mismatch, "which became")
}

// The reader of edits gives the same whatever it is read by.
func TestEdited(t *testing.T) {
	before := []byte("one /libexec/ld-elf.so.1 two")
	edits := []Edit{{4, interpreter, relocated}, {25, "two", "2\x00\x00"}}
	want := string(apply(t, before, edits))
	for n := 1; n <= len(before); n++ {
		var got []byte
		r := &edited{r: bytes.NewReader(before), edits: edits}
		for buf := make([]byte, n); ; {
			k, err := r.Read(buf)
			got = append(got, buf[:k]...)
			if err != nil {
				break
			}
		}
		if string(got) != want {
			t.Errorf("in blocks of %d: %q", n, got)
		}
	}
	if order([]Edit{{0, "abc", "xyz"}, {2, "c", "z"}}) == nil {
		t.Error("edits that overlap were taken")
	}
	if _, err := overwrite(0, "abc", "abcd"); err == nil {
		t.Error("an edit that does not fit was taken")
	}
}
