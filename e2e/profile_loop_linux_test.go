package e2e

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xjail/xjail/profile"
	"github.com/xjail/xjail/profile/advice"
)

// loopBuild runs known programs so often: what a compiler, small tools, one that
// tells the architecture, and one that the build makes itself are.
const loopBuild = `set -e
rm -rf /tmp/loop; mkdir /tmp/loop; cd /tmp/loop
echo 'int main(void) { return 0; }' >own.c
for i in 1 2 3; do gcc -O1 -c -o own$i.o own.c; done
gcc -o own own1.o; strip own
for i in 1 2 3 4 5; do ./own; uname -m >/dev/null; done
for i in 1 2 3 4 5 6 7 8 9 10; do echo $i | sed s/1/2/ | cat >/dev/null; done
`

// emulatedExecs counts what ran emulated, by program.
func emulatedExecs(p *profile.Profile) map[string]int64 {
	count := map[string]int64{}
	for _, r := range p.Runs {
		if r.Emulated() && !r.Fork() {
			count[r.Program]++
		}
	}
	return count
}

// advised gives and keeps the advice of a profile.
func (w *world) advised(profile, output string) *advice.Advice {
	w.t.Helper()
	w.ok("profile", "advice", profile, "--output", output)
	a := &advice.Advice{}
	if err := json.Unmarshal([]byte(readFile(output)), a); err != nil {
		w.t.Fatal(err)
	}
	return a
}

// stayingExecs counts the execs that an advice leaves emulated, by program.
func stayingExecs(a *advice.Advice, before map[string]int64) map[string]int64 {
	count := maps.Clone(before)
	for _, path := range a.Install {
		delete(count, path)
	}
	return count
}

// What the advice of a profile says is what the next one has: what was installed
// runs natively, and all else as often emulated as before.
func TestLoopOfProfileAndAdvice(t *testing.T) {
	w := newWorld(t, caller)
	compilerRoot(t, w, "loop", "none")
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	profiled := func(name string) *profile.Profile {
		w.ok("profile", "loop", "--output", file(name), "--", "sh", "-c", loopBuild)
		return readProfile(t, file(name))
	}
	first := emulatedExecs(profiled("0.xprof"))
	a := w.advised(file("0.xprof"), file("0.advice"))
	want := map[string]int64{"/usr/bin/uname": 5, "/tmp/loop/own": 5}
	if got := stayingExecs(a, first); !maps.Equal(got, want) || first["/usr/bin/sed"] != 10 || first["/usr/bin/cat"] != 10 {
		t.Fatalf("%v are left emulated of %v, want %v", got, first, want)
	}
	w.ok("tools", "install", "loop", "--advice", file("0.advice"))
	if got := emulatedExecs(profiled("1.xprof")); !maps.Equal(got, want) {
		t.Errorf("%v ran emulated, want %v", got, want)
	}
	w.ok("profile", "advice", "--check", file("0.advice"), file("1.xprof"))
	if again := w.advised(file("1.xprof"), file("1.advice")); len(again.Install) > 0 {
		t.Errorf("%q is advised the second time", again.Install)
	}
	if states := w.tools("loop"); states["/usr/bin/sed"].State != "native" || states["/usr/bin/awk"].State == "native" || states["/usr/bin/mawk"].State != "not chosen" {
		t.Errorf("sed is %+v, mawk %+v", states["/usr/bin/sed"], states["/usr/bin/mawk"])
	}
	w.loopOfOthers(file("0.xprof"), file("1.advice"), a)
}

// loopOfOthers asks what advice there is of profiles that are older than the tools.
func (w *world) loopOfOthers(profile, output string, before *advice.Advice) {
	w.t.Helper()
	a := w.advised(profile, output)
	if len(a.Install) > 0 || a.After.CPU >= a.Before.CPU {
		w.t.Errorf("%q is advised, %+v after %+v", a.Install, a.After, a.Before)
	}
	for _, i := range a.Items {
		if i.State == advice.Native && !slices.Contains(before.Install, i.Programs[0]) {
			w.t.Errorf("%s was not advised, and is native", i.Name)
		}
	}
	r := w.run("profile", "advice", "--check", filepath.Join(filepath.Dir(profile), "0.advice"), profile)
	if r.status != 3 || !strings.Contains(r.stderr, "still ran emulated") {
		w.t.Errorf("the check of the profile that the advice was given for: %v", r)
	}
}
