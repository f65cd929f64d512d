package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/formats"
	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail"
	"github.com/xjail/xjail/qemu"
)

const generateLong = `Write activators for other tools and other machines to read, in one of these
forms (--format):

  binmiscctl  a shell script of binmiscctl(8) commands         FreeBSD
  rc.d        a service of rc(8)                               FreeBSD
  binfmt.d    register lines, as systemd-binfmt reads them     Linux
  register    a shell script that writes register lines        Linux
  debian      files of update-binfmts, one for each entry      Linux
  nix         boot.binfmt.registrations of NixOS               Linux
  ansible     a playbook                                       --kernel
  json        what xjail activator check reads                 --kernel

The default is binmiscctl on FreeBSD, binfmt.d elsewhere. Nothing is registered.
Each file begins with how it is used. Entries are named as xjail activator
register names them, general ones are registered before specific ones.

The interpreter is the emulator that xjail finds on this machine, when the file
is for its kernel; where there is none, /usr/bin/qemu-X-static on Linux and
/usr/local/bin/qemu-X-static on FreeBSD. --interpreter gives another path, in
which %q is QEMU's name of the architecture (mips64, ppc64le), %a the catalog's
(mips64, powerpc64le), %% a percent sign.

Flags for Linux are F, and P where the emulator understands it (an emulator that
is not there is taken for one of QEMU 6.0 or newer); for FreeBSD PRE_OPEN where
this kernel has it. --flags gives others, such as OCF, PRE_OPEN or none.

A file holds for every machine, so an entry that would take this machine's own
programs is warned about and not refused; --all leaves it out. Of architectures
that no pattern tells apart --all takes one.

--output writes a file in one step, for debian into a directory. A file that
xjail did not write, or that was changed since, is left (exit status 16) without
--force.`

// generateOptions are what the command line says.
type generateOptions struct {
	all         bool
	format      string
	kernel      string
	interpreter string
	osabi       string
	flags       string
	output      string
	force       bool
	dryRun      bool
}

func (o *generateOptions) addFlags(f *pflag.FlagSet) {
	f.BoolVar(&o.all, "all", false, "every architecture that QEMU emulates on that kernel")
	// What help and man pages say is the same on every system.
	f.StringVar(&o.format, "format", "", "`form` of the file: "+strings.Join(formats.Formats(), ", ")+
		" (default "+defaultFormat("linux")+", on FreeBSD "+defaultFormat("freebsd")+")")
	f.StringVar(&o.kernel, "kernel", "", "linux or freebsd: for whose table, where the form is not of one (default this system)")
	f.StringVar(&o.interpreter, "interpreter", "", "`path` of the emulator, with %q for QEMU's name and %a for the catalog's")
	f.StringVar(&o.osabi, "osabi", "", "programs of which systems, by EI_OSABI: any, freebsd, linux (default any)")
	f.StringVar(&o.flags, "flags", "", "letters of P, O, C, F, or PRE_OPEN, or none")
	f.StringVarP(&o.output, "output", "o", "", "write to this `file` or directory (default standard output)")
	f.BoolVarP(&o.force, "force", "f", false, "also over a file that xjail did not write, or that was changed since")
	f.BoolVar(&o.dryRun, "dry-run", false, "with --output: say which files would be written, and write none")
}

// defaultFormat is that of a system.
func defaultFormat(goos string) string {
	if goos == "freebsd" {
		return formats.Binmiscctl
	}
	return formats.BinfmtD
}

