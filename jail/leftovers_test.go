package jail

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
)

// stateWith is a state directory with files, by their paths and contents. A name
// that ends with a slash is a directory.
func stateWith(t *testing.T, files map[string]string) Store {
	t.Helper()
	s := Store{Dir: filepath.Join(t.TempDir(), "state")}
	for name, text := range files {
		file := filepath.Join(s.Dir, name)
		err := os.MkdirAll(filepath.Dir(file), 0o700)
		if name[len(name)-1] == '/' {
			err = os.MkdirAll(file, 0o700)
		} else if err == nil {
			err = os.WriteFile(file, []byte(text), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func recordText(t *testing.T, name string) string {
	t.Helper()
	text, err := json.Marshal(&Record{Version: recordVersion, Name: name, Root: "/nowhere"})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestLeftovers(t *testing.T) {
	whole := recordText(t, "a")
	for _, tt := range []struct {
		name  string
		files map[string]string
		kinds []LeftoverKind
	}{
		{"no state", nil, nil},
		{"complete", map[string]string{"jails/a/jail.json": whole, "jails/a.lock": "", "jails/a/root/": ""}, nil},
		{"complete, with a journal that is needed", map[string]string{"jails/a/jail.json": whole, "jails/a/journal": `{"step":"root","outside":["/x"]}` + "\n"}, nil},
		{"complete, with one that is not", map[string]string{"jails/a/jail.json": whole, "jails/a/journal": `{"step":"probe"}` + "\n"}, []LeftoverKind{LeftJournal}},
		{"complete, with files of steps", map[string]string{"jails/a/jail.json": whole, "jails/a/download": "", "jails/a/tmp/x": ""}, []LeftoverKind{LeftTemporary, LeftTemporary}},
		{"damaged, with a journal", map[string]string{"jails/a/jail.json": "{", "jails/a/journal": `{"step":"probe"}` + "\n"}, nil},
		{"begun", map[string]string{"jails/a/": ""}, []LeftoverKind{LeftIncomplete}},
		{"half removed", map[string]string{"jails/a/root/bin/sh": ""}, []LeftoverKind{LeftIncomplete}},
		{"somebody's", map[string]string{"jails/a/bin/sh": ""}, []LeftoverKind{LeftStrange}},
		{"half removed, with somebody's", map[string]string{"jails/a/root/": "", "jails/a/journal": "", "jails/a/diary": ""}, []LeftoverKind{LeftStrange}},
		{"lock", map[string]string{"jails/a.lock": ""}, []LeftoverKind{LeftLock}},
		{"view", map[string]string{"jails/a/jail.json": whole, "jails/a/enter/7-1.lock": "", "jails/a/enter/7-1/": ""}, []LeftoverKind{LeftView}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := stateWith(t, tt.files)
			left, err := s.Leftovers()
			var kinds []LeftoverKind
			for _, l := range left {
				kinds = append(kinds, l.Kind)
			}
			if err != nil || !slices.Equal(kinds, tt.kinds) {
				t.Fatalf("%v, %v; want %v", left, err, tt.kinds)
			}
			for _, l := range left {
				err := s.RemoveLeftover(context.Background(), l)
				if want := map[bool]fault.Kind{true: fault.Unsafe}[l.Kind == LeftStrange]; fault.KindOf(err) != want {
					t.Errorf("%v: %v", l, err)
				}
			}
			after, _ := s.Leftovers()
			// Views are taken off on FreeBSD, by root.
			after = slices.DeleteFunc(after, func(l Leftover) bool { return l.Kind == LeftStrange || l.Kind == LeftView })
			if len(after) > 0 {
				t.Errorf("afterwards: %v", after)
			}
			for name := range tt.files {
				_, err := os.Lstat(filepath.Join(s.Dir, name))
				if slices.Contains([]string{"jails/a/jail.json", "jails/a/diary", "jails/a/bin/sh"}, name) && err != nil {
					t.Errorf("%s is gone", name)
				}
			}
		})
	}
}

// What somebody holds is no leftover, and is not removed by one who looked
// before.
func TestLeftoversInUse(t *testing.T) {
	s := stateWith(t, map[string]string{"jails/a/root.partial/": "", "jails/a.lock": "", "jails/b.lock": "", "jails/c/jail.json": recordText(t, "c"), "jails/c/jail.json.new": "", "jails/c.lock": ""})
	before, err := s.Leftovers()
	if err != nil || len(before) != 3 {
		t.Fatalf("%v, %v", before, err)
	}
	for _, name := range []string{"a", "b", "c"} {
		l, err := tryLock(s.lockFile(name), unix.LOCK_SH)
		if err != nil {
			t.Fatal(err)
		}
		defer l.release()
	}
	if left, err := s.Leftovers(); err != nil || left != nil {
		t.Errorf("%v, %v", left, err)
	}
	for _, l := range before {
		err := s.RemoveLeftover(context.Background(), l)
		if _, serr := os.Lstat(l.Path); serr != nil || err != nil && fault.KindOf(err) != fault.Locked {
			t.Errorf("%v: %v, %v", l, err, serr)
		}
	}
}

// One that was finished meanwhile stays.
func TestLeftoverThatIsNoneAnyMore(t *testing.T) {
	s := stateWith(t, map[string]string{"jails/a/root/": ""})
	left, _ := s.Leftovers()
	if err := os.WriteFile(s.record("a"), []byte(recordText(t, "a")), 0o600); err != nil || len(left) != 1 {
		t.Fatal(left, err)
	}
	if err := s.RemoveLeftover(context.Background(), left[0]); fault.KindOf(err) != fault.Exists {
		t.Error(err)
	}
	if _, err := s.Load("a"); err != nil {
		t.Error(err)
	}
}

func TestUnknown(t *testing.T) {
	s := stateWith(t, map[string]string{
		"jails/a/jail.json": recordText(t, "a"), "jails/a/root/": "", "jails/a/tools/manifest.json": "{}", "jails/a/selftest/": "", "jails/a.lock": "", "activators.json": "", "cache/sets/": "", "emulators/": "",
		"notes": "", "jails/b": "", "jails/a/x": "", "jails/c.lock/": "", "jails/d/y": "",
	})
	unknown, err := s.Unknown()
	for i := range unknown {
		unknown[i], _ = filepath.Rel(s.Dir, unknown[i])
	}
	slices.Sort(unknown)
	if want := []string{"jails/a/x", "jails/b", "jails/c.lock", "notes"}; err != nil || !slices.Equal(unknown, want) {
		t.Errorf("%q, %v; want %q", unknown, err, want)
	}
}
