// Package qemutest makes emulators for tests: real, static programs of the host
// that answer as QEMU does, and emulate nothing.
package qemutest

import (
	_ "embed" // source
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// Fake is what a fake emulator says and does.
type Fake struct {
	Help       string // for -h
	HelpStatus int    // exit status of -h
	Version    string // for -version
	RunStatus  int    // exit status for every program that it is given
	Hang       bool   // never answers
	Flood      bool   // writes without end
}

// Linux answers as QEMU's linux-user emulator of a target does, and "runs"
// xjail's trial programs.
func Linux(target, version string) Fake {
	return Fake{
		Help: "usage: qemu-" + target + " [options] program [arguments...]\n" +
			"Linux CPU emulator (compiled for " + target + " emulation)\n\nOptions and associated environment variables:\n",
		Version: "qemu-" + target + " version " + version +
			"\nCopyright (c) 2003-2022 Fabrice Bellard and the QEMU Project developers\n",
		RunStatus: 42,
	}
}

// BSD answers as QEMU's bsd-user emulator of a target does: everything for any
// option, with status 1.
func BSD(target, version string) Fake {
	text := "qemu-" + target + " version " + version +
		"\nCopyright (c) 2003-2022 Fabrice Bellard and the QEMU Project developers\n" +
		"usage: qemu-" + target + " [options] program [arguments...]\n" +
		"BSD CPU emulator (compiled for " + target + " emulation)\n"
	return Fake{Help: text, HelpStatus: 1, Version: text}
}

//go:embed fake/main.go
var source []byte

var build = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "qemutest-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
	// By itself, so that neither module nor current directory matter.
	if err := os.WriteFile(filepath.Join(dir, "main.go"), source, 0o644); err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "fake")
	cmd := exec.Command("go", "build", "-o", file, "main.go")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, &buildError{string(out), err}
	}
	return os.ReadFile(file)
})

type buildError struct {
	out string
	err error
}

func (e *buildError) Error() string { return e.err.Error() + "\n" + e.out }

// Program is the fake emulator without answers: a complete static program.
func Program(tb testing.TB) []byte {
	tb.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		tb.Skip("needs the go command to build a fake emulator")
	}
	b, err := build()
	if err != nil {
		tb.Fatalf("build the fake emulator: %v", err)
	}
	return b
}

// Bytes is the fake emulator's file.
func (f Fake) Bytes(tb testing.TB) []byte {
	tb.Helper()
	says, err := json.Marshal(f)
	if err != nil {
		tb.Fatal(err)
	}
	b := append([]byte{}, Program(tb)...)
	b = append(b, "\n#qemutest#\n"...)
	return append(b, says...)
}

// Write writes the fake emulator to path, executable, and makes its directory.
func (f Fake) Write(tb testing.TB, path string) string {
	tb.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(path, f.Bytes(tb), 0o755); err != nil {
		tb.Fatal(err)
	}
	return path
}
