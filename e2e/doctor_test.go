package e2e

import (
	"archive/tar"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// diagnosis is a finding of doctor.
type diagnosis struct {
	Check, Subject, Result, Message, Fix string
	Safe, Fixed                          bool
}

func (d diagnosis) String() string {
	return fmt.Sprintf("%s %s (%s): %s; hint: %s", d.Result, d.Check, d.Subject, d.Message, d.Fix)
}

// doctor runs doctor and returns what it found that is more than worth knowing.
func (w *world) doctor(args ...string) (trouble []diagnosis) {
	w.t.Helper()
	return w.doctorOf(w.command(append([]string{"doctor", "--json"}, args...)...))
}

func (w *world) doctorOf(cmd *exec.Cmd) (trouble []diagnosis) {
	w.t.Helper()
	r := w.runCommand(cmd, cmd.Args)
	var all []diagnosis
	if err := json.Unmarshal([]byte(r.stdout), &all); err != nil {
		w.t.Fatalf("%v: %v", err, r)
	}
	failed := false
	for _, d := range all {
		if d.Fixed || d.Result == "warning" || d.Result == "failed" {
			trouble = append(trouble, d)
			failed = failed || d.Result == "failed" && !d.Fixed
		}
	}
	if want := map[bool]int{false: 0, true: 1}[failed]; r.status != want {
		w.t.Errorf("status %d, want %d: %v", r.status, want, r)
	}
	return trouble
}

// healthy fails the test when doctor finds something.
func (w *world) healthy() {
	w.t.Helper()
	for _, d := range w.doctor() {
		w.t.Errorf("nothing is wrong, and doctor says: %v", d)
	}
}

// ill fails the test unless doctor finds just what is wrong, by its checks.
func (w *world) ill(checks ...string) []diagnosis {
	w.t.Helper()
	found := w.doctor()
	wantChecks(w.t, found, checks...)
	return found
}

func wantChecks(t *testing.T, found []diagnosis, checks ...string) {
	t.Helper()
	var got []string
	for _, d := range found {
		if got = append(got, d.Check); d.Fix == "" && !d.Fixed {
			t.Errorf("without a hint: %v", d)
		}
	}
	if !slices.Equal(got, checks) {
		t.Errorf("doctor finds %q, want %q: %v", got, checks, found)
	}
}

// mended fails the test unless --fix mends all that is found, and nothing is
// found afterwards. Before, --dry-run must have left all as it was.
func (w *world) mended(checks ...string) {
	w.t.Helper()
	w.ill(checks...)
	w.run("doctor", "--fix", "--dry-run")
	w.ill(checks...)
	for _, d := range w.doctor("--fix") {
		if !d.Fixed {
			w.t.Errorf("not mended: %v", d)
		}
	}
	w.healthy()
}

// accounts are those as which doctor must raise no false alarm.
func doctorAccounts(t *testing.T) map[string]account {
	all := map[string]account{"caller": caller}
	if os.Geteuid() == 0 {
		all["ordinary user"] = ordinaryUser(t, false)
		if _, err := exec.LookPath("newuidmap"); err == nil {
			all["user with subordinate ids"] = ordinaryUser(t, true)
		}
	}
	return all
}

// Nothing is wrong: before there is anything, with jails, in a state directory
// reached by a link, while a jail is in use, and when all is gone.
func TestDoctorRaisesNoFalseAlarm(t *testing.T) {
	archive := tinyRoot(t, "powerpc").save()
	for name, as := range doctorAccounts(t) {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, as)
			w.healthy()
			for _, jail := range []string{"one", "two", "three"} {
				w.ok("create", jail, "--arch", "powerpc", "--from", "archive:"+archive)
			}
			w.ok("create", "elsewhere", "--arch", "powerpc", "--from", "archive:"+archive, "--path", filepath.Join(filepath.Dir(w.state), "root"))
			w.healthy()
			cmd := w.command("exec", "one", "--", "sh", "-c", "cat")
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			w.healthy()
			if found := w.doctor("--fix"); found != nil {
				t.Errorf("--fix of what is healthy: %v", found)
			}
			in.Close()
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
			if out := w.ok("doctor"); !strings.HasPrefix(out, "everything is in order: ") && !strings.Contains(out, "\neverything is in order: ") || !strings.Contains(out, "4 jails") {
				t.Errorf("%s", out)
			}
			w.ok("destroy", "one", "two", "three", "elsewhere")
		})
	}
}

