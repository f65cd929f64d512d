// Package ui is how xjail's text looks: tables, sizes and progress. It knows
// nothing of commands.
package ui

import (
	"fmt"
	"io"
	"strings"
)

// Table writes rows in aligned columns under a header. No rows, no header.
func Table(w io.Writer, header []string, rows [][]string) error {
	return TableWithin(w, 0, header, rows)
}

// roomy is how many columns words need: what has less room is cut.
const roomy = 24

// TableWithin is Table on a terminal with so many columns; 0 is no terminal, and
// fits everything. The last column goes on below itself where it has room enough.
func TableWithin(w io.Writer, columns int, header []string, rows [][]string) error {
	if len(rows) == 0 {
		return nil
	}
	rows = append([][]string{header}, rows...)
	width := make([]int, len(header))
	for _, row := range rows {
		for i, cell := range row {
			width[i] = max(width[i], Width(cell))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		last := len(row) - 1
		for i, cell := range row[:last] {
			line.WriteString(Left(cell, width[i]) + "  ")
		}
		begun := line.String()
		for _, part := range wrap(row[last], columns-Width(begun), columns > 0) {
			if _, err := fmt.Fprintln(w, Cut(strings.TrimRight(begun+part, " "), columns, "…")); err != nil {
				return err
			}
			begun = strings.Repeat(" ", Width(begun))
		}
	}
	return nil
}

// wrap makes lines of a text that is to have so much room, if it is.
func wrap(text string, room int, narrow bool) []string {
	if !narrow || room < roomy || Width(text) <= room {
		return []string{text}
	}
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case Width(line)+1+Width(word) <= room:
			line += " " + word
		default:
			lines, line = append(lines, line), word
		}
	}
	return append(lines, line)
}

// Size writes a number of bytes with a binary unit.
func Size(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	v, i := float64(n)/unit, 0
	for ; v >= unit && i < 4; i++ {
		v /= unit
	}
	return fmt.Sprintf("%.1f %ciB", v, "KMGTP"[i])
}

// Pairs writes rows of a label and a value without a header. An empty label
// goes on with the row above.
func Pairs(w io.Writer, rows [][]string) error {
	width := 0
	for _, row := range rows {
		width = max(width, Width(row[0]))
	}
	for _, row := range rows {
		if _, err := fmt.Fprintf(w, "%s  %s\n", Left(row[0], width), row[1]); err != nil {
			return err
		}
	}
	return nil
}
