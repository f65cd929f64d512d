package inplace

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
)

// stage are the three directories of a test.
type stage struct {
	dir               string
	root, farm, state *os.Root
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{dir: t.TempDir()}
	for name, to := range map[string]**os.Root{"root": &s.root, "farm": &s.farm, "state": &s.state} {
		if err := os.Mkdir(filepath.Join(s.dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		r, err := os.OpenRoot(filepath.Join(s.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close() })
		*to = r
	}
	s.fill(t)
	return s
}

// fill makes a root with what is hard to bring back: hard links of which one name
// is laid over, and of which all are; modes, old times, attributes.
func (s *stage) fill(t *testing.T) {
	t.Helper()
	for _, dir := range []string{"usr/bin", "usr/sbin", "usr/lib"} {
		check(t, s.root.MkdirAll(dir, 0o755))
	}
	for name, text := range map[string]string{"sed": "foreign sed", "grep": "foreign grep", "perl": "foreign perl", "gcc": "foreign gcc", "left": "left"} {
		check(t, s.root.WriteFile("usr/bin/"+name, []byte(text), 0o755))
		check(t, s.farm.WriteFile(name, []byte("native "+name), 0o755))
	}
	check(t, s.farm.WriteFile("libc", []byte("native libc"), 0o644))
	check(t, s.root.Link("usr/bin/perl", "usr/bin/perl5"))           // not laid over
	check(t, s.root.Link("usr/bin/gcc", "usr/bin/gcc-12"))           // laid over too
	check(t, s.root.Link("usr/bin/gcc", "usr/sbin/gcc-of-somebody")) // and a third name is not
	check(t, s.root.Chmod("usr/bin/grep", 0o710))
	check(t, s.root.Symlink("sed", "usr/bin/gsed"))
	_ = unix.Setxattr(filepath.Join(s.dir, "root/usr/bin/sed"), "user.mark", []byte("x"), 0) // not everywhere
	if os.Geteuid() == 0 {
		check(t, s.root.Chown("usr/bin/grep", 1234, 2345))
	}
	for i, name := range []string{"usr/bin/sed", "usr/bin/grep", "usr/bin/perl", "usr/bin/gcc", "usr/bin", "usr/lib", "usr/sbin", "usr", "."} {
		at := time.Unix(1600000000+int64(i), 123456789)
		check(t, s.root.Chtimes(name, at, at))
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wants() []Want {
	return []Want{
		{Path: "usr/bin/sed", Source: "sed"},
		{Path: "usr/bin/grep", Source: "grep"},
		{Path: "usr/bin/perl", Source: "perl"},
		{Path: "usr/bin/gcc", Source: "gcc"},
		{Path: "usr/bin/gcc-12", Source: "gcc"},
		{Path: "usr/lib/x86_64-linux-gnu/libc.so.6", Source: "libc"},
		{Path: "usr/lib/x86_64-linux-gnu/gconv/x.so", Source: "libc"},
		{Path: "nxb-bin/ldcache", Text: []byte("cache")},
	}
}

// picture is all of a tree that is to come back.
func (s *stage) picture(t *testing.T) []string {
	t.Helper()
	var lines []string
	top := filepath.Join(s.dir, "root")
	check(t, filepath.WalkDir(top, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		st, err := os.Lstat(name)
		if err != nil {
			return err
		}
		sys := sysStat(st)
		line := fmt.Sprintf("%s %v %d:%d links %d %d %v", strings.TrimPrefix(name, top), st.Mode(), sys.Uid, sys.Gid, sys.Nlink, st.Size(), st.ModTime().UnixNano())
		if st.Mode().IsRegular() {
			text, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			mark := make([]byte, 100)
			n, _ := unix.Getxattr(name, "user.mark", mark)
			line += fmt.Sprintf(" %q %q", text, mark[:max(n, 0)])
		}
		lines = append(lines, line)
		return nil
	}))
	return lines
}

func (s *stage) same(t *testing.T, before []string) {
	t.Helper()
	after := s.picture(t)
	for _, line := range before {
		if !slices.Contains(after, line) {
			t.Error("gone: ", line)
		}
	}
	for _, line := range after {
		if !slices.Contains(before, line) {
			t.Error("new:  ", line)
		}
	}
}

func (s *stage) clean(t *testing.T) {
	t.Helper()
	left, err := fs.ReadDir(s.state.FS(), ".")
	if err != nil || len(left) > 0 {
		t.Errorf("left in the state: %v, %v", left, err)
	}
}

// copying makes every hard link out of the root fail as between file systems.
func copying(t *testing.T) {
	linkat = func(int, string, int, string, int) error { return syscall.EXDEV }
	t.Cleanup(func() { linkat = unix.Linkat })
}

// byBoth runs a test with hard links and with copies.
func byBoth(t *testing.T, run func(t *testing.T)) {
	t.Run("links", run)
	t.Run("copies", func(t *testing.T) {
		copying(t)
		run(t)
	})
}

func TestRoundTrip(t *testing.T) {
	byBoth(t, func(t *testing.T) {
		s := newStage(t)
		before := s.picture(t)
		check(t, Lay(t.Context(), s.root, s.farm, s.state, wants(), map[string]int{"n": 7}))
		for _, w := range wants() {
			text, err := s.root.ReadFile(w.Path)
			if err != nil || w.Source != "" && string(text) != "native "+strings.TrimPrefix(w.Source, "usr/") {
				t.Errorf("%s: %q, %v", w.Path, text, err)
			}
		}
		if text, _ := s.root.ReadFile("usr/bin/perl5"); string(text) != "foreign perl" {
			t.Errorf("another name of a file has %q", text)
		}
		if st, _ := s.root.Stat("usr/bin/grep"); st.Mode() != 0o710 || st.ModTime().Unix() != 1600000001 {
			t.Errorf("grep has %v, %v", st.Mode(), st.ModTime())
		}
		if st, _ := s.root.Stat("usr/bin"); st.ModTime().Unix() != 1600000004 {
			t.Errorf("usr/bin is of %v", st.ModTime())
		}
		data, err := Laid(filepath.Join(s.dir, "state"))
		if err != nil || string(data) == "" || Unfinished(filepath.Join(s.dir, "state")) {
			t.Errorf("%q, %v", data, err)
		}
		if found, err := Verify(s.root, s.state, true); err != nil || len(found) > 0 {
			t.Errorf("%v, %v", found, err)
		}
		if err := Lay(t.Context(), s.root, s.farm, s.state, wants(), nil); fault.KindOf(err) != fault.Exists {
			t.Errorf("a second time: %v", err)
		}
		replaced, err := Restore(t.Context(), s.root, s.state)
		if err != nil || len(replaced) > 0 {
			t.Fatalf("%v, %v", replaced, err)
		}
		s.same(t, before)
		s.clean(t)
	})
}

// Lay is killed before each of its files, and in the middle of one.
func TestInterruptedLay(t *testing.T) {
	byBoth(t, func(t *testing.T) {
		for n := range wants() {
			s := newStage(t)
			before := s.picture(t)
			l := &layer{ctx: t.Context(), root: s.root, farm: s.farm, state: s.state, wants: wants(), record: &record{Version: recordVersion, Phase: laying}}
			check(t, l.plan())
			check(t, l.record.save(s.state, journalName))
			l.wants[n].Source, l.wants[n].Text = "gone", nil
			if err := l.lay(); !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
			if !Unfinished(filepath.Join(s.dir, "state")) {
				t.Fatal("nothing is unfinished")
			}
			undone, replaced, err := Recover(t.Context(), s.root, s.state)
			if err != nil || !undone || len(replaced) > 0 {
				t.Fatalf("%v %v %v", undone, replaced, err)
			}
			s.same(t, before)
			s.clean(t)
		}
	})
}

// A Lay that fails undoes itself.
func TestFailedLay(t *testing.T) {
	byBoth(t, func(t *testing.T) {
		s := newStage(t)
		before := s.picture(t)
		list := wants()
		list[3].Source = "gone"
		if err := Lay(t.Context(), s.root, s.farm, s.state, list, nil); !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := Lay(ctx, s.root, s.farm, s.state, wants(), nil); fault.KindOf(err) != fault.Interrupted {
			t.Error(err)
		}
		s.same(t, before)
		s.clean(t)
	})
}

// Restore is killed after each of its files.
func TestInterruptedRestore(t *testing.T) {
	byBoth(t, func(t *testing.T) {
		for n := range wants() {
			s := newStage(t)
			before := s.picture(t)
			check(t, Lay(t.Context(), s.root, s.farm, s.state, wants(), nil))
			r, err := load(s.state, laidName)
			check(t, err)
			r.Phase, r.Dirs = restoring, timesNow(s.root, r)
			check(t, r.save(s.state, journalName))
			for i := range n {
				_, err := (&restorer{ctx: t.Context(), root: s.root, state: s.state, record: r}).restore(&r.Files[i])
				check(t, err)
			}
			undone, replaced, err := Recover(t.Context(), s.root, s.state)
			if err != nil || undone || len(replaced) > 0 {
				t.Fatalf("%v %v %v", undone, replaced, err)
			}
			s.same(t, before)
			s.clean(t)
		}
	})
}

// What packages have replaced or removed meanwhile stays so.
func TestReplacedMeanwhile(t *testing.T) {
	byBoth(t, func(t *testing.T) {
		s := newStage(t)
		check(t, Lay(t.Context(), s.root, s.farm, s.state, wants(), nil))
		check(t, s.root.WriteFile("usr/bin/sed.dpkg-new", []byte("newer sed"), 0o755))
		check(t, s.root.Rename("usr/bin/sed.dpkg-new", "usr/bin/sed"))
		check(t, s.root.Remove("usr/bin/grep"))
		// As long as the tool and of its time.
		st, err := s.root.Stat("usr/bin/perl")
		check(t, err)
		check(t, s.root.WriteFile("usr/bin/perl", []byte("another pxrl")[:st.Size()], 0o755))
		check(t, s.root.Chtimes("usr/bin/perl", st.ModTime(), st.ModTime()))
		check(t, s.root.WriteFile("usr/lib/x86_64-linux-gnu/other", nil, 0o644))
		at := time.Unix(1700000000, 0)
		check(t, s.root.Chtimes("usr/bin", at, at))

		found, err := Verify(s.root, s.state, true)
		if err != nil || len(found) != 3 {
			t.Errorf("%v, %v", found, err)
		}
		if found, _ := Verify(s.root, s.state, false); len(found) != 2 {
			t.Errorf("without reading: %v", found)
		}
		replaced, err := Restore(t.Context(), s.root, s.state)
		if err != nil || !slices.Equal(replaced, []string{"/usr/bin/grep", "/usr/bin/perl", "/usr/bin/sed"}) {
			t.Errorf("%v, %v", replaced, err)
		}
		if text, _ := s.root.ReadFile("usr/bin/sed"); string(text) != "newer sed" {
			t.Errorf("sed: %q", text)
		}
		if text, _ := s.root.ReadFile("usr/bin/gcc"); string(text) != "foreign gcc" {
			t.Errorf("gcc: %q", text)
		}
		if _, err := s.root.Lstat("usr/bin/grep"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("grep: %v", err)
		}
		if _, err := s.root.Lstat("usr/lib/x86_64-linux-gnu/other"); err != nil {
			t.Error(err)
		}
		if st, _ := s.root.Stat("usr/bin"); !st.ModTime().Equal(at) {
			t.Errorf("usr/bin is of %v", st.ModTime())
		}
		s.clean(t)
	})
}

func TestHostile(t *testing.T) {
	for name, tt := range map[string]struct {
		plant func(s *stage) error
		want  Want
		kind  fault.Kind
	}{
		"a link out":            {func(s *stage) error { return s.root.Symlink("/etc", "out") }, Want{Path: "out/x", Source: "sed"}, fault.Unsafe},
		"a link in":             {func(s *stage) error { return s.root.Symlink("usr/bin", "bin") }, Want{Path: "bin/sed", Source: "sed"}, fault.Unsafe},
		"a dead link":           {func(s *stage) error { return s.root.Symlink("nowhere", "out") }, Want{Path: "out/x", Source: "sed"}, fault.Unsafe},
		"a link at the place":   {func(*stage) error { return nil }, Want{Path: "usr/bin/gsed", Source: "sed"}, fault.Unsafe},
		"a directory":           {func(*stage) error { return nil }, Want{Path: "usr/lib", Source: "sed"}, fault.Unsafe},
		"a fifo":                {func(s *stage) error { return unix.Mkfifo(filepath.Join(s.dir, "root/usr/bin/fifo"), 0o644) }, Want{Path: "usr/bin/fifo", Source: "sed"}, fault.Unsafe},
		"set-id":                {func(s *stage) error { return s.root.Chmod("usr/bin/left", 0o755|fs.ModeSetuid) }, Want{Path: "usr/bin/left", Source: "sed"}, fault.Unsafe},
		"below a file":          {func(*stage) error { return nil }, Want{Path: "usr/bin/left/x", Source: "sed"}, fault.Unsafe},
		"up":                    {func(*stage) error { return nil }, Want{Path: "../x", Source: "sed"}, fault.Usage},
		"its name is taken":     {func(s *stage) error { return s.root.WriteFile("usr/bin/.left.xjail-part", nil, 0o644) }, Want{Path: "usr/bin/left", Source: "sed"}, fault.Exists},
		"a tool that is a link": {func(s *stage) error { return s.farm.Symlink("/etc/passwd", "link") }, Want{Path: "usr/bin/left", Source: "link"}, fault.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			check(t, tt.plant(s))
			before := s.picture(t)
			if err := Lay(t.Context(), s.root, s.farm, s.state, append(wants(), tt.want), nil); fault.KindOf(err) != tt.kind {
				t.Errorf("%v: %v", fault.KindOf(err), err)
			}
			s.same(t, before)
			s.clean(t)
		})
	}
}

// A directory that has become a link since is not followed.
func TestRestoreThroughLink(t *testing.T) {
	s := newStage(t)
	check(t, Lay(t.Context(), s.root, s.farm, s.state, wants(), nil))
	check(t, s.root.Rename("usr/bin", "usr/bin2"))
	check(t, s.root.Symlink("bin2", "usr/bin"))
	replaced, err := Restore(t.Context(), s.root, s.state)
	if err != nil || len(replaced) != 5 {
		t.Errorf("%v, %v", replaced, err)
	}
	if text, _ := s.root.ReadFile("usr/bin2/sed"); string(text) != "native sed" {
		t.Errorf("sed: %q", text)
	}
}

// What cannot be looked at is not taken for replaced: what was kept of it would go.
func TestRestoreOfWhatCannotBeSeen(t *testing.T) {
	s := newStage(t)
	long := strings.Repeat("x", 300) // more than a name may have
	r := &restorer{ctx: t.Context(), root: s.root, state: s.state, record: &record{}}
	if drifted, err := r.restore(&file{Path: long + "/sed", Was: &was{}}); err == nil || drifted {
		t.Errorf("replaced: %v, %v", drifted, err)
	}
	for _, name := range []string{"usr/nothing/sed", "usr/bin/sed/x"} {
		if drifted, err := r.restore(&file{Path: name, Was: &was{}}); err != nil || !drifted {
			t.Errorf("%s: %v, %v", name, drifted, err)
		}
	}
}

func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"version":1,"files":[{"path":"usr/bin/sed","kept":"0","was":{}}],"made":["usr"],"dirs":[{"path":"."}]}`))
	f.Add([]byte(`{"version":1,"files":[{"path":"../x","kept":"../0","was":{}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := parseRecord(text)
		if err != nil {
			return
		}
		for _, file := range r.Files {
			if !fs.ValidPath(file.Path) || strings.Contains(file.Kept, "/") && file.Was != nil {
				t.Errorf("%+v", file)
			}
		}
	})
}
