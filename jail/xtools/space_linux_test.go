package xtools

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
)

// A farm for which there is no room leaves nothing.
func TestFarmWithoutRoom(t *testing.T) {
	root := debian(t, "bookworm", "arm64", withPerl("arm64", nil), scriptPackages...)
	machine := debian(t, "bookworm", "amd64", withPerl("amd64", map[string]string{libs + "perl-base/Big.pm": strings.Repeat("#", 200<<10), infoDir + "/perl-base.list": "/" + perlPath + "\n/" + libs + "perl-base/Config.pm\n/" + libs + "perl-base/auto/re/re.so\n/" + libs + "perl-base/Big.pm\n"}), scriptPackages...)
	h := hostTools(t, machine)
	if err := unix.Mount("tmpfs", h.Dir, "tmpfs", unix.MS_NOSUID, "size=120k"); err != nil {
		t.Skipf("no tmpfs: %v", err)
	}
	defer func() { _ = unix.Unmount(h.Dir, 0) }()
	_, err := h.Collect(t.Context(), arm64Subject(t, root), silent)
	if !IsFull(err) {
		t.Error(err)
	}
	if left, _ := os.ReadDir(h.Dir); len(left) > 0 {
		t.Errorf("left are %v", left)
	}
}

func TestIsFull(t *testing.T) {
	for err, want := range map[error]bool{
		nil: false, io.EOF: false, fmt.Errorf("x: %w", syscall.ENOSPC): true, fmt.Errorf("x: %w", syscall.EDQUOT): true,
		fault.New(fault.NoSpace, "", "x"): true, fault.New(fault.Failed, "", "x"): false,
	} {
		if IsFull(err) != want {
			t.Errorf("%v", err)
		}
	}
}

// What apt says of a full file system for each file is one error; all else that it
// says is for the log.
func TestAptWithoutRoom(t *testing.T) {
	for says, full := range map[string]bool{
		"E: Write error - write (28: No space left on device)\nE: again\n": true,
		"E: You don't have enough free space in /x\n":                      true,
		"E: Failed to fetch x\n":                                           false,
	} {
		var log bytes.Buffer
		a := &apt{dir: t.TempDir(), log: &log}
		cmd := exec.CommandContext(t.Context(), "sh", "-c", `printf '%s' "$1" >&2; exit 100`, "sh", says)
		_, err := a.output(t.Context(), cmd)
		if IsFull(err) != full || (log.Len() == 0) != full || err == nil {
			t.Errorf("%q: %v, log %q", says, err, log.String())
		}
	}
}

// Only what was fetched in vain goes.
func TestMakeRoom(t *testing.T) {
	for _, old := range []bool{false, true} {
		a := &apt{dir: filepath.Join(t.TempDir(), "apt"), arch: "amd64", log: io.Discard}
		put := func(name string) {
			if err := os.MkdirAll(filepath.Dir(a.path(name)), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(a.path(name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if old {
			put("archives/old.deb")
		}
		if err := a.configure(t.Context(), []string{"http://x.invalid/debian bookworm main"}); err != nil {
			t.Fatal(err)
		}
		put("archives/new.deb")
		if err := a.makeRoom(io.EOF); err != io.EOF || !a.files()[a.path("archives/new.deb")] { //nolint:errorlint // the very one
			t.Errorf("another error: %v, %v", err, a.files())
		}
		if err := a.makeRoom(fmt.Errorf("x: %w", syscall.ENOSPC)); !IsFull(err) || len(a.files()) != map[bool]int{true: 1}[old] {
			t.Errorf("old %v: %v, %v", old, err, a.files())
		}
	}
}
