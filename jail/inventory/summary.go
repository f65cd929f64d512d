package inventory

import (
	"cmp"
	"slices"

	"github.com/xjail/xjail/arch"
)

// Group is a number of ELF files that are of the same architecture, ABI, system,
// type and linkage.
type Group struct {
	Arch    string `json:"arch"` // "" when the catalog has no row
	Machine uint16 `json:"machine"`
	Class   int    `json:"class"`
	ABI     string `json:"abi,omitempty"`
	Float   string `json:"float,omitempty"`
	OS      string `json:"os,omitempty"` // "" when nothing in the files says it
	Type    string `json:"type"`
	Link    string `json:"link,omitempty"` // dynamic or static, of programs
	Files   int    `json:"files"`
	Example string `json:"example"` // the first by order

	id *arch.Identity
}

// Link is how a program is linked: dynamic, static, "" for what is no program.
func Link(id *arch.Identity) string {
	switch {
	case id.Interp != "":
		return "dynamic"
	case id.Static:
		return "static"
	}
	return ""
}

// Summarize groups the ELF files that were found: the architecture with the
// most files first, and of one architecture the largest group.
func (r *Result) Summarize() []Group {
	byKey := map[Group]*Group{}
	total := map[string]int{}
	var groups []*Group
	for i := range r.Found {
		f := &r.Found[i]
		if f.ID == nil {
			continue
		}
		key := Group{
			Arch: f.ID.Name, Machine: f.ID.Machine, Class: f.ID.Class, ABI: f.ID.ABI, Float: f.ID.Float,
			OS: f.ID.OS, Type: f.ID.Type, Link: Link(f.ID),
		}
		g := byKey[key]
		if g == nil {
			g = &Group{}
			*g = key
			g.Example, g.id = joined(f), f.ID
			byKey[key] = g
			groups = append(groups, g)
		}
		g.Files++
		total[f.ID.Name]++
	}
	slices.SortStableFunc(groups, func(a, b *Group) int {
		return cmp.Or(cmp.Compare(total[b.Arch], total[a.Arch]), cmp.Compare(a.Arch, b.Arch), cmp.Compare(b.Files, a.Files))
	})
	list := []Group{}
	for _, g := range groups {
		list = append(list, *g)
	}
	return list
}

// joined is path and member as they are.
func joined(f *Found) string {
	if f.Member == "" {
		return f.Path
	}
	return f.Path + ":" + f.Member
}

// Majority is the architecture that most of the files are of; nil when there is
// none, or the catalog does not know it.
func Majority(groups []Group) *arch.Arch {
	if len(groups) == 0 {
		return nil
	}
	return groups[0].id.Arch
}

// Deviants are the ELF files that a root of none of the architectures can run
// or use: arch.Arch's Accepts decides.
func (r *Result) Deviants(of ...*arch.Arch) []Found {
	var list []Found
	for _, f := range r.Found {
		if f.ID == nil {
			continue
		}
		if !slices.ContainsFunc(of, func(a *arch.Arch) bool { return a.Accepts(f.ID) == nil }) {
			list = append(list, f)
		}
	}
	return list
}
