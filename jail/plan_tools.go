package jail

import (
	"context"
	"os"
	"runtime"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/source"
	"github.com/xjail/xjail/jail/xtools"
)

// ToolsPlan are the native tools that a jail will get.
type ToolsPlan struct {
	Source string `json:"source"`
	// Materialize: they are written into the root.
	Materialize bool `json:"materialize,omitempty"`
	// Only are the programs to be native, as an advice chose them; nil for all.
	Only []string `json:"only,omitempty"`
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
		if req.Materialize {
			return fault.New(fault.Usage, "--tools twin --materialize", "--materialize needs --tools")
		}
		if p.host.OS == "linux" && p.emu != nil && p.Source.Kind == source.Debian && hasTwins() {
			p.Tools = &ToolsPlan{Source: xtools.TwinName, Optional: true}
		}
		return nil
	}
	if err := CheckToolSource(req.Tools); err != nil {
		return err
	}
	if err := s.toolsFit(p, req.Tools); err != nil {
		return err
	}
	p.Tools = &ToolsPlan{Source: req.Tools, Materialize: req.Materialize}
	return nil
}

// toolsFit refuses early what the source cannot be used for.
func (s Store) toolsFit(p *Plan, from string) error {
	hint := "leave --tools out, or --tools none"
	for _, kind := range []string{xtools.NxbName, xtools.PackName} {
		if file, ok := isPath(from, kind); ok {
			if _, err := os.Stat(file); err != nil {
				return fault.Wrap(fault.NotFound, err, "--tools "+from, hint)
			}
		}
	}
	if p.Guest == "freebsd" {
		return freebsdToolsFit(from, hint)
	}
	if _, err := s.toolSource(p.cfg, from); err != nil {
		return err
	}
	switch {
	case p.host.OS != "linux":
		return fault.New(fault.Unsupported, hint, "--tools %s: native tools are laid over on Linux hosts", from)
	case p.emu == nil:
		return fault.New(fault.Unsupported, hint, "--tools %s: this machine runs %s by itself", from, p.Arch)
	case p.Source.Kind == source.Miniroot:
		return fault.New(fault.Unsupported, hint, "--tools %s: a mini root has no twin", from)
	}
	return nil
}

// freebsdToolsFit knows which sources have tools of FreeBSD.
func freebsdToolsFit(from, hint string) error {
	if nxbKnows(from) == nil {
		return runsAMD64(runtime.GOOS, arch.Host())
	}
	return fault.New(fault.Unsupported, hint, "--tools %s: the root is one of freebsd, which gets native tools of twin or nxb:PATH", from)
}

// runsAMD64 refuses machines of FreeBSD that cannot run the native tools of its
// roots, which are amd64's. Others make them for such machines.
func runsAMD64(system string, host *arch.Arch) error {
	if system != "freebsd" || host == nil || host.Name == "amd64" {
		return nil
	}
	return fault.New(fault.Unsupported, "leave --tools out, or --tools none", "the native tools of FreeBSD roots are programs of amd64, which this machine of %s does not run", host.Name)
}

// hasTwins tells whether twins are made for this machine.
func hasTwins() bool {
	host := arch.Host()
	return host != nil && host.Debian != "" && host.GNU != ""
}

// tools is the step of a creation that gets them.
func (c *creation) tools(ctx context.Context) error {
	err := c.getTools(ctx)
	if err == nil || !c.plan.Tools.Optional || ctx.Err() != nil || fault.KindOf(err) == fault.NoSpace {
		return err
	}
	c.watch.Warn("the jail has no native tools: " + err.Error() + "; xjail tools install " + c.plan.Name + " tries again")
	return nil
}

func (c *creation) getTools(ctx context.Context) error {
	if c.record.Guest == "freebsd" {
		try := c.store.nxbTrialOf(ctx, c.record, true, c.watch)
		_, err := c.store.installNxb(ctx, c.plan.cfg, c.record, c.plan.Tools.Source, try, c.watch)
		return err
	}
	src, err := c.store.toolSource(c.plan.cfg, c.plan.Tools.Source)
	if err != nil {
		return err
	}
	_, err = c.store.installTools(ctx, c.plan.cfg, c.record, src, ToolsRequest{Materialize: c.plan.Tools.Materialize, Try: true}, c.watch)
	return err
}