// A jail that is broken by hand, one way after the other.
func TestDoctorFindsBrokenJails(t *testing.T) {
	archive := tinyRoot(t, "powerpc").save()
	w := newWorld(t, caller)
	needEmulator(t, w, "powerpc")
	emulator := filepath.Join(sharedDir(t), "qemu-ppc-static")
	original := readFile(findEmulator(t, w, "powerpc"))
	writeFile(t, emulator, original, 0o755)
	w.ok("create", "tiny", "--arch", "powerpc", "--from", "archive:"+archive, "--emulator", emulator)
	w.healthy()
	dir := filepath.Join(w.state, "jails/tiny")
	placed, record := filepath.Join(dir, "root/usr/bin/qemu-ppc-static"), filepath.Join(dir, "jail.json")
	text := readFile(record)
	for _, tt := range []struct {
		name   string
		ruin   func() error
		checks []string
		mended bool   // by --fix
		repair func() // by hand, where not
	}{
		{"emulator removed", func() error { return os.Remove(placed) }, []string{"jail-emulator", "jail-run"}, true, nil},
		{"emulator cut", func() error { return os.Truncate(placed, 5000) }, []string{"jail-emulator", "jail-run"}, true, nil},
		{"emulator not executable", func() error { return os.Chmod(placed, 0o644) }, []string{"jail-emulator", "jail-run"}, true, nil},
		{"emulator on the host replaced", func() error { return os.WriteFile(emulator, []byte(original+"new"), 0o755) }, []string{"jail-origin"}, false,
			func() { writeFile(t, emulator, original, 0o755) }},
		{"record cut", func() error { return os.WriteFile(record, []byte(text[:40]), 0o600) }, []string{"jail-record"}, false,
			func() { writeFile(t, record, text, 0o600) }},
		{"record of a later version", func() error {
			return os.WriteFile(record, []byte(strings.Replace(text, `"version": 1`, `"version": 9`, 1)), 0o600)
		}, []string{"jail-record"}, false, func() { writeFile(t, record, text, 0o600) }},
		{"root removed", func() error { return os.Rename(filepath.Join(dir, "root"), w.state+".kept") }, []string{"jail-root"}, false,
			func() { _ = os.Rename(w.state+".kept", filepath.Join(dir, "root")) }},
		{"programs of another architecture", func() error {
			return os.WriteFile(filepath.Join(dir, "root/bin/sh.new"), []byte(readFile("/bin/sh")), 0o755)
		}, nil, false, func() { _ = os.Remove(filepath.Join(dir, "root/bin/sh.new")) }},
		{"program does not run", func() error { return os.WriteFile(filepath.Join(dir, "root/bin/tinybox"), nil, 0o755) }, []string{"jail-architecture", "jail-run"}, false,
			func() { writeFile(t, filepath.Join(dir, "root/bin/tinybox"), string(tinybox(t, "powerpc")), 0o755) }},
		{"temporary files of steps", func() error {
			return os.WriteFile(filepath.Join(filepath.Dir(placed), ".qemu-ppc-static.xjail-new"), []byte("x"), 0o600)
		}, []string{"state-leftovers"}, true, nil},
		{"record that was being written", func() error { return os.WriteFile(record+".new", []byte("{"), 0o600) }, []string{"state-leftovers"}, true, nil},
		{"journal of a creation that is done", func() error {
			return os.WriteFile(filepath.Join(dir, "journal"), []byte("{\"step\":\"record\"}\n"), 0o600)
		}, []string{"state-leftovers"}, true, nil},
		{"writable by everybody", func() error { return os.Chmod(dir, 0o777) }, []string{"state-directory"}, true, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := *w
			w.t = t
			if err := tt.ruin(); err != nil {
				t.Fatal(err)
			}
			if tt.mended {
				w.mended(tt.checks...)
			} else {
				w.ill(tt.checks...)
				tt.repair()
			}
			w.healthy()
			if got := w.sh("tiny", "uname -m"); got != "ppc" {
				t.Errorf("afterwards the jail says %q", got)
			}
		})
	}
}

