package jail

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/jail/vfsopt"
)

// start runs the command as a child that enters the jail(2) before anything
// else, and leads a process group of its own. When this process is killed, so
// is the command. The jail(2) then is the command's: it ends with its last
// process.
func (l *launch) start(jid int, c *Command, t *terminal) (int, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	attr := &syscall.ProcAttr{Dir: l.dir, Env: l.env, Sys: &syscall.SysProcAttr{
		Jail: jid, Credential: &l.cred, Setpgid: true, Pdeathsig: syscall.SIGKILL,
	}}
	for _, f := range []*os.File{c.Stdin, c.Stdout, c.Stderr} {
		if f == nil {
			f = null
		}
		attr.Files = append(attr.Files, f.Fd())
	}
	if t.whole && t.has(unix.Getpgrp()) {
		attr.Sys.Foreground, attr.Sys.Ctty = true, int(t.tty.Fd())
	}
	if t.tty != nil {
		// The command would inherit that this process ignores it.
		signal.Reset(unix.SIGTTOU)
		defer signal.Ignore(unix.SIGTTOU)
	}
	pid, err := syscall.ForkExec(l.name, l.argv, attr)
	if err != nil {
		return 0, err
	}
	// If this fails, the jail is still removed with the view.
	_, _ = vfsopt.Call(unix.SYS_JAIL_SET, unpersist(jid), prisonUpdate)
	return pid, nil
}

// closeInherited marks every descriptor from first on as close-on-exec: what a
// caller left open, a directory of the host for one, is not the jail's.
func closeInherited(first int) {
	const cloexec = 1 << 2 // CLOSE_RANGE_CLOEXEC, sys/unistd.h
	if _, _, errno := unix.Syscall(unix.SYS_CLOSE_RANGE, uintptr(first), 1<<32-1, cloexec); errno == 0 {
		return
	}
	most, err := unix.SysctlUint32("kern.maxfilesperproc")
	for fd := first; err == nil && fd < int(most); fd++ {
		unix.CloseOnExec(fd)
	}
}
