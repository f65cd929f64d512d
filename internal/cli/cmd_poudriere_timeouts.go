package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/xjail/xjail/hooks/poudriere"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/internal/ui"
	"github.com/xjail/xjail/jail"
)

// noSlowness is what --slowness says where poudriere's times are to stay.
const noSlowness = "none"

const timeoutsLong = `Poudriere ends a phase of a build that takes too long, and one that says nothing
for too long. Under emulation it raises two of its six times by itself; packages
that are large die in the other four, with "runaway process". This raises all of
them, by how much longer programs of the jail take than this machine's: that is
measured in a few seconds of CPU time, or given by --slowness.

They are written to poudriere.d/<jail>-poudriere.conf. A file of that name that
xjail did not write, or that was changed since, stays (exit status 16); the
lines are printed, to be added by hand.`

func newPoudriereTimeouts(g *globals) *cobra.Command {
	slowness, dryRun := "", false
	cmd := &cobra.Command{
		Use:   "timeouts NAME",
		Short: "Give poudriere's builds in a jail the time that they need",
		Long:  timeoutsLong,
		Example: `  xjail poudriere timeouts arm64
  xjail poudriere timeouts arm64 --slowness 12
  xjail poudriere timeouts arm64 --dry-run`,
		Args:              exactArgs("NAME"),
		ValidArgsFunction: completeJail(g),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runTimeouts(cmd.Context(), g, args[0], slowness, dryRun)
		},
	}
	cmd.Flags().StringVar(&slowness, "slowness", "", "`factor`, 1 to 100 (default: measured)")
	cmd.Flags().BoolVarP(&dryRun, "dry-run", "n", false, "print the lines and change nothing")
	return cmd
}

// slownessOf reads --slowness; 0 is to be measured.
func slownessOf(text string) (float64, error) {
	if text == "" || text == noSlowness {
		return 0, nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !(f >= 1 && f <= 100) {
		return 0, fault.New(fault.Usage, "--slowness 12", "--slowness %q is no number from 1 to 100", text)
	}
	return f, nil
}

func runTimeouts(ctx context.Context, g *globals, name, slowness string, dryRun bool) error {
	if slowness == noSlowness {
		return fault.New(fault.Usage, "--slowness 12", "timeouts without a factor would change nothing")
	}
	if done, err := g.asRoot(); done {
		return err
	}
	store, err := g.store()
	if err != nil {
		return err
	}
	r, reg, err := registered(store, name)
	if err != nil {
		return err
	}
	p := poudriere.New(reg.Config())
	factor, err := g.slowness(ctx, store, r, slowness)
	if err != nil {
		return err
	}
	values, err := limitsFor(p, factor)
	if err != nil {
		return err
	}
	if dryRun {
		return g.printLimits(values)
	}
	err = writeLimits(p, store, name, factor, values)
	if fault.KindOf(err) == fault.Exists && !g.json {
		fmt.Fprint(g.Stdout, poudriere.LimitLines(values))
	}
	if err != nil {
		return err
	}
	return g.printLimits(values)
}

// registered is a jail that poudriere was told of.
func registered(store jail.Store, name string) (*jail.Record, *poudriere.Registration, error) {
	r, err := store.Load(name)
	if err != nil {
		return nil, nil, err
	}
	reg, err := poudriere.Load(store.JailDir(name))
	if err == nil && reg == nil {
		err = fault.New(fault.NotFound, "xjail poudriere register "+name, "poudriere was not told of jail %s", name)
	}
	return r, reg, err
}

func (g *globals) printLimits(values []poudriere.LimitValue) error {
	if g.json {
		return g.printJSON(values)
	}
	var rows [][]string
	for _, v := range values {
		rows = append(rows, []string{v.Name, strconv.Itoa(v.Seconds), strconv.Itoa(v.Own)})
	}
	return ui.Table(g.Stdout, []string{"NAME", "SECONDS", "WITHOUT"}, rows)
}

// setLimits gives a registered jail its times. A jail of this machine's own
// architecture needs none.
func (g *globals) setLimits(ctx context.Context, p *poudriere.Poudriere, store jail.Store, name, slowness string) error {
	r, err := store.Load(name)
	if err != nil {
		return err
	}
	if slowness == "" && r.Emulator == nil && r.NotRun == "" {
		return nil
	}
	factor, err := g.slowness(ctx, store, r, slowness)
	if err != nil {
		return err
	}
	values, err := limitsFor(p, factor)
	if err != nil {
		return err
	}
	return writeLimits(p, store, name, factor, values)
}

func writeLimits(p *poudriere.Poudriere, store jail.Store, name string, factor float64, values []poudriere.LimitValue) error {
	held, err := store.Hold(name)
	if err != nil {
		return err
	}
	defer held.Release()
	s, err := subjectOf(held.Record, held.Dir)
	if err != nil {
		return err
	}
	_, err = p.SetLimits(s, factor, values)
	return err
}

func limitsFor(p *poudriere.Poudriere, factor float64) ([]poudriere.LimitValue, error) {
	settings, err := p.Settings("")
	return poudriere.RaiseLimits(settings.Limits, factor), err
}

// slowness is the factor that was given, or measured.
func (g *globals) slowness(ctx context.Context, store jail.Store, r *jail.Record, text string) (float64, error) {
	factor, err := slownessOf(text)
	if err != nil || factor > 0 {
		return factor, err
	}
	if r.NotRun != "" {
		return 0, fault.New(fault.NotFound, "--slowness 12 gives the factor by hand", "nothing can be measured in jail %s: %s", r.Name, r.NotRun)
	}
	m, err := poudriere.Measure(ctx, inJail(store, r.Name), onMachine)
	if err != nil {
		return 0, err
	}
	if !g.quiet && !g.json {
		fmt.Fprintf(g.Stderr, "xjail: programs of %s start %.1f times as slowly as this machine's, and count %.1f times as slowly\n", r.Name, m.Start, m.Loop)
	}
	return m.Factor, nil
}

// inJail runs scripts in a jail with its own shell, not a native one.
func inJail(store jail.Store, name string) poudriere.RunFunc {
	return func(ctx context.Context, script string) (string, error) {
		return store.Output(ctx, name, &jail.Command{Argv: []string{"/bin/sh", "-c", script}, NoTools: true})
	}
}

// onMachine runs scripts with this machine's shell.
func onMachine(ctx context.Context, script string) (string, error) {
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", script)
	cmd.Stdout, cmd.Env = &out, append(os.Environ(), "LC_ALL=C")
	err := cmd.Run()
	return out.String(), err
}
