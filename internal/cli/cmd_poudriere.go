package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/hooks/poudriere"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/internal/ui"
	"github.com/xjail/xjail/jail"
)

// poudriereFlag is the option that says where poudriere's configuration is.
const poudriereFlag = "poudriere-etc"

const poudriereFlagText = "`directory` of poudriere.conf and poudriere.d (default $POUDRIERE_ETC, /usr/local/etc)"

const poudriereLong = `Have poudriere(8) build in a jail that xjail made. Poudriere makes a jail of a
root of its own; register tells it of one that is there. What poudriere has of
its own about jails is not touched.

Poudriere's configuration is in --poudriere-etc DIR, $POUDRIERE_ETC or
/usr/local/etc: poudriere.conf, and the directory poudriere.d.`

func newPoudriere(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "poudriere",
		Short:   "Have poudriere build in a jail",
		Long:    poudriereLong,
		Example: "  xjail poudriere register arm64\n  xjail poudriere unregister arm64",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().String(poudriereFlag, "", poudriereFlagText)
	cmd.AddCommand(newPoudriereRegister(g), newPoudriereUnregister(g), newPoudriereTimeouts(g))
	cmd.AddCommand(newPoudriereHooks(g), newPoudriereHook(g))
	cmd.AddCommand(newPoudriereReport(g))
	return cmd
}

// poudriereConfig is where poudriere's configuration is, by the option of the
// command or of its parent.
func poudriereConfig(g *globals, cmd *cobra.Command) (poudriere.Config, error) {
	etc, _ := cmd.Flags().GetString(poudriereFlag)
	return poudriere.FindConfig(etc, g.Getenv)
}

// poudriereOptions are what register, and create --poudriere, are told.
type poudriereOptions struct {
	poudriere.Request
	slowness string
	dryRun   bool
}

const registerLong = `Have poudriere know a jail with a root of FreeBSD, as poudriere jail -c -m null
would: its version, architecture, root and time, in poudriere.d/jails. Where
poudriere is installed it does that itself, with the jail's activator
registered; --direct writes the files without it.

Poudriere ends what takes too long, by times that are made for native builds. So
the jail gets a file of longer ones; see xjail poudriere timeouts. --slowness
none leaves them as they are.

A jail that is registered already is looked at again, and what is not as it
should be is mended. Where the root is a dataset poudriere clones its snapshot
@clean, or takes the root itself back to it (USE_TMPFS=all): --renew after the
root was changed other than by xjail update and tools. xjail destroy takes the
registration away.`