// Whatever a killed create leaves, wherever it was killed, is found and removed.
func TestDoctorRemovesWhatAKilledCreateLeft(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("creates in this process, which has to be root for it")
	}
	for name, request := range killedSources(t) {
		t.Run(name, func(t *testing.T) {
			request.Name = "tiny"
			w := newWorld(t, caller)
			for _, step := range stepsOf(w, request) {
				doomed{State: w.state, Step: step, Request: request}.die(t)
				found := w.doctor("--fix")
				if len(found) != 1 || !found[0].Fixed || !strings.Contains(found[0].Fix, "destroy --leftovers tiny") {
					t.Errorf("killed at %s: %v", step, found)
				}
				w.wantGone(step, request)
			}
		})
	}
}

// The same of an ordinary user, whose files belong to subordinate ids.
func TestDoctorRemovesLeftoversOfAnOrdinaryUser(t *testing.T) {
	root := tinyRoot(t, "powerpc")
	root.add(tar.Header{Typeflag: tar.TypeDir, Name: "home", Mode: 0o700, Uid: 54321, Gid: 54321}, "")
	root.add(tar.Header{Typeflag: tar.TypeReg, Name: "home/diary", Mode: 0o600, Uid: 54321, Gid: 54321}, "x")
	archive := root.save()
	for _, subordinate := range []bool{false, true} {
		w := newWorld(t, ordinaryUser(t, subordinate))
		w.ok("create", "tiny", "--arch", "powerpc", "--from", "archive:"+archive)
		w.healthy()
		if err := os.Remove(filepath.Join(w.state, "jails/tiny/jail.json")); err != nil {
			t.Fatal(err)
		}
		w.mended("state-leftovers")
		w.nothingLeft()
	}
}

// Killed at any moment, with a jail beside it that must stay as it is.
func TestDoctorAfterKills(t *testing.T) {
	archive := tinyRoot(t, "powerpc").save()
	w := tinyJail(t, caller, "powerpc")
	for i := range 6 {
		done := w.killAfter(millisecond(15*i), "create", "other", "--arch", "powerpc", "--from", "archive:"+archive)
		if done {
			break
		}
		for _, d := range w.doctor("--fix") {
			if !d.Fixed || d.Check != "state-leftovers" {
				t.Errorf("killed after %d ms: %v", 15*i, d)
			}
		}
		w.healthy()
		if left := w.jails(); !slices.Equal(left, []string{"tiny"}) {
			t.Fatalf("jails: %q", left)
		}
	}
}

// What a running command holds is never touched.
func TestDoctorLeavesRunningCommandsAlone(t *testing.T) {
	w := tinyJail(t, caller, "powerpc")
	dir := filepath.Join(w.state, "jails/tiny")
	cmd := w.command("exec", "tiny", "--", "sh", "-c", "cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the lock", func() bool { return strings.Contains(w.ok("list"), "in use") })
	writeFile(t, filepath.Join(dir, "jail.json.new"), "{", 0o600)
	if found := w.doctor("--fix"); found != nil {
		t.Errorf("while the jail is in use: %v", found)
	}
	if _, err := os.Stat(filepath.Join(dir, "jail.json.new")); err != nil {
		t.Error(err)
	}
	in.Close()
	_ = cmd.Wait()
	w.mended("state-leftovers")
}

