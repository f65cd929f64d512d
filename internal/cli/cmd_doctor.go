package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/doctor"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail"
)

// doctorOptions are the flags of doctor.
type doctorOptions struct {
	fix     bool
	dryRun  bool
	verbose bool
	quick   bool
}

func newDoctor(g *globals) *cobra.Command {
	o := &doctorOptions{}
	cmd := &cobra.Command{
		Use:   "doctor [NAME...]",
		Short: "Find out what is wrong with this machine or with jails, and mend it",
		Long: `Look at the machine and what its kernel allows, at the activators and emulators,
at the state directory and what killed commands left in it, and at each jail, or
those that are named: a program is run in each, for 10 s at most. Nothing is
changed, and no root is needed; what this user may not look at is skipped.

Each finding is a line with its result (note, warning or failed), the name of
the check, and what is wrong; what mends it follows as a hint. What is in order
is shown with --verbose. docs/doctor.md describes each check.

--fix does what is safe: it removes what killed commands left, puts an
emulator back into its jail, registers xjail's own activators again, closes the
state directory to others. It changes nothing that xjail did not make, and
nothing that a running command uses. Then everything is looked at again.

The status is 1 when something failed that --fix did not mend; warnings do not
count.`,
		Example: `  xjail doctor
  xjail doctor mips64 --verbose
  xjail doctor --fix --dry-run
  xjail doctor --json`,
		ValidArgsFunction: completeJails(g),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runDoctor(cmd.Context(), g, o, args)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.fix, "fix", false, "mend what can be mended safely")
	f.BoolVarP(&o.dryRun, "dry-run", "n", false, "with --fix: say what would be done and change nothing")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "show also what is in order, and what was skipped")
	f.BoolVar(&o.quick, "quick", false, "run no programs in the jails")
	return cmd
}

// completeJails offers the names of the jails, also after the first.
func completeJails(g *globals) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		names, directive := completeJail(g)(cmd, nil, begun)
		return slices.DeleteFunc(names, func(n string) bool { return slices.Contains(args, n) }), directive
	}
}

// doctorPatience is how long a program of a jail may run. The slowest emulated
// uname takes a tenth of it on a busy machine.
const doctorPatience = 10 * time.Second

func runDoctor(ctx context.Context, g *globals, o *doctorOptions, names []string) error {
	if o.dryRun && !o.fix {
		return fault.New(fault.Usage, "xjail doctor --fix --dry-run", "--dry-run goes with --fix: without it nothing is changed")
	}
	w, err := g.doctorWorld(o, names)
	if err != nil {
		return err
	}
	found := doctor.Examine(ctx, w)
	if o.fix && ctx.Err() == nil {
		if found, err = g.mend(ctx, w, o, found); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return fault.Wrap(fault.Interrupted, ctx.Err(), "doctor", "")
	}
	if err := g.printFindings(w, found, o.verbose); err != nil {
		return err
	}
	if doctor.Count(found, doctor.Failed) > 0 {
		return exitStatus(fault.Failed)
	}
	return nil
}

// mendRounds is how often --fix looks again for something to mend: what was
// wrong may have hidden something else.
const mendRounds = 3

// mend does what is safe about what was found, or says what it would do, and
// looks again.
func (g *globals) mend(ctx context.Context, w *doctor.World, o *doctorOptions, found []doctor.Finding) ([]doctor.Finding, error) {
	var all []doctor.Mended
	for range mendRounds {
		done := doctor.Mend(ctx, found, o.dryRun)
		g.printMended(done, o.dryRun)
		if len(done) == 0 || o.dryRun {
			break
		}
		all = append(all, done...)
		again, err := g.doctorWorld(o, nil)
		if err != nil {
			return nil, err
		}
		again.Jails = w.Jails
		found = doctor.Examine(ctx, again)
		if !slices.ContainsFunc(done, func(m doctor.Mended) bool { return m.Err == nil }) {
			break
		}
	}
	return doctor.Settle(all, found), nil
}

// doctorWorld is this machine with the state directory and the configuration of
// the command line. What is wrong with them is for the doctor to say.
func (g *globals) doctorWorld(o *doctorOptions, names []string) (*doctor.World, error) {
	store, err := g.store()
	w := doctor.New(store)
	w.StateError = err
	w.Getenv = g.Getenv
	w.Patience = doctorPatience
	if o.quick {
		w.Patience = 0
	}
	if w.ConfigPath, w.Config, w.ConfigError = g.findConfig(); w.Config == nil {
		w.Config = &jail.Config{}
	}
	w.Ledgers = []string{filepath.Join(rootState(), activators.LedgerName)}
	if g.Stdin == os.Stdin && os.Geteuid() != 0 {
		w.AsRoot = g.asRootQuietly
	}
	for _, name := range names {
		if err := knownJail(store, name); err != nil {
			return nil, err
		}
		w.Jails = append(w.Jails, name)
	}
	return w, nil
}

// knownJail refuses the name of a jail that is not there, complete or not.
func knownJail(store jail.Store, name string) error {
	all, err := store.Names()
	if err != nil || slices.Contains(all, name) {
		return err
	}
	_, err = store.Load(name)
	return err
}

// findConfig is loadConfig, and the file that it read.
func (g *globals) findConfig() (path string, c *jail.Config, err error) {
	c, err = g.loadConfig()
	if path = cmp.Or(g.config, g.Getenv("XJAIL_CONFIG")); path != "" {
		return path, c, err
	}
	for _, path := range g.configPaths() {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			return path, c, err
		}
	}
	return "", c, err
}

// asRootQuietly runs xjail as root of a user namespace. What it prints goes to
// stderr, with its errors.
func (g *globals) asRootQuietly(args ...string) error {
	status, ok, err := jail.AsRootTo(os.Stderr, args)
	if ok && err == nil && status != 0 {
		err = fault.New(fault.Kind(status), "", "xjail %s ended with status %d", strings.Join(args, " "), status)
	}
	return err
}

// printMended tells what was done, or would be, on stderr: the answer are the
// findings.
func (g *globals) printMended(done []doctor.Mended, dryRun bool) {
	verb := "fix"
	if dryRun {
		verb = "would fix"
	}
	for _, m := range done {
		switch {
		case m.Err != nil:
			g.warn(fmt.Sprintf("%s: cannot be fixed: %v", m.Check, m.Err))
		case !g.json:
			fmt.Fprintf(g.Stderr, "xjail: %s: %s: %s\n", verb, m.Check, printable(m.Message))
		}
	}
}

func (g *globals) printFindings(w *doctor.World, found []doctor.Finding, verbose bool) error {
	if g.json {
		return g.printJSON(append([]doctor.Finding{}, found...))
	}
	told := func(f doctor.Finding) bool { return f.Fixed || f.Trouble() || f.Result == doctor.Note }
	width := 0
	for _, f := range found {
		if verbose || told(f) {
			width = max(width, utf8.RuneCountInString(f.Check))
		}
	}
	for _, f := range found {
		if !verbose && !told(f) {
			continue
		}
		result := string(f.Result)
		if f.Fixed {
			result = "fixed"
		}
		fmt.Fprintf(g.Stdout, "%-7s  %-*s  %s\n", result, width, f.Check, printable(f.Message))
		if f.Fix != "" && !f.Fixed && told(f) {
			fmt.Fprintf(g.Stdout, "%-7s  %-*s  hint: %s\n", "", width, "", printable(f.Fix))
		}
	}
	_, err := fmt.Fprintln(g.Stdout, w.Summary(found))
	return err
}
