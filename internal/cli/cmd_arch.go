package cli

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/internal/ui"
)

func newArch(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "arch",
		Short:   "The catalog of architectures, and what a file is",
		Long:    "The catalog of architectures: names, ELF facts, and the magic and mask computed\nfrom them. identify says what an ELF file is.",
		Example: "  xjail arch list\n  xjail arch show mips64\n  xjail arch identify /bin/sh",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newArchList(g), newArchShow(g), newArchIdentify(g))
	return cmd
}

func newArchList(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the architectures",
		Long: `List the architectures of the catalog: FreeBSD's name (TARGET_ARCH) and TARGET,
QEMU's, Debian's (to: the last suite that released it; ports: debian-ports has
it; name only: no archive has), Go's, and the FreeBSD releases from first to
last. --json has everything that the catalog knows.`,
		Example: "  xjail arch list\n  xjail arch list --json",
		Args:    noArgs,
		RunE:    func(*cobra.Command, []string) error { return runArchList(g) },
	}
}

func runArchList(g *globals) error {
	if g.json {
		list := []archRecord{}
		for _, a := range arch.All() {
			list = append(list, newArchRecord(a, arch.Policies()))
		}
		return g.printJSON(list)
	}
	var rows [][]string
	for _, a := range arch.All() {
		rows = append(rows, []string{
			a.Name, dash(a.Target), dash(a.QEMU), strconv.Itoa(a.Class), string(a.Order),
			dash(debianText(a)), dash(a.GoArch), dash(releasesText(a)),
		})
	}
	return ui.Table(g.Stdout, []string{"NAME", "TARGET", "QEMU", "BITS", "ORDER", "DEBIAN", "GO", "FREEBSD"}, rows)
}

// dash stands for nothing in a table.
func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func debianText(a *arch.Arch) string {
	switch {
	case a.Debian == "":
		return ""
	case a.DebianPorts:
		return a.Debian + " (ports)"
	case a.DebianLast != "":
		return a.Debian + " (to " + a.DebianLast + ")"
	case a.DebianFirst == "":
		return a.Debian + " (name only)"
	}
	return a.Debian
}

func releasesText(a *arch.Arch) string {
	if a.FirstRelease == "" {
		return ""
	}
	return a.FirstRelease + "-" + a.LastRelease
}

// archRecord is an architecture in JSON: the row and its patterns by policy.
type archRecord struct {
	*arch.Arch
	Patterns map[arch.Policy]patternRecord `json:"patterns"`
}

// patternRecord has magic and mask in hexadecimal.
type patternRecord struct {
	Offset int    `json:"offset"`
	Size   int    `json:"size"`
	Magic  string `json:"magic"`
	Mask   string `json:"mask"`
}

func newArchRecord(a *arch.Arch, policies []arch.Policy) archRecord {
	r := archRecord{a, map[arch.Policy]patternRecord{}}
	for _, p := range policies {
		pat := a.Pattern(p)
		r.Patterns[p] = patternRecord{pat.Offset, len(pat.Magic), hex.EncodeToString(pat.Magic), hex.EncodeToString(pat.Mask)}
	}
	return r
}

