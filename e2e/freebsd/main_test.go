// Package freebsd tries imgact_binmisc on a real FreeBSD kernel. It becomes one
// static program that needs nothing beside itself:
//
//	GOOS=freebsd go test -c -o binmisc.test ./e2e/freebsd
//	XJAIL_TEST_KERNEL=1 ./binmisc.test -test.v       # as root, on FreeBSD
//
// It needs no shell, no /tmp, no /dev and no accounts, only a directory that it
// can write and execute files in, and 50 MB there. The kernel's table must be
// empty; it is empty again afterwards. Nothing else may use the table meanwhile.
//
// The program is its own interpreter too: a link to it whose name begins with
// "interp-" prints what it was started with.
package freebsd

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// interpreterPrefix begins the names of interpreters.
const interpreterPrefix = "interp-"

// roleVariable tells a copy of the program what to do instead of the tests.
const roleVariable = "XJAIL_TEST_ROLE"

// generation tells copies of the program apart: see copySelf. It is a variable,
// so that its text is in the program once.
var generation = "xjail generation 0"

// report is what an interpreter prints about itself, as JSON.
type report struct {
	Argv       []string
	EUID       int
	Generation string
}

func TestMain(m *testing.M) {
	if len(os.Args) > 0 && strings.HasPrefix(filepath.Base(os.Args[0]), interpreterPrefix) {
		os.Exit(interpret())
	}
	if os.Getenv(roleVariable) == "user" {
		os.Exit(actAsUser())
	}
	os.Exit(runTests(m))
}

func interpret() int {
	if json.NewEncoder(os.Stdout).Encode(report{os.Args, os.Geteuid(), generation}) != nil {
		return 1
	}
	return 0
}

// scratch is a directory of the tests' own, with a copy of this program in it.
var scratch string

// self is that copy.
func self() string { return filepath.Join(scratch, "self") }

func runTests(m *testing.M) int {
	var err error
	if scratch, err = makeScratch(); err != nil {
		fmt.Fprintln(os.Stderr, "e2e/freebsd:", err)
		return 1
	}
	defer func() {
		if err := os.RemoveAll(scratch); err != nil {
			fmt.Fprintln(os.Stderr, "e2e/freebsd: left behind:", err)
		}
	}()
	// t.TempDir and os.CreateTemp go there, for there may be no /tmp.
	if err := os.Setenv("TMPDIR", scratch); err != nil {
		fmt.Fprintln(os.Stderr, "e2e/freebsd:", err)
		return 1
	}
	status := m.Run()
	if loaded {
		if err := unload("imgact_binmisc.ko"); err != nil {
			fmt.Fprintln(os.Stderr, "e2e/freebsd: the module stays loaded:", err)
		}
	}
	return status
}

// makeScratch makes a directory in the first of the usual places where a copy of
// this program can be written and run.
func makeScratch() (string, error) {
	program, err := os.Executable()
	if err != nil || program == "" {
		// The kernel tells the path from a cache of names, and may have forgotten it.
		if program, err = filepath.Abs(os.Args[0]); err != nil {
			return "", err
		}
	}
	var failures []string
	for _, parent := range []string{os.TempDir(), ".", "/"} {
		dir, err := scratchIn(parent, program)
		if err == nil {
			return dir, nil
		}
		failures = append(failures, fmt.Sprintf("in %s: %v", parent, err))
	}
	return "", fmt.Errorf("no directory to write and run programs in: %s", strings.Join(failures, "; "))
}

func scratchIn(parent, program string) (string, error) {
	parent, err := filepath.Abs(parent)
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(parent, "xjail-freebsd-")
	if err != nil {
		return "", err
	}
	err = os.Chmod(dir, 0o755) // another user runs programs in it
	if err == nil {
		err = copyFile(program, filepath.Join(dir, "self"))
	}
	probe := filepath.Join(dir, interpreterPrefix+"probe")
	if err == nil {
		err = os.Link(filepath.Join(dir, "self"), probe)
	}
	if err == nil {
		_, err = execute(execution{file: probe, argv: []string{probe}})
	}
	if err != nil {
		_ = os.RemoveAll(dir)
		return "", err
	}
	return dir, nil
}
