package cli

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A file gets the mode that the umask gives, and keeps the one that it had.
func TestAnswerFileMode(t *testing.T) {
	dir := t.TempDir()
	g := &globals{Env: &Env{Stdout: io.Discard}}
	write := func(name string, force bool) fs.FileMode {
		t.Helper()
		a, err := g.answerFile(name, force, false)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.WriteString(a, "x")
		if err == nil {
			err = a.keep()
		}
		if err != nil {
			t.Fatal(err)
		}
		st, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		return st.Mode()
	}
	defer unix.Umask(unix.Umask(0o077))
	name := filepath.Join(dir, strings.Repeat("n", 255))
	if mode := write(name, false); mode != 0o600 {
		t.Errorf("mode %v", mode)
	}
	if err := os.Chmod(name, 0o640); err != nil {
		t.Fatal(err)
	}
	if mode := write(name, true); mode != 0o640 {
		t.Errorf("mode %v after it was replaced", mode)
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("left: %v", files)
	}
}
