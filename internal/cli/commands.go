package cli

import "github.com/spf13/cobra"

// commands are xjail's commands, in the order of the help text.
func commands(g *globals) []*cobra.Command {
	return []*cobra.Command{
		newCreate(g),
		newExec(g),
		newShell(g),
		newList(g),
		newInfo(g),
		newVerify(g),
		newDestroy(g),
		newArch(g),
		newActivator(g),
		newEmulator(g),
		newVersion(g),
	}
}
