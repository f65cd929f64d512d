package cli

import "github.com/spf13/cobra"

// addCommands adds xjail's commands, in the groups of the help text.
func addCommands(root *cobra.Command, g *globals) {
	addGroup(root, "jails", "Jails:",
		newCreate(g), newExec(g), newShell(g), newProfile(g), newTop(g), newList(g), newInfo(g), newVerify(g), newUpdate(g), newPack(g), newDestroy(g))
	addGroup(root, "parts", "What jails are made of:",
		newArch(g), newEmulator(g), newActivator(g), newBinmiscctl(g), newTools(g), newCache(g))
	addGroup(root, "builds", "Who builds in them:", newPoudriere(g))
	addGroup(root, "trouble", "When something does not work:", newDoctor(g), newExplain(g))
	root.AddCommand(newVersion(g))
}

func addGroup(root *cobra.Command, id, title string, commands ...*cobra.Command) {
	root.AddGroup(&cobra.Group{ID: id, Title: title})
	for _, cmd := range commands {
		cmd.GroupID = id
		root.AddCommand(cmd)
	}
}
