package hook

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/xjail/xjail/hooks/poudriere/buildlog"
	"github.com/xjail/xjail/hooks/poudriere/poudrieretest"
	"github.com/xjail/xjail/profile"
)

// dtraceScript stands in for dtrace(1): it prints what the test hands to it, as
// the machine's clock tells when. $4 is the name of the jails.
const dtraceScript = `#!/bin/sh
trap 'printf "Z\t%s\n" "$(now)"; exit 0' TERM
trap 'exit 1' PIPE
now() { date +%s%N; }
echo $$ >"$0.pid"
t=$(now)
printf 'B\t2\t%s\t%s\n' "$t" "$t"
while sleep 0.02; do
	t=$(now)
	if mv "$0.do" "$0.now" 2>/dev/null; then
		while read -r jail pid program; do
			printf 'X\t%s\t%s\t7\t%s\t100\t0\t0\tqemu\t%s\t%s\tEMULATOR\tEMULATOR\\037%s\n' "$t" "$pid" "$jail" "$program" "$program" "$program"
			printf 'E\t%s\t%s\t1\t0\t0\t5000000\t0\t1\t10\n' "$t" "$pid"
		done <"$0.now"
	fi
	printf 'T\t%s\t%s\n' "$t" "$t"
done
`

// bulkRun is a bulk run with profiles.
type bulkRun struct {
	*runner
	dtrace string
}

func newBulkRun(t *testing.T, shell []string) *bulkRun {
	t.Helper()
	r := &bulkRun{runner: newRunner(t, shell)}
	r.dtrace = filepath.Join(r.dir, "bin/dtrace")
	r.write(r.dtrace, strings.ReplaceAll(dtraceScript, "EMULATOR", r.emulator))
	t.Setenv("PATH", filepath.Dir(r.dtrace)+":"+os.Getenv("PATH"))
	r.install([]string{"--profile"}, 30*time.Second)
	r.write(filepath.Join(r.ref, "tmp/x"), "")
	if got := r.run("bulk", "start"); got.status != 0 {
		t.Fatal(got)
	}
	t.Cleanup(func() { r.run("jail", "stop") })
	return r
}

