package ui

import (
	"strings"
	"unicode"
)

// wide are letters that take two columns of a terminal: those that UAX #11 of
// Unicode calls wide, by and large, so that a table need not carry all of it.
var wide = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x1100, 0x115f, 1}, // Hangul Jamo
		{0x231a, 0x231b, 1}, // watch, hourglass
		{0x23e9, 0x23ec, 1},
		{0x23f0, 0x23f3, 3},
		{0x25fd, 0x25fe, 1},
		{0x2614, 0x2615, 1},
		{0x2648, 0x2653, 1},
		{0x26a1, 0x26a1, 1},
		{0x2705, 0x2705, 1},
		{0x2728, 0x2728, 1},
		{0x274c, 0x274c, 1},
		{0x2753, 0x2755, 1},
		{0x2795, 0x2797, 1},
		{0x2b1b, 0x2b1c, 1},
		{0x2b50, 0x2b55, 5},
		{0x2e80, 0x303e, 1}, // CJK radicals and punctuation
		{0x3041, 0x33ff, 1}, // Kana, CJK
		{0x3400, 0x4dbf, 1},
		{0x4e00, 0x9fff, 1},
		{0xa000, 0xa4c6, 1}, // Yi
		{0xa960, 0xa97c, 1},
		{0xac00, 0xd7a3, 1}, // Hangul
		{0xf900, 0xfaff, 1},
		{0xfe30, 0xfe6b, 1},
		{0xff01, 0xff60, 1}, // full width
		{0xffe0, 0xffe6, 1},
	},
	R32: []unicode.Range32{
		{0x16fe0, 0x18cff, 1}, // Tangut, Khitan
		{0x1aff0, 0x1b2ff, 1}, // Kana
		{0x1f300, 0x1f320, 1}, // pictures
		{0x1f32d, 0x1f335, 1},
		{0x1f337, 0x1f37c, 1},
		{0x1f37e, 0x1f393, 1},
		{0x1f3a0, 0x1f3ca, 1},
		{0x1f3cf, 0x1f3d3, 1},
		{0x1f3e0, 0x1f3f0, 1},
		{0x1f3f4, 0x1f3f4, 1},
		{0x1f3f8, 0x1f43e, 1},
		{0x1f440, 0x1f440, 1},
		{0x1f442, 0x1f4fc, 1},
		{0x1f4ff, 0x1f53d, 1},
		{0x1f54b, 0x1f54e, 1},
		{0x1f550, 0x1f567, 1},
		{0x1f5fb, 0x1f64f, 1},
		{0x1f680, 0x1f6c5, 1},
		{0x1f6d0, 0x1f6df, 1},
		{0x1f6eb, 0x1f6ec, 1},
		{0x1f6f4, 0x1f6fc, 1},
		{0x1f7e0, 0x1f7eb, 1},
		{0x1f90c, 0x1f9ff, 1},
		{0x1fa70, 0x1faff, 1},
		{0x20000, 0x2fffd, 1},
		{0x30000, 0x3fffd, 1},
	},
}

// runeWidth is how many columns of a terminal a letter takes.
func runeWidth(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0 // it is written over the one before
	case unicode.Is(wide, r):
		return 2
	}
	return 1
}

// Width is how many columns of a terminal a text takes.
func Width(s string) int {
	n := 0
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

// Cut leaves out what is beyond a number of columns, and puts end there. 0 fits
// everything.
func Cut(s string, width int, end string) string {
	if width <= 0 || Width(s) <= width {
		return s
	}
	room := max(width-Width(end), 0)
	for i, r := range s {
		if room -= runeWidth(r); room < 0 {
			return s[:i] + end
		}
	}
	return s
}

// blanks are what a text lacks to a width.
func blanks(s string, width int) string { return strings.Repeat(" ", max(width-Width(s), 0)) }

// Left puts a text at the left of a column.
func Left(s string, width int) string { return s + blanks(s, width) }

// Right puts a text at the right of a column.
func Right(s string, width int) string { return blanks(s, width) + s }