// Locks, a fetch and a download that were killed.
func TestDoctorSweepsTheState(t *testing.T) {
	w := tinyJail(t, caller, "powerpc")
	digest := strings.Repeat("ab", 32)
	for _, tt := range []struct{ file, text string }{
		{"jails/gone.lock", ""},
		{"activators.json.lock", ""},
		{"activators.json.tmp", "{"},
		{"emulators/.fetch-12/apt.conf", "x"},
		{"cache/sets/" + digest + "/about-99", "{"},
	} {
		t.Run(tt.file, func(t *testing.T) {
			w := *w
			w.t = t
			writeFile(t, filepath.Join(w.state, tt.file), tt.text, 0o600)
			w.mended("state-leftovers")
			if _, err := os.Lstat(filepath.Join(w.state, tt.file)); err == nil {
				t.Errorf("%s is still there", tt.file)
			}
		})
	}
	_ = os.RemoveAll(filepath.Join(w.state, "cache"))
	_ = os.RemoveAll(filepath.Join(w.state, "emulators"))
}

// The state directory itself: whose it is and who can write in it.
func TestDoctorClosesTheState(t *testing.T) {
	w := tinyJail(t, caller, "powerpc")
	for dir, modes := range map[string][2]os.FileMode{"": {0o777, 0o755}, "jails": {0o755, 0o700}} {
		dir = filepath.Join(w.state, dir)
		if err := os.Chmod(dir, modes[0]); err != nil {
			t.Fatal(err)
		}
		w.mended("state-directory")
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != modes[1] {
			t.Errorf("%s: %v, %v", dir, info.Mode(), err)
		}
	}
	writeFile(t, filepath.Join(w.state, "jails/tiny/what-is-this"), "", 0o600)
	w.healthy()
	if out := w.ok("doctor"); !strings.Contains(out, "what-is-this") {
		t.Errorf("a file that is not xjail's is not mentioned: %s", out)
	}
}

func TestDoctorLooksAtMounts(t *testing.T) {
	w := tinyJail(t, caller, "powerpc")
	for _, tt := range []struct {
		name, script string
		checks       []string
	}{
		{"noexec", `mount --bind "$state" "$state"; mount -o remount,bind,noexec "$state"`, []string{"jail-run", "state-mount"}},
		{"read-only", `mount --bind "$state" "$state"; mount -o remount,bind,ro "$state"`, []string{"state-mount"}},
		{"left in a jail", `mount -t tmpfs tmpfs "$state/jails/tiny/root/tmp"`, []string{"state-mounted"}},
		{"a disk for jails", `mount --bind "$state/jails" "$state/jails"`, nil},
		{"nosuid", `mount --bind "$state" "$state"; mount -o remount,bind,nosuid "$state"`, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := *w
			w.t = t
			wantChecks(t, w.doctorOf(w.prepared(tt.script, "doctor", "--json")), tt.checks...)
		})
	}
}

func TestDoctorLooksAtTheDisk(t *testing.T) {
	w := newWorld(t, caller)
	for options, checks := range map[string][]string{
		"size=64k":            {"state-space"},
		"size=32m":            {"state-space"},
		"size=1g,nr_inodes=4": {"state-space"},
		"size=1g":             nil,
	} {
		script := `mkdir "$state"; mount -t tmpfs -o mode=755,` + options + ` tmpfs "$state"`
		wantChecks(t, w.doctorOf(w.prepared(script, "doctor", "--json")), checks...)
		_ = os.Remove(w.state)
	}
}

// A kernel that forbids what jails need, and its settings.
func TestDoctorLooksAtNamespaces(t *testing.T) {
	w := newWorld(t, caller)
	cmd := w.command("doctor", "--json")
	args := append([]string{"--user", "--map-root-user", "sh", "-ec", `echo 0 > /proc/sys/user/max_user_namespaces; exec "$@"`, "sh"}, cmd.Args...)
	forbidden := exec.Command("unshare", args...)
	forbidden.Dir, forbidden.Env = "/", cmd.Env
	found := w.doctorOf(forbidden)
	wantChecks(t, found, "kernel-namespaces")
	if len(found) == 1 && !strings.Contains(found[0].Fix, "max_user_namespaces") {
		t.Errorf("%v", found[0])
	}
}

