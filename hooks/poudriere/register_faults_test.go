package poudriere

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail"
)

// What a link in poudriere.d leads to is never removed.
func TestLinksAreNotFollowed(t *testing.T) {
	precious := func(t *testing.T) string {
		dir := filepath.Join(t.TempDir(), "elsewhere")
		writeFile(t, filepath.Join(dir, "mnt"), "/x\n")
		return dir
	}
	t.Run("temp", func(t *testing.T) {
		w, other := newWorld(t), precious(t)
		if err := errors.Join(os.MkdirAll(w.jails(), 0o755), os.Symlink(other, w.temp("13mips64"))); err != nil {
			t.Fatal(err)
		}
		if _, err := w.register(t, Request{}); fault.KindOf(err) != fault.Unsafe || fault.HintOf(err) == "" {
			t.Errorf("error %v", err)
		}
		if _, err := os.Stat(filepath.Join(other, "mnt")); err != nil {
			t.Error(err)
		}
	})
	t.Run("jail", func(t *testing.T) {
		w, other := newWorld(t), filepath.Join(t.TempDir(), "elsewhere")
		if _, err := w.register(t, Request{}); err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(w.jails(), "13mips64")
		if err := errors.Join(os.Rename(dir, other), os.Symlink(other, dir)); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Unregister(t.Context(), w.subject.Dir); fault.KindOf(err) != fault.Unsafe || fault.HintOf(err) == "" {
			t.Errorf("error %v", err)
		}
		if _, err := os.Stat(filepath.Join(other, "mnt")); err != nil {
			t.Error(err)
		}
		if r, err := Load(w.subject.Dir); err != nil || r == nil {
			t.Errorf("forgotten: %v, %v", r, err)
		}
	})
}

// Of several jails that are registered under one name at the same time one gets
// it, whole, and the others leave nothing.
func TestRegisterTogether(t *testing.T) {
	const jails = 4
	for range 15 {
		w := newWorld(t)
		subjects, errs := make([]Subject, jails), make([]error, jails)
		for k := range subjects {
			s := w.subject
			s.Name, s.Root, s.Dir = fmt.Sprint("j", k), fmt.Sprint(s.Root, k), fmt.Sprint(s.Dir, k)
			writeRoot(t, s.Root, "mips64", "13.2-RELEASE")
			writeFile(t, filepath.Join(s.Dir, "lock"), "")
			subjects[k] = s
		}
		var all sync.WaitGroup
		for k, s := range subjects {
			all.Go(func() {
				plan, err := w.Plan(t.Context(), s, Request{As: "same"})
				if err == nil {
					_, err = w.Register(t.Context(), plan)
				}
				errs[k] = err
			})
		}
		all.Wait()
		now, err := w.Jail("same")
		if err != nil {
			t.Fatal(err, errs)
		}
		for k, s := range subjects {
			r, err := Load(s.Dir)
			if err != nil {
				t.Error(err)
			}
			switch {
			case now.Mnt == s.Root:
				if errs[k] != nil || r == nil || r.Begun || now.Version == "" || now.Arch == "" || now.Timestamp == "" {
					t.Errorf("%v, %+v, %+v", errs[k], r, now)
				}
			case fault.KindOf(errs[k]) != fault.Exists || fault.HintOf(errs[k]) == "" || r != nil:
				t.Errorf("%v, %+v", errs[k], r)
			}
		}
		if _, err := os.Lstat(w.temp("same")); err == nil {
			t.Error("left: ", w.temp("same"))
		}
	}
}

