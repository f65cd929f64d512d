package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/formats"
	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail"
)

func newActivatorCheck(g *globals) *cobra.Command {
	var o checkOptions
	cmd := &cobra.Command{
		Use:   "check [FILE...|-]",
		Short: "Find what is wrong with a set of activators",
		Long: `Find what is wrong with the machine's activators, or with a set that somebody
keeps or publishes: entries that take each other's programs, those of the
machine or of another architecture, that miss programs of their own or match
none, and interpreters that cannot be started. Each finding has a code (see
docs/activators.md), the start of a file that shows it, and what mends it.

FILE is a set in any form that xjail reads: scripts with binmiscctl, binfmt.d
files, register lines, Debian's binfmts, JSON. A directory is one table of all
its files, in the order of their names, the last one registered last; what has
no activators there is left out with a warning. Several FILEs are each a table
of their own, or with --together one table, registered in the order given. -
is the standard input. Nothing of a file is run, and the interpreters that it
names are looked at with --interpreters only.

The status is 15 when something is severe or unsafe; --severity chooses another
level. Notes are what one should know and need not change: they are counted,
and listed with --notes and in --json.`,
		Example: `  xjail activator check
  xjail activator check /usr/lib/binfmt.d --interpreters
  xjail activator check qemu_user_static --kernel freebsd --host aarch64
  xjail activator check a.conf b.conf --together --severity warning`,
		RunE: func(cmd *cobra.Command, args []string) error { return runActivatorCheck(cmd, g, o, args) },
	}
	addBinfmtDir(cmd, &o.dir)
	cmd.Flags().StringVar(&o.kernel, "kernel", "", "judge as the `kernel` of: linux, freebsd (default: the file's, else this machine's)")
	cmd.Flags().StringVar(&o.host, "host", "", "judge for a machine of that `architecture`")
	cmd.Flags().BoolVar(&o.together, "together", false, "all FILEs are one table, registered in the order given")
	cmd.Flags().BoolVar(&o.interpreters, "interpreters", false, "look at the interpreters that FILEs name, on this machine")
	cmd.Flags().StringVar(&o.severity, "severity", string(activators.Severe), "fail when something is that bad or worse: unsafe, severe, warning, note")
	cmd.Flags().BoolVar(&o.notes, "notes", false, "list notes as well")
	fixed := func(flag string, words ...string) {
		_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
	}
	fixed("kernel", "linux", "freebsd")
	fixed("severity", "unsafe", "severe", "warning", "note")
	_ = cmd.RegisterFlagCompletionFunc("host", completeArchs)
	return cmd
}

type checkOptions struct {
	dir          string
	kernel       string
	host         string
	together     bool
	interpreters bool
	severity     string
	notes        bool
}

// activatorCheck is the answer of activator check.
type activatorCheck struct {
	Tables []checkedTable `json:"tables"`
	Failed bool           `json:"failed"` // something is as bad as --severity or worse
}

// checkedTable is a set that was looked at.
type checkedTable struct {
	Source   string               `json:"source"`           // the file, or where the table is
	Format   string               `json:"format,omitempty"` // of the file
	Kernel   string               `json:"kernel"`           // whose kernel judged
	Host     string               `json:"host"`             // of which architecture
	Entries  int                  `json:"entries"`
	Notes    []string             `json:"notes"` // what of the file was left out
	Findings []activators.Finding `json:"findings"`
}

func (o checkOptions) validate(cmd *cobra.Command, args []string) error {
	switch {
	case o.kernel != "" && o.kernel != "linux" && o.kernel != "freebsd":
		return usageError(cmd, "--kernel is linux or freebsd, not %q", o.kernel)
	case !slices.Contains(activators.Severities(), activators.Severity(o.severity)):
		return usageError(cmd, "--severity is unsafe, severe, warning or note, not %q", o.severity)
	case len(args) == 0 && (o.together || o.interpreters):
		return usageError(cmd, "--together and --interpreters are for FILEs, and none is given")
	case slices.Index(args, "-") != lastIndex(args, "-"):
		return usageError(cmd, "- is given twice, and there is one standard input")
	}
	return nil
}

func lastIndex(list []string, word string) int {
	for i := len(list) - 1; i >= 0; i-- {
		if list[i] == word {
			return i
		}
	}
	return -1
}

