package cli

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/xjail/xjail/activators/binfmt"
	"github.com/xjail/xjail/hooks/poudriere"
	"github.com/xjail/xjail/hooks/poudriere/hook"
	"github.com/xjail/xjail/internal/fault"
)

// hooksOptions are the flags of poudriere hooks.
type hooksOptions struct {
	hookOptions
	force  bool
	dryRun bool
}

const hooksLong = `Poudriere runs the hooks in poudriere.d/hooks/plugins at the events of a build.
xjail's look after jails of another architecture: that the activator is there
and its emulator is the one that is installed, that native tools are in place,
and why a package failed. They do nothing in native jails. A failing hook ends
poudriere's whole build, so these fail on purpose or not at all.`

func newPoudriereHooks(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "hooks",
		Short:   "Install xjail's hooks for poudriere, or take them away",
		Long:    hooksLong,
		Example: "  xjail poudriere hooks install\n  xjail poudriere hooks status\n  xjail poudriere hooks uninstall",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newHooksInstall(g), newHooksStatus(g), newHooksUninstall(g))
	return cmd
}

func newHooksInstall(g *globals) *cobra.Command {
	o := &hooksOptions{}
	cmd := &cobra.Command{
		Use:   "install",
		Short: "Put xjail's hooks into poudriere.d, or renew them",
		Long: `Write the hooks to poudriere.d/hooks/plugins/xjail. They go on using this very
xjail, and the state directory and configuration of this command. Hooks that
are there are renewed; a file that somebody changed is reported (exit status 16)
and nothing is written, unless --force is given.

--leave is for a port that breaks with a native tool: the tool stays emulated,
in one jail or in all. Poudriere's builders share one root, so that this cannot
be said of one port: build it in a jail of its own.

--profile makes a profile of each package with dtrace(1), which costs time:
xjail poudriere report ranks the programs of all.

--keep bounds what is remembered: reports of so many builds of a jail, and
profiles of the last three of them.`,
		Example: `  xjail poudriere hooks install
  xjail poudriere hooks install --second aarch64=armv7
  xjail poudriere hooks install --leave cc,ld --profile
  xjail poudriere hooks install --dry-run`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runHooksInstall(cmd, g, o) },
	}
	f := cmd.Flags()
	f.DurationVar(&o.limit, "limit", hookLimit, "`time` after which poudriere goes on without a hook, whole seconds")
	o.addFlags(cmd)
	f.BoolVar(&o.force, "force", false, "overwrite files that were changed")
	f.BoolVarP(&o.dryRun, "dry-run", "n", false, "say what would be written and change nothing")
	return cmd
}

func runHooksInstall(cmd *cobra.Command, g *globals, o *hooksOptions) error {
	config, err := poudriereConfig(g, cmd)
	if err != nil {
		return err
	}
	p, err := g.plugin(config, o)
	if err != nil {
		return err
	}
	was, err := config.InstallPlugin(p, o.force, o.dryRun)
	if err != nil {
		return err
	}
	return g.printHooks("installed", "would install", was, o.dryRun, func(f poudriere.PluginFile) bool { return f.State != poudriere.FileCurrent })
}

// plugin is what the hooks are told of this command.
func (g *globals) plugin(config poudriere.Config, o *hooksOptions) (poudriere.Plugin, error) {
	if err := o.check(); err != nil {
		return poudriere.Plugin{}, err
	}
	program, err := os.Executable()
	if err != nil {
		return poudriere.Plugin{}, fault.Wrap(fault.Failed, err, "where this xjail is", "")
	}
	state, err := g.stateDir()
	if err != nil {
		return poudriere.Plugin{}, err
	}
	p := poudriere.Plugin{Program: program, Limit: o.limit, Options: []string{"--state", state}}
	switch file, _, err := g.findConfig(); {
	case err != nil:
		return poudriere.Plugin{}, err
	case file != "":
		if file, err = filepath.Abs(file); err != nil {
			return poudriere.Plugin{}, err
		}
		p.Options = append(p.Options, "--config", file)
	}
	p.HookOptions = []string{"--limit", o.limit.String(), "--" + poudriereFlag, config.Etc}
	for _, text := range o.second {
		p.HookOptions = append(p.HookOptions, "--second", text)
	}
	for _, text := range o.leave {
		p.HookOptions = append(p.HookOptions, "--leave", text)
	}
	if o.profile {
		p.HookOptions = append(p.HookOptions, "--profile")
	}
	if o.keep != hook.DefaultKeep {
		p.HookOptions = append(p.HookOptions, "--keep", strconv.Itoa(o.keep))
	}
	if o.dir != binfmt.DefaultDir {
		p.HookOptions = append(p.HookOptions, "--binfmt-dir", o.dir)
	}
	return p, nil
}

