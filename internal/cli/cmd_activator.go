package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/binfmt"
	"github.com/xjail/xjail/activators/binmiscctl"
	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail"
	"github.com/xjail/xjail/qemu"
)

func newActivator(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "activator",
		Short: "The kernel's rules that start emulators, of the whole machine",
		Long: `Look at and change the machine's activators: the rules by which its kernel hands
foreign programs to emulators. On Linux a jail has rules of its own, and needs
none of these; --global says that the whole machine is meant. FreeBSD has one
table, which is always meant; its kernel module imgact_binmisc is loaded when an
entry is to be registered.

Only entries that xjail made are changed or removed. An entry that could take
the machine's own programs is refused, always.`,
		Example: `  xjail activator status
  sudo xjail activator register mips64 riscv64 --global
  sudo xjail activator unregister --all --global`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newActivatorStatus(g), newActivatorCheck(g), newActivatorRegister(g), newActivatorUnregister(g),
		newActivatorSwitch(g, true), newActivatorSwitch(g, false), newActivatorGenerate(g), newActivatorPersist(g), newActivatorUnpersist(g))
	return cmd
}

// activatorOptions are what the changing commands have in common.
type activatorOptions struct {
	global bool
	dir    string
	dryRun bool
	loads  bool // a table that is not there is loaded
}

func (o *activatorOptions) addFlags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.global, "global", false, "change the activators of the whole machine")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "print what would be written, and where, and change nothing")
	addBinfmtDir(cmd, &o.dir)
}

func addBinfmtDir(cmd *cobra.Command, dir *string) {
	cmd.Flags().StringVar(dir, "binfmt-dir", binfmt.DefaultDir, "`directory` on which binfmt_misc is mounted (Linux)")
}

// check wants --global where a machine has other tables than its own.
func (o *activatorOptions) check(cmd *cobra.Command) error {
	if !o.global && hostOf(o.dir) == "linux" {
		return fault.New(fault.Usage, "jails have private activators and need none of the machine's; to change the whole machine: "+cmd.CommandPath()+" ... --global",
			"%s changes the activators of the whole machine, and --global is not given", cmd.CommandPath())
	}
	return nil
}

// hostOf is the system whose table is meant: a directory is Linux's.
func hostOf(dir string) string {
	if dir == binfmt.DefaultDir {
		return runtime.GOOS
	}
	return "linux"
}

// machineTable is the machine's table, or the one that is mounted on a
// directory.
func machineTable(dir string) activators.Machine {
	if dir == binfmt.DefaultDir {
		return jail.MachineTable()
	}
	return binfmt.New(dir)
}

// ledger is where xjail remembers the entries that it made.
func (g *globals) ledger() (string, error) {
	dir, err := g.stateDir()
	return filepath.Join(dir, activators.LedgerName), err
}

// changeActivators opens the machine's table and its ledger, makes a plan, and applies or
// prints it.
func (g *globals) changeActivators(o *activatorOptions, plan func(t activators.Table, l *activators.Ledger, list []activators.Entry) (*activators.Plan, error)) error {
	table := machineTable(o.dir)
	l, list, err := g.openTable(table, o)
	if err != nil {
		return err
	}
	defer l.Close()
	p, err := plan(table, l, list)
	if err != nil {
		return err
	}
	if err := p.Err(); err != nil {
		return err
	}
	if !o.dryRun {
		if err := p.Apply(table, l); err != nil {
			return err
		}
		g.warnSwitchedOff(table)
	}
	return g.printPlan(o, table, p)
}

// openTable opens the record of xjail's entries and lists all. With --dry-run a
// table that would be loaded is an empty one.
func (g *globals) openTable(table activators.Machine, o *activatorOptions) (*activators.Ledger, []activators.Entry, error) {
	l, err := g.openLedger(table, o.dryRun)
	if o.loads && o.dryRun && activators.Loadable(table) && errors.Is(err, activators.ErrUnsupported) {
		l, err := g.emptyLedger()
		return l, nil, err
	}
	if err != nil {
		return nil, nil, err
	}
	list, err := table.List()
	if err != nil {
		l.Close()
	}
	return l, list, err
}

func (g *globals) emptyLedger() (*activators.Ledger, error) {
	path, err := g.ledger()
	if err != nil {
		return nil, err
	}
	if !g.quiet {
		fmt.Fprintln(g.Stderr, "xjail: note: the kernel's module is not loaded; without --dry-run it is, before anything is registered")
	}
	return activators.ReadLedger(path, "")
}

