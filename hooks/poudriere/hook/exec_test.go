package hook

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// A program that does not end, and writes all the time, ends with what it has
// started, and no more of it is kept than anybody reads.
func TestExecEnds(t *testing.T) {
	pids := filepath.Join(t.TempDir(), "pids")
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		wait(t, "the children", func() bool { text, _ := os.ReadFile(pids); return bytes.Count(text, []byte("\n")) == 2 })
		cancel()
	}()
	out, err := execGroup(ctx, "/bin/sh", "-c", `sleep 1000 & echo $! >>"$0"; while :; do echo "$0 is not done"; done & echo $! >>"$0"; wait`, pids)
	if err == nil || len(out) == 0 || len(out) > tailMax {
		t.Errorf("%d bytes, error %v", len(out), err)
	}
	text, _ := os.ReadFile(pids)
	for _, word := range strings.Fields(string(text)) {
		pid, err := strconv.Atoi(word)
		if err != nil {
			t.Fatal(err)
		}
		wait(t, "a child to end", func() bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) || gone(pid) })
	}
}

func TestExecSays(t *testing.T) {
	out, err := execGroup(t.Context(), "/bin/sh", "-c", "echo out; echo err >&2; echo $HOME; exit 3")
	var status *exec.ExitError
	if string(out) != "out\nerr\n/root\n" || !errors.As(err, &status) || status.ExitCode() != 3 {
		t.Errorf("%q, %v", out, err)
	}
}

func TestTail(t *testing.T) {
	var keep tail
	var all bytes.Buffer
	for i, n := range []int{0, 1, 10, tailMax - 1, tailMax, 3, 2*tailMax + 5, 1, 70, tailMax - 20} {
		b := bytes.Repeat([]byte{byte('a' + i)}, n)
		all.Write(b)
		if got, err := keep.Write(b); got != n || err != nil {
			t.Errorf("%d, %v", got, err)
		}
		want := all.Bytes()[max(0, all.Len()-tailMax):]
		if !bytes.Equal(keep.text, want) {
			t.Errorf("after %d: %d bytes, want %d", n, len(keep.text), len(want))
		}
	}
}
