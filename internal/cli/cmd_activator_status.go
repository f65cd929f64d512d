package cli

import (
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/internal/ui"
	"github.com/xjail/xjail/jail"
)

func newActivatorStatus(g *globals) *cobra.Command {
	var o statusOptions
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the activators of the machine, or of a jail",
		Long: `Show the activators that this process sees, in the order in which the kernel
tries them: the first one that matches a program gets it. OWNER says whether
xjail made an entry. STATE is enabled, disabled, or shadowed: an entry before it
takes all its programs.

--long looks at the interpreters as well, and names the architectures. --json
has all that an entry has, and what is wrong with it. A table that is not
mounted, or switched off as a whole, is said; it is not a failure.`,
		Example: "  xjail activator status\n  xjail activator status --long\n  xjail activator status --jail mips64 --json",
		Args:    noArgs,
		RunE:    func(*cobra.Command, []string) error { return runActivatorStatus(g, o) },
	}
	addBinfmtDir(cmd, &o.dir)
	cmd.Flags().StringVar(&o.jail, "jail", "", "show the activators of this `jail`")
	cmd.Flags().BoolVar(&o.long, "long", false, "show architectures and look at the interpreters")
	_ = cmd.RegisterFlagCompletionFunc("jail", completeJail(g))
	return cmd
}

type statusOptions struct {
	dir  string
	jail string
	long bool
}

// activatorStatus is the answer of activator status.
type activatorStatus struct {
	Jail    string            `json:"jail,omitempty"`
	Table   activators.Status `json:"table"`
	Entries []activatorEntry  `json:"entries"` // the first that is tried at the front
	Hint    string            `json:"hint,omitempty"`
}

// activatorEntry is an entry and what is known of it.
type activatorEntry struct {
	activators.Entry
	// NameHex is the name when it is not UTF-8, which JSON cannot hold.
	NameHex    string           `json:"name_hex,omitempty"`
	Owner      string           `json:"owner"` // xjail or foreign
	Order      int              `json:"order"` // 1 is tried first
	ShadowedBy string           `json:"shadowed_by,omitempty"`
	Stale      string           `json:"stale,omitempty"` // why it should be registered again
	File       *interpreterFile `json:"file"`            // null when it was not looked at
	Arch       string           `json:"arch,omitempty"`
	Healthy    bool             `json:"healthy"`
	Problems   []string         `json:"problems"`
}

// interpreterFile is what is at the path of an interpreter now. With the flag
// F the kernel runs the file that was there when the entry was registered.
type interpreterFile struct {
	Exists     bool   `json:"exists"`
	Executable bool   `json:"executable"`
	Static     *bool  `json:"static"` // null when it is not an ELF file
	Error      string `json:"error,omitempty"`
}

func runActivatorStatus(g *globals, o statusOptions) error {
	read := g.machineActivators
	if o.jail != "" {
		read = g.jailActivators
	}
	s, err := read(o)
	if err != nil {
		return err
	}
	for i := range s.Entries {
		if o.long {
			s.Entries[i].Arch = archOf(s.Entries[i].Entry)
		}
		judge(s, i)
	}
	if g.json {
		return g.printJSON(s)
	}
	return g.printActivators(s, o.long)
}

// machineActivators reads the table on a directory. Without --long and --json
// it reads nothing else but the ledger.
func (g *globals) machineActivators(o statusOptions) (*activatorStatus, error) {
	table := machineTable(o.dir)
	s := &activatorStatus{Entries: []activatorEntry{}}
	var err error
	if s.Table, err = table.Status(); err != nil {
		return nil, err
	}
	if !s.Table.Available {
		s.Hint = unavailableHint(s.Table)
		return s, nil
	}
	if !s.Table.Enabled {
		s.Hint = switchOnHint(o.dir)
	}
	list, err := table.List()
	if err != nil {
		return nil, err
	}
	ledgers := g.ledgers(table)
	for i, e := range list {
		a := activatorEntry{Entry: e, Owner: "foreign", Order: i + 1, ShadowedBy: activators.ShadowedBy(list, i)}
		for _, l := range ledgers {
			if l.Owns(e) {
				a.Owner, a.Stale = "xjail", l.Stale(e)
			}
		}
		if o.long || g.json {
			a.File = lookAtInterpreter(e.Interpreter)
		}
		s.Entries = append(s.Entries, a)
	}
	return s, nil
}

