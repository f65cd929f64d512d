package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/persist"
	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail"
)

// declaredRoot is where the files are looked for that declare xjail's own
// entries; tests have another one than the machine's.
var declaredRoot = ""

// persistOptions are what persist and unpersist have in common.
type persistOptions struct {
	activatorOptions
	root  string
	force bool
}

func (o *persistOptions) addFlags(cmd *cobra.Command) {
	o.activatorOptions.addFlags(cmd)
	cmd.Flags().Lookup("global").Usage = "implied: these are always the activators of the whole machine"
	cmd.Flags().StringVar(&o.root, "root", "", "write to the image in this `directory`, not to the machine")
	cmd.Flags().BoolVar(&o.force, "force", false, "also files that xjail did not write, or that were changed since")
	_ = cmd.MarkFlagDirname("root")
}

func newActivatorPersist(g *globals) *cobra.Command {
	var o persistOptions
	program := ""
	cmd := &cobra.Command{
		Use:   "persist [ARCH...]",
		Short: "Register the machine's activators at every boot",
		Long: `Write the files by which the activators that xjail registered with the machine
are registered when it starts; no kernel keeps them. With ARCH, those of these
architectures, registered now or not, and no others.

FreeBSD: the rc.d script /usr/local/etc/rc.d/xjail, and its settings in
/etc/rc.conf.d/xjail_activators. Linux: /etc/binfmt.d/xjail.conf, which
systemd-binfmt registers, and the unit xjail-activators.service, which sees to
it afterwards that all is as it was. Each entry keeps its emulator and its
options.

Files that xjail did not write, or that were changed since, are left (exit
status 16) without --force. The emulators are those of this machine, with
--root too: in the image they must be at the same paths.`,
		Example: `  sudo xjail activator persist
  xjail activator persist --dry-run
  xjail activator persist mips64 riscv64 --root ./image --program /usr/bin/xjail`,
		ValidArgsFunction: completeArchs,
		RunE:              func(cmd *cobra.Command, args []string) error { return runActivatorPersist(cmd, g, o, program, args) },
	}
	o.addFlags(cmd)
	cmd.Flags().StringVar(&program, "program", "", "`path` of xjail when the machine starts (default: this program)")
	return cmd
}

func runActivatorPersist(cmd *cobra.Command, g *globals, o persistOptions, program string, args []string) error {
	boot, err := g.boot(cmd.Context(), o, program, args)
	if err != nil {
		return err
	}
	files, err := persist.Files(hostOf(o.dir), boot)
	if err != nil {
		return err
	}
	return g.changeBoot(o, func(t *persist.Tree) (persist.Plan, error) {
		return persist.NewPlan(t, t.Fit(files), o.force)
	})
}

func newActivatorUnpersist(g *globals) *cobra.Command {
	var o persistOptions
	cmd := &cobra.Command{
		Use:   "unpersist",
		Short: "No longer register the machine's activators at boot",
		Long: `Remove the files that xjail activator persist wrote. Entries that are registered
stay until the next boot, and stay xjail's own. Files that xjail did not write,
or that were changed since, are left (exit status 16) without --force.`,
		Example: "  sudo xjail activator unpersist\n  xjail activator unpersist --dry-run",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			return g.changeBoot(o, func(t *persist.Tree) (persist.Plan, error) {
				return persist.NewRemoval(t, hostOf(o.dir), o.force)
			})
		},
	}
	o.addFlags(cmd)
	return cmd
}

// boot is what shall be registered when the machine starts.
func (g *globals) boot(ctx context.Context, o persistOptions, program string, args []string) (persist.Boot, error) {
	b := persist.Boot{Program: program}
	var err error
	if program == "" {
		if b.Program, err = os.Executable(); err != nil {
			return b, err
		}
	}
	// What is not the machine's knows nothing of the caller's own directory.
	if o.root == "" || g.state != "" {
		if b.State, err = g.stateDir(); err != nil {
			return b, err
		}
	}
	if b.State == rootState() {
		b.State = ""
	}
	entries, err := g.bootEntries(ctx, o, args)
	if err != nil {
		return b, err
	}
	for _, e := range entries {
		a, err := bootActivator(hostOf(o.dir), e)
		if err != nil {
			return b, err
		}
		b.Activators = append(b.Activators, a)
	}
	return b, nil
}

// bootEntries are the entries of architectures, or those that xjail registered,
// in the order of their registration.
func (g *globals) bootEntries(ctx context.Context, o persistOptions, args []string) ([]activators.Entry, error) {
	if len(args) == 0 {
		return g.ownEntries(o.dir)
	}
	archs, err := lookupArchs(args)
	if err != nil {
		return nil, err
	}
	var entries []activators.Entry
	for _, a := range archs {
		e, err := g.activatorFor(ctx, a, arch.DefaultPolicy(hostOf(o.dir)), registerOptions{activatorOptions: o.activatorOptions})
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(entries, func(x activators.Entry) bool { return x.Name == e.Name }) {
			entries = append(entries, e)
		}
	}
	return registrationOrder(entries)
}

// registrationOrder puts general entries before specific ones, as register
// does, and refuses two for the same programs.
func registrationOrder(entries []activators.Entry) ([]activators.Entry, error) {
	p, err := activators.NewPlan(nil, entries, nil)
	if err != nil {
		return nil, err
	}
	var sorted []activators.Entry
	for _, s := range p.Steps {
		sorted = append(sorted, s.Entry)
	}
	return sorted, nil
}

