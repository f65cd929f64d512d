package cli

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
