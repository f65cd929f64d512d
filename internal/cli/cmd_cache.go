package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/internal/ui"
	"github.com/xjail/xjail/jail"
	"github.com/xjail/xjail/jail/source"
)

func newCache(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "cache",
		Short:   "What the jails share of what was downloaded",
		Long:    "The sets of FreeBSD's releases that were downloaded, by their digest: a second\njail of the same release fetches nothing, and a download that was interrupted\ngoes on where it ended. And native tools, with the packages that they were made\nof.",
		Example: "  xjail cache list\n  xjail cache prune --dry-run",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newCacheList(g), newCachePrune(g))
	return cmd
}

func newCacheList(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List what is in the cache",
		Long:    "List what is in the cache, the last used first: its size, when it was used, and\nwhat it is of. Partial is a download that did not end; busy is what another\nxjail fetches or unpacks just now.",
		Example: "  xjail cache list\n  xjail cache list --json",
		Args:    noArgs,
		RunE:    func(*cobra.Command, []string) error { return runCacheList(g) },
	}
}

func runCacheList(g *globals) error {
	store, err := g.store()
	if err != nil {
		return err
	}
	list, err := store.CacheList()
	if err != nil {
		return err
	}
	if g.json {
		if list == nil {
			list = []source.CacheItem{}
		}
		return g.printJSON(list)
	}
	var rows [][]string
	for _, it := range list {
		rows = append(rows, cacheRow(it))
	}
	return ui.Table(g.Stdout, []string{"SHA-256", "SIZE", "STATE", "USED", "WHAT"}, rows)
}

// shortDigest is enough of a digest for people.
const shortDigest = 12

func cacheRow(it source.CacheItem) []string {
	state := "whole"
	if it.Partial {
		state = "partial"
	}
	if it.Busy {
		state += ", busy"
	}
	return []string{it.SHA256[:shortDigest], ui.Size(it.Size), state, it.Used.Local().Format("2006-01-02 15:04"), dash(strings.Join(it.Names, ", "))}
}

type pruneOptions struct {
	jail.PruneOptions
	days int
}

// addFlags defines the flags of prune.
func (o *pruneOptions) addFlags(f *pflag.FlagSet) {
	f.IntVar(&o.days, "days", 7, "keep what was used within so many `days`")
	f.BoolVar(&o.All, "all", false, "remove everything that is not in use")
	f.BoolVarP(&o.DryRun, "dry-run", "n", false, "say what would be removed and change nothing")
}

func newCachePrune(g *globals) *cobra.Command {
	o := &pruneOptions{}
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Remove what nobody needs from the cache",
		Long: `Remove downloads that did not end, sets of which there is no jail, and native
tools that no jail has, when they were not used for a week or --days. What
another xjail fetches or unpacks just now is never removed. What is gone is
fetched again when it is needed.`,
		Example: "  xjail cache prune\n  xjail cache prune --days 0 --dry-run\n  xjail cache prune --all",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runCachePrune(cmd.Context(), g, o) },
	}
	o.addFlags(cmd.Flags())
	return cmd
}

func runCachePrune(ctx context.Context, g *globals, o *pruneOptions) error {
	if o.days < 0 {
		return fault.New(fault.Usage, "xjail cache prune --days 7", "--days %d is less than nothing", o.days)
	}
	store, err := g.store()
	if err != nil {
		return err
	}
	o.Age = time.Duration(o.days) * 24 * time.Hour
	list, err := store.PruneCache(ctx, o.PruneOptions)
	if err != nil {
		return err
	}
	if g.json {
		return g.printJSON(list)
	}
	freed := int64(0)
	for _, p := range list {
		verb, why := "remove", ""
		if !p.Removed {
			verb, why = "keep", ": "+p.Why
		} else {
			freed += p.Size
		}
		fmt.Fprintf(g.Stdout, "%s %s %s, %s%s\n", verb, p.SHA256[:shortDigest], ui.Size(p.Size), dash(strings.Join(p.Names, ", ")), why)
	}
	if len(list) > 0 {
		fmt.Fprintf(g.Stdout, "%s in all\n", ui.Size(freed))
	}
	return nil
}
