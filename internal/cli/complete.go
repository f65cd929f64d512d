package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/jail/extract"
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

// completeJailAndFile offers the names of the jails, and then files that an
// archive can be in.
func completeJailAndFile(g *globals) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		switch len(args) {
		case 0:
			return completeJail(g)(cmd, args, begun)
		case 1:
			var endings []string
			for _, e := range extract.Endings() {
				endings = append(endings, strings.TrimPrefix(e, "."))
			}
			return endings, cobra.ShellCompDirectiveFilterFileExt
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeFiles leaves file names to the shell.
func completeFiles(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}