func newPoudriereRegister(g *globals) *cobra.Command {
	o := &poudriereOptions{}
	cmd := &cobra.Command{
		Use:   "register NAME",
		Short: "Have poudriere know a jail",
		Long:  registerLong,
		Example: `  xjail poudriere register arm64
  xjail poudriere register freebsd-14.3 --as 143arm64
  xjail poudriere register arm64 --dry-run`,
		Args:              exactArgs("NAME"),
		ValidArgsFunction: completeJail(g),
		RunE: func(cmd *cobra.Command, args []string) error {
			config, err := poudriereConfig(g, cmd)
			if err != nil {
				return err
			}
			return runRegister(cmd.Context(), g, config, args[0], o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.As, "as", "", "`name` of the jail in poudriere (default: NAME)")
	f.StringVar(&o.Version, "version", "", "`version` that poudriere takes the root for, such as 14.3-RELEASE (default: what the root says)")
	f.BoolVar(&o.Renew, "renew", false, "the root was changed by hand: the snapshot @clean and the time are of now")
	f.BoolVar(&o.Direct, "direct", false, "write the files without poudriere, also where it is installed")
	f.StringVar(&o.slowness, "slowness", "", "`factor` for poudriere's times, or none (default: measured in the jail)")
	f.BoolVarP(&o.dryRun, "dry-run", "n", false, "say what would be done and change nothing")
	return cmd
}

func runRegister(ctx context.Context, g *globals, config poudriere.Config, name string, o *poudriereOptions) error {
	if done, err := g.asRoot(); done {
		return err
	}
	store, err := g.store()
	if err != nil {
		return err
	}
	if _, err := slownessOf(o.slowness); err != nil {
		return err
	}
	p := poudriere.New(config)
	if o.dryRun {
		return g.printRegisterPlan(ctx, p, store, name, o)
	}
	r, err := g.register(ctx, p, store, name, o)
	if err != nil {
		return err
	}
	if g.json {
		return g.printJSON(r)
	}
	printRegistered(g, name, r)
	return nil
}

// register registers a jail and gives it its times.
func (g *globals) register(ctx context.Context, p *poudriere.Poudriere, store jail.Store, name string, o *poudriereOptions) (*poudriere.Registration, error) {
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
	plan, err := p.Plan(ctx, s, o.Request)
	if err != nil {
		return nil, err
	}
	if _, err = p.Register(ctx, plan); err != nil {
		return nil, err
	}
	held.Release() // the jail is entered to measure
	g.registerLimits(ctx, p, store, name, o.slowness)
	return poudriere.Load(held.Dir)
}

func printRegistered(g *globals, name string, r *poudriere.Registration) {
	fmt.Fprintf(g.Stdout, "poudriere knows jail %s as %s: %s %s\n", name, r.Jail.Name, r.Jail.Version, r.Jail.Arch)
	if r.Limits != nil {
		fmt.Fprintf(g.Stdout, "times: %s, for programs that take %g times as long\n", r.Limits.Path, r.Limits.Slowness)
	}
}

// registerLimits gives a jail that was registered its times. What keeps it from
// that is a warning: the jail is registered, and builds.
func (g *globals) registerLimits(ctx context.Context, p *poudriere.Poudriere, store jail.Store, name, slowness string) {
	if slowness == noSlowness {
		return
	}
	err := g.setLimits(ctx, p, store, name, slowness)
	if err == nil {
		return
	}
	text := "poudriere's times stay as they are: " + err.Error()
	if hint := fault.HintOf(err); hint != "" {
		text += " (" + hint + "; xjail poudriere timeouts " + name + " shows the lines)"
	}
	g.warn(text)
}

func (g *globals) printRegisterPlan(ctx context.Context, p *poudriere.Poudriere, store jail.Store, name string, o *poudriereOptions) error {
	r, err := store.Load(name)
	if err != nil {
		return err
	}
	s, err := subjectOf(r, store.JailDir(name))
	if err != nil {
		return err
	}
	plan, err := p.Plan(ctx, s, o.Request)
	if err != nil {
		return err
	}
	if g.json {
		return g.printJSON(plan)
	}
	rows := [][]string{
		{"jail", name}, {"in poudriere", plan.Jail.Name}, {"version", plan.Jail.Version}, {"arch", plan.Jail.Arch},
		{"mnt", plan.Jail.Mnt}, {"method", plan.Jail.Method}, {"in", plan.Etc},
	}
	switch {
	case plan.Nothing():
		rows = append(rows, []string{"change", "nothing: it is registered"})
	case plan.Known:
		rows = append(rows, []string{"change", fmt.Sprint(append(plan.Changes, "timestamp"))})
	default:
		rows = append(rows, []string{"written by", plan.Through})
	}
	if plan.Dataset != "" {
		rows = append(rows, []string{"snapshot", plan.Dataset + "@clean"})
	}
	return ui.Pairs(g.Stdout, rows)
}

// subjectOf is a jail as package poudriere takes it.
func subjectOf(r *jail.Record, dir string) (poudriere.Subject, error) {
	a, err := arch.Lookup(r.Arch)
	return poudriere.Subject{Name: r.Name, Arch: a, Root: r.Root, Dir: dir, Updated: r.Updated, Emulated: r.Emulator != nil || r.NotRun != ""}, err
}

func newPoudriereUnregister(g *globals) *cobra.Command {
	dryRun := false
	cmd := &cobra.Command{
		Use:   "unregister NAME",
		Short: "Have poudriere forget a jail",
		Long: `Take away what register made: the jail's directory in poudriere.d/jails, its
file of times unless that was changed, and the snapshot @clean of its dataset.
The jail itself stays, and so do packages, logs and what else poudriere has.

While poudriere runs with the jail nothing is changed (exit status 11).`,
		Example:           "  xjail poudriere unregister arm64\n  xjail poudriere unregister arm64 --dry-run",
		Args:              exactArgs("NAME"),
		ValidArgsFunction: completeJail(g),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runUnregister(cmd.Context(), g, args[0], dryRun)
		},
	}
	cmd.Flags().BoolVarP(&dryRun, "dry-run", "n", false, "say what would be removed and change nothing")
	return cmd
}

func runUnregister(ctx context.Context, g *globals, name string, dryRun bool) error {
	if done, err := g.asRoot(); done {
		return err
	}
	store, err := g.store()
	if err != nil {
		return err
	}
	held, err := store.Hold(name)
	if err != nil {
		return err
	}
	defer held.Release()
	p := poudriere.New(poudriere.Config{})
	remove := p.Unregister
	if dryRun {
		remove = p.PlanRemoval
	}
	rm, err := remove(ctx, held.Dir)
	if err != nil {
		return err
	}
	if rm == nil {
		return fault.New(fault.NotFound, "xjail poudriere register "+name, "poudriere was not told of jail %s", name)
	}
	return g.printRemoval(rm, dryRun)
}

func (g *globals) printRemoval(rm *poudriere.Removal, dryRun bool) error {
	if g.json {
		return g.printJSON(rm)
	}
	verb := "removed"
	if dryRun {
		verb = "remove"
	}
	for _, path := range rm.Paths {
		fmt.Fprintln(g.Stdout, verb, path)
	}
	if rm.Snapshot != "" {
		fmt.Fprintln(g.Stdout, verb, "snapshot", rm.Snapshot)
	}
	for _, path := range rm.Kept {
		fmt.Fprintln(g.Stdout, "keep", path)
	}
	return nil
}
