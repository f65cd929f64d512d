package hook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/memory"
	"github.com/xjail/xjail/hooks/poudriere"
	"github.com/xjail/xjail/hooks/poudriere/poudrieretest"
	"github.com/xjail/xjail/jail"
)

// The runner of events: what poudriere's run_hook does with hooks, in several
// shells, without poudriere. The hooks are those that are installed; the xjail
// that they call is this test's own program.

// standIn says what that program does besides, or instead.
const standIn = "XJAIL_TEST_STANDIN"

func TestMain(m *testing.M) {
	if i := slices.Index(os.Args, "hook"); i > 1 && os.Args[i-1] == "poudriere" {
		os.Exit(runStandIn(os.Args[1:]))
	}
	syscall.Umask(0o022) // tests give files modes
	os.Exit(m.Run())
}

// runStandIn is xjail poudriere hook, on a machine that is in a directory.
func runStandIn(args []string) int {
	switch os.Getenv(standIn) {
	case "sleeps":
		time.Sleep(time.Minute)
	case "panics":
		panic("at the disco")
	case "killed":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "segfault":
		_ = syscall.Kill(os.Getpid(), syscall.SIGSEGV)
	case "usage":
		return 64
	case "fails":
		return 1
	}
	dir := ""
	for i, a := range args {
		if a == "--state" {
			dir = args[i+1]
		}
	}
	words := args[slices.Index(args, "--")+1:]
	table, err := loadTable(filepath.Join(filepath.Dir(dir), "table.json"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 98
	}
	m := &machine{dir: filepath.Dir(dir)}
	m.World = New(jail.Store{Dir: dir}, &jail.Config{}, table, func(line string) { fmt.Println("xjail: " + line) })
	m.natives = func() []string { return append(Natives(), "amd64", "i386") }
	m.find = m.findHere
	err = m.Run(context.Background(), &Call{Hook: words[0], Event: words[1], Args: words[2:], Getenv: os.Getenv, Profile: slices.Contains(args, "--profile")})
	if errors.Is(err, ErrCollect) {
		return poudriere.CollectStatus
	}
	if serr := saveTable(filepath.Join(m.dir, "table.json"), table); serr != nil {
		fmt.Fprintln(os.Stderr, serr)
		return 97
	}
	var s *Stop
	if errors.As(err, &s) {
		fmt.Println("xjail: " + s.Sentence)
		return poudriere.StopStatus
	}
	if err != nil {
		fmt.Println("xjail: " + err.Error())
	}
	return 0
}

// loadTable and saveTable keep the machine's table between two programs.
func loadTable(name string) (*fakeTable, error) {
	t := newFakeTable()
	text, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		return t, nil
	}
	var list []activators.Entry
	if err == nil {
		err = json.Unmarshal(text, &list)
	}
	t.Table = memory.New(memory.FreeBSD) // what is registered stays, whatever became of its file
	for _, e := range slices.Backward(list) {
		err = errors.Join(err, t.Add(e))
	}
	return t, err
}

func saveTable(name string, t *fakeTable) error {
	list, err := t.List()
	if err != nil {
		return err
	}
	text, err := json.Marshal(list)
	if err != nil {
		return err
	}
	return os.WriteFile(name, text, 0o644)
}

// runner is poudriere, as far as hooks go.
type runner struct {
	*machine
	shell   []string
	plugins string
}

// newRunner installs the hooks, with a main hook and plugins of others around
// them that note that they ran.
func newRunner(t *testing.T, shell []string) *runner {
	t.Helper()
	m := newMachine(t)
	m.install(nil, time.Second)
	r := &runner{machine: m, shell: shell, plugins: filepath.Dir(m.config().PluginDir())}
	for _, hook := range Hooks() {
		for _, dir := range []string{"..", "aaa", "zzz"} {
			m.write(filepath.Join(r.plugins, dir, hook+".sh"), "echo \"$0 $*\" >>'"+filepath.Join(m.dir, "ran")+"'\n")
		}
	}
	return r
}

// install installs the hooks, which call this program.
func (m *machine) install(options []string, limit time.Duration) {
	m.t.Helper()
	program, err := os.Executable()
	if err != nil {
		m.t.Fatal(err)
	}
	p := poudriere.Plugin{Program: program, Options: []string{"--state", m.Store.Dir}, HookOptions: options, Limit: limit}
	if _, err := m.config().InstallPlugin(p, false, false); err != nil {
		m.t.Fatal(err)
	}
}

// outcome is what poudriere sees of its hooks.
type outcome struct {
	output string
	status int // of the first hook that fails, with which poudriere ends
}

