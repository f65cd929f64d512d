package qemu

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/xjail/xjail/internal/fault"
)

// answer is what an emulator says of itself.
type answer struct {
	target, family, version string
}

const (
	askTimeout = 10 * time.Second // far more than a loaded machine needs
	askOutput  = 64 << 10         // bytes of output that are looked at
	busyTries  = 50               // times 10 ms
)

// ask runs the program at path to learn what it is. linux-user prints family
// and target for -h and its version for -version; bsd-user has no -version and
// prints everything for any option that it does not know (QEMU linux-user/main.c
// and bsd-user/main.c, usage).
func ask(ctx context.Context, path string) (answer, error) {
	help, err := output(ctx, path, "-h")
	if err != nil {
		return answer{}, err
	}
	a := parseAnswer(help)
	if a.target != "" && a.version == "" {
		text, err := output(ctx, path, "-version")
		if err != nil {
			return answer{}, err
		}
		a.version = parseAnswer(text).version
	}
	switch {
	case a.target == "" || a.family == "":
		return a, fault.New(fault.BadEmulator, "", "%s does not answer as QEMU's user-mode emulators do: %s", path, firstLine(help))
	case a.version == "":
		return a, fault.New(fault.BadEmulator, "", "%s does not tell its version", path)
	}
	return a, nil
}

// output runs path with one option in a clean environment: variables like
// QEMU_CPU would change what it does. The exit status does not count, as it is
// 1 for help in some versions.
func output(ctx context.Context, path, option string) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, askTimeout, errSilent)
	defer cancel()
	for range busyTries {
		out := &limitedBuffer{limit: askOutput}
		cmd := exec.CommandContext(ctx, path, option)
		cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}
		cmd.Dir = "/"
		cmd.Stdout, cmd.Stderr = out, out
		cmd.WaitDelay = time.Second
		err := cmd.Run()
		var exit *exec.ExitError
		switch {
		case context.Cause(ctx) != nil:
			return nil, stopped(ctx, path, option)
		case errors.Is(err, syscall.ETXTBSY):
			// A process being started elsewhere in this program still holds the
			// file open for writing, for an instant.
			time.Sleep(10 * time.Millisecond)
			continue
		case err != nil && !errors.As(err, &exit) && !errors.Is(err, errTooMuch):
			return nil, fault.New(fault.BadEmulator, "look whether its file system is mounted noexec", "cannot run %s: %w", path, err)
		case exit != nil && exit.ExitCode() < 0 && out.buf.Len() == 0:
			return nil, fault.New(fault.BadEmulator, "", "%s %s: %w", path, option, err)
		}
		return out.buf.Bytes(), nil
	}
	return nil, fault.New(fault.BadEmulator, "wait until it is complete", "%s is being written", path)
}

var (
	errSilent  = errors.New("no answer within 10 s")
	errTooMuch = errors.New("too much output")
)

func stopped(ctx context.Context, path, option string) error {
	if cause := context.Cause(ctx); errors.Is(cause, errSilent) {
		return fault.New(fault.BadEmulator, "", "%s %s: %w", path, option, cause)
	}
	return fault.Wrap(fault.Interrupted, context.Cause(ctx), path, "")
}

// limitedBuffer keeps the beginning of a program's output and then stops the
// program.
type limitedBuffer struct {
	buf   bytes.Buffer
	limit int
}

func (l *limitedBuffer) Write(p []byte) (int, error) {
	if room := l.limit - l.buf.Len(); len(p) > room {
		l.buf.Write(p[:room])
		return room, errTooMuch
	}
	return l.buf.Write(p)
}

// What the programs print:
//
//	qemu-mips64 version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)
//	qemu-arm version 2.8.1(Debian 1:2.8+dfsg-6+deb9u17), Copyright (c) 2003-2016 ...
//	usage: qemu-mips64 [options] program [arguments...]
//	Linux CPU emulator (compiled for mips64 emulation)
//	BSD CPU emulator (compiled for aarch64 emulation)
var (
	versionLine = lazy(`(?m)^qemu-([0-9A-Za-z_]+) version ([0-9][^\r\n]*)$`)
	usageLine   = lazy(`(?m)^usage: qemu-([0-9A-Za-z_]+) \[options\] program`)
	familyLine  = lazy(`(?m)^(Linux|BSD) CPU emulator \(compiled for ([0-9A-Za-z_]+) emulation\)`)
)

// lazy is a pattern that is compiled when it is first used: most runs of xjail
// ask no emulator.
func lazy(pattern string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })
}

// maxVersion bounds what a hostile program can put into tables and records.
const maxVersion = 128

// parseAnswer reads the text of -h or -version; what is not there stays empty.
func parseAnswer(text []byte) answer {
	var a answer
	if m := versionLine().FindSubmatch(text); m != nil {
		v, _, _ := strings.Cut(string(m[2]), ", Copyright")
		a.version = printable(v)
	}
	if m := usageLine().FindSubmatch(text); m != nil {
		a.target = string(m[1])
	}
	if m := familyLine().FindSubmatch(text); m != nil {
		a.family = map[string]string{"Linux": LinuxUser, "BSD": BSDUser}[string(m[1])]
		if a.target == "" {
			a.target = string(m[2])
		}
	}
	return a
}

// printable leaves ASCII that can be shown on a terminal.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
	return strings.TrimSpace(s[:min(len(s), maxVersion)])
}

// firstLine is the beginning of what a program said, for an error message.
func firstLine(text []byte) string {
	line, _, _ := bytes.Cut(bytes.TrimSpace(text), []byte("\n"))
	if len(line) == 0 {
		return "it says nothing"
	}
	return "it says \"" + printable(string(line[:min(len(line), maxVersion)])) + "\""
}
