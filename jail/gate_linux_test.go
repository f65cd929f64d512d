package jail

import (
	"bytes"
	"errors"
	"io"
	"os"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
)

func startGate(t *testing.T, name string, argv, env []string, prepare func(int) error) (int, *os.File, error) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	attr := &syscall.ProcAttr{Env: env, Files: []uintptr{0, w.Fd(), w.Fd()}, Sys: &syscall.SysProcAttr{}}
	pid, err := startBehindGate(name, argv, attr, prepare)
	w.Close()
	return pid, r, err
}

func status(t *testing.T, pid int) int {
	t.Helper()
	var ws unix.WaitStatus
	if _, err := unix.Wait4(pid, &ws, 0, nil); err != nil {
		t.Fatal(err)
	}
	return ws.ExitStatus()
}

func TestGate(t *testing.T) {
	prepared := 0
	pid, out, err := startGate(t, "/bin/sh", []string{"sh", "-c", `echo "$0 $X $#"; test -S /proc/self/fd/3 && echo leaked; exit 7`, "zero", "one"}, []string{"X=y", "PATH=/usr/bin:/bin"}, func(pid int) error {
		prepared = pid
		return nil
	})
	if err != nil || prepared != pid {
		t.Fatalf("%v, prepared %d, started %d", err, prepared, pid)
	}
	buf := make([]byte, 100)
	n, _ := out.Read(buf)
	more, _ := out.Read(buf[n:])
	if got := string(buf[:n+more]); got != "zero y 1\n" {
		t.Errorf("the command says %q", got)
	}
	if got := status(t, pid); got != 7 {
		t.Errorf("status %d", got)
	}
}

func TestGateOfNoProgram(t *testing.T) {
	_, _, err := startGate(t, "/nowhere/sh", []string{"sh"}, nil, func(int) error { return nil })
	if !errors.Is(err, unix.ENOENT) || fault.KindOf(err) != statusNotFound {
		t.Errorf("%v", err)
	}
	failed := errors.New("prepare")
	if _, _, err := startGate(t, "/bin/sh", []string{"sh"}, nil, func(int) error { return failed }); !errors.Is(err, failed) {
		t.Errorf("%v", err)
	}
	for range 2 {
		if got := status(t, -1); got != 127 {
			t.Errorf("the gate ended with status %d", got)
		}
	}
}

// A gate makes calls before it goes on, in the process that becomes the command.
func TestGateCalls(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	g, err := holdGate("/bin/sh", []string{"sh", "-c", "umask; pwd"}, &syscall.ProcAttr{Env: []string{"PATH=/bin"}, Files: []uintptr{0, w.Fd(), 2}, Sys: &syscall.SysProcAttr{}})
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer g.close()
	if err := g.call(nil, unix.SYS_UMASK, 0o123); err != nil {
		t.Error(err)
	}
	if err := g.call([]byte("/usr/bin\x00"), unix.SYS_CHDIR, gateData+gateCall); err != nil {
		t.Error(err)
	}
	if err := g.call([]byte("/nowhere\x00"), unix.SYS_CHDIR, gateData+gateCall); !errors.Is(err, unix.ENOENT) {
		t.Errorf("chdir(/nowhere): %v", err)
	}
	if err := g.call(make([]byte, gatePage), unix.SYS_GETPID); !errors.Is(err, unix.E2BIG) {
		t.Errorf("more than a page: %v", err)
	}
	if err := g.release(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || string(got) != "0123\n/usr/bin\n" {
		t.Errorf("%q, %v", got, err)
	}
	if got := status(t, g.pid); got != 0 {
		t.Errorf("status %d", got)
	}
}

func TestReadString(t *testing.T) {
	text := bytes.Repeat([]byte("x"), 3*os.Getpagesize())
	text[len(text)-1] = 0
	at := uintptrOf(text)
	if got := readString(os.Getpid(), at+uintptr(len(text))-10); got != "xxxxxxxxx" {
		t.Errorf("%q", got)
	}
	if got := readString(os.Getpid(), at); got != "" {
		t.Errorf("a path of %d bytes", len(got))
	}
	if got := readString(os.Getpid(), 1); got != "" {
		t.Errorf("%q from nowhere", got)
	}
}

func TestTrapFilter(t *testing.T) {
	calls := trapCalls["amd64"]
	prog := trapFilter(unix.AUDIT_ARCH_X86_64, calls)
	trapped := func(arch, number uint32) bool {
		return runFilter(t, prog, map[uint32]uint32{offsetArch: arch, offsetNumber: number}) == unix.SECCOMP_RET_USER_NOTIF
	}
	for _, c := range calls {
		if !trapped(unix.AUDIT_ARCH_X86_64, c.number) {
			t.Errorf("call %d passes", c.number)
		}
		if trapped(unix.AUDIT_ARCH_I386, c.number) {
			t.Errorf("call %d of another architecture is stopped", c.number)
		}
	}
	for _, number := range []uint32{unix.SYS_OPENAT, unix.SYS_EXECVE, unix.SYS_READ, 1 << 30} {
		if trapped(unix.AUDIT_ARCH_X86_64, number) {
			t.Errorf("call %d is stopped", number)
		}
	}
}

// runFilter is the part of the kernel's machine for such filters that ours need.
func runFilter(t *testing.T, prog []unix.SockFilter, data map[uint32]uint32) uint32 {
	t.Helper()
	acc := uint32(0)
	for pc := 0; pc < len(prog); pc++ {
		switch f := prog[pc]; f.Code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			acc = data[f.K]
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
			if acc == f.K {
				pc += int(f.Jt)
			} else {
				pc += int(f.Jf)
			}
		case unix.BPF_RET | unix.BPF_K:
			return f.K
		default:
			t.Fatalf("instruction %+v", f)
		}
	}
	t.Fatal("the filter does not end")
	return 0
}

func uintptrOf(b []byte) uintptr { return uintptr(unsafe.Pointer(&b[0])) }
