package jail

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/profile"
	"github.com/xjail/xjail/profile/dtrace"
)

// execTraced is exec on FreeBSD of a command that is followed: dtrace(1) tells of
// all that this process starts.
func (s Store) execTraced(ctx context.Context, r *Record, c *Command) (int, error) {
	p := c.Profile
	header := s.profiling(r, c).Header
	header.Collector, header.Started = "dtrace", time.Now()
	held := &heldFile{}
	out := io.Discard
	if p.file != nil {
		held.file, out = p.file, held
	}
	w, err := profile.NewWriter(out, &header)
	if err != nil {
		return 0, writeError(err)
	}
	follow, err := dtrace.Start(os.Getpid(), w, dtraceOptions(r, &header))
	if err != nil {
		return 0, err
	}
	used := childTime()
	plain := *c
	plain.Profile = nil
	status, err := s.exec(ctx, r, &plain)
	used = used.since(childTime())
	if err != nil {
		held.discard()
	}
	stats, serr := follow.Stop()
	if err != nil {
		return status, err
	}
	p.Sums = &stats.Sums
	serr = errors.Join(serr, w.Close(&profile.Close{At: int64(stats.At), Status: status, User: used.user, System: used.system, Left: stats.Left}))
	if serr != nil {
		p.Unwritten = serr.Error()
	}
	return status, nil
}

// dtraceOptions say how emulated programs look.
func dtraceOptions(r *Record, h *profile.Header) dtrace.Options {
	o := dtrace.Options{Emulators: h.Emulators}
	for _, a := range r.Activators {
		o.Words = max(o.Words, len(a.Args))
	}
	return o
}

// times are processor times in nanoseconds.
type times struct{ user, system int64 }

// childTime is that of all children that have ended and were waited for, and of
// theirs.
func childTime() times {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_CHILDREN, &u); err != nil {
		return times{}
	}
	return times{u.Utime.Nano(), u.Stime.Nano()}
}

func (t times) since(now times) times { return times{now.user - t.user, now.system - t.system} }
