package cli

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/xjail/xjail/hooks/poudriere"
	"github.com/xjail/xjail/internal/ui"
	"github.com/xjail/xjail/jail"
)

func newList(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the jails",
		Long:    "List the jails of the state directory, whatever state they are in: ready, no\nemulator (a root of FreeBSD that cannot be entered on this Linux), in use, being\nmade, incomplete (interrupted) or damaged.",
		Example: "  xjail list\n  xjail list --json",
		Args:    noArgs,
		RunE:    func(*cobra.Command, []string) error { return runList(g) },
	}
}

func runList(g *globals) error {
	store, err := g.store()
	if err != nil {
		return err
	}
	list, err := store.List()
	if err != nil {
		return err
	}
	known := registrations(store, list)
	if g.json {
		return g.printJSON(listJSON(list, known))
	}
	var rows [][]string
	for _, e := range list {
		row := []string{e.Name, "-", e.State, "-", "-", "-"}
		if r := e.Record; r != nil {
			row = []string{e.Name, r.Arch, e.State, r.Source.Spec, emulatorText(r), r.Root}
		}
		if len(known) > 0 {
			row = append(row, poudriereName(known[e.Name]))
		}
		rows = append(rows, row)
	}
	head := []string{"NAME", "ARCH", "STATE", "SOURCE", "EMULATOR", "ROOT"}
	if len(known) > 0 {
		head = append(head, "POUDRIERE")
	}
	return ui.Table(g.Stdout, head, rows)
}

// registrations are those of the jails that poudriere was told of, by name. One
// that cannot be read is for verify.
func registrations(store jail.Store, list []jail.Entry) map[string]*poudriere.Registration {
	known := map[string]*poudriere.Registration{}
	for _, e := range list {
		if r, err := poudriere.Load(store.JailDir(e.Name)); err == nil && r != nil {
			known[e.Name] = r
		}
	}
	return known
}

func poudriereName(r *poudriere.Registration) string {
	if r == nil {
		return "-"
	}
	return r.Jail.Name
}

// listedJail is a line of the list as JSON.
type listedJail struct {
	jail.Entry
	Poudriere *poudriere.Registration `json:"poudriere,omitempty"`
}

func listJSON(list []jail.Entry, known map[string]*poudriere.Registration) []listedJail {
	all := make([]listedJail, 0, len(list))
	for _, e := range list {
		all = append(all, listedJail{e, known[e.Name]})
	}
	return all
}

// shownRecord is the answer of info as JSON.
type shownRecord struct {
	*jail.Record
	Poudriere *poudriere.Registration `json:"poudriere,omitempty"`
}

func emulatorText(r *jail.Record) string {
	switch {
	case r.NotRun != "":
		return "none"
	case r.Emulator == nil:
		return "native"
	}
	version, _, _ := strings.Cut(r.Emulator.Version, " ")
	return "qemu-" + r.Emulator.Target + " " + version
}

func newInfo(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:               "info NAME",
		Short:             "Show what is known of a jail",
		Long:              "Show the record of a jail: where its root came from, its emulator with digest,\nand its activators. xjail verify looks whether it still holds.",
		Example:           "  xjail info mips64\n  xjail info mips64 --json",
		Args:              exactArgs("NAME"),
		ValidArgsFunction: completeJail(g),
		RunE:              func(_ *cobra.Command, args []string) error { return runInfo(g, args[0]) },
	}
}

func runInfo(g *globals, name string) error {
	store, err := g.store()
	if err != nil {
		return err
	}
	r, err := store.Load(name)
	if err != nil {
		return err
	}
	reg, err := poudriere.Load(store.JailDir(name))
	if err != nil {
		return err
	}
	if g.json {
		return g.printJSON(shownRecord{r, reg})
	}
	rows := [][]string{
		{"jail", r.Name}, {"architecture", r.Arch}, {"made", r.Created.Local().Format("2006-01-02 15:04:05")},
		{"root", r.Root}, {"source", r.Source.Spec},
	}
	if r.Source.Why != "" {
		rows = append(rows, []string{"", r.Source.Why})
	}
	if r.Source.SHA256 != "" {
		rows = append(rows, []string{"", "SHA-256 " + r.Source.SHA256})
	}
	rows = append(rows, infoManifest(r)...)
	if r.Source.Entries > 0 {
		rows = append(rows, []string{"", strconv.FormatInt(r.Source.Entries, 10) + " entries, " + ui.Size(r.Source.Bytes)})
	}
	rows = append(rows, infoEmulator(r)...)
	tools, err := infoTools(store, name)
	if err != nil {
		return err
	}
	rows = append(rows, tools...)
	if reg != nil {
		rows = append(rows, []string{"poudriere", reg.Jail.Name + ", " + reg.Jail.Version + " " + reg.Jail.Arch + ", in " + reg.Etc})
	}
	if r.NotRun != "" {
		return ui.Pairs(g.Stdout, append(rows, []string{"ran", "nothing"}))
	}
	rows = append(rows, []string{"ran", strings.Join(r.Probe.Argv, " ") + " said " + r.Probe.Output})
	return ui.Pairs(g.Stdout, rows)
}

// infoTools are the native tools of a jail.
func infoTools(store jail.Store, name string) ([][]string, error) {
	m, err := store.LoadTools(name)
	if err != nil || m == nil {
		return nil, err
	}
	var rows [][]string
	for i, line := range toolsText(m) {
		label := ""
		if i == 0 {
			label = "native tools"
		}
		rows = append(rows, []string{label, line})
	}
	return rows, nil
}

// infoManifest is what a FreeBSD release consisted of, and what vouched for it.
func infoManifest(r *jail.Record) [][]string {
	m := r.Source.Manifest
	if m == nil {
		return nil
	}
	rows := [][]string{{"", "MANIFEST " + m.SHA256 + " (" + string(m.Trust) + ") from " + m.From}}
	for _, set := range m.Sets {
		rows = append(rows, []string{"", set.File + " " + set.SHA256})
	}
	return rows
}

func infoEmulator(r *jail.Record) [][]string {
	switch {
	case r.NotRun != "":
		return [][]string{{"emulator", "none: " + r.NotRun}}
	case r.Emulator == nil:
		return [][]string{{"emulator", "none: this machine runs " + r.Arch + " itself"}}
	}
	rows := [][]string{
		{"emulator", r.Emulator.Path + " in the jail, from " + r.Emulator.Origin},
		{"", "QEMU " + r.Emulator.Version + ", " + r.Emulator.Family + ", " + ui.Size(r.Emulator.Size)},
		{"", "SHA-256 " + r.Emulator.SHA256},
	}
	scope := "private to the jail"
	if r.Global {
		scope = "for the whole machine"
	}
	for _, a := range r.Activators {
		rows = append(rows, []string{"activator", a.Name + ", " + scope})
	}
	return rows
}