func newActivatorGenerate(g *globals) *cobra.Command {
	var o generateOptions
	cmd := &cobra.Command{
		Use:   "generate ARCH...|--all",
		Short: "Write activators as files of other tools",
		Long:  generateLong,
		Example: `  xjail activator generate mips64 riscv64
  xjail activator generate armv7 aarch64 --format rc.d --output xjail_entries
  xjail activator generate --all --format debian --output ./binfmts
  xjail activator generate mips64 --interpreter /opt/qemu-%q --flags OCF`,
		ValidArgsFunction: completeArchs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if (len(args) == 0) == !o.all {
				return usageError(cmd, "%s: give either ARCH... or --all", cmd.CommandPath())
			}
			return runActivatorGenerate(cmd, g, o, args)
		},
	}
	o.addFlags(cmd.Flags())
	for name, values := range map[string][]string{"format": formats.Formats(), "kernel": {"linux", "freebsd"}, "osabi": {"any", "freebsd", "linux"}, "flags": {"F", "PF", "OCF", "POCF", "PRE_OPEN", "none"}} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
	return cmd
}

// generated is the answer of generate.
type generated struct {
	Format   string             `json:"format"`
	Kernel   string             `json:"kernel"`
	Entries  []activators.Entry `json:"entries"` // in the order of a table that has registered them
	Warnings []string           `json:"warnings"`
	Applied  bool               `json:"applied"` // false with --dry-run, and without --output
	Files    []generatedFile    `json:"files,omitempty"`
}

// generatedFile is a file of --output.
type generatedFile struct {
	Action string `json:"action"` // write, or unchanged
	Path   string `json:"path"`
}

func runActivatorGenerate(cmd *cobra.Command, g *globals, o generateOptions, args []string) error {
	if err := o.complete(cmd); err != nil {
		return err
	}
	made, err := g.generatedEntries(cmd.Context(), &o, args)
	if err != nil {
		return err
	}
	made.Warnings = append(made.Warnings, formats.Warnings(o.format, made.Entries)...)
	for _, w := range made.Warnings {
		g.warn(w)
	}
	options := formats.Options{Kernel: o.kernel, Version: readVersion().Version, Command: commandLine(cmd, args), Notes: generateNotes(made)}
	entries := slices.Clone(made.Entries)
	slices.Reverse(entries)
	if o.output != "" {
		if made.Files, err = o.writeFiles(entries, options); err != nil {
			return err
		}
		made.Applied = !o.dryRun
		return g.printGenerated(made)
	}
	var text bytes.Buffer
	if err := formats.Write(&text, o.format, entries, options); err != nil {
		return err
	}
	if g.json {
		return g.printGenerated(made)
	}
	_, err = g.Stdout.Write(text.Bytes())
	return err
}

// complete fills in what the format says, and refuses what contradicts it.
func (o *generateOptions) complete(cmd *cobra.Command) error {
	if o.format == "" {
		o.format = defaultFormat(runtime.GOOS)
	}
	kernel, err := formats.KernelOf(o.format)
	if err != nil {
		return err
	}
	switch {
	case o.kernel == "" && kernel == "":
		o.kernel = "linux"
		if runtime.GOOS == "freebsd" {
			o.kernel = "freebsd"
		}
	case o.kernel == "":
		o.kernel = kernel
	case o.kernel != "linux" && o.kernel != "freebsd":
		return usageError(cmd, "unknown kernel %q: linux or freebsd", o.kernel)
	case kernel != "" && kernel != o.kernel:
		return usageError(cmd, "the format %s is for %s, not for %s", o.format, kernel, o.kernel)
	}
	if o.dryRun && o.output == "" {
		return usageError(cmd, "--dry-run is for --output: nothing is written without it")
	}
	_, err = o.flagsOf()
	return err
}

// commandLine is the command as the heading of a file shows it: what decides
// what is in it.
func commandLine(cmd *cobra.Command, args []string) string {
	words := append([]string{cmd.CommandPath()}, args...)
	cmd.Flags().Visit(func(f *pflag.Flag) {
		switch {
		case !slices.Contains([]string{"all", "format", "kernel", "interpreter", "osabi", "flags"}, f.Name):
		case f.Value.Type() == "bool":
			words = append(words, "--"+f.Name)
		default:
			words = append(words, "--"+f.Name, f.Value.String())
		}
	})
	return strings.Join(words, " ")
}