// openLedger opens the record of xjail's entries, for a table that is there.
func (g *globals) openLedger(table activators.Machine, readOnly bool) (*activators.Ledger, error) {
	if _, err := table.List(); err != nil {
		return nil, err
	}
	path, err := g.ledger()
	if err != nil {
		return nil, err
	}
	instance, err := table.Instance()
	if err != nil {
		return nil, err
	}
	open := activators.OpenLedger
	if readOnly {
		open = activators.ReadLedger
	}
	l, err := open(path, instance)
	if err == nil {
		g.adopt(l)
	}
	return l, err
}

// warnSwitchedOff says that entries have no effect.
func (g *globals) warnSwitchedOff(table activators.Machine) {
	s, err := table.Status()
	if err == nil && s.Available && !s.Enabled {
		fmt.Fprintf(g.Stderr, "xjail: warning: binfmt_misc on %s is switched off as a whole: no entry has an effect\n", s.Where)
		fmt.Fprintf(g.Stderr, "xjail: hint: %s\n", switchOnHint(s.Where))
	}
}

func switchOnHint(dir string) string {
	return "as root: echo 1 > " + filepath.Join(dir, "status")
}

// activatorChange is the answer of the changing commands.
type activatorChange struct {
	Where   string            `json:"where"`
	Applied bool              `json:"applied"` // false with --dry-run
	Items   []activators.Item `json:"items"`
	Writes  []activatorWrite  `json:"writes"` // in this order, one write(2) each
}

type activatorWrite struct {
	File string `json:"file"`
	Text string `json:"text"`
}

func (g *globals) printPlan(o *activatorOptions, table activators.Machine, p *activators.Plan) error {
	status, err := table.Status()
	if err != nil {
		return err
	}
	answer := activatorChange{Where: status.Where, Applied: !o.dryRun, Items: p.Items, Writes: []activatorWrite{}}
	if answer.Items == nil {
		answer.Items = []activators.Item{}
	}
	for _, s := range p.Steps {
		writes, err := writesOf(status, s)
		if err != nil {
			return err
		}
		answer.Writes = append(answer.Writes, writes...)
	}
	if g.json {
		return g.printJSON(answer)
	}
	for _, i := range p.Items {
		g.printItem(i)
	}
	if o.dryRun {
		for _, w := range answer.Writes {
			fmt.Fprintf(g.Stdout, "write %s to %s\n", printable(w.Text), printable(w.File))
		}
	}
	return nil
}

func (g *globals) printItem(i activators.Item) {
	fmt.Fprintf(g.Stdout, "%s: %s %s\n", printable(i.Entry.Name), i.Action, printable(i.Entry.Interpreter))
	for _, note := range append([]string{i.Why}, i.Notes...) {
		if note != "" && !g.quiet {
			fmt.Fprintf(g.Stderr, "xjail: note: %s: %s\n", printable(i.Entry.Name), note)
		}
	}
}

// writesOf is a step as what is written to the kernel: to Linux's files, or to
// a sysctl of FreeBSD, where a record of 1852 bytes is shown as the binmiscctl(8)
// command that sends the same.
func writesOf(table activators.Status, s activators.Step) ([]activatorWrite, error) {
	if table.Kernel == "freebsd" {
		text := "binmiscctl " + string(s.Op) + " " + s.Entry.Name
		if s.Op == activators.Add {
			text = binmiscctl.CommandLine(s.Entry)
		}
		return []activatorWrite{{table.Where + "." + string(s.Op), text}}, nil
	}
	file := filepath.Join(table.Where, s.Entry.Name)
	switch s.Op {
	case activators.Remove:
		return []activatorWrite{{file, "-1"}}, nil
	case activators.Enable:
		return []activatorWrite{{file, "1"}}, nil
	case activators.Disable:
		return []activatorWrite{{file, "0"}}, nil
	}
	line, err := binfmt.EncodeLine(s.Entry)
	writes := []activatorWrite{{filepath.Join(table.Where, "register"), string(line)}}
	if !s.Entry.Enabled {
		writes = append(writes, activatorWrite{file, "0"})
	}
	return writes, err
}

