package cli

import (
	"github.com/spf13/cobra"

	"github.com/xjail/xjail/hooks/poudriere"
)

// poudriereFlag is the option that says where poudriere's configuration is.
const poudriereFlag = "poudriere-etc"

const poudriereLong = `Have poudriere(8) build in a jail that xjail made. Poudriere makes a jail of a
root of its own; register tells it of one that is there. What poudriere has of
its own about jails is not touched.

Poudriere's configuration is in --poudriere-etc DIR, $POUDRIERE_ETC or
/usr/local/etc: poudriere.conf, and the directory poudriere.d.`

func newPoudriere(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "poudriere",
		Short:   "Have poudriere build in a jail",
		Long:    poudriereLong,
		Example: "  xjail poudriere register arm64\n  xjail poudriere unregister arm64",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().String(poudriereFlag, "", "`directory` of poudriere.conf and poudriere.d (default $POUDRIERE_ETC, /usr/local/etc)")
	return cmd
}

// poudriereConfig is where poudriere's configuration is, by the option of the
// command or of its parent.
func poudriereConfig(g *globals, cmd *cobra.Command) (poudriere.Config, error) {
	etc, _ := cmd.Flags().GetString(poudriereFlag)
	return poudriere.FindConfig(etc, g.Getenv)
}
