package e2e

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/binfmt"
	"github.com/xjail/xjail/arch"
)

// cell is a user and a mount namespace with a binfmt_misc of its own in the
// place of the machine's, in which broken situations can be made. It is held by
// a process that waits for the end of its input.
type cell struct {
	t     *testing.T
	pid   int
	dir   string // for files; every user can reach it
	state string
}

const cellTable = "/proc/sys/fs/binfmt_misc"

func newCell(t *testing.T) *cell {
	t.Helper()
	for _, tool := range []string{"nsenter", "sed", "mount"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	cmd := exec.Command("sh", "-c", "mount -t binfmt_misc binfmt_misc "+cellTable+" && echo ready && exec cat")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL,
		UidMappings: cellIDs(os.Geteuid()), GidMappings: cellIDs(os.Getegid()), GidMappingsEnableSetgroups: os.Geteuid() == 0,
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Skipf("no user namespace here: %v", err)
	}
	t.Cleanup(func() { _ = in.Close(); _, _ = io.Copy(io.Discard, out); _ = cmd.Wait() })
	if line, _ := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Skip("no private binfmt_misc here, it needs Linux 6.7")
	}
	dir := sharedDir(t)
	return &cell{t, cmd.Process.Pid, dir, filepath.Join(dir, "state")}
}

// cellIDs are all ids for root, and the own one as root for others.
func cellIDs(id int) []syscall.SysProcIDMap {
	if os.Geteuid() == 0 {
		return []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 65536}}
	}
	return []syscall.SysProcIDMap{{ContainerID: 0, HostID: id, Size: 1}}
}

// with is a cell whose failures are those of another test.
func (c *cell) with(t *testing.T) *cell {
	other := *c
	other.t = t
	return &other
}

// command is one that runs in the cell. xjail and the emulators are in its PATH.
func (c *cell) command(argv ...string) *exec.Cmd {
	cmd := exec.Command("nsenter", append([]string{"-t", strconv.Itoa(c.pid), "-U", "-m", "--preserve-credentials", "--", "env", "--chdir=" + c.dir}, argv...)...)
	cmd.Env = append(os.Environ(), "XJAIL_STATE="+c.state, "PATH="+filepath.Dir(program)+":"+os.Getenv("PATH"))
	return cmd
}

// sh runs a shell's command in the cell; it must succeed.
func (c *cell) sh(script string) {
	c.t.Helper()
	if out, err := c.command("sh", "-ec", script).CombinedOutput(); err != nil {
		c.t.Fatalf("%s: %v: %s", script, err, out)
	}
}

// write writes to a file of the cell's table from outside, so that nothing has to
// be started where nothing may start.
func (c *cell) write(name, text string) {
	c.t.Helper()
	file := filepath.Join("/proc", strconv.Itoa(c.pid), "root", cellTable, name)
	if err := os.WriteFile(file, []byte(text), 0); err != nil {
		c.t.Fatal(err)
	}
}

// empty removes all entries and switches the table on.
func (c *cell) empty() {
	c.write("status", "-1")
	c.write("status", "1")
}

// register makes an entry for programs of an architecture.
func (c *cell) register(name, archName, interpreter, flags string) {
	c.t.Helper()
	c.registerPattern(name, patternOf(c.t, archName), interpreter, flags)
}

func patternOf(t *testing.T, name string) arch.Pattern {
	t.Helper()
	a, err := arch.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	return a.Pattern(arch.Any)
}

func (c *cell) registerPattern(name string, p arch.Pattern, interpreter, flags string) {
	c.t.Helper()
	c.write("register", c.line(name, p, interpreter, flags))
}

// registerInside is register from within the cell, where interpreters are that
// others do not see.
func (c *cell) registerInside(name, archName, interpreter, flags string) {
	c.t.Helper()
	c.sh("cat " + c.file("line", c.line(name, patternOf(c.t, archName), interpreter, flags), 0o644) + " > " + cellTable + "/register")
}

func (c *cell) line(name string, p arch.Pattern, interpreter, flags string) string {
	c.t.Helper()
	line, err := binfmt.EncodeLine(activators.Entry{
		Name: name, Interpreter: interpreter, Magic: p.Magic, Offset: p.Offset, Mask: p.Mask, Enabled: true,
		Flags: activators.Flags{FixBinary: strings.Contains(flags, "F"), PreserveArgv0: strings.Contains(flags, "P"), Credentials: strings.Contains(flags, "C")},
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return string(line)
}

// file makes a file below the cell's directory and returns its path.
func (c *cell) file(name, text string, mode os.FileMode) string {
	c.t.Helper()
	path := filepath.Join(c.dir, name)
	writeFile(c.t, path, text, mode)
	if err := os.Chmod(path, mode); err != nil {
		c.t.Fatal(err)
	}
	return path
}

// answer is what explain --json says.
type answer struct {
	Verdict struct{ Runs, Stage, Errno, Cause, Message, Remedy string }
	Run     struct {
		Ran    bool
		Errno  string
		Agrees *bool
	}
	text   string
	status int
}

// explain asks, and has the file run.
func (c *cell) explain(args ...string) answer {
	c.t.Helper()
	return readAnswer(c.t, c.command(append([]string{program, "explain", "--json", "--run"}, args...)...))
}

func readAnswer(t *testing.T, cmd *exec.Cmd) answer {
	t.Helper()
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	a := answer{text: stdout.String() + stderr.String()}
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	a.status = cmd.ProcessState.ExitCode()
	if err := json.Unmarshal([]byte(stdout.String()), &a); err != nil {
		t.Fatalf("%v: status %d: %s", err, a.status, a.text)
	}
	return a
}

// shell runs a remedy outside of any cell.
func (c *cell) shell(script string) {
	c.t.Helper()
	if out, err := exec.Command("sh", "-ec", script).CombinedOutput(); err != nil {
		c.t.Fatalf("%s: %v: %s", script, err, out)
	}
}