// flagsOf are the flags of --flags; nil when it is not given.
func (o *generateOptions) flagsOf() (*activators.Flags, error) {
	bad := func(hint string) error {
		return fault.New(fault.Usage, hint, "unknown flags %q for %s", o.flags, o.kernel)
	}
	var f activators.Flags
	switch {
	case o.flags == "":
		return nil, nil
	case o.flags == "none":
		return &f, nil
	case o.kernel == "freebsd":
		f.PreOpen = o.flags == "PRE_OPEN"
		if !f.PreOpen {
			return nil, bad("FreeBSD has PRE_OPEN; none is without")
		}
		return &f, nil
	}
	for _, letter := range o.flags {
		switch letter {
		case 'P':
			f.PreserveArgv0 = true
		case 'O':
			f.OpenBinary = true
		case 'C':
			f.Credentials = true
		case 'F':
			f.FixBinary = true
		default:
			return nil, bad("Linux has P, O, C and F; none is without")
		}
	}
	f = f.Normal()
	return &f, nil
}

// generatedEntries are the entries of the architectures, as a table would have
// them.
func (g *globals) generatedEntries(ctx context.Context, o *generateOptions, args []string) (*generated, error) {
	policy, err := o.policy()
	if err != nil {
		return nil, err
	}
	archs, err := lookupArchs(args)
	if err != nil {
		return nil, err
	}
	made := &generated{Format: o.format, Kernel: o.kernel, Entries: []activators.Entry{}, Warnings: []string{}}
	if o.all {
		archs = allEmulated(o.kernel, policy)
	}
	seen := map[string]bool{}
	var list []activators.Entry
	for _, a := range archs {
		if seen[a.Name] {
			continue
		}
		seen[a.Name] = true
		e, err := g.generatedEntry(ctx, o, a, policy)
		if err != nil {
			return nil, err
		}
		taken := o.takesOwn(e, a)
		if o.all && taken != "" {
			continue
		}
		made.warn(taken)
		if o.kernel == "linux" && a.CPU != "" {
			made.warn(fmt.Sprintf("%s: its programs need QEMU_CPU=%s in their environment: binfmt_misc has no options for an emulator", e.Name, a.CPU))
		}
		list = append(list, e)
	}
	sorted, err := activators.Arrange(list)
	slices.Reverse(sorted)
	made.Entries = append(made.Entries, sorted...)
	return made, err
}

// warn adds a warning, unless it is empty.
func (made *generated) warn(text string) {
	if text != "" {
		made.Warnings = append(made.Warnings, text)
	}
}

func (o *generateOptions) policy() (arch.Policy, error) {
	if o.osabi == "" {
		return arch.DefaultPolicy(o.kernel), nil
	}
	return arch.ParsePolicy(o.osabi)
}

// takesOwn says that an entry must not be registered on this machine.
func (o *generateOptions) takesOwn(e activators.Entry, a *arch.Arch) string {
	err := activators.Native(e)
	host := arch.Host()
	also := host != nil && host.Name == "amd64" && a.Machine == emI386 // which its kernel runs as well
	if o.kernel != runtime.GOOS || err == nil && !also {
		return ""
	}
	if err == nil {
		return fmt.Sprintf("%s: not for this machine: its kernel runs programs of %s by itself", e.Name, a.Name)
	}
	return fmt.Sprintf("%s: not for this machine: %v", e.Name, errors.Unwrap(err))
}

// emI386 is EM_386.
const emI386 = 3

// allEmulated are the architectures of --all, of each pattern one: that which is
// released still.
func allEmulated(kernel string, policy arch.Policy) []*arch.Arch {
	var list []*arch.Arch
	for _, a := range arch.All() {
		if a.QEMU == "" || kernel == "linux" && !a.LinuxUser || kernel == "freebsd" && a.BSDUser == "" {
			continue
		}
		at := slices.IndexFunc(list, func(o *arch.Arch) bool { return o.Pattern(policy).Equal(a.Pattern(policy)) })
		switch {
		case at < 0:
			list = append(list, a)
		case released(a) && !released(list[at]):
			list[at] = a
		}
	}
	return list
}

