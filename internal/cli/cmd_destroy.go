package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

func newDestroy(g *globals) *cobra.Command {
	dryRun := false
	cmd := &cobra.Command{
		Use:   "destroy NAME...",
		Short: "Remove a jail and all that it made",
		Long: `Remove a jail: its root, its record, and its activator when that was registered
with the machine and no other jail needs it. A jail in use is not removed, and
nothing is removed across a mount.`,
		Example:           "  xjail destroy mips64\n  xjail destroy mips64 --dry-run",
		Args:              minArgs("NAME"),
		ValidArgsFunction: completeJail(g),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runDestroy(cmd.Context(), g, args, dryRun)
		},
	}
	cmd.Flags().BoolVarP(&dryRun, "dry-run", "n", false, "say what would be removed and change nothing")
	return cmd
}

func runDestroy(ctx context.Context, g *globals, names []string, dryRun bool) error {
	if done, err := g.asRoot(); done {
		return err
	}
	store, err := g.store()
	if err != nil {
		return err
	}
	for _, name := range names {
		if dryRun {
			paths, err := store.Belongings(name)
			if err != nil {
				return err
			}
			for _, p := range paths {
				fmt.Fprintln(g.Stdout, "remove", p)
			}
			continue
		}
		if err := store.Destroy(ctx, name); err != nil {
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