func newArchShow(g *globals) *cobra.Command {
	var osabi string
	cmd := &cobra.Command{
		Use:   "show ARCH",
		Short: "Show what is known of an architecture",
		Long: `Show a row of the catalog, with the magic and mask of its programs. ARCH is any
of its names: FreeBSD's (mips64, mips.mips64), Debian's, Go's, QEMU's, an OCI
platform (linux/arm64), a triple.

The policies, by EI_OSABI: any does not look at it; freebsd wants 9; linux wants
0 or 3; binmisc is what binmiscctl(8) and the FreeBSD ports register: as any,
and EI_ABIVERSION 0.`,
		Example:           "  xjail arch show mips64\n  xjail arch show --osabi freebsd arm64.aarch64\n  xjail arch show linux/arm/v7 --json",
		Args:              exactArgs("ARCH"),
		ValidArgsFunction: completeArch,
		RunE:              func(_ *cobra.Command, args []string) error { return runArchShow(g, args[0], osabi) },
	}
	cmd.Flags().StringVar(&osabi, "osabi", "", "show magic and mask of this `policy` only: any, freebsd, linux, binmisc")
	_ = cmd.RegisterFlagCompletionFunc("osabi", cobra.FixedCompletions([]string{"any", "freebsd", "linux", "binmisc"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func runArchShow(g *globals, name, osabi string) error {
	policies := arch.Policies()
	if osabi != "" {
		p, err := arch.ParsePolicy(osabi)
		if err != nil {
			return err
		}
		policies = []arch.Policy{p}
	}
	a, err := arch.Lookup(name)
	if err != nil {
		return err
	}
	if g.json {
		return g.printJSON(newArchRecord(a, policies))
	}
	return ui.Table(g.Stdout, []string{"name", a.Name}, archFacts(a, policies))
}

// archFacts are the lines of arch show; facts that a row has not are left out.
func archFacts(a *arch.Arch, policies []arch.Policy) [][]string {
	facts := [][]string{
		{"FreeBSD", freebsdText(a)},
		{"ELF", elfText(a)},
		{"same pattern as", strings.Join(a.Same, " ")},
		{"special case of", a.Over},
		{"QEMU", qemuText(a)},
		{"uname -m", a.Uname},
		{"Debian", debianSuitesText(a)},
		{"Go", strings.Join(append(nonEmpty("GOARCH=", a.GoArch), a.GoEnv...), " ")},
		{"OCI", a.OCI},
		{"GNU triple", a.GNU},
	}
	for _, os := range []string{"linux", "freebsd"} {
		facts = append(facts, []string{"LLVM " + os, a.Triples[os]}, []string{"linker " + os, strings.Join(a.Linkers[os], " ")})
	}
	facts = append(facts, []string{"aliases", strings.Join(a.Aliases, " ")}, []string{"notes", a.Notes})
	for _, p := range policies {
		pat := a.Pattern(p)
		facts = append(facts, []string{"magic " + string(p), arch.Escape(pat.Magic)}, []string{"mask " + string(p), arch.Escape(pat.Mask)})
	}
	var known [][]string
	for _, f := range facts {
		if f[1] != "" {
			known = append(known, f)
		}
	}
	return known
}

// nonEmpty is prefix and s, or nothing.
func nonEmpty(prefix, s string) []string {
	if s == "" {
		return nil
	}
	return []string{prefix + s}
}

func freebsdText(a *arch.Arch) string {
	if a.Target == "" {
		return ""
	}
	last := a.LastRelease
	if last == "" {
		last = "now"
	}
	return fmt.Sprintf("%s.%s, releases %s to %s", a.Target, a.Name, a.FirstRelease, last)
}

func elfText(a *arch.Arch) string {
	text := fmt.Sprintf("%d-bit, %s-endian, e_machine %d (0x%x)", a.Class, a.Order, a.Machine, a.Machine)
	if a.Flags.Mask != 0 {
		text += fmt.Sprintf(", e_flags & 0x%x = 0x%x", a.Flags.Mask, a.Flags.Value)
	}
	return text
}

func qemuText(a *arch.Arch) string {
	if a.QEMU == "" {
		return "no user-mode target"
	}
	text := "qemu-" + a.QEMU
	if a.LinuxUser {
		text += ", linux-user"
	}
	if a.BSDUser != "" {
		text += ", bsd-user (" + a.BSDUser + ")"
	}
	if a.CPU != "" {
		text += ", -cpu " + a.CPU
	}
	if a.QEMULast != "" {
		text += ", up to QEMU " + a.QEMULast
	}
	return text
}

func debianSuitesText(a *arch.Arch) string {
	text := a.Debian
	switch {
	case a.DebianFirst != "" && a.DebianLast != "":
		text += ", released from " + a.DebianFirst + " to " + a.DebianLast
	case a.DebianFirst != "":
		text += ", released since " + a.DebianFirst
	}
	switch {
	case a.DebianPorts:
		text += ", in debian-ports"
	case a.Debian != "" && a.DebianFirst == "":
		text += ", in no archive"
	}
	return text
}

func newArchIdentify(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "identify FILE...",
		Short: "Say what ELF files are",
		Long: `Say what each ELF file is, one line a file: its architecture, the system that it
is for (unknown when nothing in the file says so), exec, pie, shared, object or
core, and static or dynamic with the interpreter.

A file that is not ELF gives an error; the exit status is 3 when there are
others that are, else 17 (10 when no file exists).`,
		Example: "  xjail arch identify /bin/sh\n  xjail arch identify --json ROOT/bin/sh ROOT/lib/libc.so.6",
		Args:    minArgs("FILE"),
		RunE:    func(_ *cobra.Command, args []string) error { return runArchIdentify(g, args) },
	}
}

// identified is one file of arch identify in JSON.
type identified struct {
	Path string `json:"path"`
	*arch.Identity
	Error string `json:"error,omitempty"`
}

func runArchIdentify(g *globals, paths []string) error {
	list := []identified{}
	var failed []error
	for _, path := range paths {
		id, err := identifyFile(path)
		entry := identified{Path: path, Identity: id}
		if err != nil {
			entry.Error = err.Error()
			failed = append(failed, err)
		}
		list = append(list, entry)
		if !g.json {
			printIdentified(g, entry)
		}
	}
	if g.json {
		if err := g.printJSON(list); err != nil {
			return err
		}
	}
	return identifyResult(len(paths), failed)
}

func printIdentified(g *globals, e identified) {
	if e.Error != "" {
		fmt.Fprintf(g.Stderr, "xjail: %s\n", e.Error)
		return
	}
	fmt.Fprintf(g.Stdout, "%s: %s\n", printable(e.Path), identityText(e.Identity))
}

// identityText is architecture, system, type and linkage, always in this order.
func identityText(id *arch.Identity) string {
	name, os, link := id.Name, id.OS, ""
	if id.Arch == nil {
		name = fmt.Sprintf("unknown(e_machine=0x%x,%d-bit,%s-endian)", id.Machine, id.Class, id.Order)
	}
	if os == "" {
		os = "unknown"
	}
	switch {
	case id.Interp != "":
		link = " dynamic " + printable(id.Interp)
	case id.Static:
		link = " static"
	}
	return fmt.Sprintf("%s %s %s%s", name, os, id.Type, link)
}

// printable quotes what could disturb a terminal or a parser of lines: names
// in a foreign root are not to be trusted.
func printable(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }) {
		return strconv.Quote(s)
	}
	return s
}

// identifyFile identifies a regular file; opening a pipe would wait for ever.
func identifyFile(path string) (*arch.Identity, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fileError(path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, fault.New(fault.Damaged, "", "%s: not a regular file", printable(path))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fileError(path, err)
	}
	defer f.Close()
	id, err := arch.Identify(f)
	if err != nil {
		return nil, fault.Wrap(fault.KindOf(err), err, printable(path), "")
	}
	return id, nil
}

// fileError gives a failed stat or open its kind; the error of package os
// would name the path a second time.
func fileError(path string, err error) error {
	kind := fault.Failed
	switch {
	case errors.Is(err, fs.ErrNotExist):
		kind = fault.NotFound
	case errors.Is(err, fs.ErrPermission):
		kind = fault.Permission
	}
	var perr *fs.PathError
	if errors.As(err, &perr) {
		err = perr.Err
	}
	return fault.Wrap(kind, err, printable(path), "")
}

// identifyResult is nil when no file failed, of kind Partly when some did; when
// all did, of the kind that they share, else Damaged.
func identifyResult(total int, failed []error) error {
	if len(failed) == 0 {
		return nil
	}
	if len(failed) < total {
		return fault.New(fault.Partly, "", "%d of %d files not identified", len(failed), total)
	}
	kind := fault.KindOf(failed[0])
	for _, err := range failed {
		if fault.KindOf(err) != kind {
			kind = fault.Damaged
		}
	}
	return fault.New(kind, "", "no file identified")
}
