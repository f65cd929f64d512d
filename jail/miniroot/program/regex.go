package main

import (
	"errors"
	"regexp"
	"strings"

	"mvdan.cc/sh/v3/pattern"
)

var errBackReference = errors.New("back-references in patterns are not supported")

// syntaxKind is one of grep's ways to write a pattern.
type syntaxKind int

const (
	basic    syntaxKind = iota // POSIX BRE, with GNU's \+ \? \|
	extended                   // POSIX ERE
	fixed                      // no pattern at all
)

// compile makes a matcher of a POSIX pattern: its syntax becomes Go's, and the
// leftmost-longest rule is POSIX's.
func compile(pattern string, kind syntaxKind, fold bool) (*regexp.Regexp, error) {
	// Bytes that are no UTF-8 are U+FFFD to Go's regexp, in the text and so here.
	pattern = string([]rune(pattern))
	text := regexp.QuoteMeta(pattern)
	if kind != fixed {
		var err error
		if text, err = translate(pattern, kind == extended); err != nil {
			return nil, err
		}
	}
	flags := "(?s)"
	if fold {
		flags = "(?si)"
	}
	re, err := regexp.Compile(flags + text)
	if err != nil {
		var syntaxErr interface{ Unwrap() error }
		_ = errors.As(err, &syntaxErr)
		return nil, errors.New(strings.Replace(strings.TrimPrefix(err.Error(), "error parsing regexp: "), "`(?s)", "`", 1))
	}
	re.Longest()
	return re, nil
}

// translator turns POSIX syntax into Go's.
type translator struct {
	in       string
	at       int
	out      strings.Builder
	extended bool
	depth    int
	start    bool // at the start of an expression: * is a character, ^ an anchor
}

func translate(pattern string, extended bool) (string, error) {
	t := &translator{in: pattern, extended: extended, start: true}
	for t.at < len(t.in) {
		if err := t.next(); err != nil {
			return "", err
		}
	}
	return t.out.String(), nil
}

func (t *translator) next() error {
	c := t.in[t.at]
	t.at++
	wasStart := t.start
	t.start = false
	switch c {
	case '\\':
		return t.escape()
	case '[':
		return t.bracket()
	case '^':
		t.start = true
		if t.extended || wasStart {
			t.out.WriteByte('^')
		} else {
			t.start = false
			t.out.WriteString(`\^`)
		}
	case '$':
		if t.extended || t.atEnd() {
			t.out.WriteByte('$')
		} else {
			t.out.WriteString(`\$`)
		}
	case '*':
		if wasStart {
			t.out.WriteString(`\*`)
		} else {
			t.repeat("*")
		}
	case '(', ')', '|', '+', '?', '{', '}':
		if !t.extended {
			t.out.WriteByte('\\')
			t.out.WriteByte(c)
			return nil
		}
		return t.operator(c, wasStart)
	default:
		t.literal(c)
	}
	return nil
}

// atEnd tells whether a BRE's $ stands where it is an anchor.
func (t *translator) atEnd() bool {
	rest := t.in[t.at:]
	return rest == "" || strings.HasPrefix(rest, `\)`) || strings.HasPrefix(rest, `\|`)
}

func (t *translator) literal(c byte) {
	if strings.IndexByte(`\.+*?()|[]{}^$`, c) >= 0 && c != '.' {
		t.out.WriteByte('\\')
	}
	t.out.WriteByte(c)
}

// repeat writes an operator; a second one after it would be an error in Go, and
// a non-greedy match with ?, where POSIX repeats the repetition.
func (t *translator) repeat(op string) {
	t.out.WriteString(op)
	for t.at < len(t.in) && strings.IndexByte("*", t.in[t.at]) >= 0 {
		t.at++
	}
	if t.extended {
		for t.at < len(t.in) && strings.IndexByte("*+?", t.in[t.at]) >= 0 {
			t.at++
		}
	}
}

func (t *translator) operator(c byte, wasStart bool) error {
	switch c {
	case '(':
		t.depth++
		t.start = true
		t.out.WriteByte('(')
	case ')':
		if t.depth == 0 {
			t.out.WriteString(`\)`)
			return nil
		}
		t.depth--
		t.out.WriteByte(')')
	case '|':
		t.start = true
		t.out.WriteByte('|')
	case '{':
		return t.interval("}", wasStart)
	case '}':
		t.out.WriteString(`\}`)
	default:
		if wasStart {
			t.literal(c)
		} else {
			t.repeat(string(c))
		}
	}
	return nil
}

