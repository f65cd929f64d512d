package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/xtools/selftest"
)

const toolsVerifyLong = `Try the native tools of a jail: that they are the files that were installed, of
this machine's architecture, with all libraries; that they start, and say what
the root's own programs say; that programs in C and C++ which they build are of
the jail's architecture, run, and are right.

Then the root's own programs do the same, emulated: what the compiler answers,
what configure scripts find out, and what is compiled must be the same. This
takes some minutes on a busy machine; --quick leaves it out.

Tools of a root of FreeBSD are tried on FreeBSD, with /nxb-bin first in PATH.

The status is 0 when nothing failed, 18 when something is of the wrong
architecture, 12 when it is not what it should be, 1 otherwise.`

func newToolsVerify(g *globals) *cobra.Command {
	quick := false
	cmd := &cobra.Command{
		Use:               "verify NAME",
		Short:             "Try the native tools of a jail, and compare them with its own",
		Long:              toolsVerifyLong,
		Example:           "  xjail tools verify bookworm-arm64\n  xjail tools verify bookworm-arm64 --quick --json",
		Args:              exactArgs("NAME"),
		ValidArgsFunction: completeJail(g),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runToolsVerify(cmd.Context(), g, args[0], quick)
		},
	}
	cmd.Flags().BoolVar(&quick, "quick", false, "without what the root's own programs are run for to compare")
	return cmd
}

func runToolsVerify(ctx context.Context, g *globals, name string, quick bool) error {
	if done, err := g.asRoot(); done {
		return err
	}
	store, err := g.store()
	if err != nil {
		return err
	}
	cfg, err := g.loadConfig()
	if err != nil {
		return err
	}
	w := g.newWatch()
	defer w.Close()
	o := selftest.Options{Quick: quick, Step: func(what string) { w.Step("try", what) }}
	if !g.json {
		o.Found = func(f selftest.Finding) {
			w.progress.Clear()
			printFinding(g, f)
		}
	}
	findings, err := store.VerifyTools(ctx, cfg, name, o)
	w.Close()
	if err != nil {
		return err
	}
	if g.json {
		if err := g.printJSON(findings); err != nil {
			return err
		}
	}
	if err := selftest.Failure(findings); err != nil {
		return fault.Wrap(fault.KindOf(err), err, "native tools of jail "+name,
			"xjail tools install "+name+" makes them anew; --no-tools does without")
	}
	return nil
}

// printFinding is a line of the answer, with what shows it below.
func printFinding(g *globals, f selftest.Finding) {
	fmt.Fprintf(g.Stdout, "%-8s %s: %s\n", f.Result, f.Check, f.Message)
	for _, line := range f.Evidence {
		fmt.Fprintf(g.Stdout, "%-8s   %s\n", "", strings.TrimRight(line, "\r\n"))
	}
}
