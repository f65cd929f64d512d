package formats

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/xjail/xjail/activators"
)

// Each file begins with what it is, what made it, and how it is used. The line
// of what made it ends with a digest of everything else, so that a file that
// somebody changed is seen: xjail writes over its own only.
const (
	made        = "Made by xjail activator generate, xjail "
	digestLabel = " sha256:"
	digestSize  = 16 // hexadecimal digits
)

var noDigest = strings.Repeat("0", digestSize)

// sign puts the digest of a text into it.
func sign(text []byte) []byte {
	return []byte(strings.Replace(string(text), digestLabel+noDigest, digestLabel+digestOf(string(text)), 1))
}

// digestOf is the digest of a text whose own is noDigest.
func digestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])[:digestSize]
}

// headingMax is within how many bytes the line is.
const headingMax = 4096

// Written tells whether a text is a file that Write made; changed says that
// somebody changed it since.
func Written(text []byte) (ours, changed bool) {
	s := string(text)
	head := s[:min(len(s), headingMax)]
	_, after, ok := strings.Cut(head, made)
	if !ok {
		return false, false
	}
	line, _, _ := strings.Cut(after, "\n")
	at := strings.Index(line, digestLabel)
	if at < 0 || len(line) < at+len(digestLabel)+digestSize {
		return true, true
	}
	begin := len(head) - len(after) + at + len(digestLabel)
	sum := s[begin : begin+digestSize]
	return true, digestOf(s[:begin]+noDigest+s[begin+digestSize:]) != sum
}

// about are the lines of the heading.
func (d *draft) about(what string) []string {
	lines := []string{what, made + d.Version + digestLabel + noDigest}
	if d.Command != "" {
		lines = append(lines, "by: "+d.Command)
	}
	lines = append(lines, d.writer.use)
	lines = append(lines, d.Notes...)
	for i := range lines {
		lines[i] = strings.Join(strings.Fields(lines[i]), " ")
	}
	return lines
}

// comment is the heading as lines that begin with a mark.
func (d *draft) comment(mark, what string) string {
	var b strings.Builder
	for _, line := range d.about(what) {
		fmt.Fprintf(&b, "%s %s\n", mark, line)
	}
	return b.String()
}

// names are those of the entries, or of the first ones.
func (d *draft) names() string {
	const shown = 6
	var list []string
	for _, e := range d.entries[:min(len(d.entries), shown)] {
		list = append(list, e.Name)
	}
	text := strings.Join(list, ", ")
	if more := len(d.entries) - shown; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// quote keeps s in one word of a POSIX shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// escape writes every byte as \xNN.
func escape(b []byte) string {
	var s strings.Builder
	for _, c := range b {
		fmt.Fprintf(&s, `\x%02x`, c)
	}
	return s.String()
}

// command is the interpreter with its arguments.
func command(e activators.Entry) string {
	return strings.Join(append([]string{e.Interpreter}, e.Args...), " ")
}