// Whichever call of zfs(8) fails, a command that failed has left nothing, or what
// the next one takes away.
func TestZFSFails(t *testing.T) {
	const calls = 6 // more than any command has
	for n := range calls {
		w := newWorld(t)
		snapshots := w.zfs()
		run, left := w.programs["zfs"], -1
		w.programs["zfs"] = func(argv []string) (string, error) {
			if left--; left == -1 {
				return "", errors.New("cannot open: I/O error")
			}
			return run(argv)
		}
		left = n
		if _, err := w.register(t, Request{}); err != nil {
			if fault.HintOf(err) == "" {
				t.Errorf("call %d: no hint: %v", n, err)
			}
			w.wantNothing(t)
			if len(snapshots) > 0 {
				t.Errorf("call %d: left %v", n, snapshots)
			}
		}
		left = -1
		if _, err := w.register(t, Request{}); err != nil {
			t.Errorf("call %d: %v", n, err)
		}
		left = n
		if _, err := w.register(t, Request{Renew: true}); err != nil {
			left = -1
			if r, err := w.register(t, Request{}); err != nil || snapshots[r.Dataset+"@clean"] != r.Snapshot {
				t.Errorf("call %d: %+v, %v, %v", n, r, err, snapshots)
			}
		}
		left = n
		if _, err := w.Unregister(t.Context(), w.subject.Dir); err != nil {
			left = -1
			if _, err := w.Unregister(t.Context(), w.subject.Dir); err != nil {
				t.Errorf("call %d: %v", n, err)
			}
		}
		w.wantNothing(t)
		if len(snapshots) > 0 {
			t.Errorf("call %d: unregister left %v", n, snapshots)
		}
	}
}

// register mends what verify finds: a snapshot that somebody removed, and one that
// is wanted since poudriere went over to ZFS.
func TestCleanIsMade(t *testing.T) {
	w := newWorld(t)
	if _, err := w.register(t, Request{}); err != nil {
		t.Fatal(err)
	}
	snapshots := w.zfs()
	for range 2 {
		if c := w.Check(t.Context(), w.subject); c[0].Result != jail.Failed || !strings.Contains(c[0].Message, "@clean") {
			t.Errorf("%+v", c)
		}
		r, err := w.register(t, Request{})
		if err != nil || r.Snapshot == "" || snapshots[r.Dataset+"@clean"] != r.Snapshot {
			t.Fatalf("%+v, %v, %v", r, err, snapshots)
		}
		if c := w.Check(t.Context(), w.subject); c[0].Result != jail.OK {
			t.Errorf("%+v", c)
		}
		if plan, err := w.Plan(t.Context(), w.subject, Request{}); err != nil || !plan.Nothing() || plan.Dataset != "" {
			t.Errorf("%+v, %v", plan, err)
		}
		clear(snapshots)
	}
}

// Others write properties too: with a blank at the end, without a line's end, with
// a version of the builder's. What poudriere takes for the jail is xjail's, and is
// mended.
func TestPropertiesOfOthers(t *testing.T) {
	w := newWorld(t)
	r, err := w.register(t, Request{})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(w.jails(), "13mips64")
	before := snapshotOf(t, dir)
	for name, text := range map[string]string{"mnt": r.Jail.Mnt + " \n", "arch": "mips.mips64\t", "method": "null", "version": "13.2-RELEASE-p5\n\n"} {
		writeFile(t, filepath.Join(dir, name), text)
	}
	if c := w.Check(t.Context(), w.subject); c[0].Result != jail.Failed {
		t.Errorf("%+v", c)
	}
	if _, err := w.register(t, Request{}); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "method"), "null\n")
	for name, text := range snapshotOf(t, dir) {
		if before[name] != text {
			t.Errorf("%s: %q, was %q", name, text, before[name])
		}
	}
}

// killed is what TestRegisterKilledAnywhere runs: it registers and unregisters the
// jail in a directory until it is killed.
const killed = "XJAIL_TEST_REGISTERS"

