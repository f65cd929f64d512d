package cli

import (
	"context"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/xjail/xjail/hooks/poudriere"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail"
)

type execOptions struct {
	env   []string
	user  string
	binds []string
	dir   string
	bare  bool
	like  bool
	etc   string
	stats bool
}

// addFlags defines the flags of exec and shell.
func (o *execOptions) addFlags(f *pflag.FlagSet) {
	f.StringArrayVarP(&o.env, "env", "e", nil, "set `NAME=VALUE` in the jail, or pass the caller's NAME; can be repeated")
	f.StringVarP(&o.user, "user", "u", "", "run as this `user` of the jail (default root)")
	f.StringArrayVarP(&o.binds, "bind", "b", nil, "show the host's SRC at DST in the jail, `SRC:DST[:ro]`; can be repeated")
	f.BoolVar(&o.bare, "no-tools", false, "run the jail's own programs only, not native tools")
	f.BoolVar(&o.like, "like-poudriere", false, "as poudriere runs a build: its environment, and its make.conf")
	f.StringVar(&o.etc, poudriereFlag, "", "with --like-poudriere, the `directory` of poudriere.conf (default: where the jail is registered, $POUDRIERE_ETC, /usr/local/etc)")
	f.StringVarP(&o.dir, "dir", "C", "", "working `directory` in the jail (exec: /, shell: the user's home)")
}

const enterLong = `
The jail has its own processes, mounts, host name and activators, and shares the
network. Its environment is HOME, USER, LOGNAME, SHELL, PATH, TERM and XJAIL;
nothing else of the caller's comes in without --env.

With --like-poudriere, in a jail of FreeBSD, programs get what those of a build
get: PATH and setenv of the root's login.conf, UNAME_r, UNAME_v, UNAME_m,
UNAME_p, OSVERSION, ABI_FILE, HOME, and make.conf with poudriere's lines, its
make.conf files and those of its plugins. That is shown at /mnt; make finds it
by __MAKE_CONF.`

func newExec(g *globals) *cobra.Command {
	o := &execOptions{}
	cmd := &cobra.Command{
		Use:   "exec NAME [--] CMD [ARG...]",
		Short: "Run a command in a jail",
		Long: `Run a command in a jail and return its exit status; 128 and the number of the
signal when a signal ended it, 127 when it is not there, 126 when it cannot be
run. Signals that xjail gets are passed on.

With --stats everything that the command starts is followed, and a line at the
end says how many programs ran emulated and how many natively, the processor
time of both, and which emulated program cost most. xjail profile tells more.` + "\n" + enterLong,
		Example: `  xjail exec mips64 -- uname -m
  xjail exec mips64 --bind $PWD:/src --dir /src -- make
  xjail exec mips64 --user nobody --env LANG=C -- sh -c 'id; env'
  xjail exec arm64 --like-poudriere -- make -C /usr/ports/shells/zsh -V CC
  xjail exec --stats mips64 -- make`,
		Args:              minArgs("NAME", "CMD"),
		ValidArgsFunction: completeJail(g),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runExec(cmd.Context(), g, o, args[0], args[1:], false)
		},
	}
	// Flags after CMD are the command's own.
	cmd.Flags().SetInterspersed(false)
	o.addFlags(cmd.Flags())
	cmd.Flags().BoolVar(&o.stats, "stats", false, "say at the end what ran emulated, and what that cost")
	return allowFlagsAfterName(cmd)
}

func newShell(g *globals) *cobra.Command {
	o := &execOptions{}
	cmd := &cobra.Command{
		Use:   "shell NAME",
		Short: "Look around in a jail with its own shell",
		Long:  "Start the login shell of a user of the jail. Job control works as at home.\n" + enterLong,
		Example: `  xjail shell mips64
  xjail shell mips64 --user nobody --bind $HOME/src:/src`,
		Args:              exactArgs("NAME"),
		ValidArgsFunction: completeJail(g),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runExec(cmd.Context(), g, o, args[0], nil, true)
		},
	}
	o.addFlags(cmd.Flags())
	return cmd
}

