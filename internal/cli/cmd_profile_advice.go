package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/internal/ui"
	"github.com/xjail/xjail/jail"
	"github.com/xjail/xjail/profile"
	"github.com/xjail/xjail/profile/advice"
)

const profileAdviceLong = `Say which programs to make native next, from profiles of what ran in a jail:
what each would save, what that estimate rests on, and why the others stay
emulated. All that saves anything is advised, if it is safe; --threshold asks
for more. A table has what is half a percent of the time left, --all has all.

The tools are those of the profile's own jail, or of --jail. Where it has none,
or packages were installed since, they are looked up in their source as xjail
tools install does, and kept in the cache; the jail stays as it is. Without a
jail only the policy is known.

What tells the architecture, what a package has in another version, what did
not pass the self-test and what the build made itself is never advised, and the
reason is given.

--output keeps the advice, for xjail tools install NAME --advice FILE. It has
the prediction too: --check compares it with profiles that were made since. The
status is then 3 when something of it still ran emulated.`

type adviceOptions struct {
	jail, tools   string
	output, check string
	percent       float64
	all           bool
	columns       int // of the terminal; 0 for none
}

// forAdvice are the flags that have no meaning with --check.
var forAdvice = []string{"output", "jail", "tools", "threshold", "all"}

func newProfileAdvice(g *globals) *cobra.Command {
	o := &adviceOptions{}
	cmd := &cobra.Command{
		Use:   "advice FILE...",
		Short: "Say which programs to make native next, and what that saves",
		Long:  profileAdviceLong,
		Example: `  xjail profile advice build.xprof
  xjail profile advice build.xprof --output build.advice
  xjail profile advice --check build.advice again.xprof`,
		Args: minArgs("FILE"),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveDefault
		},
		RunE: func(cmd *cobra.Command, args []string) error { return runProfileAdvice(cmd, g, o, args) },
	}
	f := cmd.Flags()
	f.StringVar(&o.jail, "jail", "", "the `jail` whose tools are asked (default the profile's own)")
	f.StringVar(&o.tools, "tools", "", "where native tools would come from: `twin` or host (default as the jail's)")
	f.StringVarP(&o.output, "output", "o", "", "keep the advice in this `file`")
	f.StringVar(&o.check, "check", "", "compare the prediction of this `advice` with the profiles")
	f.Float64Var(&o.percent, "threshold", 0, "the least saving that is worth it, in `percent` of the time left")
	f.BoolVar(&o.all, "all", false, "list every program, however little it costs")
	_ = cmd.RegisterFlagCompletionFunc("jail", completeJail(g))
	_ = cmd.RegisterFlagCompletionFunc("tools", cobra.FixedCompletions([]string{"twin", "host"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func runProfileAdvice(cmd *cobra.Command, g *globals, o *adviceOptions, files []string) error {
	ctx := cmd.Context()
	switch {
	case !(o.percent >= 0 && o.percent <= 100):
		return fault.New(fault.Usage, "--threshold 0.5", "--threshold %v is no share in percent", o.percent)
	case o.check != "" && slices.ContainsFunc(forAdvice, cmd.Flags().Changed):
		return fault.New(fault.Usage, "leave --"+strings.Join(forAdvice, ", --")+" out", "--check compares, and gives no advice")
	case slices.Index(files, "-") != lastIndex(files, "-"):
		return usageError(cmd, "- is given twice, and there is one standard input")
	}
	if o.check != "" {
		return checkAdvice(ctx, g, o.check, files)
	}
	if g.canReadAgain(o, files) {
		if done, err := g.asRoot(); done {
			return err
		}
	}
	usage, err := readProfiles(ctx, g, files)
	if err != nil {
		return err
	}
	name, err := adviceJail(g, o, usage)
	if err != nil {
		return err
	}
	return adviseOn(ctx, g, o, name, usage)
}

// canReadAgain tells whether there is a jail to ask, and the command can be run once
// more for that, as whoever is not root has to: before anything is read, since pipes
// can be read once, and those of /dev/fd by this process alone.
func (g *globals) canReadAgain(o *adviceOptions, files []string) bool {
	for _, name := range files {
		info, err := os.Stat(name)
		if regular := err == nil && info.Mode().IsRegular(); !regular && (name != "-" || o.jail == "") {
			return false
		}
	}
	return g.hasJail(cmp.Or(o.jail, jailOf(files[0])))
}

// jailOf is the jail of a profile; "" when that cannot be read.
func jailOf(file string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	h, err := profile.ReadHeader(f)
	if err != nil {
		return ""
	}
	return h.Jail
}

// hasJail tells whether there is such a jail.
func (g *globals) hasJail(name string) bool {
	store, err := g.store()
	if err != nil || name == "" {
		return false
	}
	_, err = store.Load(name)
	return err == nil
}

// adviseOn gives the advice, and keeps it.
func adviseOn(ctx context.Context, g *globals, o *adviceOptions, name string, usage *advice.Usage) error {
	var out *answerFile
	if o.output != "" {
		var err error
		if out, err = adviceFile(g, o.output); err != nil {
			return err
		}
		defer out.discard()
	}
	a, err := giveAdvice(ctx, g, o, name, usage)
	if err != nil {
		return err
	}
	if out != nil {
		if err := errors.Join(a.Write(out), out.keep()); err != nil {
			return err
		}
	}
	if g.json {
		return g.printJSON(a)
	}
	o.columns = g.columns()
	return printAdvice(g.Stdout, a, o)
}

// readProfiles sums profiles; - is the standard input.
func readProfiles(ctx context.Context, g *globals, files []string) (*advice.Usage, error) {
	u := advice.NewUsage()
	return u, g.eachProfile(ctx, files, u.Add)
}

// adviceJail is the jail to ask; "" when the profile's own is not here.
func adviceJail(g *globals, o *adviceOptions, u *advice.Usage) (string, error) {
	store, err := g.store()
	if err != nil {
		return "", err
	}
	if len(u.Archs()) > 1 {
		return "", fault.New(fault.Usage, "ask for each of them alone", "the profiles are of jails of several architectures: %s", printable(strings.Join(u.Archs(), ", ")))
	}
	name := cmp.Or(o.jail, u.Jail())
	r, err := store.Load(name)
	switch {
	case err != nil && o.jail != "":
		return "", err
	case err != nil:
		g.warn("the jail of the profile is not here, so its tools are not known: " + err.Error())
		return "", nil
	}
	return name, sameArch(r, u)
}

// sameArch refuses to ask a jail of another architecture: its programs are others.
func sameArch(r *jail.Record, u *advice.Usage) error {
	for _, name := range u.Archs() {
		ran, err := arch.Lookup(name)
		if err != nil {
			return fault.New(fault.Unsupported, "", "the profile is of a jail of architecture %q, which is not known", name)
		}
		if own, err := arch.Lookup(r.Arch); err == nil && own.Name != ran.Name {
			return fault.New(fault.Usage, "--jail NAME, of a jail of "+ran.Name, "the profile is of a jail of %s, and jail %s is of %s", ran.Name, r.Name, own.Name)
		}
	}
	return nil
}

func giveAdvice(ctx context.Context, g *globals, o *adviceOptions, name string, u *advice.Usage) (*advice.Advice, error) {
	cfg, err := g.loadConfig()
	if err != nil {
		return nil, err
	}
	options := advice.Options{Threshold: o.percent / 100}
	if name == "" {
		return adviseByPolicy(cfg, u, options, "there is no jail to ask for its packages", "--jail NAME")
	}
	store, err := g.store()
	if err != nil {
		return nil, err
	}
	w := g.newWatch()
	defer w.Close()
	st, err := store.StandIns(ctx, cfg, name, o.tools, w)
	if fault.KindOf(err) == fault.Unsupported && o.tools == "" {
		w.Warn("no native tools are to be had for this root: " + err.Error())
		return adviseByPolicy(cfg, u, options, "no native tools are to be had for this root", fault.HintOf(err))
	}
	if err != nil {
		return nil, err
	}
	defer st.Close()
	a := stamp(advice.Give(u, st.Tool, options), st.Source)
	a.Jail = name
	return a, nil
}

// adviseByPolicy is the advice where nothing is known of native tools.
func adviseByPolicy(cfg *jail.Config, u *advice.Usage, o advice.Options, why, hint string) (*advice.Advice, error) {
	tools, err := jail.PolicyAlone(cfg, why, hint)
	if err != nil {
		return nil, err
	}
	return stamp(advice.Give(u, tools, o), ""), nil
}

// stamp notes who gave an advice and when.
func stamp(a *advice.Advice, source string) *advice.Advice {
	a.Xjail, a.Made, a.Tools = readVersion().Version, time.Now().UTC().Truncate(time.Second), source
	return a
}

// adviceFile begins the file of --output. It keeps the user from writing over
// anything but an advice, and waits for no pipe.
func adviceFile(g *globals, name string) (*answerFile, error) {
	if name == "-" {
		return nil, fault.New(fault.Usage, "--json writes it to the standard output", "--output is the name of a file")
	}
	info, err := os.Lstat(name)
	if err == nil && info.Mode().IsRegular() {
		if _, err := readAdvice(name); err != nil {
			return nil, fault.New(fault.Exists, "choose another name, or remove it", "--output: %s is there, and is not an advice", printable(name))
		}
	}
	return g.answerFile(name, true, false)
}

// readAdvice reads the file of an advice.
func readAdvice(name string) (*advice.Advice, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fileError(name, err)
	}
	defer f.Close()
	a, err := advice.Read(f)
	return a, fault.Wrap(fault.KindOf(err), err, printable(name), "")
}

// checkAdvice compares a prediction with what was measured since.
func checkAdvice(ctx context.Context, g *globals, file string, files []string) error {
	a, err := readAdvice(file)
	if err != nil {
		return err
	}
	u, err := readProfiles(ctx, g, files)
	if err != nil {
		return err
	}
	c := a.Check(u)
	if g.json {
		err = g.printJSON(c)
	} else {
		err = printCheck(g.Stdout, c, g.columns())
	}
	if err == nil && c.Emulated > 0 {
		err = fault.New(fault.Partly, "xjail tools list "+c.Jail+" tells which are native", "%d of %d of what was to be native still ran emulated", c.Emulated, len(c.Items))
	}
	return err
}

func printCheck(w io.Writer, c *advice.Check, columns int) error {
	fmt.Fprintf(w, "before:    %s of CPU, %s of it emulated\n", cpuSeconds(c.Before.CPU), cpuSeconds(c.Before.Emulated))
	fmt.Fprintf(w, "predicted: %s, %s emulated\n", cpuSeconds(c.Predicted.CPU), cpuSeconds(c.Predicted.Emulated))
	fmt.Fprintf(w, "measured:  %s, %s emulated; %.2f times what was predicted\n\n", cpuSeconds(c.Measured.CPU), cpuSeconds(c.Measured.Emulated), c.Ratio)
	var rows [][]string
	for _, i := range c.Items {
		rows = append(rows, []string{cpuSeconds(i.Before), cpuSeconds(i.Predicted), cpuSeconds(i.Measured), strconv.FormatInt(i.Execs, 10),
			strconv.FormatInt(i.Now, 10), strconv.FormatInt(i.StillEmulated, 10), printable(i.Name)})
	}
	if err := ui.TableWithin(w, columns, []string{"BEFORE", "PREDICTED", "MEASURED", "EXECS", "NOW", "EMULATED", "PROGRAM"}, rows); err != nil {
		return err
	}
	printNotes(w, c.Notes)
	return nil
}

// cpuSeconds are nanoseconds as people read them.
func cpuSeconds(ns int64) string { return strconv.FormatFloat(float64(ns)/1e9, 'f', 2, 64) + " s" }

func printNotes(w io.Writer, notes []string) {
	for _, n := range notes {
		fmt.Fprintln(w, "note:", printable(n))
	}
}
