package cli

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/internal/ui"
	"github.com/xjail/xjail/jail/inventory"
)

// identifyReport is the answer of arch identify.
type identifyReport struct {
	*globals
	*inventory.Result
	o    *identifyOptions
	args []string
	list []string
}

// identified is one file of arch identify in JSON.
type identified struct {
	Path      string `json:"path"`
	PathRaw   string `json:"path_base64,omitempty"` // when it is not UTF-8
	Member    string `json:"member,omitempty"`
	MemberRaw string `json:"member_base64,omitempty"`
	*arch.Identity
	Cut   bool   `json:"cut,omitempty"`
	Error string `json:"error,omitempty"`
}

// identifySummary is the summary in JSON.
type identifySummary struct {
	ELFFiles int `json:"elf_files"`
	inventory.Counts
	Groups   []inventory.Group `json:"groups"`
	Majority string            `json:"majority"`
	Expected []string          `json:"expected,omitempty"`
	// Deviants are not of Expected, or where nothing is expected of Majority.
	Deviants []identified `json:"deviants"`
	Mounts   []string     `json:"mounts,omitempty"`
	Failed   []identified `json:"failed"`
}

// many tells whether the answer is about more than the files that were named.
func (r *identifyReport) many() bool {
	return r.Counts.Directories > 0 || r.Counts.Archives > 0 || r.o.filesFrom != ""
}

func (r *identifyReport) print() error {
	defer r.notes()
	switch {
	case r.o.summary, r.many() && !r.o.list && len(r.o.archs) == 0:
		return r.printSummary()
	case len(r.o.archs) > 0 && !r.o.list:
		return r.printList(r.expected())
	}
	return r.printList(r.Found)
}

// expected are the deviants, and what could not be looked at, in order.
func (r *identifyReport) expected() []inventory.Found {
	return append(r.Deviants(r.o.archs...), r.Failed()...)
}

// printList is one line a file, failures on stderr; or all in one JSON array.
func (r *identifyReport) printList(files []inventory.Found) error {
	if r.json {
		return r.printJSON(records(files))
	}
	for i := range files {
		f := &files[i]
		if f.Err != nil {
			fmt.Fprintf(r.Stderr, "xjail: %s\n", f.Err)
			continue
		}
		if _, err := fmt.Fprintln(r.Stdout, identifiedLine(f)); err != nil {
			return err
		}
	}
	return nil
}

func records(files []inventory.Found) []identified {
	list := []identified{}
	for _, f := range files {
		e := identified{Path: f.Path, PathRaw: rawName(f.Path), Member: f.Member, MemberRaw: rawName(f.Member), Identity: f.ID, Cut: f.Cut}
		if f.Err != nil {
			e.Error = f.Err.Error()
		}
		list = append(list, e)
	}
	return list
}

// rawName is a name that JSON cannot hold as it is.
func rawName(name string) string {
	if utf8.ValidString(name) {
		return ""
	}
	return base64.StdEncoding.EncodeToString([]byte(name))
}

func identifiedLine(f *inventory.Found) string {
	line := f.Label() + ": " + identityText(f.ID)
	if f.Cut {
		line += " (its end was not looked at)"
	}
	return line
}

// identityText is architecture, system, type and linkage, always in this order.
func identityText(id *arch.Identity) string {
	os, link := id.OS, ""
	if os == "" {
		os = "unknown"
	}
	switch {
	case id.Interp != "":
		link = " dynamic " + printable(id.Interp)
	case id.Static:
		link = " static"
	}
	return fmt.Sprintf("%s %s %s%s", archText(id), os, id.Type, link)
}

// archText names the architecture, also when the catalog has no row.
func archText(id *arch.Identity) string {
	if id.Arch == nil {
		return fmt.Sprintf("unknown(e_machine=0x%x,%d-bit,%s-endian)", id.Machine, id.Class, id.Order)
	}
	return id.Name
}

// maxDeviants is how many of them a summary for people names.
const maxDeviants = 20

func (r *identifyReport) printSummary() error {
	groups := r.Summarize()
	against, majority := r.o.archs, inventory.Majority(groups)
	if len(against) == 0 && majority != nil {
		against = []*arch.Arch{majority}
	}
	var deviants []inventory.Found
	if len(against) > 0 {
		deviants = r.Deviants(against...)
	}
	if r.json {
		return r.printJSON(r.jsonSummary(groups, majority, deviants))
	}
	if err := r.printGroups(groups); err != nil {
		return err
	}
	fmt.Fprintln(r.Stdout, r.totals(groups))
	for i := range deviants {
		if i == 0 {
			fmt.Fprintf(r.Stdout, "not %s:\n", names(against))
		}
		if i == maxDeviants {
			fmt.Fprintf(r.Stdout, "  and %d more: --expect %s lists them\n", len(deviants)-i, strings.Join(archNames(against), ","))
			break
		}
		fmt.Fprintf(r.Stdout, "  %s\n", identifiedLine(&deviants[i]))
	}
	return r.printList(r.Failed())
}

