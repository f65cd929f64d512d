package poudriere

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/xjail/xjail/internal/fault"
)

func TestErrorLine(t *testing.T) {
	for _, tt := range []struct{ errs, out, want string }{
		{"[00:00:00] Error: Cannot find /usr/sbin/binmiscctl\n[00:00:00] Error while creating jail, cleaning up.\n", "Removing m jail... done\n", "Cannot find /usr/sbin/binmiscctl"},
		{"usage: zfs\n  list\n", "x", "list"},
		{"", "a\nb\x1b[0m\n", "b?[0m"},
		{"", "", ""},
	} {
		if got := errorLine(tt.errs, tt.out); got != tt.want {
			t.Errorf("errorLine(%q, %q) = %q, want %q", tt.errs, tt.out, got, tt.want)
		}
	}
}

func TestRunProgram(t *testing.T) {
	t.Setenv("UNAME_m", "mips")
	t.Setenv("OSVERSION", "1")
	out, err := runProgram(t.Context(), "/bin/sh", "-c", "echo $UNAME_m$OSVERSION.; read x || echo closed")
	if err != nil || out != ".\nclosed\n" {
		t.Errorf("%q, %v", out, err)
	}
	if _, err := runProgram(t.Context(), "/bin/sh", "-c", "echo Error: no >&2; exit 3"); err == nil || !strings.Contains(err.Error(), "exit status 3: no") {
		t.Errorf("%v", err)
	}
	if _, err := runProgram(t.Context(), "no-such-program"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("%v", err)
	}
	// A program that is interrupted may undo what it has begun.
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := runProgram(ctx, "/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.01; done"); fault.KindOf(err) != fault.Interrupted {
		t.Errorf("%v", err)
	}
}
