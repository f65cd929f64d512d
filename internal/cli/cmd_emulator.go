package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/internal/ui"
	"github.com/xjail/xjail/jail"
	"github.com/xjail/xjail/qemu"
)

func newEmulator(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "emulator",
		Short: "Find, check and fetch QEMU's user-mode emulators",
		Long: `Find, check and fetch the static user-mode emulators that run the programs of a
jail. What a file is comes from looking into it and from asking it, not from its
name.`,
		Example: "  xjail emulator find mips64\n  xjail emulator fetch mips64\n  xjail emulator verify /usr/bin/qemu-mips64-static",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newEmulatorFind(g), newEmulatorVerify(g), newEmulatorFetch(g))
	return cmd
}

// completeArchs offers the names of the catalog, also after the first.
func completeArchs(cmd *cobra.Command, _ []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	return completeArch(cmd, nil, toComplete)
}

func lookupArchs(names []string) ([]*arch.Arch, error) {
	var all []*arch.Arch
	for _, name := range names {
		a, err := arch.Lookup(name)
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, nil
}

// emulatorDir is where fetched emulators are, "" when there is no state
// directory: finding others needs none.
func (g *globals) emulatorDir() string {
	store, err := g.store()
	if err != nil {
		return ""
	}
	return store.EmulatorDir()
}

func newEmulatorFind(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "find [ARCH...]",
		Short: "Show the emulators that are here, and which one a jail would get",
		Long: `Show every candidate for the emulator of an architecture, which one is taken and
why the others are not. Without ARCH: of every architecture that has one here.

They are looked for in the configuration (emulators, emulator_dirs), where
xjail emulator fetch puts them, in PATH and in the usual places. One that the
configuration names is taken or none; then those in its directories win, then
the newer version, then the one that was found first.`,
		Example:           "  xjail emulator find\n  xjail emulator find mips64 linux/arm64\n  xjail emulator find ppc64le --json",
		ValidArgsFunction: completeArchs,
		RunE:              func(cmd *cobra.Command, args []string) error { return runEmulatorFind(cmd.Context(), g, args) },
	}
}

// foundEmulator is the answer for one architecture.
type foundEmulator struct {
	Arch       string           `json:"arch"`
	Emulator   *qemu.Emulator   `json:"emulator"` // null when none is usable
	Candidates []qemu.Candidate `json:"candidates"`
	Error      string           `json:"error,omitempty"`
	Hint       string           `json:"hint,omitempty"`

	err error
}

func runEmulatorFind(ctx context.Context, g *globals, names []string) error {
	archs, err := lookupArchs(names)
	if err != nil {
		return err
	}
	cfg, err := g.loadConfig()
	if err != nil {
		return err
	}
	if len(names) == 0 {
		archs = arch.All()
	}
	found := []foundEmulator{}
	for _, a := range archs {
		f := findEmulator(ctx, g, cfg, a, len(names) == 0)
		if ctx.Err() != nil {
			return f.err
		}
		if len(names) > 0 || len(f.Candidates) > 0 {
			found = append(found, f)
		}
	}
	if err := printFound(g, found); err != nil {
		return err
	}
	return foundError(found, len(names) > 0)
}

func findEmulator(ctx context.Context, g *globals, cfg *jail.Config, a *arch.Arch, quick bool) foundEmulator {
	best, all, err := qemu.Find(ctx, a, qemu.FindOptions{
		Explicit: cfg.Emulators[a.Name], Dirs: cfg.EmulatorDirs, Fetched: g.emulatorDir(),
		Path: g.Getenv("PATH"), SkipDigest: quick || !g.json,
	})
	f := foundEmulator{Arch: a.Name, Emulator: best, Candidates: all, err: err}
	if all == nil {
		f.Candidates = []qemu.Candidate{}
	}
	if err != nil {
		f.Error, f.Hint = err.Error(), fault.HintOf(err)
	}
	return f
}

func printFound(g *globals, found []foundEmulator) error {
	if g.json {
		return g.printJSON(found)
	}
	var rows [][]string
	for _, f := range found {
		for _, c := range f.Candidates {
			rows = append(rows, candidateRow(f.Arch, c))
		}
	}
	return ui.Table(g.Stdout, []string{"ARCH", "PATH", "VERSION", "FAMILY", "STATIC", "VERDICT"}, rows)
}

