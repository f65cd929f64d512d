package shell

import (
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// piece is a part of an expanded word.
type piece struct {
	text   string
	quoted bool // it is neither split nor a pattern
	split  bool // it came from an expansion outside of quotes
	apart  bool // a new field begins before it, as within "$@"
}

// fields expands words as the arguments of a command.
func (s *Shell) fields(words []*syntax.Word) []string {
	var out []string
	for _, w := range words {
		out = append(out, s.split(s.pieces(w.Parts, false))...)
	}
	return out
}

// one expands a word to one string.
func (s *Shell) one(w *syntax.Word) string {
	if w == nil {
		return ""
	}
	return s.join(s.pieces(w.Parts, false))
}

func (s *Shell) join(pieces []piece) string {
	var b strings.Builder
	for i, p := range pieces {
		if p.apart && i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(p.text)
	}
	return s.made(b.String())
}

// pattern expands a word to a pattern, in which what was quoted is escaped.
func (s *Shell) pattern(w *syntax.Word) string {
	if w == nil {
		return ""
	}
	var b strings.Builder
	for _, p := range s.pieces(w.Parts, false) {
		if p.quoted {
			b.WriteString(escapePattern(p.text))
			continue
		}
		b.WriteString(p.text)
	}
	return s.made(b.String())
}

// split makes fields of the pieces of a word: at the blanks of expansions, and
// where "$@" says so.
func (s *Shell) split(pieces []piece) []string {
	f := &splitter{Shell: s, ifs: s.ifs()}
	for _, p := range pieces {
		s.spend(partWork)
		if p.apart {
			f.end()
		}
		if p.split && !IsUnknown(p.text) {
			f.expansion(p.text)
			continue
		}
		f.begun = f.begun || p.quoted || p.text != ""
		f.field.WriteString(p.text)
	}
	f.end()
	return f.out
}

// ifs are the characters that separate fields.
func (s *Shell) ifs() string {
	if v, ok := s.state.vars["IFS"]; ok {
		return v.text
	}
	return " \t\n"
}

// splitter collects fields.
type splitter struct {
	*Shell
	ifs   string
	out   []string
	field strings.Builder
	begun bool
}

// end ends the field that was begun.
func (f *splitter) end() {
	if f.begun {
		f.spend(partWork)
		f.out = append(f.out, f.made(f.field.String()))
	}
	f.field.Reset()
	f.begun = false
}

// expansion splits what was expanded outside of quotes. A separator that is no
// blank ends a field though it be empty.
func (f *splitter) expansion(text string) {
	for text != "" {
		i := strings.IndexAny(text, f.ifs)
		if i < 0 {
			f.begun = true
			f.field.WriteString(text)
			return
		}
		f.begun = f.begun || i > 0 || !strings.ContainsRune(" \t\n", rune(text[0]))
		f.field.WriteString(text[:i])
		f.end()
		text = text[i+1:]
	}
}

// pieces expands the parts of a word.
func (s *Shell) pieces(parts []syntax.WordPart, inQuotes bool) []piece {
	s.enter()
	defer s.leave()
	var out []piece
	for _, part := range parts {
		switch p := part.(type) {
		case *syntax.Lit:
			out = append(out, literal(p.Value, inQuotes)...)
		case *syntax.SglQuoted:
			text := p.Value
			if p.Dollar {
				text = unescapeANSI(text)
			}
			out = append(out, piece{text: s.made(text), quoted: true})
		case *syntax.DblQuoted:
			out = append(out, s.doubleQuoted(p)...)
		case *syntax.ParamExp:
			out = append(out, s.param(p, inQuotes)...)
		case *syntax.CmdSubst:
			out = append(out, s.expansion(s.substitute(p), inQuotes))
		case *syntax.ArithmExp:
			out = append(out, s.expansion(s.arithText(p), inQuotes))
		case *syntax.ProcSubst:
			out = append(out, piece{text: unknownValue("<(...)"), quoted: true})
		case *syntax.ExtGlob:
			out = append(out, piece{text: p.Op.String() + p.Pattern.Value + ")"})
		default:
			s.note("this kind of word is not followed")
		}
	}
	return out
}

// expansion is the piece that an expansion gives.
func (s *Shell) expansion(text string, inQuotes bool) piece {
	return piece{text: s.made(text), quoted: inQuotes, split: !inQuotes}
}

// doubleQuoted is one field at least, unless all it has is a list of nothing.
func (s *Shell) doubleQuoted(p *syntax.DblQuoted) []piece {
	out := s.pieces(p.Parts, true)
	if len(out) == 0 && len(p.Parts) == 1 {
		if e, ok := p.Parts[0].(*syntax.ParamExp); ok && isList(e) {
			return nil
		}
	}
	return append(out, piece{quoted: true})
}

// literal takes the backslashes out of what is written in the script.
func literal(text string, inQuotes bool) []piece {
	if !strings.Contains(text, `\`) {
		return []piece{{text: text, quoted: inQuotes}}
	}
	var out []piece
	var plain strings.Builder
	flush := func() {
		if plain.Len() > 0 {
			out = append(out, piece{text: plain.String(), quoted: inQuotes})
			plain.Reset()
		}
	}
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c != '\\' || i+1 == len(text):
			plain.WriteByte(c)
		case text[i+1] == '\n':
			i++
		case inQuotes && !strings.ContainsRune("$`\"\\", rune(text[i+1])):
			plain.WriteByte(c)
		default:
			flush()
			i++
			out = append(out, piece{text: text[i : i+1], quoted: true})
		}
	}
	flush()
	return out
}

