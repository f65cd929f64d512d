package jail

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A trap lets programs of a jail replace files over which native tools are laid,
// as dpkg does when a package is upgraded. The kernel refuses to rename what
// something is mounted on. So those calls are stopped (seccomp_unotify(2)), and
// when one is about such a file, its tool is lifted first, and the call then goes
// on. The file is the root's again: what replaces it is kept, and runs.
//
// Nothing depends on it for safety: a call that is stopped always goes on.
type trap struct {
	fd     int
	names  map[string][]overlayFile // by the last part of the path
	told   func(lifted string)
	mounts *mounter
	// interpreters are not covered: when one is replaced, or something is put into
	// one of the directories of its modules or taken away, the scripts are lifted.
	interpreters []overlayFile
	modules      []string
	scripts      []overlayFile
}

// notification and response are struct seccomp_notif and seccomp_notif_resp.
type notification struct {
	id     uint64
	pid    uint32
	flags  uint32
	number int32
	arch   uint32
	ip     uint64
	args   [6]uint64
}

type response struct {
	id    uint64
	val   int64
	err   int32
	flags uint32
}

// trapFilter is a BPF program that stops the calls and lets all others pass.
func trapFilter(auditArch uint32, calls []trapCall) []unix.SockFilter {
	const (
		load  = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		equal = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		leave = unix.BPF_RET | unix.BPF_K
	)
	n := len(calls)
	prog := []unix.SockFilter{
		{Code: load, K: offsetArch},
		{Code: equal, K: auditArch, Jf: uint8(n + 1)},
		{Code: load, K: offsetNumber},
	}
	for i, c := range calls {
		prog = append(prog, unix.SockFilter{Code: equal, K: c.number, Jt: uint8(n - i)})
	}
	return append(prog,
		unix.SockFilter{Code: leave, K: unix.SECCOMP_RET_ALLOW},
		unix.SockFilter{Code: leave, K: unix.SECCOMP_RET_USER_NOTIF})
}

// setTrap installs the filter in this thread, from which the command is then
// started, and answers from now on. Where the kernel cannot do it upgrades of
// covered programs fail.
func (o *overlay) setTrap(mounts *mounter, told func(lifted string)) error {
	calls := trapCalls[runtime.GOARCH]
	if len(calls) == 0 {
		return unix.ENOSYS
	}
	t := &trap{names: map[string][]overlayFile{}, told: told, mounts: mounts, interpreters: o.Interpreters}
	for _, f := range o.Files {
		t.names[path.Base(f.Path)] = append(t.names[path.Base(f.Path)], f)
		if f.Script {
			t.scripts = append(t.scripts, f)
		}
	}
	for _, d := range o.Modules {
		t.modules = append(t.modules, d.Path)
	}
	runtime.LockOSThread()
	filter := trapFilter(auditArchs[runtime.GOARCH], calls)
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	// A signal that the caller handles does not end a call that is being looked at:
	// rename(2) is not expected to end with EINTR. Kernels before 5.19 do not know
	// that.
	fd, errno := setFilter(&prog, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER|unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)
	if errno == unix.EINVAL {
		fd, errno = setFilter(&prog, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER)
	}
	if errno != 0 {
		return errno
	}
	t.fd = fd
	unix.CloseOnExec(t.fd)
	go t.answer()
	return nil
}

func setFilter(prog *unix.SockFprog, flags uintptr) (fd int, errno syscall.Errno) {
	n, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(prog)))
	return int(n), errno
}

// answer lets every call go on, some after a tool was lifted.
func (t *trap) answer() {
	for {
		var n notification
		if errno := t.ioctl(unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&n)); errno == unix.EINTR || errno == unix.ENOENT {
			continue // the caller was killed meanwhile
		} else if errno != 0 {
			return
		}
		t.look(&n)
		r := response{id: n.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
		_ = t.ioctl(unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&r)) // the caller may be gone
	}
}

func (t *trap) ioctl(request uint, arg unsafe.Pointer) syscall.Errno {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(t.fd), uintptr(request), uintptr(arg))
	return errno
}

