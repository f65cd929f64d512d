package formats

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/xjail/xjail/activators"
)

// jsonFile is what writeJSON writes: the heading, for JSON has no comments, and
// the entries in the order in which they are tried.
type jsonFile struct {
	About   []string           `json:"about"`
	Kernel  string             `json:"kernel"`
	Entries []activators.Entry `json:"entries"`
}

func writeJSON(d *draft) []byte {
	entries := slices.Clone(d.entries)
	slices.Reverse(entries)
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	_ = enc.Encode(jsonFile{d.about("Activators, the one that is tried first at the front"), d.Kernel, entries})
	return []byte(b.String())
}
