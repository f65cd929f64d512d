package cli

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/explain"
)

// A program that is tried leaves nothing: what it started in a session of its
// own is ended with it, whether it ended itself or was ended.
func TestTryLeavesNothing(t *testing.T) {
	if _, err := os.Stat("/usr/bin/setsid"); err != nil {
		t.Skip("needs setsid(1) of util-linux")
	}
	for name, end := range map[string]string{"ended": "exit 0", "hangs": "exec sleep 100"} {
		dir := t.TempDir()
		script := filepath.Join(dir, "daemon")
		text := "#!/bin/sh\nsetsid sh -c 'setsid sleep 100 & echo $! >" + dir + "/b; echo $$ >" + dir + "/a; exec sleep 100' &\nwhile ! [ -s " + dir + "/a ]; do :; done\n" + end + "\n"
		if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		g := &globals{}
		r, err := g.tryHere(ctx, &explainOptions{}, &world{}, &explain.Explanation{Name: script}, []string{script}, &tee{w: &bytes.Buffer{}})
		if err != nil || r.TimedOut != (name == "hangs") {
			t.Fatal(r, err)
		}
		for _, file := range []string{"a", "b"} {
			text, err := os.ReadFile(filepath.Join(dir, file))
			if err != nil {
				t.Fatal(err)
			}
			pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
			if err != nil || !errors.Is(unix.Kill(pid, 0), unix.ESRCH) {
				t.Errorf("%s: process %s of %s was left", name, text, file)
			}
		}
	}
	if pids := children(); !slices.Equal(pids, childrenByParent()) {
		t.Errorf("children %v, by their parent %v", pids, childrenByParent())
	}
}

func TestTeeIsCut(t *testing.T) {
	var out bytes.Buffer
	w := &tee{w: &out}
	for range 40 {
		if n, err := w.Write(make([]byte, teeMax/32)); n != teeMax/32 || err != nil {
			t.Fatal(n, err)
		}
	}
	if out.Len() != teeMax || !w.cut() || len(w.String()) != teeMax {
		t.Errorf("%d bytes were passed on, %v", out.Len(), w.cut())
	}
}
