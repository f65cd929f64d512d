package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/hooks/poudriere"
	"github.com/xjail/xjail/hooks/poudriere/hook"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail"
)

// hookOptions are the flags of poudriere hook.
type hookOptions struct {
	limit  time.Duration
	second []string
	leave  []string
	dir    string // where binfmt_misc is mounted
	keep   int
	// profile: each package gets a profile.
	profile bool
}

// hookLimit is how long a hook may take where nothing else is said: /nxb-bin is
// some hundred megabytes, and disks of build machines are busy.
const hookLimit = 5 * time.Minute

const hookLong = `What the hooks call that xjail poudriere hooks install puts into poudriere.d,
with what poudriere tells them: the hook, the event and its arguments, and in
the environment JAILNAME, MASTERMNT and others. docs/poudriere-hooks.md says
what is done about each event.

For a native jail, and for an event that is not for xjail, nothing is done or
said. The status is 0 also when something went wrong, which is said on stdout;
it is 75 when poudriere shall stop, and one sentence says what to do then, and
76 when the event "jail collect" is wanted: with --profile it makes profiles
until the build is over, and belongs into the background.`

func newPoudriereHook(g *globals) *cobra.Command {
	o := &hookOptions{}
	cmd := &cobra.Command{
		Use:   "hook HOOK EVENT [ARG...]",
		Short: "Do what there is to do about an event of poudriere",
		Long:  hookLong,
		Example: `  xjail poudriere hook bulk start
  xjail poudriere hook jail mount /usr/local/poudriere/data/.m/a64-default/ref`,
		Args: minArgs("HOOK", "EVENT"),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveDefault
			}
			return hook.Hooks(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error { return runHook(cmd, g, o, args) },
	}
	f := cmd.Flags()
	f.DurationVar(&o.limit, "limit", hookLimit, "`time` after which poudriere goes on")
	o.addFlags(cmd)
	return cmd
}

// addFlags adds what install and the hook have in common.
func (o *hookOptions) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	addSecond(cmd, &o.second)
	f.StringArrayVar(&o.leave, "leave", nil, "`[JAIL=]PROGRAM,...`: leave these emulated, such as cc,ld, in one jail of poudriere's or in all; may be repeated")
	f.BoolVar(&o.profile, "profile", false, "make a profile of each package, by dtrace(1)")
	f.IntVar(&o.keep, "keep", hook.DefaultKeep, "`builds` of a jail that are remembered, 0 for all")
	addBinfmtDir(cmd, &o.dir)
}

// check refuses what the hooks would not understand.
func (o *hookOptions) check() error {
	if o.keep < 0 {
		return fault.New(fault.Usage, "--keep 20", "--keep is a number of builds, not %d", o.keep)
	}
	if _, err := hook.ParseLeave(o.leave); err != nil {
		return err
	}
	_, err := secondOf(o.second)
	return err
}

// addSecond adds the option of second emulators.
func addSecond(cmd *cobra.Command, second *[]string) {
	cmd.Flags().StringArrayVar(second, "second", nil, "`ARCH=ARCH2`: jails of ARCH also run programs of ARCH2, such as aarch64=armv7; may be repeated")
}

func runHook(cmd *cobra.Command, g *globals, o *hookOptions, args []string) error {
	config, err := poudriereConfig(g, cmd)
	if err != nil {
		return err
	}
	call := &hook.Call{Hook: args[0], Event: args[1], Args: args[2:], Getenv: g.Getenv, Config: config, Profile: o.profile}
	if call.Idle(hook.Natives) {
		return nil
	}
	ctx := cmd.Context()
	if !call.Collects() {
		limited, cancel := context.WithTimeout(ctx, o.limit)
		defer cancel()
		ctx = limited
	}
	if g.Stdin == os.Stdin && !call.Collects() {
		// What hangs in a system call does not hear of the context.
		defer time.AfterFunc(o.limit+time.Second, func() { os.Exit(0) }).Stop()
		// timeout(1) has it run in the background of poudriere's terminal, where
		// stty tostop would stop it at the first word; and when nobody listens any
		// more there is still the work to be done.
		signal.Ignore(syscall.SIGTTOU, syscall.SIGPIPE)
	}
	said := &hookSays{g: g}
	w, err := g.hookWorld(o, said)
	if err != nil {
		return err
	}
	err = w.Run(ctx, call)
	return said.end(err)
}

// hookWorld is this machine with the state directory and the configuration of the
// command line. A configuration that cannot be read is said and not used.
func (g *globals) hookWorld(o *hookOptions, said *hookSays) (*hook.World, error) {
	store, err := g.store()
	if err != nil {
		return nil, err
	}
	cfg, err := g.loadConfig()
	if err != nil {
		said.line(fmt.Sprintf("the configuration is not used: %v", err))
		cfg = &jail.Config{}
	}
	w := hook.New(store, cfg, machineTable(o.dir), said.line)
	w.Keep = o.keep
	if w.Leave, err = hook.ParseLeave(o.leave); err != nil {
		return nil, err
	}
	w.Second, err = secondOf(o.second)
	return w, err
}

// secondOf reads ARCH=ARCH2.
func secondOf(list []string) (map[string][]string, error) {
	second := map[string][]string{}
	for _, text := range list {
		first, other, ok := strings.Cut(text, "=")
		if !ok {
			return nil, fault.New(fault.Usage, "--second aarch64=armv7", "--second %q is not of the form ARCH=ARCH2", text)
		}
		a, err := arch.Lookup(first)
		if err != nil {
			return nil, err
		}
		b, err := arch.Lookup(other)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(second[a.Name], b.Name) {
			second[a.Name] = append(second[a.Name], b.Name)
		}
	}
	return second, nil
}

// hookSays is what a hook has to say: lines on stdout, which is poudriere's own
// output, since poudriere's stderr is not for it.
type hookSays struct {
	g     *globals
	lines []string
}

func (s *hookSays) line(text string) {
	text = printable(text)
	if s.lines = append(s.lines, text); !s.g.json {
		fmt.Fprintf(s.g.Stdout, "xjail: %s\n", text)
	}
}

// hookAnswer is the answer in JSON.
type hookAnswer struct {
	Stop  string   `json:"stop,omitempty"` // why poudriere shall stop, and what to do
	Lines []string `json:"lines"`
	// Collect: the event "jail collect" is wanted.
	Collect bool `json:"collect,omitempty"`
}

// end says what became of the event and returns the status.
func (s *hookSays) end(err error) error {
	var stop *hook.Stop
	answer := hookAnswer{}
	switch {
	case errors.As(err, &stop):
		answer.Stop = printable(stop.Sentence)
		if !s.g.json {
			fmt.Fprintf(s.g.Stdout, "xjail: %s\n", answer.Stop)
		}
	case errors.Is(err, hook.ErrCollect):
		answer.Collect = true
	case err != nil:
		for line := range strings.Lines(err.Error()) { // errors.Join's
			s.line(strings.TrimSuffix(line, "\n"))
		}
	}
	if answer.Lines = append([]string{}, s.lines...); s.g.json {
		_ = s.g.printJSON(answer) // a reader that is gone changes no answer
	}
	if stop != nil {
		return exitStatus(poudriere.StopStatus)
	}
	if answer.Collect {
		return exitStatus(poudriere.CollectStatus)
	}
	return nil
}
