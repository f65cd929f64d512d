package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/xjail/xjail/hooks/poudriere"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/internal/ui"
	"github.com/xjail/xjail/jail"
)

func newVerify(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "verify NAME",
		Short: "Check a jail against its record, and run a program in it",
		Long: `Check that the root is still of its architecture, that the emulator in it is the
file that was placed, and that its activators are sound; then run a program.
Where poudriere knows the jail, that what it was told still holds.
The status is 1 when a check failed.`,
		Example:           "  xjail verify mips64\n  xjail verify mips64 --json",
		Args:              exactArgs("NAME"),
		ValidArgsFunction: completeJail(g),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runVerify(cmd.Context(), g, args[0])
		},
	}
}

func runVerify(ctx context.Context, g *globals, name string) error {
	if done, err := g.asRoot(); done {
		return err
	}
	store, err := g.store()
	if err != nil {
		return err
	}
	checks, err := store.Verify(ctx, name)
	if err != nil {
		return err
	}
	checks = append(checks, poudriereChecks(ctx, store, name)...)
	if err := printChecks(g, checks); err != nil {
		return err
	}
	for _, c := range checks {
		if c.Result == jail.Failed {
			return fault.New(fault.Failed, c.Fix, "jail %s: check %q failed", name, c.Name)
		}
	}
	return nil
}

func printChecks(g *globals, checks []jail.Check) error {
	if g.json {
		return g.printJSON(checks)
	}
	var rows [][]string
	for _, c := range checks {
		rows = append(rows, []string{string(c.Result), c.Name, c.Message})
	}
	if err := ui.Table(g.Stdout, []string{"RESULT", "CHECK", "MESSAGE"}, rows); err != nil {
		return err
	}
	for _, c := range checks {
		if c.Fix != "" && c.Result != jail.OK {
			fmt.Fprintf(g.Stdout, "%s: %s\n", c.Name, c.Fix)
		}
	}
	return nil
}

// poudriereChecks look whether what poudriere knows of a jail still holds.
func poudriereChecks(ctx context.Context, store jail.Store, name string) []jail.Check {
	r, err := store.Load(name)
	if err != nil {
		return nil
	}
	s, err := subjectOf(r, store.JailDir(name))
	if err != nil {
		return nil
	}
	return poudriere.New(poudriere.Config{}).Check(ctx, s)
}