func newActivatorRegister(g *globals) *cobra.Command {
	var o registerOptions
	cmd := &cobra.Command{
		Use:   "register ARCH...",
		Short: "Make the whole machine run programs of other architectures",
		Long: `Register emulators with the machine's kernel, so that programs of the
architectures run everywhere on it, until the next boot. Entries are named
xjail-ARCH on Linux, and by their TARGET_ARCH on FreeBSD, where poudriere asks
for that name. One that is there already is left, enabled, or replaced without a
moment in which there is none. If a step fails, what was done is undone.

The emulator is opened now (flag F; PRE_OPEN on FreeBSD 13.2 and newer) and
works in every root; after an update of it, register again. Entries that xjail
did not make are not touched: one with the same name, or whose programs this one
would all take, is a conflict (exit status 16). On Linux binfmt_misc must be
mounted; on FreeBSD the kernel's module is loaded.

The table as it would be is checked first (xjail activator check): what is
severe for the new entries, or for others because of them, is refused (exit
status 15) unless --force is given.`,
		Example: `  sudo xjail activator register mips64 riscv64 --global
  xjail activator register mips64 --global --dry-run
  sudo xjail activator register arm --global --emulator /opt/qemu/qemu-arm`,
		Args:              minArgs("ARCH"),
		ValidArgsFunction: completeArchs,
		RunE:              func(cmd *cobra.Command, args []string) error { return runActivatorRegister(cmd, g, o, args) },
	}
	o.addFlags(cmd)
	cmd.Flags().StringVar(&o.emulator, "emulator", "", "`file` to use instead of the best one that is found; for one ARCH")
	cmd.Flags().StringVar(&o.osabi, "osabi", "", "programs of which systems, by EI_OSABI: any, freebsd, linux (default any)")
	cmd.Flags().BoolVar(&o.credential, "credential", false, "set-id programs get the ids of the program, not of the emulator (flag C)")
	cmd.Flags().BoolVar(&o.force, "force", false, "register what xjail activator check calls severe; never what it calls unsafe")
	_ = cmd.RegisterFlagCompletionFunc("osabi", cobra.FixedCompletions([]string{"any", "freebsd", "linux"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

type registerOptions struct {
	activatorOptions
	emulator   string
	osabi      string
	credential bool
	force      bool
}

func runActivatorRegister(cmd *cobra.Command, g *globals, o registerOptions, args []string) error {
	o.loads = true
	if err := o.check(cmd); err != nil {
		return err
	}
	if o.emulator != "" && len(args) > 1 {
		return usageError(cmd, "--emulator names one file, and %d architectures are given", len(args))
	}
	policy, err := policyOf(o)
	if err != nil {
		return err
	}
	archs, err := lookupArchs(args)
	if err != nil {
		return err
	}
	// Whether there is a table to change is known before emulators are asked.
	if err := o.tableThere(); err != nil {
		return err
	}
	var desired []activators.Entry
	for _, a := range archs {
		e, err := g.activatorFor(cmd.Context(), a, policy, o)
		if err != nil {
			return err
		}
		desired = append(desired, e)
	}
	return g.changeActivators(&o.activatorOptions, func(_ activators.Table, l *activators.Ledger, list []activators.Entry) (*activators.Plan, error) {
		p, err := activators.NewPlan(list, desired, l)
		if err != nil || p.Err() != nil {
			return p, err
		}
		return p, g.judgePlan(machineTable(o.dir), p, list, o.force)
	})
}

// policyOf is what --osabi asks for, or what is right for the kernel.
func policyOf(o registerOptions) (arch.Policy, error) {
	if o.osabi == "" {
		return arch.DefaultPolicy(hostOf(o.dir)), nil
	}
	return arch.ParsePolicy(o.osabi)
}

// tableThere looks for the table, and loads the kernel's module for it unless
// nothing is to be changed.
func (o *activatorOptions) tableThere() error {
	table := machineTable(o.dir)
	if activators.Loadable(table) {
		if o.dryRun {
			return nil
		}
		return activators.Load(table)
	}
	_, err := table.List()
	return err
}

// activatorFor makes the entry of an architecture, with the emulator that is
// found. What could take the machine's own programs is refused.
func (g *globals) activatorFor(ctx context.Context, a *arch.Arch, policy arch.Policy, o registerOptions) (activators.Entry, error) {
	host := hostOf(o.dir)
	e := jail.Activator(host, policy, a, &qemu.Emulator{}, "/", false)
	e.Flags.Credentials = o.credential
	if err := jail.Safe(machineTable(o.dir), e); err != nil {
		return e, err
	}
	emulator, err := g.emulatorFor(ctx, a, policy, o.emulator)
	if err != nil {
		return e, err
	}
	e = jail.Activator(host, policy, a, emulator, emulator.Path, activators.PreOpens(machineTable(o.dir)))
	e.Flags.Credentials = o.credential
	header, err := activators.ReadHeader(emulator.Path)
	if err != nil {
		return e, fileError(emulator.Path, err)
	}
	if err := jail.Safe(machineTable(o.dir), e, header); err != nil {
		return e, err
	}
	g.printWarnings(machineTable(o.dir), e)
	_, err = writesOf(activators.Status{Kernel: host}, activators.Step{Op: activators.Add, Entry: e})
	return e, err
}

// warner is a table that knows what its kernel will make of an entry that nobody
// expects.
type warner interface {
	Warnings(e activators.Entry) []string
}

func (g *globals) printWarnings(t activators.Table, e activators.Entry) {
	w, ok := t.(warner)
	if !ok || g.quiet {
		return
	}
	for _, text := range w.Warnings(e) {
		fmt.Fprintf(g.Stderr, "xjail: note: %s: %s\n", printable(e.Name), text)
	}
}

func (g *globals) emulatorFor(ctx context.Context, a *arch.Arch, policy arch.Policy, explicit string) (*qemu.Emulator, error) {
	cfg, err := g.loadConfig()
	if err != nil {
		return nil, err
	}
	if explicit == "" {
		explicit = cfg.Emulators[a.Name]
	}
	guest := ""
	if policy == arch.FreeBSD || policy == arch.Linux {
		guest = string(policy)
	}
	e, _, err := qemu.Find(ctx, a, qemu.FindOptions{
		Explicit: explicit, Dirs: cfg.EmulatorDirs, Fetched: g.emulatorDir(), Path: g.Getenv("PATH"), GuestOS: guest, SkipDigest: true,
	})
	return e, err
}

func newActivatorUnregister(g *globals) *cobra.Command {
	var o activatorOptions
	all := false
	cmd := &cobra.Command{
		Use:   "unregister ARCH...|--all",
		Short: "Remove activators that xjail registered with the machine",
		Long: `Remove entries that xjail registered with the machine's kernel. Programs that
run go on. If a step fails, what was done is undone. Entries that xjail did not
make are never removed.`,
		Example:           "  sudo xjail activator unregister mips64 --global\n  sudo xjail activator unregister --all --global",
		ValidArgsFunction: completeArchs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if (len(args) == 0) == !all {
				return usageError(cmd, "%s: give either ARCH... or --all", cmd.CommandPath())
			}
			return runActivatorUnregister(cmd, g, o, args)
		},
	}
	o.addFlags(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "all that xjail made")
	return cmd
}

// runActivatorUnregister removes the named entries, or all of ours.
func runActivatorUnregister(cmd *cobra.Command, g *globals, o activatorOptions, args []string) error {
	if err := o.check(cmd); err != nil {
		return err
	}
	names, err := activatorNames(hostOf(o.dir), args)
	if err != nil {
		return err
	}
	return g.changeActivators(&o, func(_ activators.Table, l *activators.Ledger, list []activators.Entry) (*activators.Plan, error) {
		if len(args) == 0 {
			names = owned(list, l)
		}
		return activators.NewRemoval(list, names, l)
	})
}

func owned(list []activators.Entry, l *activators.Ledger) []string {
	var names []string
	for _, e := range list {
		if l.Owns(e) {
			names = append(names, e.Name)
		}
	}
	return names
}

// activatorNames are the entries of architectures; an entry's own name counts
// as well.
func activatorNames(host string, args []string) ([]string, error) {
	var names []string
	for _, arg := range args {
		if !strings.HasPrefix(arg, "xjail-") {
			a, err := arch.Lookup(arg)
			if err != nil {
				return nil, err
			}
			arg = jail.ActivatorName(host, a.Name, arch.Any)
		}
		names = append(names, arg)
	}
	return names, nil
}

func newActivatorSwitch(g *globals, on bool) *cobra.Command {
	use, short := "disable", "Switch activators of the machine off, and keep them"
	if on {
		use, short = "enable", "Switch activators of the machine on again"
	}
	var o activatorOptions
	cmd := &cobra.Command{
		Use:               use + " ARCH...",
		Short:             short,
		Long:              short + ".\nOnly entries that xjail made are switched; they keep their place in the kernel's\norder.",
		Example:           "  sudo xjail activator " + use + " mips64 --global",
		Args:              minArgs("ARCH"),
		ValidArgsFunction: completeArchs,
		RunE:              func(cmd *cobra.Command, args []string) error { return runActivatorSwitch(cmd, g, o, args, on) },
	}
	o.addFlags(cmd)
	return cmd
}

func runActivatorSwitch(cmd *cobra.Command, g *globals, o activatorOptions, args []string, on bool) error {
	if err := o.check(cmd); err != nil {
		return err
	}
	names, err := activatorNames(hostOf(o.dir), args)
	if err != nil {
		return err
	}
	return g.changeActivators(&o, func(t activators.Table, l *activators.Ledger, list []activators.Entry) (*activators.Plan, error) {
		var desired []activators.Entry
		for _, name := range names {
			e, err := t.Lookup(name)
			if err != nil {
				return nil, err
			}
			e.Enabled = on
			if on && l.Owns(e) {
				err = jail.Safe(t, e)
			}
			if err != nil {
				return nil, err
			}
			desired = append(desired, e)
		}
		return activators.NewPlan(list, desired, l)
	})
}
