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
		for i, cell := range row {
			line.WriteString(Left(cell, width[i]) + "  ")
		}
		if _, err := fmt.Fprintln(w, strings.TrimRight(line.String(), " ")); err != nil {
			return err
		}
	}
	return nil
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
