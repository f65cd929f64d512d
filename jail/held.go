package jail

import (
	"context"
	"os"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
)

// Held is a jail that nobody else changes or is in, until it is released.
type Held struct {
	*Record
	// Dir is the jail's directory in the state directory.
	Dir string

	store Store
	lock  *lock
}

// Hold takes a jail that something outside of this package is to be done with.
// The error is fault.Locked when somebody else has it.
func (s Store) Hold(name string) (*Held, error) {
	r, l, err := s.take(name)
	if err != nil {
		return nil, err
	}
	return &Held{Record: r, Dir: s.dir(name), store: s, lock: l}, nil
}

// Claim takes a jail in whatever state it is, complete or not; release lets others
// have it again.
func (s Store) Claim(name string) (release func(), err error) {
	l, err := s.lock(name, unix.LOCK_EX)
	if err != nil {
		return nil, err
	}
	return l.release, nil
}

// Release lets others have the jail again.
func (h *Held) Release() { h.lock.release() }

// Activate has the machine's activators of a jail as they should be, where it
// uses those. What is in order stays as it is.
func (h *Held) Activate(ctx context.Context) error {
	if !h.Global || len(h.Activators) == 0 {
		return nil
	}
	t := MachineTable()
	if checkGlobal(t, h.Record) == nil && !h.store.stale(t, h.Record) {
		return nil
	}
	return h.store.renewGlobal(t, h.Record, fits(ctx, h.Record))
}

// JailDir is the directory of a jail in the state directory, whether or not there
// is such a jail.
func (s Store) JailDir(name string) string { return s.dir(name) }

// Userland is what a FreeBSD root says of itself. It is a claim of the root,
// checked for its form.
type Userland struct {
	// Release is what freebsd-version -u says, 13.2-RELEASE-p1; "" when nothing.
	Release string
	// CRT: there is /usr/lib/crt1.o, by which pkg tells the ABI.
	CRT bool
}

// ReadUserland looks at a root; ok is false for one that is none of FreeBSD.
func ReadUserland(root *os.Root) (u Userland, ok bool) {
	g := readGuest(root)
	return Userland{Release: g.Release, CRT: g.CRT}, g.FreeBSD
}

// Output runs a command in a jail and returns what it prints, the last 4 KiB of
// it. A status that is not 0 is an error.
func (s Store) Output(ctx context.Context, name string, c *Command) (string, error) {
	r, l, err := s.use(name)
	if err != nil {
		return "", err
	}
	defer l.release()
	status, out, errText, err := s.captureCommand(ctx, r, c)
	switch {
	case ctx.Err() != nil:
		return "", fault.New(fault.Failed, "", "%s in jail %s: %w", c.Argv[0], name, ctx.Err())
	case err != nil:
		return "", err
	case status != 0:
		return "", fault.New(fault.Failed, "", "%s in jail %s ended with status %d: %s", c.Argv[0], name, status, errText)
	}
	return out, nil
}