// interval is {n}, {n,} or {n,m}; in an ERE another { is a character.
func (t *translator) interval(end string, wasStart bool) error {
	body, _, ok := strings.Cut(t.in[t.at:], end)
	valid := ok && !wasStart && strings.Trim(body, "0123456789,") == "" && body != "" && strings.Count(body, ",") < 2 && body != ","
	if !valid {
		if t.extended {
			t.out.WriteString(`\{`)
			return nil
		}
		return errors.New(`invalid content of \{\}`)
	}
	t.at += len(body) + len(end)
	if body[0] == ',' {
		body = "0" + body
	}
	t.repeat("{" + body + "}")
	return nil
}

func (t *translator) escape() error {
	if t.at >= len(t.in) {
		return errors.New("trailing backslash")
	}
	c := t.in[t.at]
	t.at++
	switch {
	case !t.extended && strings.IndexByte("(){}|+?", c) >= 0:
		wasStart := t.start
		if c == '{' {
			return t.interval(`\}`, wasStart)
		}
		if c == '}' {
			return errors.New(`unmatched \}`)
		}
		if c == ')' && t.depth == 0 {
			return errors.New(`unmatched \)`)
		}
		return t.operator(c, wasStart)
	case c >= '1' && c <= '9':
		return errBackReference
	}
	switch c {
	case 'w', 'W', 's', 'S', 'b', 'B':
		t.out.WriteString(`\` + string(c))
	case '<', '>':
		t.out.WriteString(`\b`)
	case '`':
		t.out.WriteString(`\A`)
	case '\'':
		t.out.WriteString(`\z`)
	case 'n', 't', 'r', 'f', 'v', 'a':
		t.out.WriteString(`\` + string(c))
	case '.':
		t.out.WriteString(`\.`)
	default:
		t.literal(c)
	}
	return nil
}

// bracket is a bracket expression: in POSIX a backslash in it is a character,
// and a ] that comes first.
func (t *translator) bracket() error {
	rest := t.in[t.at:]
	t.out.WriteByte('[')
	if strings.HasPrefix(rest, "^") {
		t.out.WriteByte('^')
		rest = rest[1:]
	}
	for first := true; ; first = false {
		if rest == "" {
			return errors.New("unmatched [")
		}
		c := rest[0]
		if c == ']' && !first {
			break
		}
		if c == '[' && len(rest) > 1 && strings.IndexByte(":=.", rest[1]) >= 0 {
			body, after, ok := strings.Cut(rest[2:], string(rest[1])+"]")
			if !ok {
				return errors.New("unmatched [" + string(rest[1]))
			}
			if err := t.inBracket(rest[1], body); err != nil {
				return err
			}
			rest = after
			continue
		}
		if c == '\\' || c == '[' || c == ']' || c == '^' || c == '&' || c == '~' {
			t.out.WriteByte('\\')
		}
		if c == '-' && (first || strings.HasPrefix(rest[1:], "]")) {
			t.out.WriteByte('\\')
		}
		t.out.WriteByte(c)
		rest = rest[1:]
	}
	t.out.WriteByte(']')
	t.at = len(t.in) - len(rest) + 1
	return nil
}

// inBracket is [:class:], [=c=] or [.c.].
func (t *translator) inBracket(kind byte, body string) error {
	if kind != ':' {
		t.out.WriteString(regexp.QuoteMeta(body))
		return nil
	}
	for i := range 128 {
		if inClass(body, byte(i)) {
			t.out.WriteString("[:" + body + ":]")
			return nil
		}
	}
	return errors.New("invalid character class")
}

// matcher makes a function of a shell pattern, which * and ? match slashes in.
func matcher(text string, mode pattern.Mode) (func(string) bool, error) {
	expression, err := pattern.Regexp(text, mode|pattern.EntireString|pattern.GlobLeadingDot)
	if err != nil {
		return nil, err
	}
	re, err := regexp.Compile(expression)
	if err != nil {
		return nil, err
	}
	return re.MatchString, nil
}
