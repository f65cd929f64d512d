package jail

import (
	"context"
	"errors"
	"path/filepath"
	"slices"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/qemu"
)

// globalUsers are the records of the jails that use the machine's activator of
// that name, without the jail except.
func (s Store) globalUsers(entry, except string) ([]*Record, error) {
	names, err := s.Names()
	if err != nil {
		return nil, err
	}
	var users []*Record
	for _, name := range names {
		r, err := s.Load(name)
		if err != nil || name == except || !r.Global {
			continue
		}
		if slices.ContainsFunc(r.Activators, func(e activators.Entry) bool { return e.Name == entry }) {
			users = append(users, r)
		}
	}
	return users, nil
}

func (s Store) openLedger(t activators.Machine) (*activators.Ledger, error) {
	instance, err := t.Instance()
	if err != nil {
		return nil, err
	}
	return activators.OpenLedger(filepath.Join(s.Dir, activators.LedgerName), instance)
}

// readLedger is openLedger for looking only.
func (s Store) readLedger(t activators.Machine) (*activators.Ledger, error) {
	instance, err := t.Instance()
	if err != nil {
		return nil, err
	}
	return activators.ReadLedger(filepath.Join(s.Dir, activators.LedgerName), instance)
}

// owns tells whether xjail made an entry of the machine's table.
func (s Store) owns(t activators.Machine, e activators.Entry) bool {
	l, err := s.readLedger(t)
	return err == nil && l.Owns(e)
}

// registerGlobal registers the jail's activators with the machine. Those that
// somebody else made, and that serve the jail as they are, stay as they are.
func (s Store) registerGlobal(t activators.Machine, r *Record) error {
	if err := activators.Load(t); err != nil {
		return err
	}
	l, err := s.openLedger(t)
	if err != nil {
		return err
	}
	defer l.Close()
	var desired []activators.Entry
	for _, e := range r.Activators {
		if now, err := t.Lookup(e.Name); err != nil || l.Owns(now) || !now.Equal(e) {
			desired = append(desired, e)
		}
	}
	_, err = activators.Register(t, l, desired)
	return err
}

// unregisterGlobal removes an activator from the machine, unless a jail other
// than except needs it or xjail no longer owns it. After a reboot it is not
// there any more.
func (s Store) unregisterGlobal(t activators.Machine, entry, except string) error {
	if users, err := s.globalUsers(entry, except); err != nil || len(users) > 0 {
		return err
	}
	e, err := t.Lookup(entry)
	if errors.Is(err, activators.ErrUnsupported) {
		return nil // there is no table, so there is nothing in it
	}
	gone := errors.Is(err, activators.ErrNotFound)
	if err != nil && !gone {
		return err
	}
	l, err := s.openLedger(t)
	if err != nil {
		return err
	}
	defer l.Close()
	if gone {
		return l.Forget(t)
	}
	if !l.Owns(e) {
		return nil
	}
	_, err = activators.Unregister(t, l, []string{entry})
	return err
}

// ensureGlobal looks that the machine has what a jail needs. On FreeBSD, where
// entering takes root and there is no other table, what a reboot or an update
// of the emulator took away is registered again. What somebody switched off
// stays off. fit tells whether a file is an emulator that can be used.
//
// When the emulator was taken away, or replaced by one that does not fit, the
// kernel still has the old one open, and the jail goes on with it: verify tells.
func (s Store) ensureGlobal(t activators.Machine, host string, r *Record, fit func(path string) error) error {
	err := checkGlobal(t, r)
	if host != "freebsd" || err == nil && !s.stale(t, r) {
		return err
	}
	for _, e := range r.Activators {
		if now, lerr := t.Lookup(e.Name); lerr == nil && !now.Enabled {
			return err
		}
	}
	failed := s.renewGlobal(t, r, fit)
	if err == nil && checkGlobal(t, r) == nil {
		return nil
	}
	return failed
}

