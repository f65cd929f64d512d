package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/xjail/xjail/hooks/poudriere"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail"
)

type updateOptions struct {
	jail.UpdateRequest
	dryRun bool
}

const updateLong = `Renew what is outdated in a jail:

  the emulator in the root, when that on the host which it came from is another
  one now, or is named by --emulator; a program is run with it, and when that
  fails the jail keeps the old one
  the machine's activator, where the jail uses that
  native tools, when programs that they stand for were replaced
  with --release, a root of the sets of a FreeBSD release: another release takes
  its place, and what was changed in the root goes with the old one

Packages in a root are the business of its own tools: apt-get in a jail of
Debian, pkg in one of pkgbase.

Poudriere is told of a change where it knows the jail: its version, its time,
and the snapshot @clean follow. While it runs with the jail nothing is changed.

When it fails, is interrupted or is killed, the jail is what it was or what it
becomes: the next command that uses the jail ends it or takes it back.`

func newUpdate(g *globals) *cobra.Command {
	o := &updateOptions{}
	cmd := &cobra.Command{
		Use:   "update NAME",
		Short: "Renew what is outdated in a jail",
		Long:  updateLong,
		Example: `  xjail update mips64
  xjail update mips64 --dry-run
  xjail update mips64 --emulator /opt/qemu/qemu-mips64-static
  xjail update fbsd-arm64 --release 14.4`,
		Args:              exactArgs("NAME"),
		ValidArgsFunction: completeJail(g),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runUpdate(cmd.Context(), g, args[0], o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Emulator, "emulator", "", "static qemu-user `file` to use (default: where the jail's came from)")
	f.StringVar(&o.Release, "release", "", "FreeBSD `version` that replaces the root, such as 14.4")
	f.BoolVarP(&o.dryRun, "dry-run", "n", false, "say what would be done and change nothing")
	_ = cmd.MarkFlagFilename("emulator")
	return cmd
}

// updated is the answer of update as JSON.
type updated struct {
	Name    string   `json:"name"`
	Changes []string `json:"changes"`
	Notes   []string `json:"notes,omitempty"`
	// Poudriere is how poudriere knows the jail.
	Poudriere *poudriere.Registration `json:"poudriere,omitempty"`
	Record    *jail.Record            `json:"record,omitempty"`
}

func runUpdate(ctx context.Context, g *globals, name string, o *updateOptions) error {
	if done, err := g.asRoot(); done {
		return err
	}
	store, err := g.store()
	if err != nil {
		return err
	}
	cfg, err := g.loadConfig()
	if err != nil {
		return err
	}
	plan, err := store.NewUpdatePlan(ctx, cfg, name, o.UpdateRequest)
	if err != nil {
		return err
	}
	reg, err := g.checkRegistered(store, name, plan)
	if err != nil {
		return err
	}
	answer := &updated{Name: name, Changes: plan.Changes, Notes: plan.Notes}
	if o.dryRun {
		return g.printUpdated(answer, "would change")
	}
	if !plan.Nothing() {
		w := g.newWatch()
		defer w.Close()
		if answer.Record, err = store.Update(ctx, plan, w); err != nil {
			return err
		}
		w.Close()
	}
	if reg != nil {
		if answer.Poudriere, err = g.renewRegistration(ctx, store, name, reg, answer); err != nil {
			what := "the jail is updated, and poudriere was not told"
			if plan.Nothing() {
				what = "nothing is outdated in the jail, and poudriere was not told of it"
			}
			return fault.Wrap(fault.KindOf(err), err, what, "xjail poudriere register "+name)
		}
	}
	return g.printUpdated(answer, "changed")
}

// checkRegistered is how poudriere knows a jail; nil when it does not. It refuses
// while poudriere runs with a jail that is to be changed.
func (g *globals) checkRegistered(store jail.Store, name string, plan *jail.UpdatePlan) (*poudriere.Registration, error) {
	reg, err := poudriere.Load(store.JailDir(name))
	if err != nil || reg == nil || plan.Nothing() {
		return reg, err
	}
	return reg, reg.CheckIdle()
}

// renewRegistration brings what poudriere knows in step with the jail.
func (g *globals) renewRegistration(ctx context.Context, store jail.Store, name string, reg *poudriere.Registration, answer *updated) (*poudriere.Registration, error) {
	held, err := store.Hold(name)
	if err != nil {
		return nil, err
	}
	defer held.Release()
	s, err := subjectOf(held.Record, held.Dir)
	if err != nil {
		return nil, err
	}
	s.Activate = held.Activate
	p := poudriere.New(reg.Config())
	plan, err := p.Plan(ctx, s, poudriere.Request{})
	if err != nil {
		return nil, err
	}
	if plan.Nothing() {
		return reg, nil
	}
	answer.Changes = append(answer.Changes, "poudriere: "+plan.Jail.Name+" is "+plan.Jail.Version+", of now")
	return p.Register(ctx, plan)
}

func (g *globals) printUpdated(a *updated, did string) error {
	if g.json {
		return g.printJSON(a)
	}
	if len(a.Changes) == 0 {
		fmt.Fprintf(g.Stdout, "jail %s: nothing is outdated\n", a.Name)
	} else {
		fmt.Fprintf(g.Stdout, "jail %s %s\n", a.Name, did)
	}
	for _, c := range a.Changes {
		fmt.Fprintln(g.Stdout, " ", c)
	}
	for _, n := range a.Notes {
		fmt.Fprintln(g.Stdout, "  note:", n)
	}
	return nil
}
