package jail

import (
	"errors"
	"path/filepath"
	"runtime"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/binfmt"
	"github.com/xjail/xjail/internal/fault"
)

// machineTable is the machine's own table of activators, which only jails made
// with --global use.
func machineTable() *binfmt.Table { return binfmt.New(binfmt.DefaultDir) }

func (s Store) openLedger(t *binfmt.Table) (*activators.Ledger, error) {
	instance, err := t.Instance()
	if err != nil {
		return nil, err
	}
	return activators.OpenLedger(filepath.Join(s.Dir, activators.LedgerName), instance)
}

// registerGlobal registers the jail's activators with the machine.
func (s Store) registerGlobal(r *Record) error {
	t := machineTable()
	l, err := s.openLedger(t)
	if err != nil {
		return err
	}
	defer l.Close()
	_, err = activators.Register(t, l, r.Activators)
	return err
}

// unregisterGlobal removes the activator of an architecture from the machine,
// unless a jail other than except needs it or xjail no longer owns it. After a
// reboot it is not there any more.
func (s Store) unregisterGlobal(archName, except string) error {
	if users, err := s.globalJails(archName, except); err != nil || len(users) > 0 {
		return err
	}
	t := machineTable()
	name := ActivatorName(runtime.GOOS, archName, "linux")
	e, err := t.Lookup(name)
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
	_, err = activators.Unregister(t, l, []string{name})
	return err
}

// checkGlobal looks that the machine still has what a jail needs.
func (s Store) checkGlobal(r *Record) error {
	hint := "sudo xjail activator register " + r.Arch + " --global"
	for _, want := range r.Activators {
		e, err := machineTable().Lookup(want.Name)
		if err != nil {
			return fault.Wrap(fault.NotFound, err, "the machine no longer has the activator of jail "+r.Name, hint)
		}
		if !e.Enabled {
			return fault.New(fault.NotFound, "sudo xjail activator enable "+r.Arch+" --global", "the activator %s is switched off", e.Name)
		}
		if !activators.Covers(e, want) {
			return fault.New(fault.NotFound, hint, "the activator %s is not for programs of %s any more", e.Name, r.Arch)
		}
	}
	return nil
}

// willRegister tells whether the machine's activator of an architecture is for
// jails to make and to remove: it is not there, or another jail made it. One
// that the user registered stays when the last jail goes.
func (s Store) willRegister(archName, except string) (bool, error) {
	_, err := machineTable().Lookup(ActivatorName(runtime.GOOS, archName, "linux"))
	if errors.Is(err, activators.ErrNotFound) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	users, err := s.globalJails(archName, except)
	for _, r := range users {
		if r.Registered {
			return true, err
		}
	}
	return false, err
}
