package cli

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/internal/ui"
	"github.com/xjail/xjail/jail"
	"github.com/xjail/xjail/jail/xtools"
)

type createOptions struct {
	request jail.Request
	dryRun  bool
	// poudriere is the name for poudriere, ownName for NAME, "" for none.
	poudriere string
	etc       string
	slowness  string
}

// ownName is what --poudriere without a name says: it cannot be one.
const ownName = "."

// addFlags defines the flags of create.
func (o *createOptions) addFlags(f *pflag.FlagSet) {
	f.StringVar(&o.request.Arch, "arch", "", "`architecture` by any of its names (default: NAME)")
	f.StringVar(&o.request.From, "from", "", "`source` of the root: release:VERSION, debian:SUITE, miniroot, archive:FILE, archive:URL, dir:DIRECTORY, pkgbase:VERSION, src:DIRECTORY")
	f.StringVar(&o.request.Guest, "os", "", "`system` of the root's programs, linux or freebsd, where the source does not tell (default: the host's)")
	f.StringSliceVar(&o.request.Sets, "sets", nil, "`sets` of a FreeBSD release (default: base, and lib32 where there is one), or of pkgbase")
	f.StringVar(&o.request.ManifestSHA256, "manifest-sha256", "", "`digest` that the MANIFEST of a FreeBSD release must have")
	f.StringVar(&o.request.SHA256, "sha256", "", "`digest` that the archive must have")
	f.StringVar(&o.request.Emulator, "emulator", "", "static qemu-user `file` to use")
	f.StringVar(&o.request.Path, "path", "", "`directory` to put the root in; it must not exist")
	f.BoolVar(&o.request.Global, "global", false, "register the activator with the whole machine, as root (default: private to the jail)")
	f.StringSliceVar(&o.request.Allow, "allow", nil, "on FreeBSD, `parameters` allow.* of jail(8) that the jail has, such as raw_sockets")
	f.StringVar(&o.request.Tools, "tools", "", "native tools of `source` twin, host, nxb:PATH or pack:FILE, or none (default: twin, for debian:SUITE)")
	f.BoolVar(&o.request.Materialize, "materialize", false, "write the native tools into the root; see xjail tools install")
	f.BoolVar(&o.request.SkipDevices, "skip-devices", false, "leave out device nodes of the source, which only root can make (a jail gets its own /dev)")
	f.StringVar(&o.poudriere, "poudriere", "", "have poudriere know the jail, by this `name` (default: NAME); see xjail poudriere register")
	f.Lookup("poudriere").NoOptDefVal = ownName
	f.StringVar(&o.etc, poudriereFlag, "", poudriereFlagText)
	f.StringVar(&o.slowness, "slowness", "", "with --poudriere, `factor` for poudriere's times, or none (default: measured)")
	f.BoolVarP(&o.dryRun, "dry-run", "n", false, "print the plan and change nothing")
}

const createLong = `Make a jail: get a root of the architecture, put a static emulator into it,
and run one of its programs. Success means that this program ran.

NAME is the architecture too, unless --arch names another. Without --from the
root is, on Linux, Debian's current stable release where Debian has the
architecture, and otherwise a mini root: one static Go program that is a shell
and more than seventy commands, built by the local Go toolchain. On FreeBSD it
is the release that the machine runs, or the last one with the architecture.

The sources:
  release:VERSION  the sets of a FreeBSD release (14.3, 15.0-RC1, 16.0-CURRENT),
                   checked against its MANIFEST and kept for other jails; see
                   xjail cache
  debian:SUITE     a suite of Debian, by mmdebstrap
  miniroot         one program built by Go
  archive:FILE     a tar archive, or archive:URL
  dir:DIRECTORY    a directory, which is copied
  pkgbase:VERSION  the packages of FreeBSD 15 or newer, by pkg(8), on FreeBSD
  src:DIRECTORY    a FreeBSD source tree that was built, on FreeBSD

A root of FreeBSD can be made on Linux. It can be entered there only where a
bsd-user QEMU is installed that runs on Linux; otherwise nothing is run in it,
and xjail list says so.

A jail of Debian gets native tools: programs of the same release for this
machine, the compiler among them, which are laid over its own when it is
entered; see xjail tools. --tools none does without. --tools host, pack:FILE
and, for roots of FreeBSD, nxb:PATH take them from elsewhere.

With --poudriere poudriere knows the jail afterwards. Where it does not take the
root, the jail is there all the same, and xjail poudriere register tries again.

When it fails or is interrupted nothing is left behind. When it is killed, the
next create or destroy of that name removes what is left.`

