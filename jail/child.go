package jail

import (
	"context"
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
)

// child is the command of a jail, where it is a child of this process: there
// is no init in between, so its signals, stops and status are its own.
type child struct {
	pid         int // and its process group
	interactive bool
	end         func() // ends everything in the jail
}

// supervise passes signals on and waits for the command. It returns its exit
// status, or 128 and the number of the signal that ended it. When ctx ends, a
// command that is not interactive is killed with everything that it started.
func (c *child) supervise(ctx context.Context, signals <-chan os.Signal, t *terminal) (int, error) {
	done := ctx.Done()
	if c.interactive {
		// A signal ends ctx too, but then the command got it and decides.
		done = nil
	}
	changes := c.changes()
	for {
		select {
		case ws := <-changes:
			switch {
			case ws.err != nil:
				return 0, fault.Wrap(fault.Failed, ws.err, "wait for the command", "")
			case ws.stopped != 0:
				t.stopped(ws.stopped)
				continue
			case ctx.Err() != nil && done == nil && !c.interactive:
				return 0, fault.Wrap(fault.Interrupted, ctx.Err(), "the command was killed", "")
			}
			t.ended(ws.signal)
			return ws.status, nil
		case s := <-signals:
			if !t.passOn(s) {
				_ = unix.Kill(c.pid, s.(syscall.Signal))
			}
		case <-done:
			done = nil
			c.end()
		}
	}
}

// change is what wait4(2) says of the command: it stopped, or ended.
type change struct {
	stopped unix.Signal
	status  int
	signal  unix.Signal
	err     error
}

// changes follows the command until it ends.
func (c *child) changes() <-chan change {
	changes := make(chan change)
	go func() {
		for {
			var ws unix.WaitStatus
			_, err := unix.Wait4(c.pid, &ws, unix.WUNTRACED, nil)
			if errors.Is(err, unix.EINTR) {
				continue
			}
			now := readStatus(ws)
			now.err = err
			changes <- now
			if now.stopped == 0 {
				return
			}
		}
	}()
	return changes
}

// stoppedMark is the low byte of a stopped process's status, which has the
// signal above it (_WSTOPPED in sys/wait.h, on FreeBSD as on Linux).
const stoppedMark = 0x7f

// readStatus reads a wait status. WaitStatus of x/sys takes a stop by SIGSTOP
// for a continuation on FreeBSD.
func readStatus(ws unix.WaitStatus) change {
	switch {
	case uint32(ws)&0xff == stoppedMark:
		return change{stopped: unix.Signal(uint32(ws) >> 8 & 0xff)}
	case ws.Signaled():
		return change{status: 128 + int(ws.Signal()), signal: ws.Signal()}
	}
	return change{status: ws.ExitStatus()}
}
