package formats

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/xjail/xjail/activators"
)

// NixOS: boot.binfmt.registrations, a set of attributes by name. Only what is
// written out is read: text, numbers, true, false and null.
//
// NixOS writes the lines of binfmt.d in the order of the names, so that the last
// name is tried first.

var nixRegistrations = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`\b(boot\.binfmt\.registrations|binfmt\s*=|registrations\s*=|binfmt\.registrations)`)
})

func fitsNix(s *source) bool {
	return nixRegistrations().MatchString(s.text) && strings.Contains(s.text, "magicOrExtension")
}

func readNix(s *source) (*Set, error) {
	b := newBuilder(s, Nix, linux)
	n := &nixReader{tokens: nixTokens(s.text)}
	for _, reg := range n.registrations() {
		b.nixEntry(reg)
	}
	slices.SortStableFunc(b.set.Entries, func(x, y activators.Entry) int { return cmp.Compare(y.Name, x.Name) })
	return &b.set, nil
}

// nixToken is a word, a text or a sign of Nix.
type nixToken struct {
	text   string
	quoted bool
	line   int
	bad    bool // it has what would have to be computed
}

var nixWord = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(?:[A-Za-z_][A-Za-z0-9_'-]*|[0-9]+|/[A-Za-z0-9._/+-]+|[^\s])`)
})

// nixTokens cuts a text into tokens, without blanks and comments.
func nixTokens(text string) []nixToken {
	var list []nixToken
	line := 1
	for text != "" {
		t := nixToken{line: line}
		n := 0
		switch {
		case strings.ContainsRune(" \t\r\n", rune(text[0])):
			n = 1
		case text[0] == '#':
			n = strings.IndexByte(text+"\n", '\n')
		case strings.HasPrefix(text, "/*"):
			n = endOf(text, 2, "*/")
		case strings.HasPrefix(text, "''"):
			n = nixIndentedEnd(text)
			t.text, t.bad = nixIndented(text[2:max(2, n-2)])
			t.quoted = true
		case text[0] == '"':
			t.text, n, t.bad = nixString(text)
			t.quoted = true
		default:
			t.text = nixWord().FindString(text)
			n = max(1, len(t.text))
		}
		if t.text != "" || t.quoted {
			list = append(list, t)
		}
		line += strings.Count(text[:min(n, len(text))], "\n")
		text = text[min(n, len(text)):]
	}
	return list
}

// endOf is where a text ends that an end mark closes.
func endOf(text string, from int, mark string) int {
	if i := strings.Index(text[from:], mark); i >= 0 {
		return from + i + len(mark)
	}
	return len(text)
}

