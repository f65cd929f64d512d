package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/internal/ui"
	"github.com/xjail/xjail/jail"
	"github.com/xjail/xjail/jail/xtools"
)

const toolsLong = `Native tools are programs of this machine's architecture that stand in for a
jail's own when it is entered: a compiler that makes the jail's code, and the
shell, make, sed and others that a build runs thousands of times. What does not
pay or tells the architecture (uname, dpkg, perl) stays as it is.

They are laid over the root by mounts that only the entered jail sees. The
stored root stays as it is. With --materialize they are written into it, and
xjail tools remove brings back what was there. Roots of FreeBSD have theirs in
/nxb-bin, where poudriere looks for them.`

func newTools(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "tools",
		Short:   "Native tools, with which a jail builds as fast as this machine",
		Long:    toolsLong,
		Example: "  xjail tools install bookworm-arm64\n  xjail tools list bookworm-arm64",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newToolsInstall(g), newToolsList(g), newToolsVerify(g), newToolsPack(g), newToolsRemove(g))
	return cmd
}

const toolsInstallLong = `Get native tools for a jail, or get them anew: after packages were installed or
upgraded in it, their programs are emulated until then.

The twin of a root of Debian is the same release for this machine: the packages
that the root has, in the same versions, fetched from the archive that its own
come from, and the compiler from Debian's cross compilers. Nothing is built and
nothing of the packages is run. They are kept in the cache, for other jails.

The sources:
  twin       the same release for this machine (the default). Of a root of
             FreeBSD: the base system of amd64 of its release
  host       the programs of this machine, where it is of the root's release:
             those whose packages have the same version. Nothing is fetched
  pack:FILE  what xjail tools pack has written
  nxb:PATH   for roots of FreeBSD: the directory or an archive of what make
             native-xtools made, or of a base system of amd64

Where poudriere knows the jail the snapshot that it clones is made anew; while
it runs with the jail nothing is changed (exit status 11).

--materialize writes the tools into the root, for those who need a plain
directory. What they replace is kept beside the root, and is brought back by
xjail tools remove. A program that a package of the jail replaces meanwhile
stays as the package has it. Such a jail cannot be entered without its tools.

--advice takes what xjail profile advice has written: only the programs that it
names become native, beside those that are. The others stay emulated, and xjail
tools list calls them not chosen; without --advice all are taken again. When it
names none nothing is changed, and --json answers null.

The tools are then tried, as xjail tools verify --quick does. If they fail they
are not used, and the jail has what it had before. Those of a root of FreeBSD
are compared with what they are from, byte by byte, and tried where they run:
on FreeBSD.`

func newToolsInstall(g *globals) *cobra.Command {
	req := jail.ToolsRequest{}
	untried, dryRun, advised := false, false, ""
	cmd := &cobra.Command{
		Use:   "install NAME [SOURCE]",
		Short: "Get native tools for a jail",
		Long:  toolsInstallLong,
		Example: `  xjail tools install bookworm-arm64
  xjail tools install bookworm-arm64 host --materialize
  xjail tools install bookworm-arm64 pack:arm64-tools.tar.zst
  xjail tools install bookworm-arm64 --advice build.advice
  xjail tools install bookworm-arm64 --dry-run
  xjail tools install fbsd-arm64 nxb:/usr/obj/nxb-bin`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return fault.New(fault.Usage, "xjail tools install NAME [SOURCE]", "want NAME and perhaps SOURCE, got %d arguments", len(args))
			}
			return nil
		},
		ValidArgsFunction: completeJailAndTools(g),
		RunE: func(cmd *cobra.Command, args []string) error {
			req.Source = xtools.TwinName
			if advised != "" { // it is read, and spoken of, once
				if done, err := g.asRoot(); done {
					return err
				}
			}
			if done, err := takeAdvice(g, &req, args, advised); done {
				return err
			}
			req.Try = !untried
			return runToolsInstall(cmd.Context(), g, args[0], req, dryRun)
		},
	}
	cmd.Flags().BoolVar(&req.Materialize, "materialize", false, "write the tools into the root")
	cmd.Flags().BoolVar(&untried, "no-verify", false, "use the tools without trying them")
	cmd.Flags().BoolVarP(&dryRun, "dry-run", "n", false, "say what would be done, fetch nothing and change nothing")
	cmd.Flags().StringVar(&advised, "advice", "", "only what this `file` of xjail profile advice names")
	return cmd
}

// takeAdvice has the programs of an advice installed, of the source that the command
// line names, or else the advice. It is done when there is nothing to install.
func takeAdvice(g *globals, req *jail.ToolsRequest, args []string, file string) (done bool, err error) {
	name := args[0]
	if len(args) > 1 {
		req.Source = args[1]
	}
	if file == "" {
		return false, nil
	}
	a, err := readAdvice(file)
	if err != nil {
		return true, err
	}
	if len(a.Install) == 0 {
		g.warn("nothing is worth making native by this advice, and nothing was changed")
		if g.json {
			err = g.printJSON(nil)
		}
		return true, err
	}
	if a.Jail != name {
		g.warn(fmt.Sprintf("the advice is of jail %s (%s), and applied to %s", printable(a.Jail), printable(a.Arch), name))
	}
	req.Only = a.Install
	switch {
	case len(args) > 1 || a.Tools == "":
	case a.Tools == xtools.PackName || a.Tools == xtools.NxbName:
		return true, fault.New(fault.Usage, fmt.Sprintf("xjail tools install %s %s:FILE --advice FILE", name, a.Tools),
			"the advice is for tools of a file, %s:FILE, and does not say of which", a.Tools)
	default:
		req.Source = a.Tools
	}
	return false, nil
}

