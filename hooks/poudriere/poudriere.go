package poudriere

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/xjail/xjail/internal/fault"
)

// Poudriere is poudriere on a machine: its configuration, and the programs that
// are called for it. New makes that of this machine; tests make their own.
type Poudriere struct {
	Config

	os   string // runtime.GOOS
	root bool
	find func(program string) string // "" where there is none
	run  func(ctx context.Context, argv ...string) (string, error)
	now  func() time.Time
}

// New is poudriere on this machine.
func New(c Config) *Poudriere {
	return &Poudriere{Config: c, os: runtime.GOOS, root: os.Geteuid() == 0, find: findProgram, run: runProgram, now: time.Now}
}

// findProgram looks in PATH, and where the port installs.
func findProgram(program string) string {
	for _, name := range []string{program, "/usr/local/bin/" + program, "/sbin/" + program} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// killDelay is how long a program that was asked to end may go on.
const killDelay = 30 * time.Second

// runProgram runs a program and returns what it prints. Poudriere undoes what it
// has begun when it gets SIGTERM.
func runProgram(ctx context.Context, argv ...string) (string, error) {
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.Env = programEnv(os.Environ())
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = killDelay
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return "", fault.Wrap(fault.Interrupted, ctx.Err(), argv[0], "")
	case errors.Is(err, exec.ErrNotFound):
		return "", fault.Wrap(fault.NotFound, err, argv[0], "install it")
	case err != nil:
		return "", fault.New(fault.Failed, "", "%s: %w: %s", strings.Join(argv, " "), err, errorLine(errs.String(), out.String()))
	}
	return out.String(), nil
}

// programEnv leaves out what would have uname(1) tell another machine: hooks of
// poudriere are started with the target's.
func programEnv(env []string) []string {
	var kept []string
	for _, kv := range env {
		if !strings.HasPrefix(kv, "UNAME_") && !strings.HasPrefix(kv, "OSVERSION=") {
			kept = append(kept, kv)
		}
	}
	return kept
}

// errorLine is the line that says why a program failed: the last with "Error:",
// as poudriere writes it before it says what it undoes, else the last of its
// errors, else of its output.
func errorLine(errs, out string) string {
	last := ""
	for line := range strings.Lines(errs) {
		if _, text, ok := strings.Cut(line, "Error:"); ok {
			last = strings.TrimSpace(text)
		}
	}
	for _, text := range []string{errs, out} {
		if last == "" {
			lines := strings.Split(strings.TrimSpace(text), "\n")
			last = strings.TrimSpace(lines[len(lines)-1])
		}
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, last)
}