func runActivatorCheck(cmd *cobra.Command, g *globals, o checkOptions, args []string) error {
	if err := o.validate(cmd, args); err != nil {
		return err
	}
	host := arch.Host()
	if o.host != "" {
		var err error
		if host, err = arch.Lookup(o.host); err != nil {
			return err
		}
	}
	answer := activatorCheck{Tables: []checkedTable{}}
	if len(args) == 0 {
		t, err := g.checkMachine(o, host)
		if err != nil {
			return err
		}
		answer.Tables = append(answer.Tables, t)
	}
	sets, err := readSets(cmd.InOrStdin(), o, args)
	if err != nil {
		return err
	}
	for _, s := range sets {
		answer.Tables = append(answer.Tables, o.checkSet(s, host))
	}
	return g.printCheck(o, &answer)
}

// checkMachine checks the table that is mounted, or the kernel's.
func (g *globals) checkMachine(o checkOptions, host *arch.Arch) (checkedTable, error) {
	table := machineTable(o.dir)
	list, err := table.List()
	if err != nil {
		return checkedTable{}, err
	}
	ledgers := g.ledgers(table)
	stale := func(e activators.Entry) string {
		for _, l := range ledgers {
			if l.Owns(e) {
				return l.Stale(e)
			}
		}
		return "" // which file the kernel opened for others is not known
	}
	judge, known := jail.CheckHost(table), jail.Interpreters(list, stale)
	if o.kernel != "" && o.kernel != judge.OS || host != arch.Host() {
		where := judge.Where
		judge, known = jail.CheckHostOf(kernelOf(o.kernel, judge.OS), host), nil
		judge.Where, judge.Planned = where, false
	}
	return checked(judge, judge.Where, "", list, known), nil
}

func kernelOf(chosen, otherwise string) string {
	if chosen != "" {
		return chosen
	}
	return otherwise
}

func checked(host activators.Host, source, format string, list []activators.Entry, known map[string]activators.Interpreter) checkedTable {
	t := checkedTable{Source: source, Format: format, Kernel: host.OS, Entries: len(list), Notes: []string{}}
	if len(host.Natives) > 0 {
		t.Host = host.Natives[0].Arch
	}
	t.Findings = activators.Check(list, host, known)
	if t.Findings == nil {
		t.Findings = []activators.Finding{}
	}
	return t
}

// namedSet is a set and where it is from.
type namedSet struct {
	source string
	*formats.Set
}

// checkSet checks a set for its kernel, or the one that was chosen.
func (o checkOptions) checkSet(s namedSet, host *arch.Arch) checkedTable {
	judge := jail.CheckHostOf(kernelOf(o.kernel, kernelOf(s.Kernel, runtime.GOOS)), host)
	if judge.OS == runtime.GOOS && host == arch.Host() {
		judge = jail.CheckHost(jail.MachineTable())
		judge.Planned, judge.Off = true, false
	}
	var known map[string]activators.Interpreter
	if o.interpreters {
		known = jail.Interpreters(s.Entries, nil)
	}
	t := checked(judge, s.source, s.Format, s.Entries, known)
	t.Notes = append(t.Notes, s.Notes...)
	return t
}

// readSets reads the sets of the files: one for each, or one for all.
func readSets(stdin io.Reader, o checkOptions, args []string) ([]namedSet, error) {
	var sets []namedSet
	for _, arg := range args {
		s, err := readSetOf(stdin, arg)
		if err != nil {
			return nil, err
		}
		sets = append(sets, namedSet{arg, s})
	}
	if !o.together || len(sets) < 2 {
		return sets, nil
	}
	var all []*formats.Set
	for _, s := range sets {
		all = append(all, s.Set)
	}
	one, err := join(all)
	return []namedSet{{strings.Join(args, " "), one}}, err
}

// readSetOf reads a file, the standard input, or all files of a directory.
func readSetOf(stdin io.Reader, arg string) (*formats.Set, error) {
	if arg == "-" {
		text, err := io.ReadAll(io.LimitReader(stdin, setMax+1))
		if err != nil {
			return nil, fault.Wrap(fault.Failed, err, "read the standard input", "")
		}
		return formats.Read("standard input", text)
	}
	info, err := os.Stat(arg)
	if err != nil {
		return nil, fileError(arg, err)
	}
	if !info.IsDir() {
		return readSetFile(arg)
	}
	return readSetDir(arg)
}

