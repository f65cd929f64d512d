package poudriere

import (
	"context"
	"slices"
	"strings"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail"
)

// CheckName is the name of the checks of what poudriere knows of a jail.
const CheckName = "poudriere"

// Check looks whether what poudriere knows of a jail still holds. A jail that it
// was not told of has no such check.
func (p *Poudriere) Check(ctx context.Context, s Subject) []jail.Check {
	register, unregister := "xjail poudriere register "+s.Name, "xjail poudriere unregister "+s.Name
	failed := func(message, fix string) []jail.Check {
		return []jail.Check{{Result: jail.Failed, Name: CheckName, Message: message, Fix: fix}}
	}
	r, err := Load(s.Dir)
	switch {
	case err != nil:
		return failed(err.Error(), fault.HintOf(err))
	case r == nil:
		return nil
	}
	if r.Etc != DefaultEtc {
		register += " --poudriere-etc " + r.Etc
	}
	now, err := r.Config().Jail(r.Jail.Name)
	switch {
	case r.Begun:
		return failed("its registration was interrupted", register+", or "+unregister)
	case fault.KindOf(err) == fault.NotFound && r.follow():
		return failed("poudriere calls it "+r.Jail.Name+" now", register)
	case fault.KindOf(err) == fault.NotFound:
		return failed("poudriere has no jail "+r.Jail.Name+" any more", register+", or "+unregister)
	case err != nil:
		return failed(err.Error(), fault.HintOf(err))
	case !ours(r, now):
		return failed("poudriere's jail "+r.Jail.Name+" is another one now, of method "+now.Method+" at "+now.Mnt, unregister)
	}
	if message := p.disagrees(ctx, s, r, now); message != "" {
		return failed(message, register)
	}
	message := "poudriere has it as " + now.Name + ", " + now.Version + " " + now.Arch
	checks := append([]jail.Check{{Result: jail.OK, Name: CheckName, Message: message}}, r.checkLimits()...)
	return append(checks, r.checkHooks()...)
}

// checkHooks tells when hooks are installed that do nothing, or are of another
// xjail. What install was told then is shown by hooks status.
func (r *Registration) checkHooks() []jail.Check {
	list, err := r.Config().PluginStatus()
	if err != nil {
		return nil // hooks status says it
	}
	fix := "xjail poudriere hooks install, with the options that xjail poudriere hooks status shows"
	if r.Etc != DefaultEtc {
		fix += ", --poudriere-etc " + r.Etc
	}
	for _, f := range list {
		if f.Problem != "" {
			return []jail.Check{{Result: jail.Failed, Name: CheckName, Message: "its hooks do nothing: " + f.Problem, Fix: fix}}
		}
	}
	if slices.ContainsFunc(list, func(f PluginFile) bool { return f.State == FileOutdated }) {
		return []jail.Check{{Result: jail.Info, Name: CheckName, Message: "its hooks are those of another version of xjail", Fix: fix}}
	}
	return nil
}

// disagrees says in what poudriere's word is not the jail's; "" for nothing.
func (p *Poudriere) disagrees(ctx context.Context, s Subject, r *Registration, now *Jail) string {
	archName, err := ArchName(s.Arch)
	if err != nil {
		return err.Error()
	}
	facts, err := readRoot(s.Root, "", r.Asked)
	switch {
	case err != nil:
		return err.Error()
	case now.Arch != archName:
		return "poudriere takes it for " + now.Arch + ", and it is " + archName
	case now.Mnt != s.Root:
		return "poudriere looks for it at " + now.Mnt + ", and it is at " + s.Root
	case now.Version != facts.Version && !strings.HasPrefix(now.Version, facts.Version+" "):
		return "poudriere takes it for " + now.Version + ", and it is " + facts.Version
	case !r.Updated.Equal(s.Updated):
		return "poudriere was not told that the jail was updated"
	}
	return p.lacksClean(ctx, s, r)
}

// lacksClean says that there is no snapshot which poudriere would clone; "" when
// there is one, or none is wanted.
func (p *Poudriere) lacksClean(ctx context.Context, s Subject, r *Registration) string {
	dataset := r.Dataset
	if dataset == "" {
		// Poudriere may have gone over to ZFS since.
		settings, err := r.Config().Settings("")
		if err == nil {
			dataset, err = p.dataset(ctx, settings, s.Root)
		}
		if err != nil || dataset == "" {
			return ""
		}
	}
	switch guid, err := p.guid(ctx, dataset); {
	case err != nil:
		return err.Error()
	case guid == "":
		return "the dataset " + dataset + " has no snapshot @" + clean + ", which poudriere clones"
	}
	return ""
}

// checkLimits tells when the file of the times is not what was written.
func (r *Registration) checkLimits() []jail.Check {
	if r.Limits == nil {
		return nil
	}
	c := jail.Check{Result: jail.Info, Name: CheckName}
	switch sum, err := digest(r.Limits.Path); {
	case err != nil:
		c.Message = r.Limits.Path + " is gone: poudriere's own times hold"
	case sum != r.Limits.SHA256:
		c.Message = r.Limits.Path + " was changed, and is left as it is"
	default:
		return nil
	}
	return []jail.Check{c}
}
