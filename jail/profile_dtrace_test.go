package jail

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/xjail/xjail/internal/fault"
)

// A file that is there stays as it is until the command has begun.
func TestHeldFile(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		do         func(h *heldFile)
	}{
		{"nothing but the header", "old\n", func(h *heldFile) {}},
		{"a command", "header\na run\nthe end\n", func(h *heldFile) { _, _ = io.WriteString(h, "a run\n"); _, _ = io.WriteString(h, "the end\n") }},
		{"a command that never began", "old\n", func(h *heldFile) { h.discard(); _, _ = io.WriteString(h, "lost\n") }},
	} {
		name := filepath.Join(t.TempDir(), "x.xprof")
		if err := os.WriteFile(name, []byte("old\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		h := &heldFile{file: f}
		if n, err := io.WriteString(h, "header\n"); n != 7 || err != nil {
			t.Error(n, err)
		}
		tt.do(h)
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if got, _ := os.ReadFile(name); string(got) != tt.want {
			t.Errorf("%s: %q", tt.name, got)
		}
	}
}

// A pipe cannot be emptied, and a profile can be written to one.
func TestHeldPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	h := &heldFile{file: w}
	for _, text := range []string{"header\n", "a run\n"} {
		if _, err := io.WriteString(h, text); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	if got, err := io.ReadAll(r); err != nil || string(got) != "header\na run\n" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := io.WriteString(h, "more\n"); !errors.Is(err, os.ErrClosed) {
		t.Errorf("written after the end: %v", err)
	}
}

// dtrace that cannot begin leaves the file as it was.
func TestTracedNeverBegan(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "dtrace"), []byte("#!/bin/sh\necho 'dtrace: failed to initialize dtrace: DTrace requires additional privileges' >&2\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	output := filepath.Join(dir, "x.xprof")
	if err := os.WriteFile(output, []byte("old\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	c := &Command{Argv: []string{"true"}, Profile: &Profile{Output: output, Force: true}}
	if _, err := c.Profile.open(); err != nil {
		t.Fatal(err)
	}
	defer c.Profile.file.Close()
	s := newStore(t, "j")
	if _, err := s.execTraced(t.Context(), &Record{Name: "j", Arch: "aarch64", Guest: "freebsd"}, c); fault.KindOf(err) != fault.Permission {
		t.Error(err)
	}
	if got, _ := os.ReadFile(output); string(got) != "old\n" {
		t.Errorf("the file has %q", got)
	}
}