func candidateRow(name string, c qemu.Candidate) []string {
	version, family, static, verdict := "-", "-", "-", c.Why
	if c.Emulator != nil {
		version, family, static = c.Emulator.Version, c.Emulator.Family, "yes"
	}
	if c.Dynamic {
		static = "no"
	}
	if c.Chosen {
		verdict = "chosen"
	}
	return []string{name, c.Path, version, family, static, verdict}
}

// foundError is nil when each architecture that was asked for has an emulator.
// With none at all the first error tells how to get one.
func foundError(found []foundEmulator, asked bool) error {
	var without []string
	var first error
	for _, f := range found {
		if f.err == nil {
			continue
		}
		without = append(without, f.Arch)
		if first == nil {
			first = f.err
		}
	}
	switch {
	case !asked && len(found) == 0:
		return fault.New(fault.NotFound, qemu.InstallAnyHint(), "there are no emulators here")
	case !asked || first == nil:
		return nil
	case len(without) == len(found):
		return first
	}
	return fault.New(fault.Partly, fault.HintOf(first), "no emulator for %s", strings.Join(without, ", "))
}

func newEmulatorVerify(g *globals) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "verify FILE",
		Short: "Check whether a file can be the emulator of a jail",
		Long: `Check a file: it must be a complete, static, executable program of this host
that says that it is one of QEMU's user-mode emulators. Then a foreign program
is run under it: a few instructions that leave with exit status 42, which is
made by xjail. That shows that instructions and system calls are emulated, not
that any larger program works. Where xjail has no such program for the
architecture, it says so.`,
		Example: "  xjail emulator verify /usr/bin/qemu-mips64-static\n  xjail emulator verify ./qemu --arch armv7 --json",
		Args:    exactArgs("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runEmulatorVerify(cmd.Context(), g, args[0], name)
		},
	}
	cmd.Flags().StringVar(&name, "arch", "", "`architecture` that it must emulate (default: the one that it says)")
	_ = cmd.RegisterFlagCompletionFunc("arch", completeArchs)
	return cmd
}

// verifiedEmulator is the answer of emulator verify.
type verifiedEmulator struct {
	*qemu.Emulator
	Arch           string `json:"arch"` // "" when the catalog has none with this target
	PreservesArgv0 bool   `json:"preserves_argv0"`
	// Ran is whether a foreign program ran under it; false with no error means
	// that there was none to try.
	Ran bool `json:"ran"`
}

func runEmulatorVerify(ctx context.Context, g *globals, file, name string) error {
	a, e, err := inspectFor(ctx, file, name)
	if err != nil {
		return err
	}
	v := verifiedEmulator{Emulator: e, PreservesArgv0: e.PreservesArgv0()}
	if a != nil {
		v.Arch = a.Name
		if v.Ran, err = qemu.Try(ctx, e, a); err != nil {
			return err
		}
	}
	if g.json {
		return g.printJSON(v)
	}
	return ui.Pairs(g.Stdout, verifiedRows(v))
}

// inspectFor looks at the file; a is nil when no name was given and the catalog
// has no architecture with the target that the file says.
func inspectFor(ctx context.Context, file, name string) (*arch.Arch, *qemu.Emulator, error) {
	if name == "" {
		e, err := qemu.Inspect(ctx, file)
		if err != nil {
			return nil, nil, err
		}
		a, err := arch.Lookup(e.Target)
		if err != nil {
			a = nil
		}
		return a, e, nil
	}
	a, err := arch.Lookup(name)
	if err != nil {
		return nil, nil, err
	}
	e, _, err := qemu.Find(ctx, a, qemu.FindOptions{Explicit: file})
	return a, e, err
}

func verifiedRows(v verifiedEmulator) [][]string {
	ran := "no: xjail has no program to try it with; only that it starts was checked"
	if v.Ran {
		ran = "a " + v.Arch + " program of a few instructions, which exited with status 42"
	}
	argv0 := "no"
	if v.PreservesArgv0 {
		argv0 = "yes: understands the flag P of binfmt_misc"
	}
	return [][]string{
		{"file", v.Path}, {"emulates", v.Target + ", " + v.Family}, {"version", v.Version},
		{"runs on", v.HostArch + ", statically linked"}, {"size", ui.Size(v.Size)}, {"sha256", v.SHA256},
		{"keeps argv[0]", argv0}, {"ran", ran},
	}
}