// run runs all hooks for an event as run_hook_file does: a new shell in /tmp, with
// poudriere's environment, which says of the machine what is true of the jail.
func (r *runner) run(words ...string) outcome {
	r.t.Helper()
	var all outcome
	files := []string{filepath.Join(r.plugins, "..", words[0]+".sh")}
	more, _ := filepath.Glob(filepath.Join(r.plugins, "*", words[0]+".sh"))
	for _, file := range append(files, more...) {
		if st, err := os.Stat(file); err != nil || !st.Mode().IsRegular() {
			continue
		}
		// Neither input nor errors are to be relied on: closed, as under cron.
		argv := append(slices.Clone(r.shell[1:]), "-c", `exec 0<&-; exec "$@"`, "sh")
		argv = append(append(append(argv, r.shell...), file), words[1:]...)
		cmd := exec.Command(r.shell[0], argv...)
		cmd.Dir = r.dir // in place of /tmp: what goes wrong may write there
		cmd.Env = r.environ()
		out, err := cmd.CombinedOutput()
		all.output += string(out)
		var status *exec.ExitError
		if errors.As(err, &status) {
			all.status = status.ExitCode()
			return all
		}
		if err != nil {
			r.t.Fatal(err)
		}
	}
	return all
}

// environ is the environment of a hook after jail_start.
func (r *runner) environ() []string {
	env := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "LC_COLLATE=C", "USER=root", "QEMU_EMULATING=1", "STATUS=1", "PACKAGE_BUILDING=yes",
		"UNAME_r=13.2-RELEASE", "UNAME_v=FreeBSD 13.2-RELEASE", "UNAME_m=mips", "UNAME_p=mips64", "OSVERSION=1302001",
		"BUILD_URL=", "LOG_URL=", "VERBOSE=0",
	}
	for name, value := range r.env {
		env = append(env, name+"="+value)
	}
	return env
}

// quiet runs an event that must neither stop poudriere nor be heard.
func (r *runner) quiet(words ...string) {
	r.t.Helper()
	if got := r.run(words...); got.status != 0 || got.output != "" {
		r.t.Errorf("%q: status %d, says %q", words, got.status, got.output)
	}
}

// poudriereEvents are all that poudriere has for the hooks that xjail installs,
// and some for which there is no file.
func poudriereEvents(m *machine) []string {
	builder := filepath.Dir(m.ref) + "/01"
	return []string{
		"bulk start", "jail mount " + m.ref, "jail start", "jail mount " + builder, "builder start 01 " + builder,
		"pkgbuild success devel/a a-1", "pkgbuild failed devel/b b-1 build " + filepath.Join(m.dir, "b-1.log"),
		"pkgbuild ignored devel/c c-1 broken", "pkgbuild skipped devel/d d-1 b-1",
		"pkgrepo sign " + filepath.Join(m.dir, "packages") + " /key no /nonexistent", "pkgrepo publish " + filepath.Join(m.dir, "packages"),
		"builder stop 01 " + builder, "jail pkgbase " + m.dir, "jail stop", "bulk done 1 1 1 1 0", "bulk crashed", "bulk new-event x y",
		"start_builders start", "build_queue stop", "pkgclean done 1 no no", "ports_update done", "foreachport start",
	}
}

func TestEveryEvent(t *testing.T) {
	for _, shell := range poudrieretest.Shells(t) {
		t.Run(poudrieretest.Name(shell), func(t *testing.T) {
			r := newRunner(t, shell)
			r.tools(r.root)
			for _, name := range []string{"bin/sh", "usr/bin/grep", "tmp/x"} {
				r.write(filepath.Join(r.ref, name), name)
			}
			for _, event := range poudriereEvents(r.machine) {
				if got := r.run(strings.Fields(event)...); got.status != 0 {
					t.Errorf("%s: status %d, says %q", event, got.status, got.output)
				}
			}
			table, err := loadTable(filepath.Join(r.dir, "table.json"))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := table.Lookup("mips64"); err != nil {
				t.Error("bulk start has not registered the activator:", err)
			}
			if _, err := os.Stat(filepath.Join(r.ref, "nxb-bin/usr/bin/cc")); err != nil {
				t.Error("jail mount has not copied the tools:", err)
			}
			// The others ran as often as there were events, before and after.
			text, _ := os.ReadFile(filepath.Join(r.dir, "ran"))
			for _, dir := range []string{"poudriere.d/hooks/bulk.sh", "aaa/bulk.sh", "zzz/bulk.sh"} {
				if n := strings.Count(string(text), dir); n != 4 {
					t.Errorf("%s ran %d times", dir, n)
				}
			}
		})
	}
}

