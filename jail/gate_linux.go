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

// heldGate is a gate that waits in the namespaces of its command.
type heldGate struct {
	pid    int
	name   string // of the program that it becomes
	socket *os.File
}

// holdGate starts a gate in the namespaces of attr.
func holdGate(name string, argv []string, attr *syscall.ProcAttr) (*heldGate, error) {
	program, err := gateFile()
	if err != nil {
		return nil, fmt.Errorf("make the gate: %w", err)
	}
	defer unix.Close(program)
	ours, theirs, err := controlPair()
	if err != nil {
		return nil, err
	}
	attr.Files = append(attr.Files, theirs.Fd())
	pid, err := syscall.ForkExec(fdPath(program), append([]string{"xjail-gate", name}, argv...), attr)
	theirs.Close()
	if err != nil {
		ours.Close()
		return nil, err
	}
	return &heldGate{pid: pid, name: name, socket: ours}, nil
}

// close ends a gate that was not let go, with its socket.
func (g *heldGate) close() { g.socket.Close() }

// call has the gate make a system call. What its arguments point to is data,
// which is at gateData + gateCall there.
func (g *heldGate) call(data []byte, number uintptr, args ...uint64) error {
	text := make([]byte, gateCall, gateCall+len(data))
	binary.NativeEndian.PutUint64(text, uint64(number))
	for i, a := range args {
		binary.NativeEndian.PutUint64(text[8+8*i:], a)
	}
	if len(text)+len(data) > gatePage {
		return unix.E2BIG
	}
	if _, err := g.socket.Write(append(text, data...)); err != nil {
		return err
	}
	var answer [8]byte
	if _, err := io.ReadFull(g.socket, answer[:]); err != nil {
		return err
	}
	if n := int64(binary.NativeEndian.Uint64(answer[:])); n < 0 {
		return syscall.Errno(-n)
	}
	return nil
}

// release lets the gate become its program, and comes back when it has.
func (g *heldGate) release() error {
	if _, err := g.socket.Write([]byte{1}); err != nil {
		return fault.Wrap(fault.Failed, err, "start "+g.name, "")
	}
	var errno [4]byte
	if _, err := io.ReadFull(g.socket, errno[:]); err != nil {
		return nil //nolint:nilerr // the socket was closed by a successful execve
	}
	return execError(g.name, syscall.Errno(-int32(binary.NativeEndian.Uint32(errno[:]))), os.Stat)
}

// startBehindGate starts a command in the namespaces of attr and lets it begin
// when prepare, which is given its process, has come back.
func startBehindGate(name string, argv []string, attr *syscall.ProcAttr, prepare func(pid int) error) (int, error) {
	g, err := holdGate(name, argv, attr)
	if err != nil {
		return 0, err
	}
	defer g.close()
	if err := prepare(g.pid); err != nil {
		return 0, err
	}
	return g.pid, g.release()
}
