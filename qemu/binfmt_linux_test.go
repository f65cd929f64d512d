package qemu

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
)

// A part of a test that runs in namespaces of its own is this test binary with
// one of these names in insideEnv, as root of a user namespace.
const insideEnv = "XJAIL_TEST_QEMU_INSIDE"

var inside = map[string]func() error{"argv0": argv0Inside, "full": fullInside}

func TestMain(m *testing.M) {
	if part := inside[os.Getenv(insideEnv)]; part != nil {
		if err := part(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// runInside runs a part in new user and mount namespaces. skip is set when the
// system does not allow them, or lacks something else.
func runInside(t *testing.T, part string, args ...string) string {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), insideEnv+"="+part)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err != nil && !errors.As(err, &exit):
		t.Skipf("no user namespaces here: %v", err)
	case strings.HasPrefix(string(out), "skip: "):
		t.Skip(string(out))
	case err != nil:
		t.Fatalf("%v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}

// argv0Program is a program for aarch64 that exits with the first byte of its
// argv[0]: ldr x1, [sp, #8]; ldrb w0, [x1]; mov x8, #93; svc #0.
func argv0Program(a *arch.Arch) []byte {
	return words(binary.LittleEndian, 0xf94007e1, 0x39400020, 0xd2800ba8, 0xd4000001).program(a)
}

// The program sees its own argv[0] with the flag P, and its path without: this
// is what PreservesArgv0 promises of the emulator that is installed here.
func TestArgv0UnderBinfmt(t *testing.T) {
	a := lookup(t, "aarch64")
	e, _, err := Find(t.Context(), a, FindOptions{GuestOS: "linux"})
	if err != nil {
		t.Skip(err)
	}
	file := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(file, argv0Program(a), 0o755); err != nil {
		t.Fatal(err)
	}
	for flags, want := range map[string]string{"F": "/", "PF": "Z"} {
		got := runInside(t, "argv0", t.TempDir(), e.Path, flags, file)
		if flags == "PF" && !e.PreservesArgv0() {
			want = "/"
		}
		if got != want {
			t.Errorf("flags %s: argv[0] begins with %q, want %q", flags, got, want)
		}
	}
}

// argv0Inside registers an emulator with a binfmt_misc of its own and runs a
// program with "Z0" as argv[0]. It prints the byte that the program exits with.
func argv0Inside() error {
	dir, emulator, flags, file := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	if err := syscall.Mount("none", dir, "binfmt_misc", 0, ""); err != nil {
		return fmt.Errorf("skip: no private binfmt_misc: %w", err)
	}
	a, err := arch.Lookup("aarch64")
	if err != nil {
		return err
	}
	p := a.Pattern(arch.Any)
	line := fmt.Sprintf(":t:M:%d:%s:%s:%s:%s", p.Offset, hexBytes(p.Magic), hexBytes(p.Mask), emulator, flags)
	if err := os.WriteFile(filepath.Join(dir, "register"), []byte(line), 0); err != nil {
		return err
	}
	err = (&exec.Cmd{Path: file, Args: []string{"Z0"}}).Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return fmt.Errorf("the program did not run: %w", err)
	}
	fmt.Printf("%c\n", exit.ExitCode())
	return nil
}

func hexBytes(b []byte) string {
	var s strings.Builder
	for _, c := range b {
		fmt.Fprintf(&s, `\x%02x`, c)
	}
	return s.String()
}

// A full disk is told as such, and leaves the root as it was.
func TestPlaceOnFullDisk(t *testing.T) {
	runInside(t, "full", t.TempDir())
}

func fullInside() error {
	dir := os.Args[1]
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size=64k"); err != nil {
		return fmt.Errorf("skip: no tmpfs: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	_, err = Place(root, inRoot, &Emulator{Path: "/proc/self/exe"})
	if fault.KindOf(err) != fault.NoSpace || fault.HintOf(err) == "" {
		return fmt.Errorf("got %w (kind %d)", err, fault.KindOf(err))
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		return fmt.Errorf("left %v, %w", left, err)
	}
	return nil
}