// The settings of a user.
func TestDoctorLooksAtSettings(t *testing.T) {
	w := newWorld(t, caller)
	dir := sharedDir(t)
	config := filepath.Join(dir, "xjail.yaml")
	for _, tt := range []struct {
		text   string
		checks []string
	}{
		{"debian_mirror: http://mirror.example.org/debian\n", nil},
		{"emulatrs: {}\n", []string{"settings-configuration"}},
		{"emulators: {mips64: /nowhere/qemu}\n", []string{"settings-configuration"}},
		{"emulators: {arm64: /usr/bin/qemu-aarch64-static}\n", []string{"settings-configuration"}},
		{"emulators: {mips46: /usr/bin/qemu-mips64-static}\n", []string{"settings-configuration"}},
		{"emulator_dirs: [relative/dir]\n", []string{"settings-configuration"}},
	} {
		writeFile(t, config, tt.text, 0o644)
		w.env = []string{"XJAIL_CONFIG=" + config}
		wantChecks(t, w.doctor(), tt.checks...)
	}
	w.env = []string{"XJAIL_CONFIG=" + dir + "/none.yaml"}
	w.ill("settings-configuration")
	w.env = []string{"XJAIL_STATE=relative/dir", "XDG_STATE_HOME=also/relative"}
	w.ill("settings-environment", "settings-environment")
	w.env = []string{"TMPDIR=" + dir + "/nothing"}
	w.ill("temporary-directory")
}

func millisecond(n int) time.Duration { return time.Duration(n) * time.Millisecond }

// What somebody put among the jails is not removed.
func TestDoctorLeavesWhatIsNotOfAJail(t *testing.T) {
	w := tinyJail(t, caller, "powerpc")
	kept := filepath.Join(w.state, "jails/backup/bin/precious")
	writeFile(t, kept, "x", 0o600)
	w.ill("state-leftovers")
	wantChecks(t, w.doctor("--fix"), "state-leftovers")
	w.fails(15, "backup/bin is not of a jail", "destroy", "--leftovers", "backup")
	w.fails(16, "complete", "destroy", "--leftovers", "tiny")
	if readFile(kept) != "x" {
		t.Error("it is gone")
	}
}

// The machine's table, in a namespace: what others do to xjail's entries.
func TestDoctorLooksAtTheMachinesTable(t *testing.T) {
	got := asMachine(t, `
emulator=$(dirname "$state")/qemu-ppc-static
cp "$(command -v qemu-ppc-static)" "$emulator"
say() { echo "== $1"; x doctor --fix --quick | sed "s/  */ /g" | cut -d" " -f1,2 | grep -v -e ^note -e hint; }
x create one --arch powerpc --from "$archive" --global --emulator "$emulator" >/dev/null
line=$("$program" --state "$state" activator register powerpc --global --dry-run --emulator "$emulator" | grep -o ':xjail-powerpc:.*' || true)
say healthy
echo 0 > $table/xjail-powerpc
say disabled
echo -1 > $table/xjail-powerpc
say removed
say after
formats
cp "$emulator" "$emulator.new"; mv "$emulator.new" "$emulator"
say stale
say after
echo 0 > $table/status
say off
echo 1 > $table/status
pattern=$("$program" create two --arch powerpc --from "$archive" --dry-run | grep -o ':xjail-powerpc:.*')
pattern=${pattern#:xjail-powerpc:}
echo ":theirs:${pattern%:/*}:/bin/sh:" > $table/register
say shadowed
echo -1 > $table/theirs
rm "$emulator"
say gone
x exec one -- uname -m
x destroy one
`)
	wantLines(t, got,
		"== healthy", "everything is",
		"== disabled", "xjail: fix:", "fixed jail-activator", "everything is",
		"== removed", "xjail: fix:", "fixed jail-activator", "everything is",
		"== after", "everything is",
		"formats: xjail-powerpc",
		"== stale", "xjail: fix:", "fixed activators-stale", "everything is",
		"== after", "everything is",
		"== off", "failed kernel-table", "1 failed,", "status 1",
		"== shadowed", "warning activators-check", "0 failed,",
		"== gone", "warning activators-stale", "failed jail-origin", "1 failed,", "status 1",
		"ppc")
}