// readSetDir is the table of all files of a directory. Files that say nothing
// of activators are told and left out: systemd masks a file by a link to
// /dev/null, and people explain with a README. What is damaged is an error.
func readSetDir(dir string) (*formats.Set, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, fileError(dir, err)
	}
	var all []*formats.Set
	var notes []string
	for _, f := range files {
		name := filepath.Join(dir, f.Name())
		if f.IsDir() || strings.HasPrefix(f.Name(), ".") {
			continue
		}
		if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
			notes = append(notes, name+": it is no regular file")
			continue
		}
		s, err := readSetFile(name)
		switch {
		case err == nil:
			all = append(all, s)
		case errors.Is(err, formats.ErrEmpty) || errors.Is(err, formats.ErrNoForm):
			notes = append(notes, err.Error())
		default:
			return nil, err
		}
	}
	if len(all) == 0 {
		return &formats.Set{Notes: append(notes, dir+": it has no activators")}, nil
	}
	one, err := join(all)
	if err == nil {
		one.Notes = append(notes, one.Notes...)
	}
	return one, err
}

// setMax is more than a set of activators has, in bytes.
const setMax = 1 << 20

func readSetFile(name string) (*formats.Set, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fileError(name, err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, setMax+1))
	if err != nil {
		return nil, fileError(name, err)
	}
	return formats.Read(name, text)
}

// join is the table that registers sets one after the other.
func join(sets []*formats.Set) (*formats.Set, error) {
	one := &formats.Set{Format: sets[0].Format, Kernel: sets[0].Kernel}
	for _, s := range sets {
		one.Entries = append(slices.Clone(s.Entries), one.Entries...)
		one.Notes = append(one.Notes, s.Notes...)
		if s.Format != one.Format {
			one.Format = ""
		}
		switch {
		case one.Kernel == "":
			one.Kernel = s.Kernel
		case s.Kernel != "" && s.Kernel != one.Kernel:
			return nil, fault.New(fault.Usage, "check them one by one", "some of the files are for Linux's table and some for FreeBSD's: no table holds both")
		}
	}
	return one, nil
}

// printCheck writes the answer, and fails when something is bad enough.
func (g *globals) printCheck(o checkOptions, answer *activatorCheck) error {
	bad := 0
	for _, t := range answer.Tables {
		for _, f := range t.Findings {
			if f.Severity.AsBadAs(activators.Severity(o.severity)) {
				bad++
			}
		}
	}
	answer.Failed = bad > 0
	if g.json {
		if err := g.printJSON(answer); err != nil {
			return err
		}
	} else {
		for _, t := range answer.Tables {
			g.printChecked(o, t)
		}
	}
	if bad == 0 {
		return nil
	}
	return fault.New(fault.Unsafe, "each finding says what mends it; docs/activators.md explains the codes", "findings that are %s or worse: %d", o.severity, bad)
}

func (g *globals) printChecked(o checkOptions, t checkedTable) {
	kind := t.Kernel
	if t.Format != "" {
		kind = t.Format + ", " + kind
	}
	fmt.Fprintf(g.Stdout, "%s (%s on %s): entries: %d\n", printable(t.Source), kind, dash(t.Host), t.Entries)
	for _, n := range t.Notes {
		g.warn(n)
	}
	shown, notes := 0, map[activators.Code]int{}
	for _, f := range t.Findings {
		if f.Severity == activators.Note && !o.notes {
			notes[f.Code]++
			continue
		}
		shown++
		g.printFinding(f)
	}
	if shown == 0 {
		fmt.Fprintln(g.Stdout, "nothing is wrong")
	}
	var words []string
	for _, code := range activators.Codes() {
		if notes[code] > 0 {
			words = append(words, fmt.Sprintf("%s: %d", code, notes[code]))
		}
	}
	if len(words) > 0 {
		fmt.Fprintf(g.Stdout, "notes (--notes lists them): %s\n", strings.Join(words, ", "))
	}
}

func (g *globals) printFinding(f activators.Finding) {
	name := ""
	if f.Entry != "" {
		name = printable(f.Entry) + ": "
	}
	fmt.Fprintf(g.Stdout, "%s %s: %s%s\n", f.Severity, f.Code, name, printable(f.Message))
	if len(f.Witness) > 0 {
		fmt.Fprintf(g.Stdout, "    such as  %s\n", shortHex(f.Witness))
	}
	if f.Remedy != "" {
		fmt.Fprintf(g.Stdout, "    remedy   %s\n", printable(f.Remedy))
	}
}

// shortHex is the start of a file in hexadecimal, without the zeros behind it.
func shortHex(b []byte) string {
	const most = 64
	end := len(b)
	for end > 1 && b[end-1] == 0 {
		end--
	}
	if end > most {
		return fmt.Sprintf("%x...", b[:most])
	}
	return fmt.Sprintf("%x", b[:end])
}