// released tells whether there are systems of an architecture still.
func released(a *arch.Arch) bool {
	return a.FirstRelease != "" && a.LastRelease == "" || a.DebianFirst != "" && a.DebianLast == ""
}

// generatedEntry is the entry of one architecture.
func (g *globals) generatedEntry(ctx context.Context, o *generateOptions, a *arch.Arch, policy arch.Policy) (activators.Entry, error) {
	interpreter, preserves, err := g.interpreterOf(ctx, o, a, policy)
	if err != nil {
		return activators.Entry{}, err
	}
	preOpen := o.kernel == "freebsd" && runtime.GOOS == "freebsd" && activators.PreOpens(jail.MachineTable())
	e := jail.Activator(o.kernel, policy, a, &qemu.Emulator{}, interpreter, preOpen)
	e.Flags.PreserveArgv0 = o.kernel == "linux" && preserves
	flags, err := o.flagsOf()
	if flags != nil {
		e.Flags = *flags
	}
	return e, err
}

// interpreterOf is the path of the emulator, and whether it understands the flag
// P.
func (g *globals) interpreterOf(ctx context.Context, o *generateOptions, a *arch.Arch, policy arch.Policy) (string, bool, error) {
	if a.QEMU == "" {
		return "", false, fault.New(fault.NotFound, "xjail arch list shows which are emulated", "QEMU has no user-mode emulator for %s", a.Name)
	}
	if o.interpreter != "" {
		path, err := fillIn(o.interpreter, a)
		return path, true, err
	}
	if o.kernel == runtime.GOOS {
		e, err := g.emulatorFor(ctx, a, policy, "")
		if err == nil {
			return e.Path, e.PreservesArgv0(), nil
		}
		if ctx.Err() != nil || fault.KindOf(err) == fault.Usage || fault.KindOf(err) == fault.Damaged {
			return "", false, err
		}
	}
	path, err := fillIn(customaryPath(o.kernel), a)
	return path, true, err
}

// customaryPath is where packages put emulators.
func customaryPath(kernel string) string {
	if kernel == "freebsd" {
		return "/usr/local/bin/qemu-%q-static"
	}
	return "/usr/bin/qemu-%q-static"
}

// fillIn fills in the template of --interpreter.
func fillIn(template string, a *arch.Arch) (string, error) {
	var b strings.Builder
	for i := 0; i < len(template); i++ {
		if template[i] != '%' {
			b.WriteByte(template[i])
			continue
		}
		i++
		switch {
		case i == len(template):
			return "", fault.New(fault.Usage, "%% is a percent sign", "the interpreter %q ends with %%", template)
		case template[i] == 'q':
			b.WriteString(a.QEMU)
		case template[i] == 'a':
			b.WriteString(a.Name)
		case template[i] == '%':
			b.WriteByte('%')
		default:
			return "", fault.New(fault.Usage, "there are %q (QEMU's name), %a (the catalog's) and %%", "the interpreter %q has %%%c", template, template[i])
		}
	}
	return b.String(), nil
}

// generateNotes are what the heading says of the machines that a file is not
// for.
func generateNotes(made *generated) []string {
	var names []string
	for _, a := range arch.All() {
		for _, e := range made.Entries {
			if activators.TakesLike(e, a.Header(0)) || activators.TakesLike(e, a.Header(osabiOf(made.Kernel))) {
				names = append(names, a.Name)
				break
			}
		}
	}
	notes := []string{"Not for machines that run programs of one of these by themselves: " + strings.Join(names, " ")}
	return append(notes, formats.Warnings(made.Format, made.Entries)...)
}

// osabiOf is the EI_OSABI of a system's programs.
func osabiOf(kernel string) byte {
	if kernel == "freebsd" {
		return 9
	}
	return 3
}

func (g *globals) printGenerated(made *generated) error {
	if g.json {
		return g.printJSON(made)
	}
	for _, f := range made.Files {
		fmt.Fprintf(g.Stdout, "%s %s\n", f.Action, printable(f.Path))
	}
	return nil
}