func runExec(ctx context.Context, g *globals, o *execOptions, name string, argv []string, login bool) error {
	store, err := g.store()
	if err != nil {
		return err
	}
	c, err := newCommand(g, store, o, name, argv)
	if err != nil {
		return err
	}
	c.Login = login
	if o.stats {
		c.Profile = &jail.Profile{}
	}
	status, err := store.Exec(ctx, name, c)
	if o.stats && err == nil {
		g.tellSums(&statsEvent{Type: "exec_stats", Status: status, Sums: c.Profile.Sums})
	}
	return statusError(status, err)
}

// newCommand is a command of the options, for a jail.
func newCommand(g *globals, store jail.Store, o *execOptions, name string, argv []string) (*jail.Command, error) {
	c := &jail.Command{Argv: argv, User: o.user, Dir: o.dir, Interactive: true, NoTools: o.bare}
	var err error
	if c.Env, err = jailEnv(g, o.env); err != nil {
		return nil, err
	}
	for _, text := range o.binds {
		b, err := jail.ParseBind(text)
		if err != nil {
			return nil, err
		}
		c.Binds = append(c.Binds, b)
	}
	if o.like {
		if err := likePoudriere(g, store, name, o.etc, c); err != nil {
			return nil, err
		}
	}
	c.Warn = func(text string) {
		if !g.quiet {
			g.warn(text)
		}
	}
	c.Stdin, _ = g.Stdin.(*os.File)
	c.Stdout, _ = g.Stdout.(*os.File)
	c.Stderr, _ = g.Stderr.(*os.File)
	return c, nil
}

// statusError is the status of a command as an error.
func statusError(status int, err error) error {
	if err == nil && status != 0 {
		return exitStatus(status)
	}
	return err
}

// jailEnv is what --env asks for, and the kind of terminal.
func jailEnv(g *globals, wanted []string) ([]string, error) {
	var env []string
	if term := g.Getenv("TERM"); term != "" {
		env = append(env, "TERM="+term)
	}
	for _, kv := range wanted {
		name, _, set := strings.Cut(kv, "=")
		if name == "" || strings.ContainsRune(kv, 0) {
			return nil, fault.New(fault.Usage, "--env NAME=VALUE, or --env NAME to pass the caller's value", "--env %q has no name", kv)
		}
		if !set {
			kv += "=" + g.Getenv(name)
		}
		env = append(env, kv)
	}
	return env, nil
}

// allowFlagsAfterName lets xjail's own flags stand between NAME and CMD as
// well: pflag stops at the first word that is not a flag, which is NAME.
func allowFlagsAfterName(cmd *cobra.Command) *cobra.Command {
	run, check := cmd.RunE, cmd.Args
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 1 && cmd.ArgsLenAtDash() != 0 {
			name := args[0]
			if err := cmd.Flags().Parse(args[1:]); err != nil {
				return fault.Wrap(fault.Usage, err, cmd.CommandPath(), cmd.CommandPath()+" --help; put -- before the command")
			}
			args = append([]string{name}, cmd.Flags().Args()...)
		}
		if help, _ := cmd.Flags().GetBool("help"); help {
			return cmd.Help()
		}
		if err := check(cmd, args); err != nil {
			return err
		}
		return run(cmd, args)
	}
	return cmd
}

// likePoudriere gives a command what poudriere gives a build; what the user asked
// for comes over it.
func likePoudriere(g *globals, store jail.Store, name, etc string, c *jail.Command) error {
	r, err := store.Load(name)
	if err != nil {
		return err
	}
	s, err := subjectOf(r, store.JailDir(name))
	if err != nil {
		return err
	}
	reg, err := poudriere.Load(s.Dir)
	if err != nil {
		return err
	}
	if etc == "" && reg != nil {
		etc = reg.Etc
	}
	config, err := poudriere.FindConfig(etc, g.Getenv)
	if err != nil {
		return err
	}
	b, err := poudriere.New(config).LikeBuild(s, reg)
	if err != nil {
		return err
	}
	dir, err := b.Write(s)
	if err != nil {
		return err
	}
	c.Env = append(b.Env, c.Env...)
	c.Binds = append([]jail.Bind{{Source: dir, Target: poudriere.BuildMount, ReadOnly: true}}, c.Binds...)
	return nil
}
