package jail

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
)

// jailNamespaces are what a jail does not share with the host, besides users.
// The network is shared.
const jailNamespaces = unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC

// enter runs an entrance and returns the status of its command: its exit
// status, or 128 and the number of the signal that ended it, as shells do.
//
// The jail gets a process group of its own. When this process has the
// terminal's foreground and the command is interactive, that group gets it:
// Ctrl-C, Ctrl-Z and the window's size then reach the command directly and
// once, and a shell in the jail can do its job control. Signals that are sent to this process alone are passed
// on to the command. When ctx ends, a command that is not interactive is killed
// with everything that it started.
func enter(ctx context.Context, e *entrance, c *Command) (int, error) {
	var tty *os.File
	if c.Interactive {
		if tty = foregroundTerminal(); tty != nil {
			defer tty.Close()
		}
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2)
	defer signal.Stop(signals)

	p, err := startNS(roleInit, jailNamespaces, nil, func(cmd *exec.Cmd) {
		cmd.Stdin, cmd.Stdout, cmd.Stderr = c.Stdin, c.Stdout, c.Stderr
		cmd.Env = []string{}
		cmd.SysProcAttr.Setpgid = true
		if tty != nil {
			cmd.SysProcAttr.Foreground = true
			cmd.SysProcAttr.Ctty = int(tty.Fd())
		}
	})
	if err != nil {
		return 0, err
	}
	defer p.control.Close()
	p.interactive = c.Interactive
	if tty != nil {
		// Taking the terminal back from the background raises SIGTTOU.
		signal.Ignore(unix.SIGTTOU)
		defer signal.Reset(unix.SIGTTOU)
		defer setForeground(tty, unix.Getpgrp())
	}
	e.MachineRoot = os.Geteuid() == 0 && !InUserNamespace()
	e.Terminal = haveTerminal()
	if err := send(p.control, e); err != nil {
		p.kill()
		return 0, err
	}
	return p.supervise(ctx, signals, tty)
}

// supervise passes signals on and follows what init says until it ends.
func (p *nsProcess) supervise(ctx context.Context, signals <-chan os.Signal, tty *os.File) (int, error) {
	messages := make(chan message)
	go func() {
		defer close(messages)
		for dec := json.NewDecoder(bufio.NewReader(p.control)); ; {
			var m message
			if dec.Decode(&m) != nil {
				return
			}
			messages <- m
		}
	}()
	status, done := -1, ctx.Done()
	if p.interactive {
		// A signal ends ctx too, but then the command got it and decides.
		done = nil
	}
	var failure error
	for messages != nil {
		select {
		case m, ok := <-messages:
			switch {
			case !ok:
				messages = nil
			case m.Error != "":
				failure = m.err()
			case m.Exited != nil:
				status = *m.Exited
			case m.Stopped != 0:
				p.stopWithCommand(tty, unix.Signal(m.Stopped))
			}
		case s := <-signals:
			_, _ = p.control.Write([]byte{byte(s.(syscall.Signal))})
		case <-done:
			done = nil
			_ = p.Process.Kill()
		}
	}
	werr := p.Wait()
	switch {
	case failure != nil:
		return 0, failure
	case status >= 0:
		return status, nil
	}
	return 0, fault.Wrap(fault.Failed, werr, "the jail's first process was killed", "look for the out-of-memory killer: dmesg | tail")
}

// stopWithCommand stops this process as the command was stopped, so that the
// user's shell takes the terminal and shows a stopped job; when it is continued
// the command gets the terminal back, if this process has it, and goes on.
//
// Where no shell could continue it, as under ssh -t, the kernel does not let it
// stop. Then Ctrl-Z does nothing, as for any program there, and a command that
// wants a terminal that it will never get is told that the terminal is gone.
func (p *nsProcess) stopWithCommand(tty *os.File, reason unix.Signal) {
	if tty != nil {
		setForeground(tty, unix.Getpgrp())
	}
	stopped := stopSelf()
	if tty != nil && inForeground(tty) {
		setForeground(tty, p.Process.Pid)
	} else if !stopped && reason != unix.SIGTSTP {
		_ = unix.Kill(-p.Process.Pid, unix.SIGHUP)
	}
	_ = unix.Kill(-p.Process.Pid, unix.SIGCONT)
}

// stopSelf stops this process until it is continued, and tells whether the
// kernel did so: the members of an orphaned process group are not stopped.
func stopSelf() bool {
	continued := make(chan os.Signal, 1)
	signal.Notify(continued, unix.SIGCONT)
	defer signal.Stop(continued)
	// Sent to the process, another thread could take the signal, while this
	// one goes on for a moment and continues the command.
	runtime.LockOSThread()
	_ = unix.Tgkill(unix.Getpid(), unix.Gettid(), unix.SIGTSTP)
	runtime.UnlockOSThread()
	select {
	case <-continued:
		return true
	case <-time.After(200 * time.Millisecond):
		return false
	}
}

// foregroundTerminal is the controlling terminal when this process is in its
// foreground, nil otherwise.
func foregroundTerminal() *os.File {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	if !inForeground(tty) {
		tty.Close()
		return nil
	}
	return tty
}

// haveTerminal tells whether this process has a controlling terminal, in
// whatever process group.
func haveTerminal() bool {
	fd, err := unix.Open("/dev/tty", unix.O_RDONLY|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err == nil {
		unix.Close(fd)
	}
	return err == nil
}

func inForeground(tty *os.File) bool {
	pgrp, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && pgrp == unix.Getpgrp()
}

func setForeground(tty *os.File, pgrp int) {
	_ = unix.IoctlSetPointerInt(int(tty.Fd()), unix.TIOCSPGRP, pgrp)
}

// AsRoot runs this program once more with args, as root of a user namespace in
// which the caller's subordinate ids are mapped, and returns its exit status.
// Files of a jail belong to these ids, so only there they can be made, read
// and removed. For root there is nothing to do: ok is false.
func AsRoot(args []string) (status int, ok bool, err error) {
	if os.Geteuid() == 0 {
		return 0, false, nil
	}
	p, err := startNS(roleFiles, unix.CLONE_NEWNS, args, func(cmd *exec.Cmd) {
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	})
	if err != nil {
		return 0, true, err
	}
	defer p.control.Close()
	// Same process group: the terminal's signals reach the child by themselves.
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGUSR1)
	defer signal.Stop(signals)
	go func() {
		for s := range signals {
			if s != unix.SIGINT {
				_ = p.Process.Signal(s)
			}
		}
	}()
	err = p.Wait()
	if state := p.ProcessState; state != nil && state.Exited() {
		return state.ExitCode(), true, nil
	}
	return 0, true, err
}
