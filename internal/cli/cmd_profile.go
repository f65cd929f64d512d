package cli

import "github.com/spf13/cobra"

func newProfile(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "profile",
		Short:   "What ran in a jail, what it cost, and what to make native next",
		Long:    "What ran in a jail, natively or emulated, what it cost, and what to make native\nnext.",
		Example: "  xjail profile advice build.xprof",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newProfileAdvice(g))
	return cmd
}
