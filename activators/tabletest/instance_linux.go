package tabletest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Instance is a binfmt_misc of its own, in a user and mount namespace that a
// second process of the test holds. The test reaches it through that process's
// root, so that it runs, and is measured, in its own process.
type Instance struct {
	Dir string // where the test sees it
	Pid int    // of the process that holds it

	requests *json.Encoder
	replies  *json.Decoder
}

// holder is set in the process that holds an Instance, to the directory to
// mount on.
const holder = "XJAIL_TEST_BINFMT_DIR"

type reply struct {
	Output string
	Error  string
}

// init turns a process that Private started into the holder, before any test
// runs.
func init() {
	if dir := os.Getenv(holder); dir != "" {
		os.Exit(hold(dir, os.Stdin, os.Stdout))
	}
}

// hold mounts an instance and then runs the commands that it is sent, until it
// is told no more.
func hold(dir string, in io.Reader, out io.Writer) int {
	enc, dec := json.NewEncoder(out), json.NewDecoder(bufio.NewReader(in))
	err := unix.Mount("binfmt_misc", dir, "binfmt_misc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	var r reply
	if err != nil {
		r.Error = err.Error()
	}
	if enc.Encode(r) != nil || err != nil {
		return 1
	}
	for {
		var argv []string
		if dec.Decode(&argv) != nil || len(argv) == 0 {
			return 0
		}
		r := reply{}
		text, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
		if r.Output = string(text); err != nil {
			r.Error = err.Error()
		}
		if enc.Encode(r) != nil {
			return 1
		}
	}
}

// Private makes an Instance that ends with the test. It works for root and for
// others, and skips the test where the kernel forbids it.
func Private(t testing.TB) *Instance {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), holder+"="+dir)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
		Pdeathsig:   syscall.SIGKILL,
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
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	i := &Instance{Pid: cmd.Process.Pid, requests: json.NewEncoder(in), replies: json.NewDecoder(out)}
	i.Dir = filepath.Join(fmt.Sprintf("/proc/%d/root", i.Pid), dir)
	if _, err := i.reply(); err != nil {
		t.Skipf("no private binfmt_misc here, it needs Linux 6.7: %v", err)
	}
	return i
}

func (i *Instance) reply() (string, error) {
	var r reply
	if err := i.replies.Decode(&r); err != nil {
		return "", err
	}
	if r.Error != "" {
		return r.Output, errors.New(r.Error)
	}
	return r.Output, nil
}

// Run runs a command where the entries of the instance hold, and returns what
// it writes.
func (i *Instance) Run(argv ...string) (string, error) {
	if err := i.requests.Encode(argv); err != nil {
		return "", err
	}
	return i.reply()
}

// Clear removes all entries and enables the instance as a whole.
func (i *Instance) Clear(t testing.TB) {
	t.Helper()
	for _, text := range []string{"-1", "1"} {
		if err := os.WriteFile(filepath.Join(i.Dir, "status"), []byte(text), 0); err != nil {
			t.Fatal(err)
		}
	}
}
