package hook

import (
	"context"
	"errors"
	"slices"

	"github.com/xjail/xjail/arch"
)

// bulkStart is the only event that is early enough to register an activator, and
// to say that a build cannot work before it takes hours.
func (j *job) bulkStart(ctx context.Context) error {
	if j.arch == nil || j.arch.Name != j.name {
		return j.unknownArch()
	}
	if err := j.activator(ctx, j.arch); err != nil {
		return err
	}
	for _, name := range j.Second[j.name] {
		if err := j.second(ctx, name); err != nil {
			j.say("%v", err)
		}
	}
	return j.storedTools()
}

// unknownArch is a jail whose architecture poudriere takes for a TARGET_ARCH and
// xjail does not. Poudriere's own check decides; what is wrong with the name is
// said where xjail knows what was meant.
func (j *job) unknownArch() error {
	if j.arch == nil {
		return nil
	}
	if _, err := j.Table.Lookup(j.name); err == nil {
		return nil // whoever registered it under that name knows why
	}
	right := j.arch.Target + "." + j.arch.Name
	return stop("poudriere looks for an activator with the name %s, which no architecture has: set the jail's architecture with: echo %s > %s",
		j.name, right, j.call.config().Dir()+"/jails/"+j.jail.Name+"/arch")
}

// second has an architecture beside the jail's own run. That it does not is no
// reason to stop: most packages do without.
func (j *job) second(ctx context.Context, name string) error {
	a, err := arch.Lookup(name)
	if err != nil || slices.Contains(j.natives(), a.Name) {
		return err
	}
	if err := j.activator(ctx, a); err != nil {
		var s *Stop
		if errors.As(err, &s) {
			return errors.New("programs of " + a.Name + " do not run in it: " + s.Sentence)
		}
		return err
	}
	return nil
}