// hereDocument is the text of one.
func (s *Shell) hereDocument(r *syntax.Redirect) string {
	if r.Hdoc == nil {
		return ""
	}
	quoted := slices.ContainsFunc(r.Word.Parts, func(p syntax.WordPart) bool {
		lit, ok := p.(*syntax.Lit)
		return !ok || strings.Contains(lit.Value, `\`)
	})
	var b strings.Builder
	for _, part := range r.Hdoc.Parts {
		lit, ok := part.(*syntax.Lit)
		switch {
		case !ok:
			b.WriteString(s.join(s.pieces([]syntax.WordPart{part}, true)))
		case quoted:
			b.WriteString(untab(r, &b, lit.Value))
		default:
			b.WriteString(s.join(hereLiteral(untab(r, &b, lit.Value))))
		}
	}
	return s.made(b.String())
}

// hereLiteral is literal for a here-document, in which a quote is no character
// that needs a backslash.
func hereLiteral(text string) []piece {
	return literal(strings.ReplaceAll(text, `\"`, `\\"`), true)
}

// untab takes the tabs off the beginnings of lines for <<-.
func untab(r *syntax.Redirect, before *strings.Builder, text string) string {
	if r.Op != syntax.DashHdoc {
		return text
	}
	lines := strings.Split(text, "\n")
	for i := range lines {
		if i > 0 || before.Len() == 0 {
			lines[i] = strings.TrimLeft(lines[i], "\t")
		}
	}
	return strings.Join(lines, "\n")
}

// substitute is the output of a command substitution.
func (s *Shell) substitute(c *syntax.CmdSubst) string {
	text := s.capture(func() { s.apart(func() { s.stmts(c.Stmts) }) })
	s.sub, s.hasSub = s.state.status, true
	return strings.TrimRight(text, "\n")
}

// unescapeANSI is $'...'.
func unescapeANSI(text string) string { return unescape(text, true) }

// unescape reads the escapes of printf, and with hex those of bash.
func unescape(text string, hex bool) string {
	const from, to = `abefnrtv\'"`, "\a\b\x1b\f\n\r\t\v\\'\""
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' || i+1 == len(text) {
			b.WriteByte(text[i])
			continue
		}
		i++
		c := text[i]
		switch at := strings.IndexByte(from, c); {
		case at >= 0:
			b.WriteByte(to[at])
		case c >= '0' && c <= '7':
			n, used := number(text[i:], 8, 3)
			b.WriteByte(byte(n))
			i += used - 1
		case c == 'x' && hex && i+1 < len(text) && isHex(text[i+1]):
			n, used := number(text[i+1:], 16, 2)
			b.WriteByte(byte(n))
			i += used
		default:
			b.WriteString(`\` + text[i:i+1])
		}
	}
	return b.String()
}

func isHex(c byte) bool { return strings.IndexByte("0123456789abcdefABCDEF", c) >= 0 }

// number reads up to most digits.
func number(text string, base, most int) (n, used int) {
	for used < most && used < len(text) {
		d := strings.IndexByte("0123456789abcdef", text[used]|0x20)
		if text[used] >= '0' && text[used] <= '9' {
			d = int(text[used] - '0')
		}
		if d < 0 || d >= base {
			break
		}
		n = n*base + d
		used++
	}
	return n, used
}