func TestRegistersForever(t *testing.T) {
	dir := os.Getenv(killed)
	if dir == "" {
		t.Skip("it is run by TestRegisterKilledAnywhere")
	}
	p := New(Config{Etc: filepath.Join(dir, "etc")})
	p.os, p.find = "linux", func(string) string { return "" }
	s := subjectIn(t, dir)
	for {
		plan, err := p.Plan(t.Context(), s, Request{})
		if err == nil {
			_, err = p.Register(t.Context(), plan)
		}
		if err == nil {
			_, err = p.SetLimits(s, 2, RaiseLimits(map[string]int{"NOHANG_TIME": 60}, 2))
		}
		if err == nil {
			_, err = p.Unregister(t.Context(), s.Dir)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func subjectIn(t *testing.T, dir string) Subject {
	return Subject{Name: "13mips64", Arch: mustArch(t, "mips64"), Root: filepath.Join(dir, "root"), Dir: filepath.Join(dir, "state")}
}

// Killed at any moment, a command leaves what poudriere can read, and what the
// next one takes up or away.
func TestRegisterKilledAnywhere(t *testing.T) {
	rounds := 25
	if n, err := strconv.Atoi(os.Getenv("XJAIL_TEST_ROUNDS")); err == nil {
		rounds = n
	}
	w := newWorld(t)
	dir := filepath.Dir(w.Etc)
	for range rounds {
		cmd := exec.Command(os.Args[0], "-test.run=^TestRegistersForever$")
		cmd.Env = append(os.Environ(), killed+"="+dir)
		var out strings.Builder
		cmd.Stdout = &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(rand.IntN(150)) * time.Millisecond)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if strings.Contains(out.String(), "FAIL") {
			t.Fatal(out.String())
		}
		for _, e := range readDir(t, w.jails()) {
			j, err := w.Jail(e)
			if err != nil || j.Arch == "" || j.Mnt == "" || j.Version == "" || j.Method == "" {
				t.Errorf("poudriere sees %+v, %v", j, err)
			}
		}
		if rand.IntN(2) == 0 {
			if _, err := w.register(t, Request{}); err != nil {
				t.Error(err)
			}
		}
		if _, err := w.Unregister(t.Context(), w.subject.Dir); err != nil {
			t.Error(err)
		}
		w.wantNothing(t)
		if left := readDir(t, w.Dir()); len(left) > 1 {
			t.Fatalf("left in poudriere.d: %q", left)
		}
	}
}

func readDir(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// Poudriere finds neither jails nor hooks below a path that its shell splits.
func TestEtcWithBlanks(t *testing.T) {
	w := newWorld(t)
	spaced := filepath.Join(filepath.Dir(w.Etc), "e t c")
	if err := os.Rename(w.Etc, spaced); err != nil {
		t.Fatal(err)
	}
	w.Etc = spaced
	if _, err := w.register(t, Request{}); fault.KindOf(err) != fault.Usage || fault.HintOf(err) == "" {
		t.Errorf("register: %v", err)
	}
	if _, err := w.InstallPlugin(Plugin{Program: "/bin/sh", Limit: time.Second}, false, false); fault.KindOf(err) != fault.Usage || fault.HintOf(err) == "" {
		t.Errorf("install: %v", err)
	}
	if left := readDir(t, spaced); len(left) != 1 {
		t.Errorf("left: %q", left)
	}
}

// Poudriere can give a jail another name: that one is followed.
func TestRenamed(t *testing.T) {
	w := newWorld(t)
	if _, err := w.register(t, Request{}); err != nil {
		t.Fatal(err)
	}
	values := RaiseLimits(map[string]int{"NOHANG_TIME": 60}, 2)
	if _, err := w.SetLimits(w.subject, 2, values); err != nil {
		t.Fatal(err)
	}
	rename := func(from, to string) {
		if err := os.Rename(filepath.Join(w.jails(), from), filepath.Join(w.jails(), to)); err != nil {
			t.Fatal(err)
		}
	}
	rename("13mips64", "new")
	if c := w.Check(t.Context(), w.subject); c[0].Result != jail.Failed || !strings.Contains(c[0].Message, "calls it new now") {
		t.Errorf("%+v", c)
	}
	if _, err := w.register(t, Request{As: "13mips64"}); fault.KindOf(err) != fault.Exists {
		t.Errorf("under the old name: %v", err)
	}
	if r, err := w.register(t, Request{}); err != nil || r.Jail.Name != "new" {
		t.Fatalf("%+v, %v", r, err)
	}
	if _, err := w.SetLimits(w.subject, 2, values); err != nil {
		t.Fatal(err)
	}
	if c := w.Check(t.Context(), w.subject); len(c) != 1 || c[0].Result != jail.OK {
		t.Errorf("%+v", c)
	}
	if left := readDir(t, w.Dir()); len(left) != 2 || left[1] != "new-poudriere.conf" {
		t.Errorf("in poudriere.d: %q", left)
	}
	rename("new", "newer")
	if rm, err := w.Unregister(t.Context(), w.subject.Dir); err != nil || rm.Name != "newer" {
		t.Errorf("%+v, %v", rm, err)
	}
	w.wantNothing(t)
}
