package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// asMachine runs a script of the shell in a user namespace with a binfmt_misc
// of its own in the place of the machine's: for what runs there, it is the
// machine's. "x" is xjail, $archive a root of powerpc, "formats" lists the
// table.
func asMachine(t *testing.T, script string) []string {
	t.Helper()
	archive := tinyRoot(t, "powerpc").save()
	w := newWorld(t, caller)
	needEmulator(t, w, "powerpc")
	const prelude = `
table=/proc/sys/fs/binfmt_misc
mount -t binfmt_misc binfmt_misc $table
x() { "$program" --quiet --state "$state" "$@" 2>&1 || echo "status $?"; }
formats() { echo "formats:" $(ls $table | grep -v -e register -e status); }
`
	cmd := exec.Command("unshare", "--user", "--map-root-user", "--mount", "sh", "-eu", "-c", prelude+script)
	cmd.Env = append(os.Environ(), "program="+program, "state="+w.state, "archive=archive:"+archive)
	out, err := cmd.CombinedOutput()
	if err != nil {
		if strings.Contains(string(out), "mount: ") || strings.Contains(string(out), "unshare: ") {
			t.Skipf("no private binfmt_misc here: %s", out)
		}
		t.Fatalf("%v: %s", err, out)
	}
	w.nothingLeft()
	return lines(string(out))
}

// wantLines compares what came with patterns: each line must contain its own.
func wantLines(t *testing.T, got []string, want ...string) {
	t.Helper()
	for i, line := range got {
		if i >= len(want) || !strings.Contains(line, want[i]) {
			t.Errorf("line %d of\n%s\nis not like %q", i+1, strings.Join(got, "\n"), append(want, "the end")[i])
			return
		}
	}
	if len(got) < len(want) {
		t.Errorf("after\n%s\nthere is no %q", strings.Join(got, "\n"), want[len(got)])
	}
}

// Jails share the machine's activator; the last one takes it away.
func TestGlobalIsShared(t *testing.T) {
	got := asMachine(t, `
x create one --arch powerpc --from "$archive" --global
formats
x exec one -- uname -m
x create two --arch powerpc --from "$archive" --global
x destroy one
formats
x exec two -- sh -c 'echo a | cat | wc'
x verify two >/dev/null
echo 0 > $table/xjail-powerpc
x exec two -- true
echo -1 > $table/xjail-powerpc
x exec two -- true
x destroy two
formats
`)
	wantLines(t, got,
		"jail one is ready", "formats: xjail-powerpc", "ppc", "jail two is ready", "formats: xjail-powerpc", "1",
		"switched off", "hint: as root: xjail activator enable powerpc --global", "status 10",
		"no longer has the activator", "hint: as root: xjail activator register powerpc --global", "status 10",
		"formats:")
}

// What somebody else registered stays as it is; one with the same magic is a
// conflict.
func TestGlobalConflict(t *testing.T) {
	got := asMachine(t, `
line=$("$program" create one --arch powerpc --from "$archive" --dry-run | grep -o ':xjail-powerpc:.*')
pattern=${line#:xjail-powerpc:} # up to the interpreter, which need not be on this machine
echo ":theirs:${pattern%:/*}:/bin/sh:" > $table/register
before=$(cat $table/theirs)
x create one --arch powerpc --from "$archive" --global
formats
x activator unregister theirs --global
test "$before" = "$(cat $table/theirs)" && echo unchanged
x create one --arch powerpc --from "$archive"
x exec one -- uname -m
x destroy one
`)
	text := strings.Join(got, "\n")
	for _, want := range []string{"theirs", "formats: theirs\n", "\nunchanged\n", "jail one is ready", "\nppc"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	if n := strings.Count(text, "\nstatus "); n != 2 {
		t.Errorf("%d commands failed, want create and unregister:\n%s", n, text)
	}
}

// An activator that the user registered outlives the jails that use it.
func TestGlobalOfTheUser(t *testing.T) {
	got := asMachine(t, `
x activator register powerpc --global >/dev/null
x create one --arch powerpc --from "$archive" --global
x destroy one
formats
x activator unregister powerpc --global >/dev/null
formats
`)
	wantLines(t, got, "jail one is ready", "formats: xjail-powerpc", "formats:")
}

// Killed after it registered: destroy takes the activator too.
func TestGlobalKilled(t *testing.T) {
	got := asMachine(t, `
set +e
for ms in 0.02 0.04 0.06 0.08 0.1 0.12 0.14 0.16; do
	timeout -s KILL $ms "$program" --quiet --state "$state" create one --arch powerpc --from "$archive" --global >/dev/null 2>&1
	"$program" --quiet --state "$state" destroy one >/dev/null 2>&1
	formats
done
"$program" --quiet --state "$state" create one --arch powerpc --from "$archive" --global >/dev/null
x destroy one
formats
rm -f "$state"/jails/*.lock; rmdir "$state"/jails "$state" 2>/dev/null
true
`)
	for _, line := range got {
		if strings.TrimSpace(line) != "formats:" && !strings.Contains(line, "Killed") {
			t.Errorf("left: %s", strings.Join(got, "\n"))
		}
	}
}

// What the machine's activators run is emulated for profiles and top, also when the
// emulator was replaced since the kernel opened it, or is gone.
func TestGlobalProfile(t *testing.T) {
	emulator := anEmulator(t, "powerpc", "")
	got := asMachine(t, `
emulator='`+emulator+`'
stats() { x exec --stats one -- sh -c 'uname -m; uname -m; exit 3'; }
running() {
	"$program" --quiet --state "$state" exec one -- sleep 600 >/dev/null 2>&1 &
	exec=$!
	until "$program" --state "$state" top one | grep '  /bin/[a-z]* '; do sleep 0.1; done
	kill $exec
	wait $exec || true
}
x create one --arch powerpc --from "$archive" --global --emulator "$emulator"
stats
running
cp "$emulator" "$emulator.new"
mv "$emulator.new" "$emulator"
stats
running
rm "$emulator"
stats
x profile one --output "$state.xprof" -- sh -c 'uname -m | cat'
"$program" profile report "$state.xprof" | grep ' /bin/'
rm "$state.xprof"
x destroy one
`)
	ran, top := []string{"ppc", "ppc", "xjail: execs 3, emulated 3;", "status 3"}, []string{" " + filepath.Base(emulator) + " "}
	want := slices.Concat([]string{"jail one is ready"}, ran, top, ran, top, ran, []string{"ppc"})
	wantLines(t, got[:min(len(got), len(want))], want...)
	for _, line := range got[min(len(got), len(want)):] {
		if !strings.Contains(line, "  emulated  ") {
			t.Errorf("in the report: %s", line)
		}
	}
	if len(got) < len(want)+2 {
		t.Errorf("the report is missing in %q", got)
	}
}