// ownEntries are the enabled entries that xjail registered, the oldest first.
func (g *globals) ownEntries(dir string) ([]activators.Entry, error) {
	table := machineTable(dir)
	l, err := g.openLedger(table, true)
	if err != nil {
		return nil, err
	}
	list, err := table.List()
	if err != nil {
		return nil, err
	}
	var entries []activators.Entry
	for _, e := range slices.Backward(list) {
		switch {
		case !l.Owns(e):
		case !e.Enabled:
			fmt.Fprintf(g.Stderr, "xjail: note: %s: it is disabled, and left out\n", printable(e.Name))
		default:
			entries = append(entries, e)
		}
	}
	if len(entries) == 0 {
		return nil, fault.New(fault.NotFound, "xjail activator register ARCH --global, or name architectures: xjail activator persist ARCH",
			"xjail registered no activators with this machine that could be registered at boot")
	}
	return entries, nil
}

// bootActivator finds the command that registers an entry as it is: its
// architecture, the policy on EI_OSABI, and the emulator by its path, since
// another one may be the best when the machine starts.
func bootActivator(host string, e activators.Entry) (persist.Activator, error) {
	usual := arch.DefaultPolicy(host)
	for _, policy := range append([]arch.Policy{usual}, arch.Policies()...) {
		for _, a := range arch.All() {
			p := a.Pattern(policy)
			if jail.ActivatorName(host, a.Name, policy) != e.Name || p.Offset != e.Offset || !bytes.Equal(p.Magic, e.Magic) || !bytes.Equal(p.Mask, e.Mask) {
				continue
			}
			flags := []string{"--emulator", e.Interpreter}
			if policy != usual {
				flags = append(flags, "--osabi", string(policy))
			}
			if e.Flags.Credentials {
				flags = append(flags, "--credential")
			}
			return persist.Activator{Arch: a.Name, Flags: flags, Entry: e}, nil
		}
	}
	return persist.Activator{}, fault.New(fault.Unsupported, "register it again, then persist", "activator %q is not as xjail activator register makes it", e.Name)
}

// bootChange is the answer of persist and unpersist.
type bootChange struct {
	Root    string         `json:"root"`
	Applied bool           `json:"applied"` // false with --dry-run
	Files   []persist.Step `json:"files"`
}

// changeBoot makes a plan of the files, and applies or prints it.
func (g *globals) changeBoot(o persistOptions, plan func(*persist.Tree) (persist.Plan, error)) error {
	t, err := persist.Open(o.root)
	if err != nil {
		return err
	}
	defer t.Close()
	p, err := plan(t)
	if err != nil {
		return err
	}
	if !o.dryRun && p.Changes() {
		if err := g.applyBoot(o, t, p); err != nil {
			return err
		}
	}
	return g.printBoot(o, p)
}

func (g *globals) applyBoot(o persistOptions, t *persist.Tree, p persist.Plan) error {
	if !t.Machine() {
		return p.Apply(t)
	}
	if err := g.rememberDeclared(o.dir); err != nil {
		return err
	}
	if err := p.Apply(t); err != nil {
		return err
	}
	g.reloadSystemd()
	return nil
}

// rememberDeclared writes down that entries are ours which only a file that
// goes now says.
func (g *globals) rememberDeclared(dir string) error {
	// What cannot be read declares nothing.
	if declared, _ := persist.Declared(declaredRoot); len(declared) == 0 {
		return nil
	}
	table := machineTable(dir)
	if s, err := table.Status(); err != nil || !s.Available {
		return err
	}
	l, err := g.openLedger(table, false)
	if err != nil {
		return err
	}
	defer l.Close()
	return l.Forget(table)
}

// reloadSystemd tells systemd, where it runs, of other units.
func (g *globals) reloadSystemd() {
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		return
	}
	if out, err := exec.Command("systemctl", "daemon-reload").CombinedOutput(); err != nil {
		fmt.Fprintf(g.Stderr, "xjail: warning: systemctl daemon-reload: %v: %s\n", err, bytes.TrimSpace(out))
	}
}

func (g *globals) printBoot(o persistOptions, p persist.Plan) error {
	answer := bootChange{Root: o.root, Applied: !o.dryRun, Files: p}
	if answer.Root == "" {
		answer.Root = "/"
	}
	if g.json {
		if answer.Files == nil {
			answer.Files = []persist.Step{}
		}
		return g.printJSON(answer)
	}
	for _, s := range p {
		target := ""
		if s.Link != "" {
			target = " -> " + s.Link
		}
		fmt.Fprintf(g.Stdout, "%s %s%s\n", s.Action, s.Path, target)
		if o.dryRun && s.Action == persist.Write {
			for line := range strings.Lines(s.Text) {
				fmt.Fprintf(g.Stdout, "  %s\n", strings.TrimSuffix(line, "\n"))
			}
		}
	}
	return nil
}

// adopt makes entries ours that xjail declared for boot.
func (g *globals) adopt(l *activators.Ledger) {
	declared, err := persist.Declared(declaredRoot)
	if err != nil {
		fmt.Fprintf(g.Stderr, "xjail: warning: %v\n", err)
	}
	l.Adopt(declared)
}