// unavailableHint is what makes a table available.
func unavailableHint(s activators.Status) string {
	if s.Kernel == "freebsd" {
		return "xjail create and xjail activator register load the module; as root: kldload imgact_binmisc"
	}
	return "jails need no mount, they have their own; for the machine: mount -t binfmt_misc binfmt_misc " + s.Where
}

// ledgers are the records of xjail's entries: root's, whose entries everybody
// sees, and that of this state directory. One that cannot be read makes nothing
// ours.
func (g *globals) ledgers(table activators.Machine) []*activators.Ledger {
	instance, err := table.Instance()
	if err != nil {
		return nil
	}
	paths := []string{filepath.Join(rootState(), activators.LedgerName)}
	if path, err := g.ledger(); err == nil && path != paths[0] {
		paths = append(paths, path)
	}
	var ledgers []*activators.Ledger
	for _, path := range paths {
		l, err := activators.ReadLedger(path, instance)
		if err != nil && fault.KindOf(err) == fault.Damaged {
			fmt.Fprintf(g.Stderr, "xjail: warning: %v\n", err)
		}
		ledgers = append(ledgers, l)
	}
	g.adopt(ledgers[0])
	return ledgers
}

// jailActivators are those of a jail: from its record, for they are registered
// each time that it is entered, or the machine's where the jail uses these.
func (g *globals) jailActivators(o statusOptions) (*activatorStatus, error) {
	store, err := g.store()
	if err != nil {
		return nil, err
	}
	r, err := store.Load(o.jail)
	if err != nil {
		return nil, err
	}
	if r.Global {
		return g.globalOf(o, r)
	}
	s := &activatorStatus{Jail: r.Name, Entries: []activatorEntry{},
		Table: activators.Status{Kernel: "linux", Where: "jail " + r.Name, Available: true, Enabled: true, Entries: len(r.Activators)}}
	for i, e := range r.Activators {
		a := activatorEntry{Entry: e, Owner: "xjail", Order: len(r.Activators) - i}
		if o.long || g.json {
			a.File = lookAtInterpreter(filepath.Join(r.Root, e.Interpreter))
		}
		s.Entries = append([]activatorEntry{a}, s.Entries...)
	}
	return s, nil
}

// globalOf are those of the machine's entries that a jail uses.
func (g *globals) globalOf(o statusOptions, r *jail.Record) (*activatorStatus, error) {
	s, err := g.machineActivators(o)
	if err != nil {
		return nil, err
	}
	s.Jail = r.Name
	used := []activatorEntry{}
	for _, a := range s.Entries {
		for _, e := range r.Activators {
			if a.Name == e.Name {
				used = append(used, a)
			}
		}
	}
	s.Entries = used
	if len(used) < len(r.Activators) && s.Hint == "" {
		s.Hint = "activators of this jail are missing: xjail activator register " + r.Arch + " --global"
	}
	return s, nil
}

// lookAtInterpreter says what is at a path.
func lookAtInterpreter(path string) *interpreterFile {
	f := &interpreterFile{}
	info, err := os.Stat(path)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			f.Error = err.Error()
		}
		return f
	}
	f.Exists = true
	f.Executable = info.Mode().IsRegular() && info.Mode()&0o111 != 0
	if !info.Mode().IsRegular() {
		return f
	}
	data, err := os.Open(path)
	if err != nil {
		f.Error = err.Error()
		return f
	}
	defer data.Close()
	file, err := elf.NewFile(data)
	if err != nil {
		return f
	}
	static := true
	for _, p := range file.Progs {
		static = static && p.Type != elf.PT_INTERP
	}
	f.Static = &static
	return f
}

