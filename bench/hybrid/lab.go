package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/xjail/xjail/arch"
)

// The ways to build.
const (
	native    = "native"    // in a jail of the host's own architecture
	cross     = "cross"     // there as well, for the target, by Debian's cross compiler
	emulated  = "emulated"  // everything through the emulator
	compilers = "compilers" // native compiler and binutils, all else emulated
	full      = "full"      // all native tools that xjail lays over
)

// variants are all of them, in the order of the report.
var variants = []string{native, cross, emulated, compilers, full}

// lab is the state directory and what is in it.
type lab struct {
	*options
	host    *arch.Arch
	results *results
}

// openLab makes the state directory and, unless one is given, the program.
func openLab(ctx context.Context, o *options) (*lab, error) {
	l := &lab{options: o, host: arch.Host()}
	if l.host == nil || l.host.Debian == "" {
		return nil, errors.New("this machine's architecture is not one of Debian's")
	}
	var err error
	if l.state, err = filepath.Abs(o.state); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(l.state, 0o755); err != nil {
		return nil, err
	}
	if l.xjail == "" {
		l.xjail = filepath.Join(l.state, "xjail.bin")
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", l.xjail, "github.com/xjail/xjail/cmd/xjail")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("building xjail: %w\n%s", err, out)
		}
	}
	l.results, err = loadResults(filepath.Join(l.state, "results.json"))
	return l, err
}

func (l *lab) path(parts ...string) string {
	return filepath.Join(append([]string{l.state}, parts...)...)
}

// command is an xjail that uses the lab's jails.
func (l *lab) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, l.xjail, append([]string{"--state", l.path("xjail"), "--quiet"}, args...)...)
	// Not SIGINT, which is ignored in the background of a script.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	return cmd
}

// output is what an xjail says, for the steps that are not measured.
func (l *lab) output(ctx context.Context, args ...string) (string, error) {
	cmd := l.command(ctx, args...)
	out := &bytes.Buffer{}
	tail := &tail{}
	cmd.Stdout, cmd.Stderr = io.MultiWriter(out, tail), tail
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("xjail %s: %w\n%s", strings.Join(args, " "), err, tail)
	}
	return out.String(), nil
}

// tail keeps the end of what is written to it, for an error.
type tail struct{ b []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	t.b = t.b[max(0, len(t.b)-2000):]
	return len(p), nil
}

func (t *tail) String() string { return strings.TrimSpace(string(t.b)) }

// say tells on standard error what goes on.
func say(format string, args ...any) { fmt.Fprintf(os.Stderr, "hybrid: "+format+"\n", args...) }

// jail is where a variant of an architecture is built.
type jail struct {
	name string
	args []string // of exec
}

func (l *lab) jail(debian, variant string) jail {
	switch variant {
	case native:
		return jail{name: l.host.Debian}
	case cross:
		return l.crossJail(debian)
	case emulated:
		return jail{name: debian, args: []string{"--no-tools"}}
	case compilers:
		return jail{name: debian + "-compilers"}
	}
	return jail{name: debian}
}

// exec are the arguments to run a script in a jail, where work is /build.
func (j jail) exec(work, dir, script string, env ...string) []string {
	args := append([]string{"exec"}, j.args...)
	args = append(args, "--bind", work+":/build", "--dir", dir)
	for _, e := range env {
		args = append(args, "--env", e)
	}
	return append(args, j.name, "--", "sh", "-ec", script)
}

// jails are those that were made, by name, with their roots.
func (l *lab) jails(ctx context.Context) (map[string]string, error) {
	out, err := l.output(ctx, "list", "--json")
	if err != nil {
		return nil, err
	}
	var list []struct {
		Name   string
		Record struct{ Root string }
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		return nil, err
	}
	made := map[string]string{}
	for _, j := range list {
		if j.Record.Root != "" { // what a killed command left has no record
			made[j.Name] = j.Record.Root
		}
	}
	return made, nil
}

// ensureJails makes what the variants need, and installs what they lack; extra are
// packages for the jails that are not native.
func (l *lab) ensureJails(ctx context.Context, variants []string, extra ...string) error {
	if _, err := l.ensure(ctx, l.host.Debian, slices.Concat(needed, neededNative)); err != nil {
		return err
	}
	if slices.Contains(variants, cross) {
		if err := l.ensureCross(ctx); err != nil {
			return err
		}
	}
	for _, a := range l.archs {
		installed, err := l.ensure(ctx, a, slices.Concat(needed, extra))
		if err != nil {
			return err
		}
		if err := l.ensureTools(ctx, a, variants, installed); err != nil {
			return err
		}
	}
	return nil
}

// install gets packages of Debian that are not there, and then says so.
const install = `dpkg-query --show "$@" >/dev/null 2>&1 && exit
apt-get update -q >&2
apt-get install -q -y --no-install-recommends "$@" >&2
echo installed`

// ensure makes a jail and installs packages in it; it says whether it did.
func (l *lab) ensure(ctx context.Context, name string, debs []string) (installed bool, err error) {
	known, err := l.jails(ctx)
	if err != nil {
		return false, err
	}
	if _, ok := known[name]; !ok {
		say("making jail %s", name)
		if _, err := l.output(ctx, "create", name, "--from", "debian:"+l.suite); err != nil {
			return false, err
		}
	}
	out, err := l.output(ctx, append([]string{"exec", name, "--env", "DEBIAN_FRONTEND=noninteractive", "--", "sh", "-ec", install, "sh"}, debs...)...)
	return strings.Contains(out, "installed"), err
}
