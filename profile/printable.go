package profile

import (
	"strconv"
	"strings"
	"unicode"
)

// Printable quotes what could disturb a terminal or a parser of lines: names and
// arguments of what ran in a jail are not to be trusted.
func Printable(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }) {
		return strconv.Quote(s)
	}
	return s
}

// CommandLine is a command on one line, for people: arguments that a shell would
// read otherwise are quoted, and an ellipsis stands for what was left out.
func CommandLine(argv []string, cut bool) string {
	words := make([]string, 0, len(argv)+1)
	for _, a := range argv {
		switch {
		case Printable(a) != a:
			a = strconv.Quote(a)
		case a == "" || strings.ContainsAny(a, " \t\"'\\$`&|;<>()*?[]#~!{}"):
			a = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
		words = append(words, a)
	}
	if cut {
		words = append(words, "…")
	}
	return strings.Join(words, " ")
}
