package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/xjail/xjail/hooks/poudriere"
	"github.com/xjail/xjail/jail"
)

func newDestroy(g *globals) *cobra.Command {
	dryRun, leftovers := false, false
	cmd := &cobra.Command{
		Use:   "destroy NAME...",
		Short: "Remove a jail and all that it made",
		Long: `Remove a jail: its root, its record, and its activator when that was registered
with the machine and no other jail needs it. A jail in use is not removed, and
nothing is removed across a mount. Poudriere forgets a jail that it was told of;
while it builds in the jail nothing is removed (exit status 11).

With --leftovers a jail that is complete stays (exit status 16): only what is
left of one whose creation or removal was interrupted goes.`,
		Example:           "  xjail destroy mips64\n  xjail destroy mips64 --dry-run\n  xjail destroy --leftovers mips64",
		Args:              minArgs("NAME"),
		ValidArgsFunction: completeJail(g),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runDestroy(cmd.Context(), g, args, dryRun, leftovers)
		},
	}
	cmd.Flags().BoolVarP(&dryRun, "dry-run", "n", false, "say what would be removed and change nothing")
	cmd.Flags().BoolVar(&leftovers, "leftovers", false, "only what an interrupted create or destroy left")
	return cmd
}

func runDestroy(ctx context.Context, g *globals, names []string, dryRun, leftovers bool) error {
	if done, err := g.asRoot(); done {
		return err
	}
	store, err := g.store()
	if err != nil {
		return err
	}
	remove := store.Destroy
	if leftovers {
		remove = store.RemoveIncomplete
	}
	for _, name := range names {
		if dryRun {
			if err := g.printBelongings(ctx, store, name, leftovers); err != nil {
				return err
			}
			continue
		}
		if err := g.forgetJail(ctx, store, name, leftovers); err != nil {
			return err
		}
		if err := remove(ctx, name); err != nil {
			return err
		}
		if g.json {
			if err := g.printJSON(map[string]string{"destroyed": name}); err != nil {
				return err
			}
		}
	}
	return nil
}

// printBelongings says what destroy would remove.
func (g *globals) printBelongings(ctx context.Context, store jail.Store, name string, leftovers bool) error {
	paths, err := store.Belongings(name)
	if err == nil && leftovers {
		err = store.Incomplete(name)
	}
	if err != nil {
		return err
	}
	rm, err := poudriere.New(poudriere.Config{}).PlanRemoval(ctx, store.JailDir(name))
	if err != nil {
		return err
	}
	if rm != nil {
		paths = append(rm.Paths, paths...)
	}
	for _, p := range paths {
		fmt.Fprintln(g.Stdout, "remove", p)
	}
	return nil
}

// forgetJail has poudriere forget a jail that is to go, before anything of it
// does: what poudriere has would lead nowhere. It refuses while poudriere runs
// with the jail.
func (g *globals) forgetJail(ctx context.Context, store jail.Store, name string, leftovers bool) error {
	dir := store.JailDir(name)
	if r, err := poudriere.Load(dir); err != nil || r == nil || leftovers && store.Incomplete(name) != nil {
		return err
	}
	lock, err := store.Claim(name)
	if err != nil {
		return err
	}
	defer lock()
	rm, err := poudriere.New(poudriere.Config{}).Unregister(ctx, dir)
	if err != nil || rm == nil {
		return err
	}
	for _, kept := range rm.Kept {
		g.warn("kept " + kept)
	}
	return nil
}
