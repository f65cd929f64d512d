package jail

import (
	"fmt"
	"os"
	"path"
	"runtime"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
)

// closeInherited marks every descriptor from first on as close-on-exec: what a
// caller left open, a directory of the host for one, is not the jail's.
func closeInherited(first uint) {
	if unix.CloseRange(first, ^uint(0), unix.CLOSE_RANGE_CLOEXEC) == nil {
		return
	}
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return
	}
	for _, n := range names {
		if fd, err := strconv.ParseUint(n.Name(), 10, 31); err == nil && uint(fd) >= first {
			unix.CloseOnExec(int(fd))
		}
	}
}

// confine puts the command into a user and a mount namespace below the jail's,
// when the jail's uid 0 is the machine's. Over those of the jail it has no
// capabilities then: it cannot take off or change the mounts that keep it from
// the machine (they are locked, mount_namespaces(7)), mount another /proc, or
// trace init.
func (e *entrance) confine(sys *syscall.SysProcAttr) error {
	if !e.MachineRoot || e.Host {
		return nil
	}
	maps, err := identityMaps()
	if err != nil {
		return err
	}
	sys.Cloneflags = unix.CLONE_NEWUSER | unix.CLONE_NEWNS
	sys.UidMappings, sys.GidMappings = sysMaps(maps.uids), sysMaps(maps.gids)
	sys.GidMappingsEnableSetgroups = maps.setgroups
	return nil
}

// protectProc makes all in /proc that is not a process's own read-only. The
// kernel lets uid 0 of the machine write most sysctls without any capability,
// and the root of a jail that root enters is that uid: core_pattern alone would
// be a way out (proc_sysctl.c, test_perm).
func (e *entrance) protectProc() error {
	if !e.MachineRoot {
		return nil
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return fmt.Errorf("read /proc of the jail: %w", err)
	}
	for _, entry := range entries {
		if _, err := strconv.Atoi(entry.Name()); err == nil || entry.Type()&os.ModeSymlink != 0 {
			continue
		}
		if err := readOnlyUnlessHarmless(path.Join("/proc", entry.Name()), entry.IsDir()); err != nil {
			return err
		}
	}
	return nil
}

func readOnlyUnlessHarmless(name string, dir bool) error {
	var st unix.Stat_t
	if err := unix.Lstat(name, &st); err != nil || !dir && st.Mode&0o222 == 0 {
		return nil //nolint:nilerr // it was there a moment ago, and is not now
	}
	err := unix.Mount(name, name, "", unix.MS_BIND|unix.MS_REC, "")
	if err == nil {
		err = unix.MountSetattr(unix.AT_FDCWD, name, unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
	}
	return fault.Wrap(fault.Failed, err, "make "+name+" of the jail read-only", "")
}

// ioctlCall is the number of ioctl(2) in an ABI that a kernel offers.
type ioctlCall struct{ auditArch, number uint32 }

// ioctlCalls are the ABIs of a host; x32 has the same audit number as amd64
// (arch/x86/entry/syscalls/syscall_64.tbl, asm-generic/unistd.h).
var ioctlCalls = map[string][]ioctlCall{
	"amd64":   {{unix.AUDIT_ARCH_X86_64, 16}, {unix.AUDIT_ARCH_X86_64, 0x40000000 + 514}, {unix.AUDIT_ARCH_I386, 54}},
	"arm64":   {{unix.AUDIT_ARCH_AARCH64, 29}, {unix.AUDIT_ARCH_ARM, 54}},
	"riscv64": {{unix.AUDIT_ARCH_RISCV64, 29}},
}

// Offsets in struct seccomp_data, of a little-endian host.
const (
	offsetNumber = 0
	offsetArch   = 4
	offsetArg1   = 24
)

// terminalFilter is a BPF program that refuses the ioctls by which a program
// types into its terminal, TIOCSTI and TIOCLINUX: the shell that started xjail
// would read it.
func terminalFilter(calls []ioctlCall) []unix.SockFilter {
	const (
		load  = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		equal = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		leave = unix.BPF_RET | unix.BPF_K
	)
	var prog []unix.SockFilter
	for _, c := range calls {
		prog = append(prog,
			unix.SockFilter{Code: load, K: offsetArch},
			unix.SockFilter{Code: equal, K: c.auditArch, Jf: 6},
			unix.SockFilter{Code: load, K: offsetNumber},
			unix.SockFilter{Code: equal, K: c.number, Jf: 4},
			unix.SockFilter{Code: load, K: offsetArg1},
			unix.SockFilter{Code: equal, K: unix.TIOCSTI, Jt: 1},
			unix.SockFilter{Code: equal, K: unix.TIOCLINUX, Jf: 1},
			unix.SockFilter{Code: leave, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)})
	}
	return append(prog, unix.SockFilter{Code: leave, K: unix.SECCOMP_RET_ALLOW})
}

// protectTerminal installs the filter in this thread, which the command is then
// started from and inherits it.
func (e *entrance) protectTerminal() error {
	calls := ioctlCalls[runtime.GOARCH]
	if !e.Terminal || len(calls) == 0 {
		return nil
	}
	runtime.LockOSThread()
	filter := terminalFilter(calls)
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&prog)), 0, 0)
	if err == unix.EINVAL {
		return nil // a kernel without seccomp filters
	}
	return fault.Wrap(fault.Failed, err, "protect the terminal", "")
}