func newCreate(g *globals) *cobra.Command {
	o := &createOptions{}
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a jail of another architecture, and run a program in it",
		Long:  createLong,
		Example: `  xjail create mips64
  xjail create bookworm-arm64 --arch arm64 --from debian:bookworm
  xjail create ppc --arch powerpc --from archive:root.tar.xz --sha256 9f86d0...
  xjail create fbsd-arm64 --arch aarch64 --from release:14.3
  xjail create src --arch riscv64 --from release:14.3 --sets base,src
  xjail create arm64 --from release:14.3 --poudriere
  xjail create mips64 --dry-run`,
		Args:              exactArgs("NAME"),
		ValidArgsFunction: completeArch,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.request.Name = args[0]
			return runCreate(cmd.Context(), g, o)
		},
	}
	o.addFlags(cmd.Flags())
	_ = cmd.RegisterFlagCompletionFunc("arch", completeArchs)
	_ = cmd.RegisterFlagCompletionFunc("from", completeSource)
	_ = cmd.RegisterFlagCompletionFunc("os", cobra.FixedCompletions([]string{"freebsd", "linux"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("tools", completeTools(jail.NoTools))
	_ = cmd.RegisterFlagCompletionFunc("sets", cobra.FixedCompletions([]string{"base", "lib32", "src", "tests"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func runCreate(ctx context.Context, g *globals, o *createOptions) error {
	if o.request.Global && os.Geteuid() != 0 {
		return fault.New(fault.Permission, "run it as root, or without --global: then the activator is the jail's alone",
			"--global changes the machine's activators")
	}
	if done, err := g.asRoot(); done {
		return err
	}
	store, err := g.store()
	if err != nil {
		return err
	}
	cfg, err := g.loadConfig()
	if err != nil {
		return err
	}
	plan, err := store.NewPlan(ctx, cfg, o.request)
	if err != nil {
		return err
	}
	if err := o.checkPoudriere(g, plan); err != nil {
		return err
	}
	if o.dryRun {
		defer o.printPoudriere(g, plan)
		return printPlan(g, plan)
	}
	w := g.newWatch()
	defer w.Close()
	r, err := store.Create(ctx, plan, w)
	w.Close()
	if err != nil {
		return err
	}
	if o.poudriere != "" {
		return o.registerCreated(ctx, g, store, r)
	}
	if g.json {
		return g.printJSON(r)
	}
	printCreated(g, r)
	return nil
}

// printCreated is the answer of create: that a program ran, or why none did.
func printCreated(g *globals, r *jail.Record) {
	if r.Source.Kept > 0 {
		defer fmt.Fprintf(g.Stderr, "xjail: %d facts that this file system or user cannot hold are in metadata.json beside the root\n", r.Source.Kept)
	}
	if r.NotRun == "" {
		fmt.Fprintf(g.Stdout, "jail %s is ready: %s said %q\n", r.Name, strings.Join(r.Probe.Argv, " "), r.Probe.Output)
		return
	}
	fmt.Fprintf(g.Stdout, "jail %s is made, and nothing was run in it: %s\n", r.Name, r.NotRun)
	fmt.Fprintf(g.Stderr, "xjail: hint: %s\n", r.EmulatorHint())
}

// printPlan is the answer of --dry-run.
func printPlan(g *globals, p *jail.Plan) error {
	if g.json {
		return g.printJSON(p)
	}
	rows := [][]string{{"jail", p.Name + ", " + p.Arch}, {"root", p.Root}, {"source", p.Source.String()}}
	if p.Source.Why != "" {
		rows = append(rows, []string{"", p.Source.Why})
	}
	if p.Source.Size > 0 {
		rows = append(rows, []string{"", ui.Size(p.Source.Size)})
	}
	rows = append(rows, releaseRows(p)...)
	switch {
	case p.NotRun != "":
		rows = append(rows, []string{"emulator", "none: nothing will be run, since " + p.NotRun})
	case p.Emulator == nil:
		rows = append(rows, []string{"emulator", "none: this machine runs " + p.Arch + " itself"})
	default:
		rows = append(rows, []string{"emulator", p.Emulator.Path + " (QEMU " + p.Emulator.Version + ") as " + p.Emulator.InRoot})
	}
	for _, c := range passedOver(p) {
		rows = append(rows, []string{"", c})
	}
	for _, a := range p.Activators {
		where := "private to the jail"
		if p.Global {
			where = "for the whole machine"
		}
		rows = append(rows, []string{"activator", a.Name + ", " + where}, []string{"", a.Line})
	}
	if p.Tools != nil {
		rows = append(rows, []string{"native tools", toolsPlanText(p)})
	}
	for i, s := range p.Steps {
		label := ""
		if i == 0 {
			label = "steps"
		}
		rows = append(rows, []string{label, fmt.Sprintf("%d. %s: %s", i+1, s.Name, s.What)})
	}
	return ui.Pairs(g.Stdout, rows)
}

// releaseRows say where the sets of a FreeBSD release will come from, and what
// vouches for them.
func releaseRows(p *jail.Plan) [][]string {
	r := p.Source.Release
	if r == nil {
		return nil
	}
	var rows [][]string
	for _, url := range r.URLs {
		rows = append(rows, []string{"", url})
	}
	sets := "base, and lib32 where there is one"
	if len(r.Sets) > 0 {
		sets = strings.Join(r.Sets, ", ")
	}
	manifest := "taken on trust of its transport"
	switch {
	case r.SHA256 != "":
		manifest = "SHA-256 " + r.SHA256
	case r.File != "":
		manifest = r.File
	}
	return append(rows, []string{"sets", sets}, []string{"MANIFEST", manifest})
}

func passedOver(p *jail.Plan) []string {
	var lines []string
	if p.Emulator == nil {
		return nil
	}
	for _, c := range p.Emulator.PassedOver {
		lines = append(lines, "not "+c.Path+": "+c.Why)
	}
	return lines
}

// store is the state directory.
func (g *globals) store() (jail.Store, error) {
	dir, err := g.stateDir()
	return jail.Store{Dir: dir}, err
}

// asRoot runs the command once more as root of a user namespace when the
// caller is not root, and says whether it has.
func (g *globals) asRoot() (done bool, err error) {
	if g.Stdin != os.Stdin && os.Geteuid() != 0 {
		return false, nil // called in-process: there is no command to run again
	}
	status, ok, err := jail.AsRoot(g.Args)
	if ok && err == nil && status != 0 {
		err = exitStatus(status)
	}
	return ok, err
}

// toolsPlanText says where the native tools will come from, and where they go.
func toolsPlanText(p *jail.Plan) string {
	text := p.Tools.Source
	if text == xtools.TwinName {
		text = "the twin of " + p.Source.String()
	}
	switch {
	case p.Guest == "freebsd":
		text += ", in /nxb-bin of the root"
	case p.Tools.Materialize:
		text += ", written into the root"
	}
	return text
}