// emulatorFetchOptions are the flags of emulator fetch.
type emulatorFetchOptions struct {
	dir    string
	dryRun bool
}

func newEmulatorFetch(g *globals) *cobra.Command {
	o := &emulatorFetchOptions{}
	cmd := &cobra.Command{
		Use:   "fetch ARCH...",
		Short: "Get the distribution's own emulator, on Debian and its like",
		Long: `Get emulators out of the distribution's own package, and put them where create
finds them. apt downloads and verifies it, from the machine's sources with the
machine's keys and proxies, but with a state and a cache of its own, which are
removed at the end: no root is needed, nothing is installed, and the machine's
package lists stay as they are. They are used when they are good enough, else
fresh ones are downloaded.

What is there in the package's version already is not downloaded again.`,
		Example:           "  xjail emulator fetch mips64\n  xjail emulator fetch mips64 armv7 riscv64 --dir ./emulators\n  xjail emulator fetch mips64 --dry-run",
		Args:              minArgs("ARCH"),
		ValidArgsFunction: completeArchs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runEmulatorFetch(cmd.Context(), g, o, args)
		},
	}
	cmd.Flags().StringVar(&o.dir, "dir", "", "`directory` to put them in (default: emulators in the state directory)")
	cmd.Flags().BoolVarP(&o.dryRun, "dry-run", "n", false, "print what apt would be asked, and download nothing")
	_ = cmd.MarkFlagDirname("dir")
	return cmd
}

func runEmulatorFetch(ctx context.Context, g *globals, o *emulatorFetchOptions, names []string) error {
	archs, err := lookupArchs(names)
	if err != nil {
		return err
	}
	dir := o.dir
	if dir == "" {
		store, err := g.store()
		if err != nil {
			return err
		}
		dir = store.EmulatorDir()
	}
	if o.dryRun {
		return planEmulatorFetch(ctx, g, archs, dir)
	}
	w := g.newWatch()
	defer w.Close()
	w.Step("fetch", "emulator of "+strings.Join(names, ", "))
	got, err := qemu.FetchAll(ctx, archs, qemu.FetchOptions{
		Dir: dir, Log: w.Log(), Progress: func(done, total int64) { w.Progress(done, total, 0) },
	})
	w.Close()
	if err != nil {
		return err
	}
	return printFetched(g, archs, got)
}

// fetchedEmulator is an emulator and what it was asked for.
type fetchedEmulator struct {
	Arch string `json:"arch"`
	*qemu.Emulator
}

func printFetched(g *globals, archs []*arch.Arch, got []*qemu.Emulator) error {
	list := []fetchedEmulator{}
	var rows [][]string
	for i, e := range got {
		list = append(list, fetchedEmulator{archs[i].Name, e})
		rows = append(rows, []string{archs[i].Name, e.Path, e.Version})
	}
	if g.json {
		return g.printJSON(list)
	}
	return ui.Table(g.Stdout, []string{"ARCH", "PATH", "VERSION"}, rows)
}

func planEmulatorFetch(ctx context.Context, g *globals, archs []*arch.Arch, dir string) error {
	p, err := qemu.PlanFetch(ctx, archs, qemu.FetchOptions{Dir: dir})
	if err != nil {
		return err
	}
	if g.json {
		return g.printJSON(p)
	}
	for _, file := range p.Files {
		fmt.Fprintf(g.Stdout, "file     %s\n", file)
	}
	fmt.Fprintf(g.Stdout, "package  the first that has it: %s\n", strings.Join(p.Packages, ", "))
	for _, c := range p.Commands {
		fmt.Fprintf(g.Stdout, "command  %s\n", c)
	}
	fmt.Fprintf(g.Stdout, "\n# TMP/apt.conf; TMP is a directory in %s that is removed at the end.\n# When the package lists that it names do not serve, apt-get update makes others in TMP.\n%s", p.Dir, p.Config)
	return nil
}
