package jail

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
)

// gateFile is a descriptor of the gate's program, in memory.
func gateFile() (int, error) {
	program := gateELF(runtime.GOARCH)
	if program == nil {
		return -1, unix.ENOSYS
	}
	// Kernels before 6.3 do not know MFD_EXEC, and need none.
	fd, err := unix.MemfdCreate("gate", unix.MFD_CLOEXEC|unix.MFD_EXEC)
	if err == unix.EINVAL {
		fd, err = unix.MemfdCreate("gate", unix.MFD_CLOEXEC)
	}
	if err != nil {
		return -1, err
	}
	if _, err := unix.Write(fd, program); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// startBehindGate starts a command in the namespaces of attr and lets it begin
// when prepare, which is given its process, has come back.
func startBehindGate(name string, argv []string, attr *syscall.ProcAttr, prepare func(pid int) error) (int, error) {
	gate, err := gateFile()
	if err != nil {
		return 0, fmt.Errorf("make the gate: %w", err)
	}
	defer unix.Close(gate)
	ours, theirs, err := controlPair()
	if err != nil {
		return 0, err
	}
	defer ours.Close()
	attr.Files = append(attr.Files, theirs.Fd())
	pid, err := syscall.ForkExec(fdPath(gate), append([]string{"xjail-gate", name}, argv...), attr)
	theirs.Close()
	if err != nil {
		return 0, err
	}
	if err := prepare(pid); err != nil {
		return 0, err // the gate ends with its socket
	}
	if _, err := ours.Write([]byte{1}); err != nil {
		return 0, fault.Wrap(fault.Failed, err, "start "+name, "")
	}
	var errno [4]byte
	if _, err := io.ReadFull(ours, errno[:]); err != nil {
		return pid, nil // the socket was closed by a successful execve
	}
	return 0, execError(name, syscall.Errno(-int32(binary.NativeEndian.Uint32(errno[:]))), os.Stat)
}