// A jail that the host runs by itself: nothing is done or said.
func TestEveryEventNative(t *testing.T) {
	for _, shell := range poudrieretest.Shells(t) {
		t.Run(poudrieretest.Name(shell), func(t *testing.T) {
			r := newRunner(t, shell)
			r.env["JAILNAME"] = "home"
			before := tree(t, filepath.Join(r.dir, "etc"))
			for _, event := range poudriereEvents(r.machine) {
				r.quiet(strings.Fields(event)...)
			}
			after := tree(t, filepath.Join(r.dir, "etc"))
			if len(before) != len(after) {
				t.Errorf("before %v, after %v", before, after)
			}
			if _, err := os.Stat(r.Store.Dir); err == nil {
				t.Error("there is a state directory")
			}
		})
	}
}

func TestStopInShells(t *testing.T) {
	for _, shell := range poudrieretest.Shells(t) {
		t.Run(poudrieretest.Name(shell), func(t *testing.T) {
			r := newRunner(t, shell)
			_ = os.Remove(r.emulator)
			got := r.run("bulk", "start")
			if got.status != poudriere.StopStatus || strings.Count(got.output, "\n") != 1 || !strings.Contains(got.output, "no emulator") {
				t.Errorf("status %d, says %q", got.status, got.output)
			}
		})
	}
}

// Whatever becomes of xjail, poudriere goes on, and nothing is heard.
func TestFaultDrill(t *testing.T) {
	for _, shell := range poudrieretest.Shells(t) {
		for _, fault := range []string{"sleeps", "panics", "killed", "segfault", "usage", "fails"} {
			t.Run(poudrieretest.Name(shell)+"/"+fault, func(t *testing.T) {
				t.Parallel()
				r := newRunner(t, shell)
				r.env[standIn] = fault
				r.quiet("bulk", "start")
				r.quiet("jail", "start")
			})
		}
		for name, spoil := range map[string]func(program string) error{
			"missing":        os.Remove,
			"a directory":    func(p string) error { return errors.Join(os.Remove(p), os.Mkdir(p, 0o755)) },
			"not executable": func(p string) error { return os.Chmod(p, 0o644) },
			"empty":          func(p string) error { return os.Truncate(p, 0) },
			"cut off":        func(p string) error { return os.Truncate(p, 100) },
			"only a page":    func(p string) error { return os.Truncate(p, 4096) },
			"of no content":  func(p string) error { return errors.Join(os.Truncate(p, 0), os.Truncate(p, 1<<20)) },
			"another architecture": func(p string) error {
				// Some shells take it for a script.
				text := elfProgram(8, "", 1302000) + "\n: >'" + p + ".ran'\nexit 75\n"
				return os.WriteFile(p, []byte(text), 0o755)
			},
			"a dangling link": func(p string) error { return errors.Join(os.Remove(p), os.Symlink("/nonexistent", p)) },
		} {
			t.Run(poudrieretest.Name(shell)+"/"+name, func(t *testing.T) {
				r := newRunner(t, shell)
				program := filepath.Join(r.dir, "xjail")
				self, err := os.Executable()
				if err == nil {
					err = copyFile(self, program)
				}
				if err != nil {
					t.Fatal(err)
				}
				p := poudriere.Plugin{Program: program, Options: []string{"--state", r.Store.Dir}, Limit: time.Minute}
				if _, err := r.config().InstallPlugin(p, false, false); err != nil {
					t.Fatal(err)
				}
				if err := spoil(program); err != nil {
					t.Fatal(err)
				}
				before := names(t, r.dir)
				r.quiet("bulk", "start")
				r.quiet("pkgbuild", "failed", "devel/b", "b-1", "build", "/nonexistent")
				if after := names(t, r.dir); !slices.Equal(slices.DeleteFunc(after, func(name string) bool { return name == "ran" }), before) {
					t.Errorf("before %q, after %q", before, after)
				}
				if _, err := os.Stat(program + ".ran"); err == nil {
					t.Error("the shell took a program for a script, and ran it")
				}
			})
		}
	}
}

func copyFile(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o755)
}

// A machine whose timeout(1) is not there: xjail's own limit is what is left.
func TestWithoutTimeout(t *testing.T) {
	for _, shell := range poudrieretest.Shells(t) {
		t.Run(poudrieretest.Name(shell), func(t *testing.T) {
			r := newRunner(t, shell)
			bin := filepath.Join(r.dir, "bin")
			if err := os.MkdirAll(bin, 0o755); err != nil {
				t.Fatal(err)
			}
			t.Setenv("PATH", bin)
			if got := r.run("bulk", "start"); got.status != 0 || !strings.Contains(got.output, "registered the activator") {
				t.Errorf("status %d, says %q", got.status, got.output)
			}
			r.env[standIn] = "panics"
			r.quiet("bulk", "start")
		})
	}
}

