// Package text shows reports of profiles to people.
package text

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/xjail/xjail/internal/ui"
	"github.com/xjail/xjail/profile"
)

// Style is how it is shown.
type Style struct {
	Width  int  // columns of the terminal; 0 when it is none, and nothing is cut
	Colour bool // what ran emulated is coloured
	Top    int  // rows of the main table; 0 is all. Others have a quarter, at least five
}

// few is how many rows the tables have that are not the main one.
func (s Style) few(n int) int {
	if s.Top <= 0 {
		return n
	}
	return min(n, max(s.Top/4, 5))
}

// row is a row of a table.
type row struct {
	cells  []string // the last one is as long as there is room, and to the left
	marked bool     // it is of what ran emulated
}

// roomy is how many columns the last cell has at least, when others can be left
// out for it.
const roomy = 30

// table writes rows under a title and a header. No rows, nothing. Where a terminal
// is narrow, the columns that are named in drop are left out, the first one first.
func (s Style) table(w io.Writer, title string, header []string, rows []row, more int, drop ...string) error {
	if len(rows) == 0 {
		return nil
	}
	all := append([]row{{cells: header}}, rows...)
	width := widths(all)
	for _, name := range drop {
		if s.Width <= 0 || s.Width-sum(width) >= roomy {
			break
		}
		// A column AFTER stays with the one that it is of.
		i, n := slices.Index(all[0].cells, name), 1
		if i >= 0 && all[0].cells[i+1] == "AFTER" {
			n = 2
		}
		for k := range all {
			all[k].cells = slices.Delete(slices.Clone(all[k].cells), i, i+n)
		}
		width = widths(all)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s\n", title)
	for _, r := range all {
		b.WriteString(s.mark(s.line(r.cells, width), r.marked))
		b.WriteByte('\n')
	}
	if more > 0 {
		fmt.Fprintf(&b, "and %d more: --top 0 shows all\n", more)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// widths are those of all columns but the last.
func widths(rows []row) []int {
	width := make([]int, len(rows[0].cells)-1)
	for _, r := range rows {
		for i := range width {
			width[i] = max(width[i], ui.Width(r.cells[i]))
		}
	}
	return width
}

// sum is how wide columns are with the blanks between them.
func sum(width []int) int {
	n := 0
	for _, w := range width {
		n += w + 2
	}
	return n
}

func (s Style) line(cells []string, width []int) string {
	var b strings.Builder
	for i, n := range width {
		b.WriteString(ui.Right(cells[i], n) + "  ")
	}
	b.WriteString(cells[len(width)])
	return s.cut(strings.TrimRight(b.String(), " "))
}

// cut leaves out what a terminal would put on another line.
func (s Style) cut(line string) string { return ui.Cut(line, s.Width, "…") }

// mark colours what ran emulated. The colour is one of the terminal's own, so
// that it can be read on every background.
func (s Style) mark(text string, marked bool) string {
	if !s.Colour || !marked {
		return text
	}
	return "\x1b[33m" + text + "\x1b[0m"
}

func seconds(ns int64) string { return fmt.Sprintf("%.2f", float64(ns)/1e9) }

func millis(ns int64) string { return fmt.Sprintf("%.1f", float64(ns)/1e6) }

func percent(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) }

func count(n int64) string { return fmt.Sprint(n) }

// some is a count that is mostly zero.
func some(n int64) string {
	if n == 0 {
		return "-"
	}
	return count(n)
}

func kind(emulated bool) string {
	if emulated {
		return "emulated"
	}
	return "native"
}

// kinds names the architecture of what ran emulated where there are several.
func kinds(programs []*profile.Program) func(bool, string) string {
	seen := map[string]bool{}
	for _, p := range programs {
		if p.Emulated {
			seen[p.Arch] = true
		}
	}
	return func(emulated bool, arch string) string {
		if emulated && len(seen) > 1 {
			return "emulated " + profile.Printable(arch)
		}
		return kind(emulated)
	}
}
