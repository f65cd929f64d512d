package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/xjail/xjail/internal/fault"
)

const rootLong = `xjail makes cross jails: roots of another architecture in which foreign
programs just run, and enters them.

On Linux a jail has a binfmt_misc of its own (kernel 6.7 or newer): nothing on
the machine changes, and no root is needed. On FreeBSD the activators are
registered with imgact_binmisc.

EXIT STATUS
  0 done   1 failed   3 partly done   10 not found   11 locked
  12 digest or signature mismatch   13 unsupported here   14 permission
  15 refused as unsafe   16 exists already   17 damaged input
  18 another architecture   19 emulator not usable   20 disk full
  64 usage   130 interrupted
  exec and shell return the status of the command they run.`

const rootExample = `  xjail create mips64                      make a jail, with all it needs
  xjail exec mips64 -- uname -m            run a mips64 program in it
  xjail shell mips64                       look around in it
  xjail destroy mips64                     leave nothing behind`

func newRoot(g *globals) *cobra.Command {
	root := &cobra.Command{
		Use:                        "xjail",
		Short:                      "Cross jails: run and build software of another architecture",
		Long:                       rootLong,
		Example:                    rootExample,
		SilenceErrors:              true,
		SilenceUsage:               true,
		DisableAutoGenTag:          true,
		SuggestionsMinimumDistance: 2,
		Args:                       cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return fault.New(fault.Usage, "xjail --help", "%s", unknownCommand(cmd, args[0]))
		},
	}
	f := root.PersistentFlags()
	f.BoolVar(&g.json, "json", false, "answer in JSON")
	f.BoolVarP(&g.quiet, "quiet", "q", false, "no progress")
	f.StringVar(&g.state, "state", "", "state `directory` (default $XJAIL_STATE, /var/lib/xjail as root, $XDG_STATE_HOME/xjail)")
	f.StringVar(&g.config, "config", "", "configuration `file` (default $XJAIL_CONFIG, then xjail.yaml in /etc/xjail and $XDG_CONFIG_HOME/xjail)")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fault.Wrap(fault.Usage, err, cmd.CommandPath(), cmd.CommandPath()+" --help")
	})
	addCommands(root, g)
	addCompletion(root)
	return root
}

// addCompletion adds cobra's own command, with examples.
func addCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd("completion")
	for _, cmd := range root.Commands() {
		if cmd.Name() != "completion" {
			continue
		}
		cmd.Short = "Write a script that completes commands in a shell"
		cmd.Example = "  xjail completion bash > /etc/bash_completion.d/xjail\n  xjail completion zsh > \"${fpath[1]}/_xjail\""
		for _, sh := range cmd.Commands() {
			sh.Example = "  xjail completion " + sh.Name()
		}
	}
}

func unknownCommand(cmd *cobra.Command, name string) string {
	text := fmt.Sprintf("unknown command %q", name)
	if near := cmd.SuggestionsFor(name); len(near) > 0 {
		text += fmt.Sprintf(", did you mean %q?", near[0])
	}
	return text
}
