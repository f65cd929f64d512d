package formats

import (
	"strings"

	"github.com/xjail/xjail/activators/binfmt"
)

// Register lines: binfmt.d(5) of systemd, which reads them so: blanks at both
// ends go, lines that begin with # or ; and empty ones are comments, a line that
// is wrong is reported and the others count, an entry of the same name is removed
// first.

// isComment tells whether binfmt.d(5) ignores a line without blanks at its ends.
func isComment(line string) bool { return line == "" || strings.ContainsAny(line[:1], "#;") }

// likeLine tells whether a line can be meant as a register line: the delimiter,
// and M or E between two of it.
func likeLine(line string) bool {
	if len(line) < 5 || isComment(line) {
		return false
	}
	if !isDelimiter(line[0]) {
		_, err := binfmt.ParseLine([]byte(line))
		return err == nil
	}
	fields := strings.SplitN(line[1:], line[:1], 3)
	if len(fields) < 3 || strings.ContainsAny(fields[0], "\"'$(){} \t") {
		return false
	}
	return fields[1] == "M" || fields[1] == "E"
}

// isDelimiter tells whether people separate the fields of a line with c. The
// kernel takes any byte.
func isDelimiter(c byte) bool { return strings.IndexByte(":|,!%&~^@=+?/", c) >= 0 }

// fitsLines wants at least as many lines that begin like register lines as
// others that are no comments, and nothing of which scripts are made.
func fitsLines(s *source) bool {
	like, other := 0, 0
	for line := range strings.Lines(s.text) {
		line = strings.TrimSpace(line)
		switch {
		case isComment(line):
		case likeLine(line):
			like++
		case isShellWord(line):
			other++
		}
	}
	return like > 0 && (other == 0 || like >= other && !scriptWords().MatchString(s.text))
}

// isShellWord tells whether a line begins as the lines of scripts do.
func isShellWord(line string) bool {
	c := line[0]
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("_.[{(}\"'$)", c) >= 0
}

func readLines(s *source) (*Set, error) {
	b := newBuilder(s, BinfmtD, linux)
	b.lines(0, s.text)
	if len(b.set.Entries) == 0 {
		line, err := b.firstBad()
		return nil, s.damaged(line, err, "the form is :name:M:offset:magic:mask:interpreter:flags")
	}
	return &b.set, nil
}

// lines reads the text of a binfmt.d file whose first line is the one after
// before.
func (b *builder) lines(before int, text string) {
	n := before
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if isComment(line) {
			continue
		}
		e, err := binfmt.ParseLine([]byte(line))
		if err != nil {
			b.note(n, "not a register line: %v", why(err))
			continue
		}
		b.replace(n, e)
	}
}

// firstBad is the first line that could not be read.
func (b *builder) firstBad() (int, error) {
	n := 0
	for line := range strings.Lines(b.text) {
		n++
		line = strings.TrimSpace(line)
		if isComment(line) {
			continue
		}
		if _, err := binfmt.ParseLine([]byte(line)); err != nil {
			return n, why(err)
		}
	}
	return 0, nil
}