// wait waits for something that another process does.
func wait(t *testing.T, what string, done func() bool) {
	t.Helper()
	for range 1500 {
		if done() {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("waited in vain for " + what)
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

// runs has programs run in a jail.
func (r *bulkRun) runs(jail string, programs ...string) {
	r.t.Helper()
	var b strings.Builder
	for i, p := range programs {
		fmt.Fprintf(&b, "%s %d %s\n", jail, 100+i, p)
	}
	r.write(r.dtrace+".new", b.String())
	if err := os.Rename(r.dtrace+".new", r.dtrace+".do"); err != nil {
		r.t.Fatal(err)
	}
	wait(r.t, "dtrace to see it", func() bool { return !exists(r.dtrace + ".do") })
	time.Sleep(50 * time.Millisecond) // its clock was read before
}

func (r *bulkRun) builds(id string, event string, pkg string, programs ...string) {
	r.t.Helper()
	r.runs("m64-default-job-"+id, programs...)
	r.env["MY_JOBID"] = id
	if id != "02" { // as an older poudriere has it
		r.env["MY_BUILDER_ID"] = id
	}
	words := []string{"pkgbuild", event, "devel/x", pkg}
	if event == "failed" {
		words = append(words, "build", "/nonexistent.log")
	}
	if got := r.run(words...); got.status != 0 {
		r.t.Error(got)
	}
	delete(r.env, "MY_BUILDER_ID")
}

func (r *bulkRun) collectorPID() int {
	text, _ := os.ReadFile(filepath.Join(ProfilesDir(r.Store.Dir), "m64-default", collectorDir, lockName))
	pid, _ := strconv.Atoi(string(text))
	return pid
}

func (r *bulkRun) dtracePID() int {
	text, _ := os.ReadFile(r.dtrace + ".pid")
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return pid
}

// gone tells whether a process is no more; one that nobody waited for is not.
func gone(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return syscall.Kill(pid, 0) != nil
	}
	return strings.Contains(string(text), ") Z ")
}

func (r *bulkRun) startsJail() {
	r.t.Helper()
	_ = os.Remove(r.dtrace + ".pid")
	if got := r.run("jail", "start"); got.status != 0 || got.output != "" {
		r.t.Fatal(got)
	}
	wait(r.t, "the collector", func() bool { return r.collectorPID() > 0 && r.dtracePID() > 0 })
}

func (r *bulkRun) profile(build, pkg string) *profile.Profile {
	r.t.Helper()
	name := filepath.Join(ProfilesDir(r.Store.Dir), "m64-default", buildlog.FileName(build), buildlog.FileName(pkg)+profileSuffix)
	f, err := os.Open(name)
	if err != nil {
		r.t.Fatal(err)
	}
	defer f.Close()
	p, err := profile.Read(f)
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

func programs(p *profile.Profile) string {
	var list []string
	for _, r := range p.Runs {
		list = append(list, r.Program)
	}
	return strings.Join(list, " ")
}

func TestProfiles(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	for _, shell := range poudrieretest.Shells(t) {
		t.Run(poudrieretest.Name(shell), func(t *testing.T) {
			r := newBulkRun(t, shell)
			r.startsJail()
			collector, dtrace := r.collectorPID(), r.dtracePID()
			r.runs("m64-default", "/usr/bin/make")
			r.builds("01", "success", "a-1", "/bin/sh", "/usr/bin/cc")
			r.builds("02", "failed", "b-1", "/usr/bin/sed")
			r.builds("01", "success", "c-1", "/usr/bin/ld")
			r.runs("m64-default-job-01", "/bin/cleaning")
			if got := r.run("jail", "stop"); got.status != 0 || got.output != "" {
				t.Error(got)
			}
			for pkg, want := range map[string]string{"a-1": "/bin/sh /usr/bin/cc", "b-1": "/usr/bin/sed", "c-1": "/usr/bin/ld", referenceSubject: "/usr/bin/make"} {
				p := r.profile(r.env["BUILDNAME"], pkg)
				if programs(p) != want || p.Subject != pkg || p.Jail != "m64" || p.Arch != "mips64" || p.Close == nil || !p.Runs[0].Emulated() || len(p.Losses) != 0 {
					t.Errorf("%s: %s, %+v", pkg, programs(p), p)
				}
			}
			if !gone(collector) || !gone(dtrace) {
				t.Error("a process is left")
			}
			dir := filepath.Join(ProfilesDir(r.Store.Dir), "m64-default")
			if all, _ := filepath.Glob(filepath.Join(dir, "*/*")); len(all) != 4 {
				t.Errorf("%q", all)
			}
			if exists(filepath.Join(dir, collectorDir)) {
				t.Error("what the collector worked with is left")
			}
		})
	}
}

// A bulk run that was killed: the next ends what it left, also a collector that
// does not listen.
func TestKilledBuild(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	r := newBulkRun(t, poudrieretest.Shells(t)[0])
	r.startsJail()
	first, dtrace := r.collectorPID(), r.dtracePID()
	r.env["BUILDNAME"] = "next"
	r.startsJail()
	if second := r.collectorPID(); second == first || !gone(first) || !gone(dtrace) {
		t.Error("the first collector is left")
	}
	dtrace = r.dtracePID()
	if err := syscall.Kill(r.collectorPID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	wait(t, "dtrace to end", func() bool { return gone(dtrace) })
	r.env["MY_BUILDER_ID"] = "01"
	r.quiet("pkgbuild", "success", "devel/x", "a-1")
	if got := r.run("bulk", "crashed"); got.status != 0 {
		t.Error(got)
	}
}

// Where dtrace is not there, or fails, it is said once and nothing else changes.
func TestNoProfiles(t *testing.T) {
	r := newBulkRun(t, poudrieretest.Shells(t)[0])
	if err := os.Remove(r.dtrace); err != nil {
		t.Fatal(err)
	}
	got := r.run("jail", "start")
	if got.status != 0 || !strings.Contains(got.output, "there are no profiles of this build: ") || strings.Count(got.output, "\n") != 1 {
		t.Errorf("%+v", got)
	}
	r.quiet("pkgbuild", "success", "devel/x", "a-1")
	r.write(r.dtrace, "#!/bin/sh\necho 'dtrace: failed to initialize dtrace: DTrace requires additional privileges' >&2\nexit 1\n")
	r.quiet("jail", "start")
	said := filepath.Join(ProfilesDir(r.Store.Dir), "m64-default", collectorDir, saidName)
	wait(t, "the collector to fail", func() bool { return exists(said) })
	r.env["MY_BUILDER_ID"] = "01"
	got = r.run("pkgbuild", "success", "devel/x", "a-1")
	if got.status != 0 || !strings.Contains(got.output, "the profiles of this build end: ") || !strings.Contains(got.output, "privileges") {
		t.Errorf("%+v", got)
	}
	r.quiet("pkgbuild", "success", "devel/x", "b-1")
	r.quiet("jail", "stop")
}

func TestForget(t *testing.T) {
	m := newMachine(t)
	m.Keep = 2
	dir := filepath.Join(ProfilesDir(m.Store.Dir), "m64-default")
	for i := range 5 {
		build := fmt.Sprintf("b%d", i)
		files := []string{filepath.Join(buildlog.Dir(m.Store.Dir), "m64-default", build+".jsonl"), filepath.Join(dir, build, "a.xprof")}
		for _, name := range files {
			m.write(name, "{}\n")
		}
		when := time.Unix(int64(1600000000+i), 0)
		for _, name := range append(files, filepath.Join(dir, build)) {
			if err := os.Chtimes(name, when, when); err != nil {
				t.Fatal(err)
			}
		}
	}
	m.write(filepath.Join(dir, "b0/mine.txt"), "mine") // not xjail's
	_ = os.Chtimes(filepath.Join(dir, "b0"), time.Unix(1, 0), time.Unix(1, 0))
	other := filepath.Join(buildlog.Dir(m.Store.Dir), "other", "b0.jsonl")
	m.write(other, "{}\n")
	lines := slices.Repeat([]string{"{}\n"}, statisticsKept)
	m.write(filepath.Join(m.Store.Dir, "poudriere", BuildsName), strings.Join(lines, ""))
	if _, err := m.call("bulk", "done", "1", "0", "0", "0", "0"); err == nil || !strings.Contains(err.Error(), "b0") {
		t.Error("a directory with something of others is removed without a word:", err)
	}
	left, _ := filepath.Glob(filepath.Join(buildlog.Dir(m.Store.Dir), "m64-default", "*"))
	if len(left) != 2 || filepath.Base(left[0]) != "b3.jsonl" || !exists(other) {
		t.Errorf("%q", left)
	}
	if left, _ = filepath.Glob(filepath.Join(dir, "*/*")); len(left) != 3 || !exists(filepath.Join(dir, "b0/mine.txt")) || !exists(filepath.Join(dir, "b4/a.xprof")) {
		t.Errorf("%q", left)
	}
	text, _ := os.ReadFile(filepath.Join(m.Store.Dir, "poudriere", BuildsName))
	if n := strings.Count(string(text), "\n"); n > statisticsKept/2+1 || !strings.Contains(string(text), `"event":"done"`) {
		t.Errorf("%d lines", n)
	}
}
