package cli

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/ui"
)

func newArch(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "arch",
		Short:   "The catalog of architectures, and what a file is",
		Long:    "The catalog of architectures: names, ELF facts, and the magic and mask computed\nfrom them. identify says what ELF files are.",
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
