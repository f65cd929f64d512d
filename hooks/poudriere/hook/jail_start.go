package hook

import (
	"context"
	"errors"
	"os"
	"strings"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/qemu"
)

// jailStart comes when the reference runs, and before a port is looked at. Every
// builder is a clone of what the reference is then.
func (j *job) jailStart(ctx context.Context) error {
	err := j.wire(ctx)
	var s *Stop
	if errors.As(err, &s) {
		return err
	}
	if want, perr := j.wantsCollector(ctx); perr != nil || !want {
		return errors.Join(err, perr)
	}
	if err != nil {
		j.say("%v", err)
	}
	return ErrCollect
}

// wire has the reference run what it is to run natively, and tries it.
func (j *job) wire(ctx context.Context) error {
	ref := j.openReference()
	if ref == nil || j.arch == nil {
		return nil
	}
	defer ref.Close()
	for _, name := range j.Second[j.name] {
		if err := j.placeSecond(ctx, ref, name); err != nil {
			j.say("the emulator of %s is not in the jail: %v", name, err)
		}
	}
	if err := j.leaveVariables(ref); err != nil {
		j.say("%v", err)
	}
	// Programs of which the tools are that poudriere did not lay over the jail's.
	w := &wiring{job: j, root: ref}
	if err := w.link(ctx); err != nil {
		j.say("not all native tools are in place: %v", err)
	}
	err := j.smoke(ctx, ref)
	if err == nil {
		return w.sweep(ctx) // what was replaced is not wanted back
	}
	var s *Stop
	if errors.As(err, &s) || len(w.done) == 0 {
		return errors.Join(w.undo(ctx), err)
	}
	if uerr := w.undo(ctx); uerr != nil {
		return errors.Join(err, uerr)
	}
	j.say("%s are emulated again: %v", strings.Join(w.names(), " "), err)
	if err := j.smoke(ctx, ref); err != nil {
		return err
	}
	return nil
}

// placeSecond puts the emulator of an architecture beside the jail's own where its
// programs look for it: at the path of its activator, as poudriere does with the
// first.
func (j *job) placeSecond(ctx context.Context, ref *os.Root, name string) error {
	a, err := arch.Lookup(name)
	if err != nil {
		return err
	}
	e, err := j.Table.Lookup(a.Name)
	if err != nil {
		return err
	}
	em, err := j.inspect(ctx, e.Interpreter)
	if err != nil {
		return err
	}
	if !runs(a, em.Target) {
		return fault.New(fault.BadEmulator, "", "%s is for %s", em.Path, em.Target)
	}
	_, err = qemu.Place(ref, strings.TrimPrefix(em.Path, "/"), em)
	return err
}
