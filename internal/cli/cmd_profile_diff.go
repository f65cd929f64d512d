package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/xjail/xjail/profile"
	"github.com/xjail/xjail/profile/text"
)

const profileDiffLong = `Compare two profiles, program by program: how often each was started, its
processor time and how much of it was emulated, before and after; what became
native, or emulated; what is new, and what is gone.

Nothing is scaled. Where the two did not do the same, or one of them is not
finished, notes say so. Programs are paired by their path; a native tool in
/nxb-bin is paired with what it stands for.`

// diffOptions are what the command line says.
type diffOptions struct {
	profile.DiffOptions
	all    bool
	output string
	force  bool
}

func newProfileDiff(g *globals) *cobra.Command {
	var o diffOptions
	cmd := &cobra.Command{
		Use:   "diff BEFORE AFTER",
		Short: "Compare two profiles: what a change brought",
		Long:  profileDiffLong,
		Example: `  xjail profile diff before.xprof after.xprof
  xjail profile diff before.xprof after.xprof --sort emulated --top 0
  xjail profile diff before.xprof after.xprof --json`,
		Args:              exactArgs("BEFORE", "AFTER"),
		ValidArgsFunction: completeFiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			return jailOfThatName(cmd, runProfileDiff(cmd, g, o, args))
		},
	}
	f := cmd.Flags()
	f.IntVar(&o.Top, "top", 0, "`rows` of the table, 0 for all (default text: 20, json: all)")
	f.StringVar(&o.Sort, "sort", "cpu", "by what changed most: "+strings.Join(profile.DiffSorts(), ", "))
	f.BoolVar(&o.all, "all", false, "also programs of which nothing changed")
	f.StringVarP(&o.output, "output", "o", "", "write to this `file` (default standard output)")
	f.BoolVarP(&o.force, "force", "f", false, "replace the file of --output")
	_ = cmd.RegisterFlagCompletionFunc("sort", cobra.FixedCompletions(profile.DiffSorts(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func runProfileDiff(cmd *cobra.Command, g *globals, o diffOptions, files []string) error {
	switch {
	case !slices.Contains(profile.DiffSorts(), o.Sort):
		return usageError(cmd, "unknown order %q: %s", o.Sort, strings.Join(profile.DiffSorts(), ", "))
	case o.Top < 0:
		return usageError(cmd, "--top is a number of rows, not %d", o.Top)
	case files[0] == "-" && files[1] == "-":
		return usageError(cmd, "- is given twice, and there is one standard input")
	case o.force && o.output == "":
		return usageError(cmd, "--force is for --output")
	}
	if !g.json && !cmd.Flags().Changed("top") {
		o.Top = textRows
	}
	o.Changed = !o.all
	out, err := g.answerFile(o.output, o.force, false)
	if err != nil {
		return err
	}
	defer out.discard()
	var both []*profile.Profile
	if err := g.eachProfile(cmd.Context(), files, func(_ string, p *profile.Profile) { both = append(both, p) }); err != nil {
		return err
	}
	d := profile.Compare(both[0], both[1], files[0], files[1], o.DiffOptions)
	if g.json {
		err = writeJSON(out, d)
	} else {
		err = text.Diff(out, d, out.style(g, o.Top))
	}
	if err != nil {
		return err
	}
	return out.keep()
}
