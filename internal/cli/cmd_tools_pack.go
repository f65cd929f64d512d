package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

const toolsPackLong = `Write the native tools of a jail into a file, from which other machines take
them with --tools pack:FILE: one file for all builders of a farm, of which none
fetches packages.

It is for jails of the same release and architecture on machines of this
architecture. A program is native there when its package has the version that
it has in this jail. Every file is checked against its digest.

The ending of FILE says how it is compressed; .tar.zst is the quickest. The same
tools give the same bytes.`

func newToolsPack(g *globals) *cobra.Command {
	force := false
	cmd := &cobra.Command{
		Use:   "pack NAME FILE",
		Short: "Write the native tools of a jail into a file for other machines",
		Long:  toolsPackLong,
		Example: `  xjail tools pack bookworm-arm64 arm64-tools.tar.zst
  xjail tools pack bookworm-arm64 arm64-tools.txz --force`,
		Args:              exactArgs("NAME", "FILE"),
		ValidArgsFunction: completeJailAndFile(g),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runToolsPack(cmd.Context(), g, args[0], args[1], force)
		},
	}
	cmd.Flags().BoolVarP(&force, "force", "f", false, "replace FILE when it exists")
	return cmd
}

func runToolsPack(ctx context.Context, g *globals, name, file string, force bool) error {
	if done, err := g.asRoot(); done {
		return err
	}
	store, err := g.store()
	if err != nil {
		return err
	}
	w := g.newWatch()
	defer w.Close()
	p, err := store.PackTools(ctx, name, file, force, w)
	w.Close()
	if err != nil {
		return err
	}
	if g.json {
		return g.printJSON(p)
	}
	fmt.Fprintf(g.Stdout, "%s  %s\n", p.SHA256, p.File)
	return nil
}
