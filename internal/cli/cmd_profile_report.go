package cli

import (
	"context"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/profile"
	"github.com/xjail/xjail/profile/html"
	"github.com/xjail/xjail/profile/pprofile"
	"github.com/xjail/xjail/profile/text"
	"github.com/xjail/xjail/profile/tracejson"
)

const profileReportLong = `Report what ran while a profile was made, natively or emulated, and what it
cost: totals, compared with the kernel's own sum; programs, scripts, execs that
failed, the longest and the largest, a time line; with --tree who started what.

Several FILEs are added up, such as the profiles of all packages of a bulk run,
and ranked. A profile that is not finished is reported as far as it goes. - is
the standard input.

  text    tables, for people
  json    all of it: docs/profile-report.md says what is what
  pprof   for go tool pprof -http=: FILE, and what else reads pprof's profiles
  trace   for ui.perfetto.dev and chrome://tracing
  html    one page, with a tree map and a time line, that needs no network

What a start of a program costs is estimated: the processor time of the cheapest
of its execs (5th percentile). The text has ~ before what is estimated from
other programs, where there are fewer than ten execs of this one, and ≤ where it
is at most that.`

// reportOptions are what the command line says.
type reportOptions struct {
	profile.Options
	format string
	output string
	force  bool
}

// profileFormats are the forms of a report.
func profileFormats() []string { return []string{"text", "json", "pprof", "trace", "html"} }

// textRows are the rows of the tables, when the caller has no other wish.
const textRows = 20

func newProfileReport(g *globals) *cobra.Command {
	var o reportOptions
	cmd := &cobra.Command{
		Use:   "report FILE...|-",
		Short: "Report what ran, natively or emulated, and what it cost",
		Long:  profileReportLong,
		Example: `  xjail profile report hello.xprof
  xjail profile report hello.xprof --tree --top 0
  xjail profile report hello.xprof --format html --output hello.html
  xjail profile report *.xprof --emulated --sort startup`,
		Args:              minArgs("FILE"),
		ValidArgsFunction: completeFiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			return jailOfThatName(cmd, runProfileReport(cmd, g, o, args))
		},
	}
	o.addFlags(cmd.Flags())
	for name, values := range map[string][]string{"format": profileFormats(), "sort": profile.Sorts()} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
	return cmd
}

// jailOfThatName says how a jail is profiled that is called like the subcommand,
// to who wrote a command after it.
func jailOfThatName(cmd *cobra.Command, err error) error {
	if cmd.ArgsLenAtDash() != 0 || fault.KindOf(err) != fault.NotFound {
		return err
	}
	return fault.Wrap(fault.NotFound, err, "", cmd.Parent().CommandPath()+" -- "+cmd.Name()+" CMD... profiles a command in a jail that is called "+cmd.Name())
}

func (o *reportOptions) addFlags(f *pflag.FlagSet) {
	f.StringVar(&o.format, "format", "text", "`form` of the report: "+strings.Join(profileFormats(), ", "))
	f.StringVarP(&o.output, "output", "o", "", "write to this `file` (default standard output)")
	f.BoolVarP(&o.force, "force", "f", false, "replace the file of --output")
	f.IntVar(&o.Top, "top", 0, "`rows` of the tables, 0 for all (default text: 20, html: 300, json: all)")
	f.StringVar(&o.Sort, "sort", "cpu", "`order` of the programs: "+strings.Join(profile.Sorts(), ", "))
	f.BoolVar(&o.Tree, "tree", false, "with the tree of calls")
	f.BoolVar(&o.Emulated, "emulated", false, "tables of what ran emulated only")
}