// look finds out which tools a call is about, and has them lifted.
func (t *trap) look(n *notification) {
	for _, c := range trapCalls[runtime.GOARCH] {
		if c.number != uint32(n.number) {
			continue
		}
		for _, a := range c.paths {
			name := readString(int(n.pid), uintptr(n.args[a.path]))
			if name == "" {
				continue
			}
			for _, f := range t.names[path.Base(name)] {
				t.liftFile(n, a, name, f)
			}
			if t.changesPerl(n, a, name) {
				for _, f := range t.scripts {
					t.liftFile(n, pathArg{dir: -1}, f.Path, f)
				}
			}
		}
	}
}

// changesPerl tells whether name, as the caller sees it, is an interpreter in the
// root, or of the directories of its modules: another brings other modules.
// dpkg names all files from the root.
func (t *trap) changesPerl(n *notification, a pathArg, name string) bool {
	if isBelow(t.modules, name) {
		return true
	}
	for _, f := range t.interpreters {
		if path.Base(f.Path) != path.Base(name) {
			continue
		}
		fd := openFor(n, a, name)
		if fd < 0 {
			continue
		}
		same := sameFile(fd, f.Path)
		unix.Close(fd)
		if same {
			return true
		}
	}
	return false
}

// isBelow tells whether a path is in one of the directories.
func isBelow(dirs []string, name string) bool {
	dir := path.Dir(name)
	return path.IsAbs(name) && slices.ContainsFunc(dirs, func(d string) bool {
		return dir == d || strings.HasPrefix(dir, d+"/")
	})
}

// liftFile lifts a tool when name, as the caller sees it, is that tool.
func (t *trap) liftFile(n *notification, a pathArg, name string, f overlayFile) {
	fd := openFor(n, a, name)
	if fd < 0 {
		return
	}
	defer unix.Close(fd)
	if !sameFile(fd, path.Join(farmDir, f.Source)) {
		return
	}
	err := t.mounts.in(int(n.pid), func() error {
		// Programs that run from it go on running.
		return unix.Unmount(fdPath(fd), unix.MNT_DETACH)
	})
	if err == nil {
		t.told(f.Path)
	}
}

// openFor opens a file as the caller of a call would, without following a link at
// its end; -1 when it is not there.
func openFor(n *notification, a pathArg, name string) int {
	where := fmt.Sprintf("/proc/%d/root", n.pid)
	if !path.IsAbs(name) {
		where = fmt.Sprintf("/proc/%d/cwd", n.pid)
		if a.dir >= 0 && int32(n.args[a.dir]) != unix.AT_FDCWD {
			where = fmt.Sprintf("/proc/%d/fd/%d", n.pid, int32(n.args[a.dir]))
		}
	}
	fd, err := unix.Open(where+"/"+name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	return fd
}

// sameFile tells whether a descriptor is of the file at a path.
func sameFile(fd int, name string) bool {
	var seen, want unix.Stat_t
	return unix.Fstat(fd, &seen) == nil && unix.Stat(name, &want) == nil && seen.Dev == want.Dev && seen.Ino == want.Ino
}

// stringBuffers are for paths of callers.
var stringBuffers = sync.Pool{New: func() any { return new([unix.PathMax]byte) }}

// readString reads a path from the memory of another process; "" when it cannot.
func readString(pid int, at uintptr) string {
	buf := stringBuffers.Get().(*[unix.PathMax]byte)
	defer stringBuffers.Put(buf)
	page := uintptr(os.Getpagesize())
	for got := 0; got < len(buf); {
		// Not over the end of a page: the next may not be there.
		n := min(len(buf)-got, int(page-(at+uintptr(got))%page))
		local := unix.Iovec{Base: &buf[got]}
		local.SetLen(n)
		remote := unix.RemoteIovec{Base: at + uintptr(got), Len: n}
		m, err := unix.ProcessVMReadv(pid, []unix.Iovec{local}, []unix.RemoteIovec{remote}, 0)
		if err != nil || m <= 0 {
			return ""
		}
		if i := bytes.IndexByte(buf[got:got+m], 0); i >= 0 {
			return string(buf[:got+i])
		}
		got += m
	}
	return ""
}