// renewGlobal registers the jail's activators again, with emulators that fit.
func (s Store) renewGlobal(t activators.Machine, r *Record, fit func(path string) error) error {
	for _, e := range r.Activators {
		if err := fit(e.Interpreter); err != nil {
			return fault.Wrap(fault.KindOf(err), err, "the emulator of jail "+r.Name, "install it again")
		}
	}
	return s.registerGlobal(t, r)
}

// fits tells whether a file is an emulator for the programs of a jail.
func fits(ctx context.Context, r *Record) func(path string) error {
	return func(path string) error {
		a, err := arch.Lookup(r.Arch)
		if err == nil {
			_, _, err = qemu.Find(ctx, a, qemu.FindOptions{Explicit: path, GuestOS: r.Guest, SkipDigest: true})
		}
		return err
	}
}

// stale tells whether the kernel runs an emulator that was replaced since.
func (s Store) stale(t activators.Machine, r *Record) bool {
	l, err := s.readLedger(t)
	return err == nil && slices.ContainsFunc(r.Activators, func(e activators.Entry) bool { return l.Stale(e) != "" })
}

// RefusedGlobal is why Exec does not enter a jail that uses the machine's table on
// Linux, since an entry is missing, switched off or for other programs; nil when
// it does. On FreeBSD Exec registers what is missing, and refuses only what was
// switched off.
func RefusedGlobal(t activators.Table, host string, r *Record) (disabled bool, err error) {
	if !r.Global {
		return false, nil
	}
	if err = checkGlobal(t, r); fault.KindOf(err) != fault.NotFound {
		return false, nil // in order, or not to be seen
	}
	disabled = slices.ContainsFunc(r.Activators, func(e activators.Entry) bool {
		now, lerr := t.Lookup(e.Name)
		return lerr == nil && !now.Enabled
	})
	if host == "freebsd" && !disabled {
		return false, nil
	}
	return disabled, err
}

// checkGlobal looks that the machine still has what a jail needs.
func checkGlobal(t activators.Table, r *Record) error {
	hint := "as root: xjail activator register " + r.Arch + " --global"
	for _, want := range r.Activators {
		e, err := t.Lookup(want.Name)
		if err != nil {
			return fault.Wrap(fault.NotFound, err, "the machine no longer has the activator of jail "+r.Name, hint)
		}
		if !e.Enabled {
			return fault.New(fault.NotFound, "as root: xjail activator enable "+r.Arch+" --global", "the activator %s is switched off", e.Name)
		}
		if !activators.Covers(e, want) {
			return fault.New(fault.NotFound, hint, "the activator %s is not for programs of %s any more", e.Name, r.Arch)
		}
	}
	return nil
}

// checkRegister refuses what registerGlobal would refuse, before anything is
// fetched: entries of somebody else that are in the way.
func (s Store) checkRegister(t activators.Machine, e activators.Entry) error {
	actual, err := t.List()
	if errors.Is(err, activators.ErrUnsupported) {
		return nil // a table that is not loaded is empty
	}
	if err != nil {
		return err
	}
	if slices.ContainsFunc(actual, e.Equal) {
		return nil // it serves as it is, whoever made it
	}
	l, err := s.readLedger(t)
	if err != nil {
		return err
	}
	p, err := activators.NewPlan(actual, []activators.Entry{e}, l)
	if err != nil {
		return err
	}
	return p.Err()
}

// willRegister tells whether the machine's activator of that name is for jails
// to make and to remove: it is not there, or another jail made it. One that the
// user registered stays when the last jail goes.
func (s Store) willRegister(t activators.Machine, entry, except string) (bool, error) {
	_, err := t.Lookup(entry)
	if errors.Is(err, activators.ErrNotFound) || errors.Is(err, activators.ErrUnsupported) && activators.Loadable(t) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	users, err := s.globalUsers(entry, except)
	return slices.ContainsFunc(users, func(r *Record) bool { return r.Registered }), err
}
