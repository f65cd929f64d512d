package buildlog

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xjail/xjail/internal/fault"
)

func verdict(cause Cause) *Verdict {
	return &Verdict{Cause: cause, Rule: "x", Emulation: Yes, Program: "cargo", Evidence: []Line{{1, "x"}}, Advice: []Advice{{NewEmulator, "", "newer"}}}
}

func TestAppendFromManyBuilders(t *testing.T) {
	dir := t.TempDir()
	var group sync.WaitGroup
	for i := range 40 {
		group.Go(func() {
			rec := Record{Jail: "arm64-default", Build: "b", PkgName: fmt.Sprintf("p-%d", i), Verdict: verdict(EmulatorCrash)}
			rec.Verdict.Summary = strings.Repeat("x", 5000)
			if err := Append(dir, rec); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	list, damaged, err := Read(dir, Filter{})
	if err != nil || damaged != 0 || len(list) != 40 {
		t.Fatalf("%d records, %d damaged, %v", len(list), damaged, err)
	}
}

func TestReadFilterAndOrder(t *testing.T) {
	dir := t.TempDir()
	at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for i, rec := range []Record{
		{Jail: "arm64-default", Build: "2", PkgName: "late", Time: at.Add(time.Hour)},
		{Jail: "arm64-default", Build: "1", PkgName: "early", Time: at},
		{Jail: "arm64x-default", Build: "1", PkgName: "other", Time: at},
		{Jail: "../..", Build: ".", PkgName: "odd", Time: at},
		{Jail: "", Build: "", PkgName: "none", Time: at},
		{Jail: "arm64-default", Build: "2", PkgName: "late", Time: at.Add(2 * time.Hour), Phase: "again"},
	} {
		if err := Append(dir, rec); err != nil {
			t.Fatal(i, err)
		}
	}
	for _, test := range []struct {
		want  Filter
		names string
	}{
		{Filter{}, "early other odd none late"},
		{Filter{Jail: "arm64"}, "early late"},
		{Filter{Jail: "arm64-default", Build: "1"}, "early"},
		{Filter{Build: "."}, "odd"},
		{Filter{Jail: "nobody"}, ""},
	} {
		list, _, err := Read(dir, test.want)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, r := range list {
			names = append(names, r.PkgName)
		}
		if got := strings.Join(names, " "); !sameWords(got, test.names) {
			t.Errorf("%+v: %q, want %q", test.want, got, test.names)
		}
		if strings.HasSuffix(test.names, "late") && list[len(list)-1].Phase != "again" {
			t.Error("not the last record of a package that was built twice")
		}
	}
	// Whatever jails are called, nothing is written outside.
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(files) != 1 || filepath.Base(files[0]) != "poudriere" {
		t.Errorf("files %q", files)
	}
}

func sameWords(a, b string) bool {
	count := map[string]int{}
	for _, w := range strings.Fields(a) {
		count[w]++
	}
	for _, w := range strings.Fields(b) {
		count[w]--
	}
	for _, n := range count {
		if n != 0 {
			return false
		}
	}
	return true
}

// TestReadDamaged has what a full disk and a hand leave in the file.
func TestReadDamaged(t *testing.T) {
	dir := t.TempDir()
	rec := Record{Jail: "j", Build: "b", PkgName: "first"}
	if err := Append(dir, rec); err != nil {
		t.Fatal(err)
	}
	file := name(dir, "j", "b")
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(f, "\n[]\n{\"pkgname\":%q}\n{\"pkgname\":\"tor", strings.Repeat("x", maxRecord+1))
	f.Close()
	rec.PkgName = "after"
	if err := Append(dir, rec); err != nil {
		t.Fatal(err)
	}
	list, damaged, err := Read(dir, Filter{})
	if err != nil || len(list) != 2 || list[1].PkgName != "after" || damaged != 3 {
		t.Errorf("%d records, %d damaged, %v", len(list), damaged, err)
	}
}

func TestAppendErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Append(file, Record{PkgName: "p"}); fault.KindOf(err) != fault.Failed || !strings.Contains(err.Error(), file) {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat("/dev/full"); err == nil {
		if err := recordError(&os.PathError{Op: "write", Path: "x", Err: fullErr(t)}, "x"); fault.KindOf(err) != fault.NoSpace {
			t.Errorf("error %v of a full disk", err)
		}
	}
	if list, damaged, err := Read(filepath.Join(t.TempDir(), "no[such]*"), Filter{}); err != nil || damaged != 0 || len(list) != 0 {
		t.Errorf("no directory: %v, %v", list, err)
	}
}

func fullErr(t *testing.T) error {
	t.Helper()
	f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	_, err = f.WriteString("x")
	return err
}

func TestSummarise(t *testing.T) {
	limit := func(seconds int64, text string) *Verdict {
		return &Verdict{Cause: Hang, Emulation: Perhaps, Seconds: seconds, Advice: []Advice{{RaiseLimit, "NOHANG_TIME", text}}}
	}
	records := []Record{
		{Jail: "j", Build: "b", PkgName: "port-1", Origin: "c/port", Verdict: &Verdict{Cause: BuildFailure, Emulation: No, Advice: []Advice{{FixPort, "", "fix"}}}},
		{Jail: "j", Build: "b", PkgName: "slow-1", Verdict: limit(100, "200")},
		{Jail: "j", Build: "b", PkgName: "slower-1", Verdict: limit(300, "600")},
		{Jail: "j", Build: "b", PkgName: "rust-1", Origin: "lang/rust", Verdict: verdict(EmulatorCrash)},
		{Jail: "j", Build: "b", PkgName: "bat-1", Because: "rust-1"},
		{Jail: "j", Build: "b", PkgName: "fd-1", Because: "lang/rust"},
		{Jail: "j", Build: "other", PkgName: "rg-1", Because: "rust-1"},
	}
	s := Summarise(records)
	if s.Failed != 4 || s.Skipped != 3 || len(s.Builds) != 2 {
		t.Errorf("%d failed, %d skipped, %d builds", s.Failed, s.Skipped, len(s.Builds))
	}
	var causes []string
	for _, c := range s.Causes {
		causes = append(causes, fmt.Sprintf("%s %d %d", c.Cause, c.Packages, c.Skipped))
	}
	if want := []string{"emulator crash 1 2", "hang 2 0", "build failure 1 0"}; !reflect.DeepEqual(causes, want) {
		t.Errorf("causes %q, want %q", causes, want)
	}
	if got := s.Causes[0].Programs; len(got) != 1 || got[0] != (Count{"cargo", 1}) {
		t.Errorf("programs %v", got)
	}
	if n := s.Next[0]; n.Kind != RaiseLimit || n.Text != "600" || len(n.Packages) != 2 {
		t.Errorf("first advice %+v", n)
	}
	text, err := json.Marshal(Summarise(nil))
	if err != nil || strings.Contains(string(text), "null") {
		t.Errorf("nothing is %s, %v", text, err)
	}
}

// TestCollect looks at a directory as poudriere makes it.
func TestCollect(t *testing.T) {
	top := filepath.Join(t.TempDir(), "arm64-default")
	dir := filepath.Join(top, "2026-11-01_10h00m00s")
	files := map[string]string{
		"logs/bat-0.24.0.log":      "port directory: /usr/ports/textproc/bat\npackage name: bat-0.24.0\n=======================<phase: build          >============================\n/usr/local/bin/cargo build\nqemu: uncaught target signal 4 (Illegal instruction) - core dumped\n*** Error code 1\n",
		"logs/kicad-8.log":         "===>  Building package\n",
		"logs/good-1.log":          "",
		".poudriere.ports.failed":  "textproc/bat bat-0.24.0 build cluster 10\ncad/kicad kicad-8 package/runaway runaway_process 20\nshort\n",
		".poudriere.ports.skipped": "x11/a a-1 bat-0.24.0\nx11/b b-1 bat-0.24.0\nx11/a a-1 kicad-8\n",
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "logs", "errors"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, log := range []string{"bat-0.24.0.log", "kicad-8.log", "gone-1.log"} {
		if err := os.Symlink("../"+log, filepath.Join(dir, "logs", "errors", log)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Base(dir), filepath.Join(top, "latest")); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{top, dir, filepath.Join(dir, "logs"), filepath.Join(dir, "logs", "errors"), filepath.Join(top, "latest")} {
		list, err := Collect(path, nil)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		s := Summarise(list)
		if s.Failed != 2 || s.Skipped != 2 || s.Failures[0].Skipped != 2 || s.Failures[0].Origin != "textproc/bat" {
			t.Errorf("%s: %+v", path, s)
		}
		if v := s.Failures[1].Verdict; v.Cause != Hang || v.Limit != "QEMU_NOHANG_TIME" || s.Failures[1].Phase != "package/runaway" {
			t.Errorf("%s: verdict %+v of the status", path, v)
		}
		if want := (Build{"arm64-default", "2026-11-01_10h00m00s"}); len(s.Builds) != 1 || s.Builds[0] != want {
			t.Errorf("%s: builds %v", path, s.Builds)
		}
	}
	list, err := Collect(filepath.Join(dir, "logs", "bat-0.24.0.log"), nil)
	if err != nil || len(list) != 1 || list[0].PkgName != "bat-0.24.0" || list[0].Verdict.Program != "cargo" {
		t.Errorf("a log: %+v, %v", list, err)
	}
	list, err = Collect("-", strings.NewReader("virtual memory exhausted\n"))
	if err != nil || len(list) != 1 || list[0].Verdict.Cause != OutOfMemory {
		t.Errorf("standard input: %+v, %v", list, err)
	}
}

func TestCollectErrors(t *testing.T) {
	dir := t.TempDir()
	for path, kind := range map[string]fault.Kind{
		filepath.Join(dir, "nobody.log"): fault.NotFound,
		dir:                              fault.NotFound,
		"/dev/null":                      fault.Usage,
	} {
		if _, err := Collect(path, nil); fault.KindOf(err) != kind || !strings.Contains(err.Error(), path) || strings.Count(err.Error(), path) != 1 {
			t.Errorf("%s: %v, want kind %d", path, err, kind)
		}
	}
}