// toolSources are those that --tools knows, for completion.
var toolSources = []string{xtools.TwinName, xtools.HostName, xtools.NxbName + ":", xtools.PackName + ":"}

// completeTools offers the sources of native tools, and files behind nxb: and
// pack: as the shell can.
func completeTools(more ...string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
		if strings.Contains(begun, ":") {
			return nil, cobra.ShellCompDirectiveDefault
		}
		return append(slices.Clone(toolSources), more...), cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
	}
}

// completeJailAndTools offers the names of the jails, and then the sources.
func completeJailAndTools(g *globals) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return completeJail(g)(cmd, args, begun)
		}
		if len(args) == 1 {
			return completeTools()(cmd, args, begun)
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
}

func runToolsInstall(ctx context.Context, g *globals, name string, req jail.ToolsRequest, dryRun bool) error {
	if req.Source == jail.NoTools {
		return fault.New(fault.Usage, "xjail tools remove "+name, "%s is no source of native tools", req.Source)
	}
	if err := jail.CheckToolSource(req.Source); err != nil {
		return err
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
	told, err := poudriereFollows(ctx, store, name)
	if err != nil {
		return err
	}
	if dryRun {
		return dryToolsInstall(g, store, cfg, name, req)
	}
	w := g.newWatch()
	defer w.Close()
	m, err := store.InstallTools(ctx, cfg, name, req, w)
	w.Close()
	if err == nil {
		err = told()
	}
	if err != nil {
		return err
	}
	if g.json {
		return g.printJSON(m)
	}
	for _, line := range toolsText(m) {
		fmt.Fprintf(g.Stdout, "jail %s: %s\n", name, line)
	}
	return nil
}

// dryToolsInstall is the answer of --dry-run.
func dryToolsInstall(g *globals, store jail.Store, cfg *jail.Config, name string, req jail.ToolsRequest) error {
	o, err := store.ToolsOutlook(cfg, name, req)
	if err != nil {
		return err
	}
	if g.json {
		return g.printJSON(o)
	}
	from := o.Source
	if from == xtools.TwinName {
		from = "the twin of " + o.Release
	}
	rows := [][]string{{"jail", o.Jail + ", of " + o.Release}, {"native tools", from + placeOfTools(o.Layout)}}
	if o.Only != nil {
		rows = append(rows, []string{"", fmt.Sprintf("only %d programs: %s", len(o.Only), strings.Join(o.Only, " "))})
	}
	if old := o.Replaces; old != nil {
		rows = append(rows, []string{"replaces", fmt.Sprintf("%d files of the %s of %s%s", old.Files, old.Source, old.Release, placeOfTools(old.Layout))})
	}
	tried := "before they are used"
	if !o.Tried {
		tried = "not"
	}
	return ui.Pairs(g.Stdout, append(rows, []string{"tried", tried}))
}

// placeOfTools says where native tools are.
func placeOfTools(l xtools.Layout) string {
	switch l {
	case xtools.Written:
		return ", written into the root"
	case xtools.NxbBin:
		return ", in /nxb-bin"
	}
	return ", laid over the root"
}

// toolsText says what a manifest has, and what of it the user should know.
func toolsText(m *xtools.Manifest) []string {
	natives, scripts, drifted, others := 0, 0, 0, 0
	for _, f := range m.Files {
		switch f.Kind {
		case xtools.Program, xtools.Chooser:
			natives++
		case xtools.Script:
			scripts++
		}
	}
	lines := []string{fmt.Sprintf("%d programs are native, by the %s of %s", natives, m.Source, m.Release)}
	if m.Layout != xtools.LaidOver {
		lines[0] += placeOfTools(m.Layout)
	}
	if scripts > 0 {
		lines = append(lines, fmt.Sprintf("%d scripts are run by a native perl", scripts))
	}
	for _, l := range m.Left {
		switch l.State {
		case xtools.Drifted:
			drifted++
		case xtools.NotChosen:
			others++
		}
	}
	if others > 0 {
		lines = append(lines, fmt.Sprintf("%d more are to be had, and were not chosen", others))
	}
	if drifted > 0 {
		lines = append(lines, fmt.Sprintf("%d programs stay emulated, since the source has other versions of them: xjail tools list tells which", drifted))
	}
	return append(lines, m.Notes...)
}

func newToolsList(g *globals) *cobra.Command {
	all := false
	cmd := &cobra.Command{
		Use:   "list NAME",
		Short: "List the programs of a jail that are native, and those that are not",
		Long: `List the programs of a jail, each with its state: native; excluded, with the
reason; missing, where the source has no such program; drifted, where the jail
has another version than the source, or was given another since; not chosen, by
xjail tools install --advice; emulated, for another reason. Scripts of perl are
listed too: those that a native perl runs are native, with the reason why that
does no harm.`,
		Example:           "  xjail tools list bookworm-arm64\n  xjail tools list bookworm-arm64 --json",
		Args:              exactArgs("NAME"),
		ValidArgsFunction: completeJail(g),
		RunE:              func(_ *cobra.Command, args []string) error { return runToolsList(g, args[0], all) },
	}
	cmd.Flags().BoolVar(&all, "pays", false, "only programs that builds spend their time in")
	return cmd
}

func runToolsList(g *globals, name string, pays bool) error {
	store, err := g.store()
	if err != nil {
		return err
	}
	m, all, err := store.Tools(name)
	if err != nil {
		return err
	}
	list := []jail.Tool{}
	for _, t := range all {
		if t.Pays || !pays {
			list = append(list, t)
		}
	}
	if g.json {
		return g.printJSON(map[string]any{"source": m.Source, "release": m.Release, "programs": list, "notes": append([]string{}, m.Notes...)})
	}
	var rows [][]string
	for _, t := range list {
		from := t.Why
		if t.State == xtools.Native {
			from = t.Package + " " + t.Version
			switch {
			case t.Script:
				from += ", by a native perl: " + t.Why
			case t.Why != "":
				from += "; " + t.Why
			}
		}
		rows = append(rows, []string{t.Path, string(t.State), from})
	}
	return ui.Table(g.Stdout, []string{"PROGRAM", "STATE", "FROM OR WHY"}, rows)
}

func newToolsRemove(g *globals) *cobra.Command {
	dryRun := false
	cmd := &cobra.Command{
		Use:   "remove NAME",
		Short: "Take the native tools of a jail away",
		Long: `Take the native tools of a jail away, with the empty mount points that were made
in the root for them. All programs are emulated then. The tools stay in the
cache; xjail cache prune removes them.

Tools that were written into the root are taken out of it: every file that they
replaced comes back with its contents, owner, mode, times and other names. What
a package has put in their place meanwhile stays, and is named.`,
		Example:           "  xjail tools remove bookworm-arm64\n  xjail tools remove bookworm-arm64 --dry-run",
		Args:              exactArgs("NAME"),
		ValidArgsFunction: completeJail(g),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runToolsRemove(cmd.Context(), g, args[0], dryRun)
		},
	}
	cmd.Flags().BoolVarP(&dryRun, "dry-run", "n", false, "say what would be removed and change nothing")
	return cmd
}

