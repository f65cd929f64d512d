package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

func newDestroy(g *globals) *cobra.Command {
	dryRun, leftovers := false, false
	cmd := &cobra.Command{
		Use:   "destroy NAME...",
		Short: "Remove a jail and all that it made",
		Long: `Remove a jail: its root, its record, and its activator when that was registered
with the machine and no other jail needs it. A jail in use is not removed, and
nothing is removed across a mount.

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
			paths, err := store.Belongings(name)
			if err == nil && leftovers {
				err = store.Incomplete(name)
			}
			if err != nil {
				return err
			}
			for _, p := range paths {
				fmt.Fprintln(g.Stdout, "remove", p)
			}
			continue
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