// complete fills in what the format says, and refuses what contradicts it.
func (o *reportOptions) complete(cmd *cobra.Command, g *globals, files []string) error {
	set := cmd.Flags().Changed
	if g.json {
		if set("format") && o.format != "json" {
			return usageError(cmd, "--json is --format json, not %s", o.format)
		}
		o.format = "json"
	}
	switch {
	case !slices.Contains(profileFormats(), o.format):
		return usageError(cmd, "unknown format %q: %s", o.format, strings.Join(profileFormats(), ", "))
	case !slices.Contains(profile.Sorts(), o.Sort):
		return usageError(cmd, "unknown order %q: %s", o.Sort, strings.Join(profile.Sorts(), ", "))
	case o.Top < 0:
		return usageError(cmd, "--top is a number of rows, not %d", o.Top)
	case slices.Index(files, "-") != lastIndex(files, "-"):
		return usageError(cmd, "- is given twice, and there is one standard input")
	case o.force && o.output == "":
		return usageError(cmd, "--force is for --output")
	}
	if o.format == "pprof" || o.format == "trace" {
		for _, flag := range []string{"top", "sort", "tree", "emulated"} {
			if set(flag) {
				return usageError(cmd, "--%s is for tables, and the format %s has none", flag, o.format)
			}
		}
	}
	if !set("top") {
		o.Top = map[string]int{"text": textRows, "html": html.Rows}[o.format]
	}
	o.Tree = o.Tree || o.format == "html"
	return nil
}

func runProfileReport(cmd *cobra.Command, g *globals, o reportOptions, files []string) error {
	if err := o.complete(cmd, g, files); err != nil {
		return err
	}
	out, err := g.answerFile(o.output, o.force, o.format == "pprof")
	if err != nil {
		return err
	}
	defer out.discard()
	write := o.writeTables
	switch o.format {
	case "pprof":
		write = writePprof
	case "trace":
		write = writeTrace
	}
	if err := write(cmd.Context(), g, out, files); err != nil {
		return err
	}
	return out.keep()
}

// writeTables writes the report as text, JSON or HTML.
func (o *reportOptions) writeTables(ctx context.Context, g *globals, out *answerFile, files []string) error {
	b := profile.NewBuilder(o.Options)
	var only *profile.Profile
	err := g.eachProfile(ctx, files, func(name string, p *profile.Profile) {
		b.Add(name, p)
		if len(files) == 1 {
			only = p
		}
	})
	if err != nil {
		return err
	}
	r := b.Report()
	switch o.format {
	case "json":
		return writeJSON(out, r)
	case "html":
		return html.Write(out, r, only)
	}
	return text.Report(out, r, out.style(g, o.Top))
}

func writePprof(ctx context.Context, g *globals, out *answerFile, files []string) error {
	b := pprofile.NewBuilder()
	if err := g.eachProfile(ctx, files, b.Add); err != nil {
		return err
	}
	return b.Write(out)
}

func writeTrace(ctx context.Context, g *globals, out *answerFile, files []string) error {
	t := tracejson.NewWriter(out)
	if err := g.eachProfile(ctx, files, t.Add); err != nil {
		return err
	}
	return t.Close()
}

// eachProfile reads one profile after the other; none is kept.
func (g *globals) eachProfile(ctx context.Context, files []string, use func(string, *profile.Profile)) error {
	for _, name := range files {
		p, err := g.readProfile(ctx, name)
		if err != nil {
			return err
		}
		if p.Cut {
			g.warn(printable(name) + ": the last line is not whole, and left out")
		}
		use(name, p)
	}
	return nil
}

// readProfile reads a profile from a file, or from the standard input. A pipe that
// nobody writes to is left when the command is interrupted: to open it waits, too.
func (g *globals) readProfile(ctx context.Context, name string) (*profile.Profile, error) {
	type answer struct {
		p   *profile.Profile
		err error
	}
	read := make(chan answer, 1)
	go func() {
		in, err := g.openProfile(name)
		if err != nil {
			read <- answer{nil, err}
			return
		}
		defer in.Close()
		p, err := profile.Read(in)
		if err != nil {
			err = fault.Wrap(fault.KindOf(err), err, printable(name), "")
		}
		read <- answer{p, err}
	}()
	select {
	case a := <-read:
		return a.p, a.err
	case <-ctx.Done():
		return nil, fault.Wrap(fault.Failed, ctx.Err(), "read "+printable(name), "")
	}
}

// openProfile opens a file, or the standard input for -.
func (g *globals) openProfile(name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(g.Stdin), nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fileError(name, err)
	}
	return f, nil
}