func runToolsRemove(ctx context.Context, g *globals, name string, dryRun bool) error {
	if done, err := g.asRoot(); done {
		return err
	}
	store, err := g.store()
	if err != nil {
		return err
	}
	if dryRun {
		return dryToolsRemove(g, store, name)
	}
	told, err := poudriereFollows(ctx, store, name)
	if err != nil {
		return err
	}
	m, replaced, err := store.RemoveTools(ctx, name)
	if err == nil {
		err = told()
	}
	if err != nil {
		return err
	}
	if g.json {
		return g.printJSON(map[string]any{"removed": name, "replaced": append([]string{}, replaced...)})
	}
	if m != nil {
		fmt.Fprintln(g.Stdout, "jail "+name+": "+toolsGone(m))
	}
	for _, file := range replaced {
		fmt.Fprintln(g.Stderr, "xjail: left as it is: "+file+", which was replaced or removed after the native tools were written")
	}
	return nil
}

// toolsGone says what is not there any more.
func toolsGone(m *xtools.Manifest) string {
	switch m.Layout {
	case xtools.Written:
		return strconv.Itoa(len(m.Files)) + " files of the root are its own again"
	case xtools.NxbBin:
		return "/nxb-bin is removed"
	}
	return strconv.Itoa(len(m.Files)) + " files are not laid over any more"
}

// dryToolsRemove is the answer of --dry-run.
func dryToolsRemove(g *globals, store jail.Store, name string) error {
	m, list, err := store.Tools(name)
	if err != nil {
		return err
	}
	restored, removed := []string{}, append([]string{}, m.Points...)
	switch m.Layout {
	case xtools.Written:
		for _, t := range list {
			if t.State == xtools.Native {
				restored = append(restored, t.Path)
			}
		}
	case xtools.NxbBin:
		removed = append(removed, "/nxb-bin")
	}
	if g.json {
		return g.printJSON(map[string]any{"jail": name, "applied": false, "restore": restored, "remove": removed, "files": len(m.Files)})
	}
	for _, p := range restored {
		fmt.Fprintln(g.Stdout, "restore", p)
	}
	for _, p := range removed {
		fmt.Fprintln(g.Stdout, "remove", p)
	}
	fmt.Fprintln(g.Stdout, "remove the list of", len(m.Files), "native files")
	return nil
}
