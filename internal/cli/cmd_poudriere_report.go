package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/xjail/xjail/hooks/poudriere/buildlog"
	"github.com/xjail/xjail/hooks/poudriere/hook"
	"github.com/xjail/xjail/internal/ui"
)

// failureOptions are what report is told.
type failureOptions struct {
	buildlog.Filter
	all bool
}

const poudriereReportLong = `Say why packages failed in poudriere's builds: by cause, whether emulation is to
blame, the program that died, the packages that were skipped because of it, and
what to change next: which tool to make native, or to leave emulated for a port,
which limit to raise.

Without an argument it is about the failures that the hooks recorded (xjail
poudriere hooks install), in the last build of each jail, which may be one that
runs; --build names one, --all is all of them.

DIR is one of poudriere's directories of logs: a build (logs/bulk/JAIL-PORTS/
BUILD), its logs/errors, or JAIL-PORTS for its latest build; or any directory
with logs. FILE is a log, also of another build tool; - is standard input. These
need neither hooks nor poudriere.

A verdict names the lines of the log that it is from. It is certain, likely or a
guess: --json tells, and the name of the rule. Log files may be of any size.

How long builds took and how many packages they made is shown too, and where the
hooks made profiles (hooks install --profile), which programs cost most over all
packages, and what to make native next. Of FILE.xprof, or a DIR of these, it is
that alone.

The exit status is 0 whatever was found.`

func newPoudriereReport(g *globals) *cobra.Command {
	o := &failureOptions{}
	cmd := &cobra.Command{
		Use:   "report [DIR|FILE...]",
		Short: "Say why packages failed, and what to change",
		Long:  poudriereReportLong,
		Example: `  xjail poudriere report
  xjail poudriere report --jail arm64 --json
  xjail poudriere report /usr/local/poudriere/data/logs/bulk/arm64-default
  xjail poudriere report bat-0.24.0.log
  xjail poudriere report profiles/*.xprof`,
		ValidArgsFunction: cobra.FixedCompletions(nil, cobra.ShellCompDirectiveDefault),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && (o.all || cmd.Flags().Changed("build") || cmd.Flags().Changed("jail")) {
				return usageError(cmd, "--build, --jail and --all are about recorded failures, not about %s", printable(args[0]))
			}
			if o.all && o.Build != "" {
				return usageError(cmd, "--build and --all exclude one another")
			}
			return runPoudriereReport(cmd.Context(), g, o, args)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Build, "build", "", "the build of that `name`")
	f.StringVar(&o.Jail, "jail", "", "the builds of that `jail`")
	f.BoolVar(&o.all, "all", false, "all builds, not only the last of each jail")
	_ = cmd.RegisterFlagCompletionFunc("build", g.completeRecorded(func(r *buildlog.Record) string { return r.Build }))
	_ = cmd.RegisterFlagCompletionFunc("jail", g.completeRecorded(func(r *buildlog.Record) string { return r.Jail }))
	return cmd
}

// completeRecorded offers what the records of failed builds have in a field.
func (g *globals) completeRecorded(field func(*buildlog.Record) string) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		records, err := g.recorded(buildlog.Filter{})
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		names := map[string]bool{}
		for i := range records {
			names[field(&records[i])] = true
		}
		return slices.Sorted(maps.Keys(names)), cobra.ShellCompDirectiveNoFileComp
	}
}

// buildReport is all that is known of builds.
type buildReport struct {
	buildlog.Summary
	Statistics []hook.Build  `json:"statistics"`
	Profiles   *bulkProfiles `json:"profiles,omitempty"`
}

func runPoudriereReport(ctx context.Context, g *globals, o *failureOptions, args []string) error {
	r := buildReport{Statistics: []hook.Build{}}
	files, logs := profileArgs(args)
	var records []buildlog.Record
	for _, arg := range logs {
		found, err := buildlog.Collect(arg, g.Stdin)
		if err != nil {
			return err
		}
		records = append(records, found...)
	}
	if len(args) == 0 {
		var err error
		if records, files, err = r.recorded(g, o); err != nil {
			return err
		}
	}
	r.Summary = buildlog.Summarise(records)
	var err error
	if r.Profiles, err = readBulk(ctx, g, files); err != nil {
		return err
	}
	if g.json {
		return g.printJSON(r)
	}
	if len(args) == 0 || len(logs) > 0 {
		if err := (&failureReport{g, r.Summary}).print(); err != nil {
			return err
		}
	}
	if err := printStatistics(g, r.Statistics); err != nil || r.Profiles == nil {
		return err
	}
	return r.Profiles.print(g)
}

// recorded is what the hooks wrote down: of the last build of each jail, where no
// others are asked for.
func (r *buildReport) recorded(g *globals, o *failureOptions) (records []buildlog.Record, files []string, err error) {
	last := !o.all && o.Build == ""
	if records, err = g.recorded(o.Filter); err != nil {
		return nil, nil, err
	}
	state, err := g.stateDir()
	if err != nil {
		return nil, nil, err
	}
	if r.Statistics, err = hook.Statistics(state, o.Filter, last); err != nil {
		return nil, nil, err
	}
	if last {
		records = lastBuilds(records, r.Statistics)
	}
	files, err = hook.Profiles(state, o.Filter, last)
	return records, files, err
}