func newHooksStatus(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Say whether xjail's hooks are installed and unchanged",
		Long: `Show the files of the hooks: current, outdated (another version of xjail wrote
them: install renews them), changed (somebody else did), or missing, and the
options that they were installed with. Hooks do nothing when the xjail that
installed them does not start any more, which is said. The status is 10 when it
or hooks are missing, 16 when one is changed, and 0 otherwise.`,
		Example: "  xjail poudriere hooks status\n  xjail poudriere hooks status --json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := poudriereConfig(g, cmd)
			if err != nil {
				return err
			}
			list, err := config.PluginStatus()
			if err != nil {
				return err
			}
			return errors.Join(g.printHookFiles(list), hooksStatus(list))
		},
	}
}

// hooksStatus is the status for the worst of the files.
func hooksStatus(list []poudriere.PluginFile) error {
	is := func(state poudriere.FileState) bool {
		return slices.ContainsFunc(list, func(f poudriere.PluginFile) bool { return f.State == state })
	}
	switch {
	case is(poudriere.FileChanged):
		return exitStatus(fault.Exists)
	case is(poudriere.FileMissing) || slices.ContainsFunc(list, func(f poudriere.PluginFile) bool { return f.Problem != "" }):
		return exitStatus(fault.NotFound)
	}
	return nil
}

func (g *globals) printHookFiles(list []poudriere.PluginFile) error {
	if g.json {
		return g.printJSON(list)
	}
	var options []string
	problem := ""
	for _, f := range list {
		if _, err := fmt.Fprintf(g.Stdout, "%-8s  %s\n", f.State, printable(f.Path)); err != nil {
			return err
		}
		if len(f.Options) > 0 {
			options = f.Options
		}
		problem = cmp.Or(f.Problem, problem)
	}
	if options != nil {
		if _, err := fmt.Fprintln(g.Stdout, "options  ", printable(strings.Join(options, " "))); err != nil {
			return err
		}
	}
	if problem == "" {
		return nil
	}
	_, err := fmt.Fprintln(g.Stdout, "problem   the hooks do nothing: "+printable(problem)+": xjail poudriere hooks install")
	return err
}

func newHooksUninstall(g *globals) *cobra.Command {
	force, dryRun := false, false
	cmd := &cobra.Command{
		Use:   "uninstall",
		Short: "Take xjail's hooks away from poudriere",
		Long: `Remove poudriere.d/hooks/plugins/xjail. A file that somebody changed is reported
(exit status 16) and nothing is removed, unless --force is given. Files that are
not xjail's stay. What the hooks collected stays in the state directory.`,
		Example: "  xjail poudriere hooks uninstall\n  xjail poudriere hooks uninstall --dry-run",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := poudriereConfig(g, cmd)
			if err != nil {
				return err
			}
			was, err := config.UninstallPlugin(force, dryRun)
			if err != nil {
				return err
			}
			return g.printHooks("removed", "would remove", was, dryRun, func(f poudriere.PluginFile) bool { return f.State != poudriere.FileMissing })
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "remove files that were changed, too")
	cmd.Flags().BoolVarP(&dryRun, "dry-run", "n", false, "say what would be removed and change nothing")
	return cmd
}

// hooksAnswer is the answer of install and uninstall in JSON.
type hooksAnswer struct {
	DryRun bool     `json:"dry_run,omitempty"`
	Files  []string `json:"files"` // that were changed
}

// printHooks says which files were changed, or would be.
func (g *globals) printHooks(done, would string, was []poudriere.PluginFile, dryRun bool, changed func(poudriere.PluginFile) bool) error {
	answer := hooksAnswer{DryRun: dryRun, Files: []string{}}
	for _, f := range was {
		if changed(f) {
			answer.Files = append(answer.Files, f.Path)
		}
	}
	if g.json {
		return g.printJSON(answer)
	}
	if dryRun {
		done = would
	}
	if len(answer.Files) == 0 {
		_, err := fmt.Fprintln(g.Stdout, "nothing to do")
		return err
	}
	for _, path := range answer.Files {
		if _, err := fmt.Fprintf(g.Stdout, "%s %s\n", done, printable(path)); err != nil {
			return err
		}
	}
	return nil
}
