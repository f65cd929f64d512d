package cli

import (
	"context"
	"fmt"

	"github.com/xjail/xjail/hooks/poudriere"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail"
)

// registerRequest is what --poudriere asks for.
func (o *createOptions) registerRequest() poudriere.Request {
	if o.poudriere == ownName {
		return poudriere.Request{}
	}
	return poudriere.Request{As: o.poudriere}
}

// checkPoudriere refuses early what register would refuse of a jail that is there.
func (o *createOptions) checkPoudriere(g *globals, p *jail.Plan) error {
	if o.poudriere == "" {
		return nil
	}
	if p.Guest != "freebsd" {
		return fault.New(fault.Unsupported, "--from release:VERSION makes one of FreeBSD", "jail %s has no root of FreeBSD: poudriere builds FreeBSD's ports", p.Name)
	}
	if _, err := slownessOf(o.slowness); err != nil {
		return err
	}
	config, err := poudriere.FindConfig(o.etc, g.Getenv)
	if err != nil {
		return err
	}
	s, err := subjectOf(&jail.Record{Name: p.Name, Arch: p.Arch, Root: p.Root}, "")
	if err != nil {
		return err
	}
	return poudriere.New(config).Accepts(s, o.registerRequest())
}

// registerCreated registers a jail that was just made.
func (o *createOptions) registerCreated(ctx context.Context, g *globals, store jail.Store, r *jail.Record) error {
	config, err := poudriere.FindConfig(o.etc, g.Getenv)
	if err != nil {
		return err
	}
	if !g.json {
		printCreated(g, r)
	}
	reg, err := g.register(ctx, poudriere.New(config), store, r.Name, &poudriereOptions{Request: o.registerRequest(), slowness: o.slowness})
	if err == nil && g.json {
		return g.printJSON(shownRecord{r, reg})
	}
	if err == nil {
		printRegistered(g, r.Name, reg)
		return nil
	}
	hint := fault.HintOf(err)
	if hint != "" {
		hint += "; then "
	}
	return fault.Wrap(fault.KindOf(err), err, "jail "+r.Name+" is made, and poudriere was not told of it", hint+"xjail poudriere register "+r.Name)
}

// printPoudriere is the part of --dry-run that is poudriere's.
func (o *createOptions) printPoudriere(g *globals, p *jail.Plan) {
	if o.poudriere == "" || g.json {
		return
	}
	name := o.poudriere
	if name == ownName {
		name = p.Name
	}
	fmt.Fprintf(g.Stdout, "then xjail poudriere register %s, as %s\n", p.Name, name)
}
