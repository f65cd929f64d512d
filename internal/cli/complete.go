package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/jail/source"
)

// completeArch offers the names of the catalog.
func completeArch(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, a := range arch.All() {
		names = append(names, a.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeSource offers the kinds of sources, and files behind archive: and such
// as the shell can.
func completeSource(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	if strings.Contains(begun, ":") {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return source.Kinds(), cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
}

// completeJail offers the names of the jails.
func completeJail(g *globals) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveDefault
		}
		store, err := g.store()
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		names, _ := store.Names()
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}
