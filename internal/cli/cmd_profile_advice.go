package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
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
}

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
		RunE: func(cmd *cobra.Command, args []string) error { return runProfileAdvice(cmd.Context(), g, o, args) },
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

func runProfileAdvice(ctx context.Context, g *globals, o *adviceOptions, files []string) error {
	if !(o.percent >= 0 && o.percent <= 100) {
		return fault.New(fault.Usage, "--threshold 0.5", "--threshold %v is no share in percent", o.percent)
	}
	if o.check != "" && (o.output != "" || o.jail != "" || o.tools != "") {
		return fault.New(fault.Usage, "leave --output, --jail and --tools out", "--check compares, and gives no advice")
	}
	if o.output != "" {
		if err := mayReplaceAdvice(o.output); err != nil {
			return err
		}
	}
	usage, err := readProfiles(g, files)
	if err != nil {
		return err
	}
	if o.check != "" {
		return checkAdvice(g, o.check, usage)
	}
	name, err := adviceJail(g, o, usage)
	if err != nil {
		return err
	}
	if name != "" && !readsStdin(files) {
		if done, err := g.asRoot(); done {
			return err
		}
	}
	a, err := giveAdvice(ctx, g, o, name, usage)
	if err != nil {
		return err
	}
	if o.output != "" {
		if err := writeAdvice(o.output, a); err != nil {
			return err
		}
	}
	if g.json {
		return g.printJSON(a)
	}
	return printAdvice(g.Stdout, a, o)
}

// readsStdin tells whether a profile comes from the standard input, which cannot
// be read twice.
func readsStdin(files []string) bool { return slices.Contains(files, "-") }

// readProfiles sums profiles; - is the standard input.
func readProfiles(g *globals, files []string) (*advice.Usage, error) {
	u := advice.NewUsage()
	for _, name := range files {
		in := g.Stdin
		if name != "-" {
			f, err := os.Open(name)
			if err != nil {
				return nil, openError(err)
			}
			defer f.Close()
			in = f
		}
		p, err := profile.Read(in)
		if err != nil {
			return nil, fault.Wrap(fault.KindOf(err), err, name, "")
		}
		u.Add(name, p)
	}
	return u, nil
}

// openError gives the error of a file that the user has named its kind.
func openError(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fault.Wrap(fault.NotFound, err, "", "")
	case errors.Is(err, fs.ErrPermission):
		return fault.Wrap(fault.Permission, err, "", "")
	}
	return err
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

// mayReplaceAdvice keeps the user from writing over anything but an advice.
func mayReplaceAdvice(name string) error {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return openError(err)
	}
	defer f.Close()
	if _, err := advice.Read(f); err != nil {
		return fault.New(fault.Exists, "choose another name, or remove it", "--output: %s is there, and is not an advice", name)
	}
	return nil
}

// writeAdvice writes it whole or not at all.
func writeAdvice(name string, a *advice.Advice) error {
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		return openError(err)
	}
	err = errors.Join(a.Write(f), f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// readAdvice reads the file of an advice.
func readAdvice(name string) (*advice.Advice, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, openError(err)
	}
	defer f.Close()
	a, err := advice.Read(f)
	return a, fault.Wrap(fault.KindOf(err), err, name, "")
}

// checkAdvice compares a prediction with what was measured since.
func checkAdvice(g *globals, file string, u *advice.Usage) error {
	a, err := readAdvice(file)
	if err != nil {
		return err
	}
	c := a.Check(u)
	if g.json {
		err = g.printJSON(c)
	} else {
		err = printCheck(g.Stdout, c)
	}
	if err == nil && c.Emulated > 0 {
		err = fault.New(fault.Partly, "xjail tools list "+c.Jail+" tells which are native", "%d of %d of what was to be native still ran emulated", c.Emulated, len(c.Items))
	}
	return err
}

func printCheck(w io.Writer, c *advice.Check) error {
	fmt.Fprintf(w, "before:    %s of CPU, %s of it emulated\n", cpuSeconds(c.Before.CPU), cpuSeconds(c.Before.Emulated))
	fmt.Fprintf(w, "predicted: %s, %s emulated\n", cpuSeconds(c.Predicted.CPU), cpuSeconds(c.Predicted.Emulated))
	fmt.Fprintf(w, "measured:  %s, %s emulated; %.2f times what was predicted\n\n", cpuSeconds(c.Measured.CPU), cpuSeconds(c.Measured.Emulated), c.Ratio)
	var rows [][]string
	for _, i := range c.Items {
		rows = append(rows, []string{cpuSeconds(i.Before), cpuSeconds(i.Predicted), cpuSeconds(i.Measured), strconv.FormatInt(i.Execs, 10),
			strconv.FormatInt(i.Now, 10), strconv.FormatInt(i.StillEmulated, 10), printable(i.Name)})
	}
	if err := ui.Table(w, []string{"BEFORE", "PREDICTED", "MEASURED", "EXECS", "NOW", "EMULATED", "PROGRAM"}, rows); err != nil {
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
