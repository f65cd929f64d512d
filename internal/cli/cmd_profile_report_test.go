package cli

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/profile"
)

// Who waits for a profile that does not come can be interrupted, and leaves no
// file behind.
func TestReportInterrupted(t *testing.T) {
	dir := t.TempDir()
	in, out := io.Pipe()
	defer func() { _ = out.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, _ = io.WriteString(out, `{"xjail_profile":1`)
		cancel()
	}()
	var stderr bytes.Buffer
	status := Run(ctx, &Env{Args: []string{"profile", "report", "-", "--format", "html", "--output", filepath.Join(dir, "a.html")},
		Stdin: in, Stdout: io.Discard, Stderr: &stderr, Getenv: func(string) string { return "" }})
	if status != 130 || !strings.Contains(stderr.String(), "interrupted") {
		t.Errorf("status %d: %s", status, stderr.String())
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
		t.Errorf("left behind: %v, %v", files, err)
	}
}

// A named pipe that nobody writes to is left as well.
func TestPipeInterrupted(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Skip(err)
	}
	// What waits in open(2) for a writer has one in the end.
	t.Cleanup(func() {
		if f, err := os.OpenFile(pipe, os.O_RDWR, 0); err == nil {
			_ = f.Close()
		}
	})
	for _, args := range [][]string{{"report", pipe}, {"diff", pipe, pipe}, {"advice", pipe}} {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		status := Run(ctx, &Env{Args: append([]string{"profile"}, args...), Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: io.Discard,
			Getenv: func(string) string { return "" }})
		if status != 130 {
			t.Errorf("%v: status %d", args, status)
		}
	}
}

// Many profiles are more than a process may have files.
func TestAdviceManyFiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.xprof")
	if err := os.WriteFile(file, []byte(`{"xjail_profile":1,"jail":"gone","started":"2026-11-01T12:00:00Z"}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	open := func() int {
		files, _ := os.ReadDir("/dev/fd")
		return len(files)
	}
	g := &globals{Env: &Env{Stderr: io.Discard}}
	before, files := open(), slices.Repeat([]string{file}, 200)
	most := 0
	if err := g.eachProfile(t.Context(), files, func(string, *profile.Profile) { most = max(most, open()) }); err != nil {
		t.Fatal(err)
	}
	if most > before+20 {
		t.Errorf("%d files were open, and %d before", most, before)
	}
}
