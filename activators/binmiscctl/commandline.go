package binmiscctl

import (
	"fmt"
	"strings"

	"github.com/xjail/xjail/activators"
)

// CommandLine is the binmiscctl(8) command that registers e, for a shell: what
// --dry-run shows on FreeBSD. A mask is always given, since without one the
// kernel never matches a byte of 0x80 or more.
func CommandLine(e activators.Entry) string {
	e = e.Normal()
	words := []string{
		"binmiscctl", "add", quote(e.Name),
		"--interpreter", quote(strings.Join(append([]string{e.Interpreter}, e.Args...), " ")),
		"--magic", quote(escape(e.Magic)), "--mask", quote(escape(e.Mask)), "--size", fmt.Sprint(len(e.Magic)),
	}
	if e.Offset != 0 {
		words = append(words, "--offset", fmt.Sprint(e.Offset))
	}
	if e.Flags.PreOpen {
		words = append(words, "--pre-open")
	}
	if e.Enabled {
		words = append(words, "--set-enabled")
	}
	return strings.Join(words, " ")
}

// escape writes every byte as \xNN.
func escape(b []byte) string {
	var s strings.Builder
	for _, c := range b {
		fmt.Fprintf(&s, `\x%02x`, c)
	}
	return s.String()
}

const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=:,./@%"

// quote keeps s in one word of a POSIX shell.
func quote(s string) string {
	if s != "" && strings.Trim(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