func (r *identifyReport) jsonSummary(groups []inventory.Group, majority *arch.Arch, deviants []inventory.Found) identifySummary {
	s := identifySummary{
		ELFFiles: len(r.Programs()), Counts: r.Counts, Groups: groups, Expected: archNames(r.o.archs),
		Deviants: records(deviants), Mounts: r.Mounts, Failed: records(r.Failed()),
	}
	if majority != nil {
		s.Majority = majority.Name
	}
	return s
}

func (r *identifyReport) printGroups(groups []inventory.Group) error {
	var rows [][]string
	for _, g := range groups {
		name := g.Arch
		if name == "" {
			name = fmt.Sprintf("unknown(e_machine=0x%x,%d-bit)", g.Machine, g.Class)
		}
		system := g.OS
		if system == "" {
			system = "unknown"
		}
		abi := strings.Join(append(strings.Fields(g.ABI), strings.Fields(g.Float)...), ",")
		rows = append(rows, []string{
			name, strconv.Itoa(g.Class), dash(abi), system, g.Type, dash(g.Link), strconv.Itoa(g.Files), printable(g.Example),
		})
	}
	return ui.Table(r.Stdout, []string{"ARCH", "BITS", "ABI", "SYSTEM", "TYPE", "LINK", "FILES", "FIRST"}, rows)
}

// totals is a line on what was looked at.
func (r *identifyReport) totals(groups []inventory.Group) string {
	elf := 0
	for _, g := range groups {
		elf += g.Files
	}
	c := r.Counts
	parts := []string{fmt.Sprintf("%d ELF files of %d files", elf, c.Files)}
	for _, p := range []struct {
		n    int64
		what string
	}{
		{c.Directories, "directories"}, {c.Archives, "archives"}, {c.HardLinks, "more names of files"},
		{c.Special, "pipes, sockets or devices not opened"}, {c.Closed, "archives or compressed files not looked into (--archives)"},
	} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	return strings.Join(parts, ", ")
}

func archNames(list []*arch.Arch) []string {
	var all []string
	for _, a := range list {
		all = append(all, a.Name)
	}
	return all
}

// names is a list for people: amd64 or i386.
func names(list []*arch.Arch) string { return strings.Join(archNames(list), " or ") }

// notes tell on stderr what the answer is silent about.
func (r *identifyReport) notes() {
	if n := len(r.Mounts); n > 0 {
		text := fmt.Sprintf("%s is mounted there and was not looked into", printable(r.Mounts[0]))
		if n > 1 {
			text = fmt.Sprintf("%s and %d others are mounted there and were not looked into", printable(r.Mounts[0]), n-1)
		}
		if !r.o.CrossMounts {
			text += " (--cross-mounts)"
		}
		r.warn(text)
	}
	if len(r.o.archs) > 0 && len(r.Programs()) == 0 && len(r.Failed()) == 0 {
		r.warn(fmt.Sprintf("no ELF file among %d files: nothing was compared", r.Counts.Files))
	}
}

// err is nil when everything was identified and is as expected.
func (r *identifyReport) err() error {
	programs := len(r.Programs())
	if len(r.o.archs) > 0 {
		if n := len(r.Deviants(r.o.archs...)); n > 0 {
			return fault.New(fault.WrongArch, "", "%d of %d ELF files are not %s", n, programs, names(r.o.archs))
		}
	}
	failed := r.Failed()
	if len(failed) == 0 {
		return nil
	}
	whole := r.wholly(failed)
	if len(whole) < len(r.args)+len(r.list) {
		return fault.New(fault.Partly, hintOf(failed), "%d of %d files not identified", len(failed), max(r.Counts.Files, int64(len(r.args)+len(r.list))))
	}
	kind := fault.KindOf(whole[0].Err)
	for _, f := range whole {
		if fault.KindOf(f.Err) != kind {
			kind = fault.Damaged
		}
	}
	if programs > 0 {
		return fault.New(kind, hintOf(failed), "only %d ELF files identified", programs)
	}
	return fault.New(kind, hintOf(failed), "no file identified")
}

// wholly are the failures of arguments and files of the list themselves, not of
// something in them.
func (r *identifyReport) wholly(failed []inventory.Found) []inventory.Found {
	named := map[string]bool{}
	for _, path := range append(r.args, r.list...) {
		named[path] = true
	}
	var list []inventory.Found
	for _, f := range failed {
		if f.Member == "" && named[f.Path] {
			list = append(list, f)
		}
	}
	return list
}

// hintOf is the first hint of the failures.
func hintOf(failed []inventory.Found) string {
	for _, f := range failed {
		if hint := fault.HintOf(f.Err); hint != "" {
			return hint
		}
	}
	return ""
}

// fileError gives a failed open or read its kind; the error of package os would
// name the path a second time.
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

// printable quotes what could disturb a terminal or a parser of lines.
func printable(s string) string { return inventory.Printable(s) }