// The directory in which poudriere runs hooks may be gone.
func TestWithoutDirectory(t *testing.T) {
	for _, shell := range poudrieretest.Shells(t) {
		r := newRunner(t, shell)
		gone := filepath.Join(r.dir, "gone")
		if err := os.Mkdir(gone, 0o755); err != nil {
			t.Fatal(err)
		}
		argv := append(slices.Clone(r.shell[1:]), "-c", `rmdir "$1"; shift; exec "$@"`, "sh", gone)
		argv = append(append(argv, r.shell...), filepath.Join(r.plugins, "xjail/bulk.sh"), "start")
		cmd := exec.Command(r.shell[0], argv...)
		cmd.Dir, cmd.Env = gone, r.environ()
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "registered the activator mips64") {
			t.Errorf("%s: %v: %s", shell, err, out)
		}
	}
}

// A shell that cannot start a program, or open a file, fails by itself: poudriere
// must not hear of it.
func TestShellWithoutMeans(t *testing.T) {
	prlimit, err := exec.LookPath("prlimit")
	if err != nil {
		t.Skip(err)
	}
	dir, err := os.MkdirTemp("", "hooks")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	closeInherited(t)
	program, err := exec.LookPath("bash") // any that the kernel starts
	if err != nil {
		t.Skip(err)
	}
	c := poudriere.Config{Etc: dir}
	err = errors.Join(os.Chmod(dir, 0o755), os.Mkdir(c.Dir(), 0o755))
	if _, ierr := c.InstallPlugin(poudriere.Plugin{Program: program, Limit: time.Minute}, false, false); err != nil || ierr != nil {
		t.Fatal(err, ierr)
	}
	limits := []string{"--nproc=1"}
	for n := 3; n <= 16; n++ { // shells keep their own files at 10 and above, bash at 255
		limits = append(limits, fmt.Sprint("--nofile=", n))
	}
	for _, shell := range poudrieretest.Shells(t) {
		trivial := filepath.Join(dir, poudrieretest.Name(shell)+"-trivial.sh")
		if err := os.WriteFile(trivial, []byte(leastOf(shell)), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, limit := range limits {
			run := func(file string) error {
				cmd := exec.Command(prlimit, append(append([]string{limit}, shell...), file, "start")...)
				cmd.Dir = dir
				if os.Geteuid() == 0 { // root has no limit of processes
					cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
				}
				return cmd.Run()
			}
			if run(trivial) != nil {
				continue // no script can help it
			}
			for _, hook := range []string{"bulk", "jail"} { // the others are like the first
				t.Run(poudrieretest.Name(shell)+limit+"/"+hook, func(t *testing.T) {
					t.Parallel() // bash tries again for a while
					if err := run(filepath.Join(c.PluginDir(), hook+".sh")); err != nil {
						t.Error(err)
					}
				})
			}
		}
	}
}

// leastOf is a script that a shell must be able to run for a hook's own answer to
// be heard. Most need to read it, no more. busybox ends, with status 1 and past the
// trap of EXIT, where it finds no place to keep the file that it redirects
// (save_fd_on_redirect, xfunc_die in its shell/ash.c): it is no shell of
// poudriere's, and does not hold hooks back from what the others need.
func leastOf(shell []string) string {
	if poudrieretest.Name(shell) == "busybox" {
		return ": 2>/dev/null\n"
	}
	return ":\n"
}

// closeInherited keeps what this process was started with from the programs that
// it starts: a limit of files means another number of them with each.
func closeInherited(t *testing.T) {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	for _, file := range open {
		if fd, err := strconv.Atoi(file.Name()); err == nil && fd > 2 {
			syscall.CloseOnExec(fd)
		}
	}
}

// Standard output may be gone as well.
func TestClosedOutput(t *testing.T) {
	for _, shell := range poudrieretest.Shells(t) {
		r := newRunner(t, shell)
		argv := append(slices.Clone(r.shell[1:]), "-c", `exec 0<&- 1>&- 2>&-; exec "$@"`, "sh")
		argv = append(append(argv, r.shell...), filepath.Join(r.plugins, "xjail/bulk.sh"), "start")
		cmd := exec.Command(r.shell[0], argv...)
		cmd.Env = r.environ()
		if err := cmd.Run(); err != nil {
			t.Errorf("%s: %v", r.shell, err)
		}
	}
}