// archOf names the architecture whose programs an entry takes, "" when the
// catalog has none: the row with the longest pattern that its magic fits.
func archOf(e activators.Entry) string {
	const header = 52 // past e_flags of both classes
	if e.Offset != 0 || len(e.Magic) < 20 || !strings.HasPrefix(string(e.Magic), elf.ELFMAG) {
		return ""
	}
	magic := append([]byte(e.Magic), make([]byte, header)...)
	name, longest := "", 0
	for _, a := range arch.All() {
		if p := a.Pattern(arch.Any); len(p.Magic) > longest && p.Match(magic) {
			name, longest = a.Name, len(p.Magic)
		}
	}
	return name
}

// judge writes down what is wrong with an entry.
func judge(s *activatorStatus, i int) {
	a := &s.Entries[i]
	a.Problems = []string{}
	problem := func(wrong bool, format string, args ...any) {
		if wrong {
			a.Problems = append(a.Problems, fmt.Sprintf(format, args...))
		}
	}
	problem(!s.Table.Enabled, "binfmt_misc is switched off as a whole")
	problem(!a.Enabled, "it is disabled")
	problem(a.ShadowedBy != "", "the entry %s is tried first and takes all its programs", a.ShadowedBy)
	problem(a.Stale != "", "%s", a.Stale)
	problem(!strings.HasPrefix(a.Interpreter, "/"), "its interpreter is a relative path")
	if f := a.File; f != nil {
		problem(!f.Exists && a.Flags.FixBinary && a.Stale == "", "its interpreter is gone; the kernel still runs the file that was there")
		problem(!f.Exists && !a.Flags.FixBinary, "its interpreter is not there")
		problem(f.Exists && !f.Executable, "its interpreter is not an executable file")
		problem(f.Static != nil && !*f.Static && s.Jail == "", "its interpreter is dynamic: it fails in roots without its libraries")
		if err := activators.Native(a.Entry); err != nil {
			problem(true, "%s", errors.Unwrap(err))
		}
	}
	if !utf8.ValidString(a.Name) {
		a.NameHex = hex.EncodeToString([]byte(a.Name))
	}
	a.Healthy = len(a.Problems) == 0
}

func (g *globals) printActivators(s *activatorStatus, long bool) error {
	if s.Jail == "" {
		fmt.Fprintln(g.Stdout, tableText(s.Table))
	}
	if s.Hint != "" {
		fmt.Fprintf(g.Stderr, "xjail: hint: %s\n", s.Hint)
	}
	header := []string{"NAME", "STATE", "OWNER", "INTERPRETER", "FLAGS"}
	if long {
		header = append(header, "ARCH", "STATIC", "PROBLEMS")
	}
	var rows [][]string
	for _, a := range s.Entries {
		row := []string{printable(a.Name), stateOf(a), a.Owner, printable(a.Interpreter), dash(a.Flags.String())}
		if long {
			row = append(row, dash(patternText(a)), staticText(a.File), dash(printable(strings.Join(a.Problems, "; "))))
		}
		rows = append(rows, row)
	}
	return ui.Table(g.Stdout, header, rows)
}

func tableText(s activators.Status) string {
	if s.Kernel == "freebsd" {
		if !s.Available {
			return "imgact_binmisc is not in the kernel"
		}
		return fmt.Sprintf("imgact_binmisc (%s): entries: %d of %d", s.Where, s.Entries, s.Capacity)
	}
	switch {
	case !s.Available:
		return "binfmt_misc is not mounted on " + s.Where
	case !s.Enabled:
		return fmt.Sprintf("binfmt_misc on %s: switched off as a whole, entries: %d", s.Where, s.Entries)
	}
	return fmt.Sprintf("binfmt_misc on %s: enabled, entries: %d", s.Where, s.Entries)
}

func stateOf(a activatorEntry) string {
	switch {
	case !a.Enabled:
		return "disabled"
	case a.ShadowedBy != "":
		return "shadowed"
	}
	return "enabled"
}

// patternText is the architecture, or what the entry looks for.
func patternText(a activatorEntry) string {
	switch {
	case a.Arch != "":
		return a.Arch
	case a.Extension != "":
		return printable("." + a.Extension)
	}
	return ""
}

func staticText(f *interpreterFile) string {
	if f == nil || f.Static == nil {
		return "-"
	}
	return strconv.FormatBool(*f.Static)
}