// nixIndentedEnd is the end of an indented text, in which three quotes are two.
func nixIndentedEnd(text string) int {
	for i := 2; i+1 < len(text); i++ {
		if text[i:i+2] != "''" {
			continue
		}
		if i+2 < len(text) && strings.IndexByte(`'$\`, text[i+2]) >= 0 {
			i += 2
			continue
		}
		return i + 2
	}
	return len(text)
}

// nixIndented is the text of an indented one on a line.
func nixIndented(text string) (string, bool) {
	bad := strings.Contains(strings.ReplaceAll(text, "''$", ""), "${") || strings.Contains(text, "\n") || strings.Contains(text, `''\`)
	return strings.NewReplacer("'''", "''", "''$", "$").Replace(text), bad
}

// nixString is the text of a quoted one, and its length in the source.
func nixString(text string) (value string, n int, bad bool) {
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '"':
			return b.String(), i + 1, bad
		case text[i] == '\\' && i+1 < len(text):
			i++
			c := text[i]
			if at := strings.IndexByte("nrt", c); at >= 0 {
				c = "\n\r\t"[at]
			}
			b.WriteByte(c)
			continue
		case strings.HasPrefix(text[i:], "${"):
			bad = true
		}
		b.WriteByte(text[i])
	}
	return b.String(), len(text), true
}

// nixNode is a value: a token, a set of attributes, or neither of them.
type nixNode struct {
	nixToken
	name  string
	attrs []*nixNode
	set   bool
}

// at is an attribute, made when it is not there.
func (n *nixNode) at(name string, line int) *nixNode {
	for _, a := range n.attrs {
		if a.name == name {
			return a
		}
	}
	a := &nixNode{name: name, nixToken: nixToken{line: line}}
	n.attrs, n.set = append(n.attrs, a), true
	return a
}

// nixReader goes through tokens.
type nixReader struct {
	tokens []nixToken
	at     int
}

// sign tells whether the next token is a sign, and takes it.
func (n *nixReader) sign(text string) bool {
	if n.at < len(n.tokens) && !n.tokens[n.at].quoted && n.tokens[n.at].text == text {
		n.at++
		return true
	}
	return false
}

// registrations are the entries, wherever they are in the text.
func (n *nixReader) registrations() []*nixNode {
	root := &nixNode{}
	for n.at < len(n.tokens) {
		if !n.sign("registrations") {
			n.at++
			continue
		}
		n.at--
		n.assignment(root, 0)
	}
	if len(root.attrs) == 0 {
		return nil
	}
	return root.attrs[0].attrs
}

// assignment reads NAME.NAME = VALUE;, and tells whether it was one.
func (n *nixReader) assignment(into *nixNode, depth int) bool {
	for {
		if n.at >= len(n.tokens) || !n.tokens[n.at].quoted && strings.ContainsAny(n.tokens[n.at].text, "{}()[];=.") {
			return false
		}
		into = into.at(n.tokens[n.at].text, n.tokens[n.at].line)
		n.at++
		if !n.sign(".") {
			break
		}
	}
	if !n.sign("=") {
		return false
	}
	n.value(into, depth+1)
	return n.sign(";")
}

// nixDepth is deeper than registrations are.
const nixDepth = 20

func (n *nixReader) value(into *nixNode, depth int) {
	if depth < nixDepth && n.sign("{") {
		into.set = true
		for n.at < len(n.tokens) && !n.sign("}") {
			if !n.assignment(into, depth) {
				n.skip()
			}
		}
		return
	}
	begin := n.at
	n.expression()
	switch n.at - begin {
	case 0:
		into.bad = true
	case 1:
		line := into.line
		into.nixToken = n.tokens[begin]
		into.line = line
	default:
		into.bad = true
	}
}

// expression goes to the end of one: the semicolon, or the bracket that closes.
func (n *nixReader) expression() {
	for open := 0; n.at < len(n.tokens); n.at++ {
		t := n.tokens[n.at]
		switch {
		case t.quoted:
		case t.text == "{" || t.text == "(" || t.text == "[":
			open++
		case t.text == "}" || t.text == ")" || t.text == "]":
			if open--; open < 0 {
				return
			}
		case t.text == ";" && open == 0:
			return
		}
	}
}

// skip goes behind the semicolon of what is no assignment.
func (n *nixReader) skip() {
	begin := n.at
	n.expression()
	if !n.sign(";") && n.at == begin && n.at < len(n.tokens) && n.tokens[n.at].text != "}" {
		n.at++
	}
}

// nixEntry adds an entry, or says why not.
func (b *builder) nixEntry(reg *nixNode) {
	e := activators.Entry{Name: reg.name, Enabled: true}
	var err error
	extension, wrapped := false, true
	pattern, mask := "", ""
	set := map[string]any{
		"interpreter": &e.Interpreter, "offset": &e.Offset, "magicOrExtension": &pattern, "mask": &mask,
		"preserveArgvZero": &e.Flags.PreserveArgv0, "openBinary": &e.Flags.OpenBinary,
		"matchCredentials": &e.Flags.Credentials, "fixBinary": &e.Flags.FixBinary, "wrapInterpreterInShell": &wrapped,
	}
	for _, a := range reg.attrs {
		switch to, known := set[a.name]; {
		case a.name == "recognitionType" && !a.bad:
			extension = a.text == "extension"
		case a.name == "interpreterSandboxPath":
		case !known:
			b.note(a.line, "entry %q: %s is not known", e.Name, a.name)
		default:
			err = errors.Join(err, a.into(to))
		}
	}
	if extension {
		e.Extension = pattern
	} else {
		e.Magic, e.Mask = unescape(pattern), unescape(mask)
	}
	switch {
	case err != nil:
	case e.Interpreter == "" || pattern == "":
		err = errors.New("it has no interpreter or no magicOrExtension")
	case len(e.Mask) > 0 && len(e.Mask) != len(e.Magic):
		err = fmt.Errorf("the mask has %d bytes, the magic %d", len(e.Mask), len(e.Magic))
	}
	if err != nil {
		b.note(reg.line, "entry %q: %v", e.Name, err)
		return
	}
	if wrapped {
		b.note(reg.line, "entry %q: NixOS puts a script around its interpreter, unless wrapInterpreterInShell = false", e.Name)
	}
	b.replace(reg.line, e)
}

// into gives a variable the value of an attribute.
func (a *nixNode) into(to any) error {
	wrong := fmt.Errorf("%s is not written out", a.name)
	if a.bad || a.set {
		return wrong
	}
	if a.text == "null" && !a.quoted {
		return nil
	}
	switch to := to.(type) {
	case *string:
		*to = a.text
	case *int:
		n, err := strconv.Atoi(a.text)
		if err != nil || n < 0 {
			return fmt.Errorf("the offset %q is not a number from 0", a.text)
		}
		*to = n
	case *bool:
		if a.text != "true" && a.text != "false" {
			return wrong
		}
		*to = a.text == "true"
	}
	return nil
}
