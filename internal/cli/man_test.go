package cli

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra/doc"
)

var update = flag.Bool("update", false, "write docs/man instead of comparing it")

// manDir is where the pages are kept.
var manDir = filepath.Join("..", "..", "docs", "man")

// writeManPages makes the pages from the commands. The generator is only
// linked into the test: it would cost every start of xjail a millisecond.
func writeManPages(t *testing.T, dir string) {
	t.Helper()
	root := newRoot(&globals{Env: &Env{Getenv: func(string) string { return "" }}})
	root.InitDefaultCompletionCmd()
	// Fixed, so that the pages are the same whenever they are made.
	date := time.Date(2026, time.November, 1, 0, 0, 0, 0, time.UTC)
	header := &doc.GenManHeader{Section: "1", Date: &date, Source: "xjail", Manual: "xjail"}
	if err := doc.GenManTree(root, header, dir); err != nil {
		t.Fatal(err)
	}
}

// TestManPages keeps docs/man what the commands' help says.
func TestManPages(t *testing.T) {
	dir := t.TempDir()
	if *update {
		if err := os.RemoveAll(manDir); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(manDir, 0o755); err != nil {
			t.Fatal(err)
		}
		dir = manDir
	}
	writeManPages(t, dir)
	want, got := readPages(t, dir), readPages(t, manDir)
	for name, text := range want {
		if got[name] != text {
			t.Errorf("docs/man/%s is not what the command's help says now: make man", name)
		}
	}
	for name := range got {
		if want[name] == "" {
			t.Errorf("docs/man/%s is of no command: make man", name)
		}
	}
}

// The pages are compared on every system: nothing in them may depend on it.
func TestManPagesOfAnySystem(t *testing.T) {
	root := newRoot(&globals{Env: &Env{Getenv: func(string) string { return "" }}})
	cmd, _, err := root.Find([]string{"activator", "generate"})
	if err != nil {
		t.Fatal(err)
	}
	if f := cmd.Flags().Lookup("format"); f.DefValue != "" || !strings.Contains(f.Usage, "default binfmt.d, on FreeBSD binmiscctl") {
		t.Errorf("--format is by default %q: %s", f.DefValue, f.Usage)
	}
}

func readPages(t *testing.T, dir string) map[string]string {
	t.Helper()
	pages := map[string]string{}
	files, err := filepath.Glob(filepath.Join(dir, "*.1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		pages[filepath.Base(file)] = string(text)
	}
	return pages
}
