package buildlog

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// splitLines adds the lines of text to lines. A carriage return begins a line
// anew, as a progress bar does: its parts are lines of the same number. When torn
// is set text begins within a line.
func splitLines(lines []Line, text []byte, number int, torn bool) []Line {
	for len(text) > 0 {
		line := text
		if i := bytes.IndexByte(text, '\n'); i >= 0 {
			line, text = text[:i], text[i+1:]
		} else {
			text = nil
		}
		for len(line) > 0 {
			part := line
			if i := bytes.IndexByte(line, '\r'); i >= 0 {
				part, line = line[:i], line[i+1:]
			} else {
				line = nil
			}
			if s := clean(part); s != "" {
				if torn {
					s = "..." + s
				}
				lines = append(lines, Line{number, s})
			}
			torn = false
		}
		number++
	}
	return lines
}

// escapes are the sequences of terminals: CSI, OSC, and those of two bytes.
var escapes = newForm(`\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])`)

// clean makes a line what a terminal would show of it, of bounded length, in
// UTF-8, without the time stamps that wrappers put before it.
func clean(line []byte) string {
	if len(line) > lineSize {
		line = append(append(append(make([]byte, 0, lineSize+3), line[:lineSize/2]...), "..."...), line[len(line)-lineSize/2:]...)
	}
	if bytes.IndexByte(line, 0x1b) >= 0 {
		line = escapes.ReplaceAll(line, nil)
	}
	s := string(line)
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\ufffd")
	}
	if strings.IndexFunc(s, control) >= 0 {
		s = strings.Map(func(r rune) rune {
			if control(r) {
				return -1
			}
			return r
		}, s)
	}
	return strings.TrimRight(unstamp(s), " \t")
}

// control tells whether a rune has no business in a line.
func control(r rune) bool { return r < ' ' && r != '\t' || r >= 0x7f && r < 0xa0 }

// stamps are what TIMESTAMP_LOGS of poudriere, BuildKit and CI systems write
// before a line.
var stamps = newForm(`^(?:\[\d\d+:\d\d:\d\d\] |\[\d{14}\] |\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S*Z |(?:#\d+ )?\d+\.\d{1,3} +|\s*=> => # )`)

func unstamp(s string) string {
	if s == "" || !strings.ContainsRune("[#= 0123456789", rune(s[0])) {
		return s
	}
	if loc := stamps.FindStringIndex(s); loc != nil {
		return s[loc[1]:]
	}
	return s
}
