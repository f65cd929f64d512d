package jail

import (
	"context"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/source"
	"github.com/xjail/xjail/jail/xtools"
)

// ToolsPlan are the native tools that a jail will get.
type ToolsPlan struct {
	Source string `json:"source"`
	// Optional: nobody asked for them, and the jail is made without when they
	// cannot be had.
	Optional bool `json:"optional,omitempty"`
}

// planTools decides which native tools the jail gets. A root that is made of a
// release of Debian has a twin; of others that turns out when it is there.
func (s Store) planTools(p *Plan, req Request) error {
	switch req.Tools {
	case NoTools:
		return nil
	case "":
		if p.host.OS == "linux" && p.emu != nil && p.Source.Kind == source.Debian && hasTwins() {
			p.Tools = &ToolsPlan{Source: xtools.TwinName, Optional: true}
		}
		return nil
	}
	if _, err := s.toolSource(p.cfg, req.Tools); err != nil {
		return err
	}
	hint := "leave --tools out, or --tools none"
	switch {
	case p.host.OS != "linux":
		return fault.New(fault.Unsupported, hint, "--tools %s: native tools are laid over on Linux hosts", req.Tools)
	case p.Guest != "linux":
		return fault.New(fault.Unsupported, hint, "--tools %s: the root is one of %s, which needs tools of %s", req.Tools, p.Guest, p.Guest)
	case p.emu == nil:
		return fault.New(fault.Unsupported, hint, "--tools %s: this machine runs %s by itself", req.Tools, p.Arch)
	case p.Source.Kind == source.Miniroot:
		return fault.New(fault.Unsupported, hint, "--tools %s: a mini root has no twin", req.Tools)
	}
	p.Tools = &ToolsPlan{Source: req.Tools}
	return nil
}

// hasTwins tells whether twins are made for this machine.
func hasTwins() bool {
	host := arch.Host()
	return host != nil && host.Debian != "" && host.GNU != ""
}

// tools is the step of a creation that gets them.
func (c *creation) tools(ctx context.Context) error {
	src, err := c.store.toolSource(c.plan.cfg, c.plan.Tools.Source)
	if err != nil {
		return err
	}
	_, err = c.store.installTools(ctx, c.plan.cfg, c.record, src, true, c.watch)
	if err == nil || !c.plan.Tools.Optional || ctx.Err() != nil || fault.KindOf(err) == fault.NoSpace {
		return err
	}
	c.watch.Warn("the jail has no native tools: " + err.Error() + "; xjail tools install " + c.plan.Name + " tries again")
	return nil
}