// recorded are the failures that hooks recorded.
func (g *globals) recorded(want buildlog.Filter) ([]buildlog.Record, error) {
	state, err := g.stateDir()
	if err != nil {
		return nil, err
	}
	records, damaged, err := buildlog.Read(state, want)
	if damaged > 0 {
		g.warn(fmt.Sprintf("%d records in %s are damaged and were left out", damaged, buildlog.Dir(state)))
	}
	return records, err
}

// lastBuilds keeps the records of the last build of each jail. They are in order
// of time. A build that was done later, without a failure, has none.
func lastBuilds(records []buildlog.Record, ends []hook.Build) []buildlog.Record {
	type build struct {
		name string
		at   time.Time
	}
	last := map[string]build{}
	for i := range records {
		last[records[i].Jail] = build{records[i].Build, records[i].Time}
	}
	for _, e := range ends {
		if b, ok := last[e.Master]; ok && e.Event == "done" && e.Build != b.name && e.Time.After(b.at) {
			last[e.Master] = build{e.Build, e.Time}
		}
	}
	return slices.DeleteFunc(records, func(r buildlog.Record) bool { return r.Build != last[r.Jail].name })
}

// failureReport is a summary for people.
type failureReport struct {
	*globals
	buildlog.Summary
}

func (r *failureReport) print() error {
	if r.Failed == 0 {
		_, err := fmt.Fprintln(r.Stdout, "no failures")
		return err
	}
	for _, b := range r.Builds {
		if b.Build != "" {
			fmt.Fprintf(r.Stdout, "build %s of %s\n", printable(b.Build), printable(b.Jail))
		}
	}
	fmt.Fprintf(r.Stdout, "%s failed%s\n\n", packages(r.Failed), skipped(", ", r.Skipped, ""))
	if err := r.printCauses(); err != nil {
		return err
	}
	var cause buildlog.Cause
	for i := range r.Failures {
		f := &r.Failures[i]
		if f.Verdict.Cause != cause {
			cause = f.Verdict.Cause
			fmt.Fprintf(r.Stdout, "\n%s\n", cause)
		}
		r.printFailure(f)
	}
	return r.printNext()
}

// packages is a number of them in words.
func packages(n int) string {
	if n == 1 {
		return "1 package"
	}
	return strconv.Itoa(n) + " packages"
}

// skipped tells how many packages were not tried, when there are any.
func skipped(before string, n int, after string) string {
	if n == 0 {
		return ""
	}
	return before + packages(n) + " skipped" + after
}

func (r *failureReport) printCauses() error {
	var rows [][]string
	for _, c := range r.Causes {
		var blame, programs []string
		for _, b := range []buildlog.Blame{buildlog.Yes, buildlog.Perhaps, buildlog.No} {
			if n := c.Blame[b]; n == c.Packages {
				blame = append(blame, string(b))
			} else if n > 0 {
				blame = append(blame, fmt.Sprintf("%s %d", b, n))
			}
		}
		for _, p := range c.Programs {
			name := printable(p.Name)
			if p.Packages > 1 {
				name = fmt.Sprintf("%s (%d)", name, p.Packages)
			}
			programs = append(programs, name)
		}
		rows = append(rows, []string{string(c.Cause), strings.Join(blame, ", "), strconv.Itoa(c.Packages), strconv.Itoa(c.Skipped), dash(strings.Join(programs, ", "))})
	}
	return ui.Table(r.Stdout, []string{"CAUSE", "EMULATION", "PACKAGES", "SKIPPED", "PROGRAMS"}, rows)
}

// maxShown bounds a line of a log that is shown, in runes.
const maxShown = 160

// printFailure is a package: what happened, and the lines that say so.
func (r *failureReport) printFailure(f *buildlog.Failure) {
	v := f.Verdict
	where := ""
	if f.Origin != "" {
		where = " (" + printable(f.Origin) + ")"
	}
	if f.Phase != "" {
		where += ", " + printable(f.Phase)
	}
	sure := ""
	if v.Confidence == buildlog.Guess {
		sure = " (a guess)"
	}
	fmt.Fprintf(r.Stdout, "  %s%s: %s%s%s\n", printable(f.PkgName), where, printable(v.Summary), sure, skipped(" (", f.Skipped, ")"))
	for _, l := range v.Evidence {
		fmt.Fprintf(r.Stdout, "    %6d  %s\n", l.Number, shown(l.Text))
	}
	if f.Log != "" && f.Log != "-" {
		fmt.Fprintf(r.Stdout, "    log %s\n", printable(f.Log))
	}
}

// shown is a line of a log as a terminal may have it.
func shown(text string) string {
	text = strings.ReplaceAll(text, "\t", " ")
	if runes := []rune(text); len(runes) > maxShown {
		text = string(runes[:maxShown]) + "..."
	}
	return printable(text)
}

// maxNamed is how many packages an advice names.
const maxNamed = 4

func (r *failureReport) printNext() error {
	fmt.Fprintln(r.Stdout, "\ndo next")
	for _, n := range r.Next {
		names := n.Packages
		more := ""
		if len(names) > maxNamed {
			more = fmt.Sprintf(" and %d more", len(names)-maxNamed)
			names = names[:maxNamed]
		}
		var quoted []string
		for _, name := range names {
			quoted = append(quoted, printable(name))
		}
		if _, err := fmt.Fprintf(r.Stdout, "  %s: %s\n      for %s%s%s\n", n.Kind, printable(n.Text), strings.Join(quoted, ", "), more, skipped(", ", n.Skipped, "")); err != nil {
			return err
		}
	}
	return nil
}
