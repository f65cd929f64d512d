package cli

import (
	"context"

	"github.com/xjail/xjail/hooks/poudriere"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail"
)

// poudriereFollows is for commands that change the root of a jail. It refuses while
// poudriere runs with the jail. After the change told makes the snapshot anew that
// poudriere clones, or takes the root back to (USE_TMPFS=all), where there is one.
func poudriereFollows(ctx context.Context, store jail.Store, name string) (told func() error, err error) {
	reg, err := poudriere.Load(store.JailDir(name))
	if err != nil || reg == nil || reg.Begun {
		return func() error { return nil }, err
	}
	if err := reg.CheckIdle(); err != nil {
		return nil, err
	}
	return func() error {
		err := renewSnapshot(ctx, store, name, reg)
		return fault.Wrap(fault.KindOf(err), err, "the root is changed, and poudriere was not told", "xjail poudriere register "+name+" --renew")
	}, nil
}

func renewSnapshot(ctx context.Context, store jail.Store, name string, reg *poudriere.Registration) error {
	held, err := store.Hold(name)
	if err != nil {
		return err
	}
	defer held.Release()
	s, err := subjectOf(held.Record, held.Dir)
	if err != nil {
		return err
	}
	p := poudriere.New(reg.Config())
	plan, err := p.Plan(ctx, s, poudriere.Request{Renew: true})
	if err != nil || plan.Dataset == "" {
		return err
	}
	_, err = p.Register(ctx, plan)
	return err
}
