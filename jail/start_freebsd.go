package jail

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/vfsopt"
)

// reportFD is where the process that becomes the command says what kept it from
// that: the descriptor after those of the command.
const reportFD = 3

// start starts the command, which leads a process group of its own. When this
// process is killed, so is the command. The jail(2) then is the command's: it
// ends with its last process.
func (l *launch) start(jid int, c *Command, t *terminal) (int, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, fault.Wrap(fault.Failed, err, "find this program, to start it in the jail", "call it by its whole path")
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	report, said, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer report.Close()
	attr := &syscall.ProcAttr{Env: l.env, Sys: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}}
	for _, f := range []*os.File{c.Stdin, c.Stdout, c.Stderr, said} {
		if f == nil {
			f = null
		}
		attr.Files = append(attr.Files, f.Fd())
	}
	if t.givesAtStart() {
		attr.Sys.Foreground, attr.Sys.Ctty = true, int(t.tty.Fd())
	}
	a := &attachment{jid: jid, cred: l.cred, dir: l.dir, name: l.name, argv: l.argv}
	pid, err := syscall.ForkExec(self, a.args(), attr)
	said.Close()
	if err != nil {
		return 0, fault.Wrap(fault.Failed, err, "start "+self, "")
	}
	if err := readAttachError(report); err != nil {
		_, _ = unix.Wait4(pid, nil, 0, nil)
		return 0, err
	}
	// If this fails, the jail is still removed with the view.
	_, _ = vfsopt.Call(unix.SYS_JAIL_SET, unpersist(jid), prisonUpdate)
	return pid, nil
}
