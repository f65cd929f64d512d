package hook

import (
	"context"
	"errors"

	"github.com/xjail/xjail/activators"
)

// builderStart looks that the activator is still there. A builder that does not
// start is the end of the build, so nothing here is a Stop.
func (j *job) builderStart(ctx context.Context) error { return j.restore(ctx) }

// restore registers an activator that went away while packages are built:
// somebody unloaded the module, or removed the entry. One that is there is left as
// it is, also when its emulator was replaced meanwhile: the kernel has the old one
// open, and the jail has a copy of it.
func (j *job) restore(ctx context.Context) error {
	if j.arch == nil || j.arch.Name != j.name {
		return nil
	}
	_, err := j.Table.Lookup(j.name)
	if !errors.Is(err, activators.ErrNotFound) && !errors.Is(err, activators.ErrUnsupported) {
		return nil
	}
	if err := activators.Load(j.Table); err != nil {
		return err
	}
	err = j.register(ctx, j.arch, "it went away")
	var s *Stop
	if errors.As(err, &s) {
		return errors.New(s.Sentence)
	}
	return err
}
