package jail

import (
	"context"
	"errors"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
)

// enter runs an entrance in a view of its own and in a jail(2) of its own, and
// returns the status of its command: its exit status, or 128 and the number of
// the signal that ended it, as shells do.
func enter(ctx context.Context, e *entrance, c *Command) (status int, err error) {
	if err := checkEntrance(e, os.Geteuid()); err != nil {
		return 0, err
	}
	t := openTerminal(c)
	defer t.close()
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, notIgnored(passedOn)...)
	if t.tty != nil {
		signal.Notify(signals, notIgnored(ofTerminals)...)
	}
	defer signal.Stop(signals)
	closeInherited(3)
	v, err := openView(hostKernel{}, e.Views)
	if err != nil {
		return 0, err
	}
	defer func() {
		t.takeBack()
		if left := v.close(); left != nil {
			err = errors.Join(err, left)
		}
	}()
	return runInView(ctx, v, e, c, signals, t)
}

func runInView(ctx context.Context, v *view, e *entrance, c *Command, signals chan os.Signal, t *terminal) (int, error) {
	osreldate, err := unix.SysctlUint32("kern.osreldate")
	if err != nil {
		return 0, err
	}
	l, g, err := prepare(v, e, int(osreldate))
	if err != nil {
		return 0, err
	}
	jid, err := newPrison(e, v, g)
	if err != nil {
		return 0, err
	}
	if interrupted(ctx, signals) {
		return 0, fault.New(fault.Interrupted, "", "interrupted while the jail was set up")
	}
	pid, err := l.start(jid, c, t)
	if err != nil {
		return 0, startError(l.name, err, v.stat)
	}
	t.jail = pid
	cmd := &child{pid: pid, interactive: c.Interactive, end: func() { _ = v.k.RemovePrison(jid) }}
	return cmd.supervise(ctx, signals, t)
}
