package freebsd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// hung is when a program counts as hung and is killed.
const hung = 2 * time.Minute

// execution is a program to start.
type execution struct {
	file string // as it is given to execve(2)
	dir  string // "" for the caller's
	argv []string
	env  []string // besides the caller's
	attr *syscall.SysProcAttr
}

// execute starts a program and returns what its interpreter reports. An error of
// execve(2) is a syscall.Errno. Nothing is opened for it: there may be no
// /dev/null.
func execute(e execution) (report, error) {
	ctx, cancel := context.WithTimeout(context.Background(), hung)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, e.file)
	cmd.Path, cmd.Err = e.file, nil
	cmd.Args, cmd.Dir, cmd.SysProcAttr = e.argv, e.dir, e.attr
	cmd.Env = append(os.Environ(), e.env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(""), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		var perr *fs.PathError
		if errors.As(err, &perr) {
			return report{}, perr.Err
		}
		return report{}, fmt.Errorf("%w: %s%s", err, stdout.String(), stderr.String())
	}
	var r report
	if err := json.Unmarshal(stdout.Bytes(), &r); err != nil {
		return r, fmt.Errorf("%w: %q %q", err, stdout.String(), stderr.String())
	}
	return r, nil
}

// runs wants a program to be run, with that argv.
func runs(t *testing.T, e execution, want ...string) report {
	t.Helper()
	r, err := execute(e)
	if err != nil || fmt.Sprintf("%q", r.Argv) != fmt.Sprintf("%q", want) {
		t.Errorf("%s with %q: argv %q, %v, want %q", e.file, e.argv, r.Argv, err, want)
	}
	return r
}

// fails wants an error of execve(2).
func fails(t *testing.T, e execution, want syscall.Errno) {
	t.Helper()
	if r, err := execute(e); !errors.Is(err, want) {
		t.Errorf("%s: argv %q, %v, want %v", e.file, r.Argv, err, want)
	}
}

// program writes an executable file of that content, under a name of its own.
func program(t *testing.T, content string) string {
	t.Helper()
	f, err := os.CreateTemp(scratch, "program-")
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString(content)
	if err = errors.Join(err, f.Chmod(0o755), f.Close()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(f.Name()) })
	return f.Name()
}

// interpreter is a link to this program that reports, and whose name ends with
// that of an entry.
func interpreter(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(scratch, interpreterPrefix+name)
	if err := os.Link(self(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		t.Fatal(err)
	}
	return path
}

// copySelf writes a copy of this program that reports another generation, 1 to 9.
func copySelf(t *testing.T, path string, n int) {
	t.Helper()
	text, err := os.ReadFile(self())
	if err != nil {
		t.Fatal(err)
	}
	old := []byte(generation)
	if count := bytes.Count(text, old); count != 1 {
		t.Fatalf("the program has its generation %d times", count)
	}
	renamed := bytes.Clone(old)
	renamed[len(renamed)-1] = byte('0' + n)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write(bytes.Replace(text, old, renamed, 1))
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(path) })
}

// copyFile copies a program. There is no need for more than that: a link to it
// may lead to another file system.
func copyFile(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o755)
}

// takenBy is the entry that the kernel takes for a file of that content, by the
// name of its interpreter; "" when it takes none.
func takenBy(t *testing.T, content string) string {
	t.Helper()
	file := program(t, content)
	r, err := execute(execution{file: file, argv: []string{file}})
	if errors.Is(err, syscall.ENOEXEC) {
		return ""
	}
	if err != nil || len(r.Argv) == 0 {
		t.Fatalf("a program of %d bytes, %.20q: %+v, %v", len(content), content, r, err)
	}
	return strings.TrimPrefix(filepath.Base(r.Argv[0]), interpreterPrefix)
}

// The harness itself: what a copy of this program reports as an interpreter.
func TestInterpreter(t *testing.T) {
	path := interpreter(t, "itself")
	r := runs(t, execution{file: path, argv: []string{path, "zero", "", "#a"}}, path, "zero", "", "#a")
	if r.Generation != "xjail generation 0" || r.EUID != os.Geteuid() {
		t.Errorf("%+v", r)
	}
	other := filepath.Join(scratch, interpreterPrefix+"other")
	copySelf(t, other, 7)
	if r := runs(t, execution{file: other, argv: []string{other}}, other); r.Generation != "xjail generation 7" {
		t.Errorf("%+v", r)
	}
	fails(t, execution{file: program(t, ""), argv: []string{"x"}}, syscall.ENOEXEC)
	fails(t, execution{file: filepath.Join(scratch, "missing"), argv: []string{"x"}}, syscall.ENOENT)
}
