package jail

import (
	"bufio"
	"context"
	"encoding/gob"
	"encoding/json"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
)

// jailNamespaces are what a jail does not share with the host, besides users.
// The network is shared.
const jailNamespaces = unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC

// enter runs an entrance and returns the status of its command: its exit
// status, or 128 and the number of the signal that ended it, as shells do.
//
// Signals that are sent to this process are passed on to the command; what
// terminals send is in terminal_linux.go. When ctx ends, a command that is not
// interactive is killed with everything that it started.
func enter(ctx context.Context, e *entrance, c *Command) (int, error) {
	t := openTerminal(c)
	defer t.close()
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, notIgnored(passedOn)...)
	if t.tty != nil {
		signal.Notify(signals, notIgnored(ofTerminals)...)
	}
	defer signal.Stop(signals)

	p, err := startNS(c.Profile.role(), jailNamespaces, nil, func(cmd *exec.Cmd) {
		cmd.ExtraFiles = append(cmd.ExtraFiles, c.Profile.kept()...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = c.Stdin, c.Stdout, c.Stderr
		cmd.Env = []string{}
		cmd.SysProcAttr.Setpgid = true
		if t.givesAtStart() {
			cmd.SysProcAttr.Foreground = true
			cmd.SysProcAttr.Ctty = int(t.tty.Fd())
		}
	})
	if err != nil {
		return 0, err
	}
	defer p.control.Close()
	t.jail, p.interactive = p.Process.Pid, c.Interactive
	defer t.takeBack()
	e.MachineRoot = machineRoot()
	e.Terminal = t.tty != nil || haveTerminal()
	if err := gob.NewEncoder(p.control).Encode(e); err != nil {
		p.kill()
		return 0, err
	}
	p.entrance, p.profile = e, c.Profile
	if p.warn = c.Warn; p.warn == nil {
		p.warn = func(string) {}
	}
	return p.supervise(ctx, signals, t)
}

// supervise passes signals on and follows what init says until it ends.
func (p *nsProcess) supervise(ctx context.Context, signals chan os.Signal, t *terminal) (int, error) {
	done := ctx.Done()
	var last, started message
	var failure error
	var told toolNews
	for messages := p.messages(); messages != nil; {
		select {
		case m, ok := <-messages:
			switch {
			case !ok:
				messages = nil
			case m.Error != "":
				failure = m.err()
			case m.Started:
				started = m
			case m.Exited != nil:
				last = m
			case m.Stopped != 0:
				t.stopped(unix.Signal(m.Stopped))
			}
			told.add(m)
			p.profile.add(m)
		case s := <-signals:
			if !started.Started && s != unix.SIGCONT {
				failure = fault.New(fault.Interrupted, "", "interrupted while the jail was set up")
				_ = p.Process.Kill()
			} else if !t.passOn(s) {
				_, _ = p.control.Write([]byte{byte(s.(syscall.Signal))})
			}
		case <-done:
			done = nil
			switch {
			case p.interactive && started.Started:
				// A signal ends ctx too, but then the command got it and decides.
				continue
			case p.interactive:
				// It may have come before signals were passed on.
				failure = fault.New(fault.Interrupted, "", "interrupted while the jail was set up")
			}
			_ = p.Process.Kill()
		}
	}
	werr := p.Wait()
	told.report(p.entrance, p.warn)
	switch {
	case failure != nil:
		return 0, failure
	case last.Exited != nil:
		t.ended(unix.Signal(last.Signal))
		return *last.Exited, nil
	}
	return 0, fault.Wrap(fault.Failed, werr, "the jail's first process was killed", "look for the out-of-memory killer: dmesg | tail")
}

// messages reads what init says until it ends.
func (p *nsProcess) messages() <-chan message {
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
	return messages
}

// AsRoot runs this program once more with args, as root of a user namespace in
// which the caller's subordinate ids are mapped, and returns its exit status.
// Files of a jail belong to these ids, so only there they can be made, read
// and removed. For root there is nothing to do: ok is false.
func AsRoot(args []string) (status int, ok bool, err error) { return AsRootTo(os.Stdout, args) }

// AsRootTo is AsRoot with another standard output.
func AsRootTo(stdout *os.File, args []string) (status int, ok bool, err error) {
	if os.Geteuid() == 0 {
		return 0, false, nil
	}
	p, err := startNS(roleFiles, unix.CLONE_NEWNS, args, func(cmd *exec.Cmd) {
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, stdout, os.Stderr
	})
	if err != nil {
		return 0, true, err
	}
	defer p.control.Close()
	// A terminal's signals reach the child by themselves, in the same process
	// group; twice does no harm.
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, notIgnored([]os.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGUSR1})...)
	defer signal.Stop(signals)
	go func() {
		for s := range signals {
			_ = p.Process.Signal(s)
		}
	}()
	err = p.Wait()
	if state := p.ProcessState; state != nil && state.Exited() {
		return state.ExitCode(), true, nil
	}
	return 0, true, err
}
