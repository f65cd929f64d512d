package main

import (
	"bytes"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// span is an inclusive range of fields or characters; the first is 1.
type span struct{ from, to int }

// spans reads the LIST of cut.
func spans(text string) ([]span, bool) {
	var list []span
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' }) {
		a, b, dash := strings.Cut(part, "-")
		s := span{1, math.MaxInt}
		var err error
		if a != "" {
			if s.from, err = strconv.Atoi(a); err != nil || s.from < 1 {
				return nil, false
			}
		}
		if !dash {
			s.to = s.from
		}
		if b != "" {
			if s.to, err = strconv.Atoi(b); err != nil || s.to < s.from {
				return nil, false
			}
		}
		if a == "" && b == "" {
			return nil, false
		}
		list = append(list, s)
	}
	return list, len(list) > 0
}

func runCut(p *proc) int {
	o := p.options("b:c:f:d:snz", "bytes=b", "characters=c", "fields=f", "delimiter=d", "only-delimited=s", "complement=z", "output-delimiter=n")
	letter := o.last("bcf")
	if letter == 0 {
		p.badUsage("one of -b, -c and -f has to be given")
	}
	list, ok := spans(o.value(letter, ""))
	if !ok {
		p.fatal(1, "invalid list '%s'", o.value(letter, ""))
	}
	delimiter := o.value('d', "\t")
	if len(delimiter) == 0 {
		delimiter = "\x00"
	}
	if utf8.RuneCountInString(delimiter) != 1 {
		p.fatal(1, "the delimiter must be a single character")
	}
	wanted := func(n int) bool {
		return slices.ContainsFunc(list, func(s span) bool { return n >= s.from && n <= s.to }) != o.has("z")
	}
	p.eachFile(o.rest, func(_ string, r io.Reader) error {
		return eachLine(r, func(line []byte, _ bool) bool {
			switch letter {
			case 'f':
				p.cutFields(line, delimiter, o.has("s"), wanted)
			case 'c':
				p.cutChars(line, wanted)
			default:
				for i, b := range line {
					if wanted(i + 1) {
						p.write([]byte{b})
					}
				}
				p.out.WriteString("\n")
			}
			return true
		})
	})
	return 0
}

func (p *proc) cutFields(line []byte, delimiter string, only bool, wanted func(int) bool) {
	parts := bytes.Split(line, []byte(delimiter))
	if len(parts) == 1 {
		if !only {
			p.putLine(line, false)
		}
		return
	}
	first := true
	for i, part := range parts {
		if !wanted(i + 1) {
			continue
		}
		if !first {
			p.out.WriteString(delimiter)
		}
		p.write(part)
		first = false
	}
	p.out.WriteString("\n")
}

func (p *proc) cutChars(line []byte, wanted func(int) bool) {
	for n := 1; len(line) > 0; n++ {
		_, size := utf8.DecodeRune(line)
		if wanted(n) {
			p.write(line[:size])
		}
		line = line[size:]
	}
	p.out.WriteString("\n")
}

func runUniq(p *proc) int {
	o := p.options("cduif:s:w:", "count=c", "repeated=d", "unique=u", "ignore-case=i", "skip-fields=f", "skip-chars=s", "check-chars=w")
	o.operands(0, 2)
	in := "-"
	if len(o.rest) > 0 {
		in = o.rest[0]
	}
	r, err := p.open(in)
	if p.fail(in, err) {
		return 1
	}
	defer r.Close()
	if len(o.rest) == 2 {
		f, err := os.Create(p.path(o.rest[1]))
		if p.fail(o.rest[1], err) {
			return 1
		}
		defer f.Close()
		p.out.w.Reset(f)
	}
	var last []byte
	var lastKey string
	n := 0
	put := func() {
		if n == 0 || o.has("d") && n < 2 || o.has("u") && n > 1 {
			return
		}
		if o.has("c") {
			p.printf("%7d ", n)
		}
		p.putLine(last, false)
	}
	key := uniqKey(o)
	p.fail(in, eachLine(r, func(line []byte, _ bool) bool {
		k := key(line)
		if n > 0 && k == lastKey {
			n++
			return true
		}
		put()
		last, lastKey, n = append(last[:0], line...), k, 1
		return true
	}))
	put()
	p.out.Flush()
	return 0
}

// uniqKey is the part of a line that uniq compares.
func uniqKey(o options) func([]byte) string {
	fields, chars, width := o.number('f', 0), o.number('s', 0), o.number('w', math.MaxInt)
	return func(line []byte) string {
		rest := line
		for range fields {
			rest = bytes.TrimLeft(rest, " \t")
			i := bytes.IndexAny(rest, " \t")
			if i < 0 {
				i = len(rest)
			}
			rest = rest[i:]
		}
		rest = rest[min(chars, len(rest)):]
		rest = rest[:min(width, len(rest))]
		if o.has("i") {
			return strings.ToLower(string(rest))
		}
		return string(rest)
	}
}

// sortKey is one -k of sort, or the whole line.
type sortKey struct {
	fromField, fromChar, toField, toChar int // from 1; 0 is not given
	flags                                string
}

// sorter is one run of sort.
type sorter struct {
	keys      []sortKey
	separator string
	flags     string // the options that hold for keys without their own
	stable    bool
}

func runSort(p *proc) int {
	o := p.options("bcCdfghimMnrRsuVk:t:o:zS:T:",
		"key=k", "field-separator=t", "output=o", "numeric-sort=n", "reverse=r", "unique=u", "ignore-case=f",
		"ignore-leading-blanks=b", "check=c", "stable=s", "zero-terminated=z", "version-sort=V", "human-numeric-sort=h", "general-numeric-sort=g")
	s := sorter{separator: o.value('t', ""), stable: o.has("su")}
	if s.separator == `\0` {
		s.separator = "\x00"
	}
	for _, c := range "bdfghinrV" {
		if o.has(string(c)) {
			s.flags += string(c)
		}
	}
	for _, text := range o.values('k') {
		k, ok := parseKey(text)
		if !ok {
			p.fatal(2, "invalid key '%s'", text)
		}
		if k.flags == "" {
			k.flags = s.flags
		}
		s.keys = append(s.keys, k)
	}
	end := "\n"
	if o.has("z") {
		end = "\x00"
	}
	var lines []string
	p.eachFile(o.rest, func(_ string, r io.Reader) error {
		data, err := io.ReadAll(r)
		if len(data) > 0 {
			lines = append(lines, strings.Split(strings.TrimSuffix(string(data), end), end)...)
		}
		return err
	})
	if p.failed {
		return 2
	}
	if o.has("cC") {
		return p.checkSorted(o, s, lines)
	}
	slices.SortStableFunc(lines, s.compare)
	if o.has("u") {
		lines = slices.CompactFunc(lines, func(a, b string) bool { return s.compareKeys(a, b) == 0 })
	}
	return p.writeSorted(o.value('o', ""), lines, end)
}

func (p *proc) checkSorted(o options, s sorter, lines []string) int {
	for i := 1; i < len(lines); i++ {
		c := s.compare(lines[i-1], lines[i])
		if c > 0 || c == 0 && o.has("u") {
			if !o.has("C") {
				p.warn("%s:%d: disorder: %s", append(o.rest, "-")[0], i+1, lines[i])
			}
			return 1
		}
	}
	return 0
}

// writeSorted opens the output after all input was read: they may be one file.
func (p *proc) writeSorted(name string, lines []string, end string) int {
	if name != "" {
		f, err := os.Create(p.path(name))
		if p.fail(name, err) {
			return 2
		}
		defer f.Close()
		p.out.w.Reset(f)
	}
	for _, line := range lines {
		p.out.WriteString(line)
		p.out.WriteString(end)
	}
	p.out.Flush()
	return 0
}

// parseKey reads F[.C][OPTS][,F[.C][OPTS]].
func parseKey(text string) (sortKey, bool) {
	var k sortKey
	from, to, two := strings.Cut(text, ",")
	read := func(s string, field, char *int) bool {
		digits := strings.TrimRight(s, "bdfghinrMRV")
		k.flags += s[len(digits):]
		f, c, dot := strings.Cut(digits, ".")
		n, err := strconv.Atoi(f)
		if err != nil || n < 1 {
			return false
		}
		*field = n
		if dot {
			n, err := strconv.Atoi(c)
			*char = n
			return err == nil && n >= 0
		}
		return true
	}
	ok := read(from, &k.fromField, &k.fromChar)
	if two {
		ok = ok && read(to, &k.toField, &k.toChar)
	}
	return k, ok
}

// compare is the whole order: keys, then the lines themselves unless -s.
func (s sorter) compare(a, b string) int {
	if c := s.compareKeys(a, b); c != 0 || s.stable {
		return c
	}
	c := strings.Compare(a, b)
	if strings.Contains(s.flags, "r") {
		return -c
	}
	return c
}

func (s sorter) compareKeys(a, b string) int {
	if len(s.keys) == 0 {
		return compareText(a, b, s.flags)
	}
	for _, k := range s.keys {
		if c := compareText(s.extract(a, k), s.extract(b, k), k.flags); c != 0 {
			return c
		}
	}
	return 0
}

// extract is the part of a line that a key names.
func (s sorter) extract(line string, k sortKey) string {
	starts, ends := s.fieldBounds(line)
	from, to := len(line), len(line)
	if k.fromField <= len(starts) {
		from = starts[k.fromField-1]
		if strings.Contains(k.flags, "b") {
			from += len(line[from:]) - len(strings.TrimLeft(line[from:], " \t"))
		}
		from = min(from+max(k.fromChar-1, 0), len(line))
	}
	if k.toField > 0 && k.toField <= len(ends) {
		to = ends[k.toField-1]
		if k.toChar > 0 {
			start := starts[k.toField-1]
			if strings.Contains(k.flags, "b") {
				start += len(line[start:]) - len(strings.TrimLeft(line[start:], " \t"))
			}
			to = min(start+k.toChar, len(line))
		}
	}
	if from >= to {
		return ""
	}
	return line[from:to]
}

// fieldBounds are the offsets of the fields. Without -t a field begins with the
// blanks before it.
func (s sorter) fieldBounds(line string) (starts, ends []int) {
	at := 0
	if s.separator != "" {
		for _, part := range strings.Split(line, s.separator) {
			starts, ends = append(starts, at), append(ends, at+len(part))
			at += len(part) + len(s.separator)
		}
		return starts, ends
	}
	for at < len(line) {
		starts = append(starts, at)
		for at < len(line) && (line[at] == ' ' || line[at] == '\t') {
			at++
		}
		for at < len(line) && line[at] != ' ' && line[at] != '\t' {
			at++
		}
		ends = append(ends, at)
	}
	return starts, ends
}

func compareText(a, b, flags string) int {
	c := 0
	has := func(f string) bool { return strings.Contains(flags, f) }
	switch {
	case has("n") || has("g") || has("h"):
		x, y := leadingNumber(a, has("h"), has("g")), leadingNumber(b, has("h"), has("g"))
		switch {
		case x < y:
			c = -1
		case x > y:
			c = 1
		}
	case has("V"):
		c = compareVersions(a, b)
	default:
		if has("b") {
			a, b = strings.TrimLeft(a, " \t"), strings.TrimLeft(b, " \t")
		}
		if has("d") {
			a, b = onlyWords(a), onlyWords(b)
		}
		if has("f") {
			a, b = strings.ToUpper(a), strings.ToUpper(b)
		}
		c = strings.Compare(a, b)
	}
	if has("r") {
		return -c
	}
	return c
}

func onlyWords(s string) string {
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == '\t' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r > 127 {
			return r
		}
		return -1
	}, s)
}

// leadingNumber is the number that a text begins with, 0 when it is none.
func leadingNumber(s string, human, general bool) float64 {
	s = strings.TrimLeft(s, " \t")
	end, dot := 0, false
	for end < len(s) {
		c := s[end]
		if c == '-' && end == 0 || c >= '0' && c <= '9' || c == '.' && !dot {
			dot = dot || c == '.'
			end++
			continue
		}
		if general && end > 0 && (c == 'e' || c == 'E') && end+1 < len(s) {
			if n, err := strconv.ParseFloat(strings.TrimRight(s, " \t"), 64); err == nil {
				return n
			}
		}
		break
	}
	n, err := strconv.ParseFloat(s[:end], 64)
	if err != nil {
		return 0
	}
	if human && end < len(s) {
		if i := strings.IndexByte("KMGTPE", s[end]&^0x20); i >= 0 {
			n *= math.Pow(1024, float64(i+1))
		}
	}
	return n
}

// compareVersions compares runs of digits as numbers and the rest as text.
func compareVersions(a, b string) int {
	for a != "" && b != "" {
		x, y := digitRun(a), digitRun(b)
		if x > 0 && y > 0 {
			m, n := strings.TrimLeft(a[:x], "0"), strings.TrimLeft(b[:y], "0")
			if len(m) != len(n) {
				return len(m) - len(n)
			}
			if c := strings.Compare(m, n); c != 0 {
				return c
			}
			a, b = a[x:], b[y:]
			continue
		}
		if a[0] != b[0] {
			return int(a[0]) - int(b[0])
		}
		a, b = a[1:], b[1:]
	}
	return len(a) - len(b)
}

func digitRun(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

func runTr(p *proc) int {
	o := p.options("+cCds", "complement=c", "delete=d", "squeeze-repeats=s")
	sets := o.operands(1, 2)
	if len(sets) < 2 && !o.has("ds") {
		p.badUsage("missing operand")
	}
	first, err := trSet(sets[0])
	if err != nil {
		p.fatal(1, "%v", err)
	}
	if o.has("cC") {
		first = complementOf(first)
	}
	var second []byte
	if len(sets) == 2 {
		if second, err = trSet(sets[1]); err != nil {
			p.fatal(1, "%v", err)
		}
	}
	var deleted, squeezed [256]bool
	var table [256]byte
	for i := range table {
		table[i] = byte(i)
	}
	squeezeSet := second
	switch {
	case o.has("d"):
		for _, b := range first {
			deleted[b] = true
		}
	case len(sets) == 2:
		if len(second) == 0 {
			p.fatal(1, "the second set is empty")
		}
		for i, b := range first {
			table[b] = second[min(i, len(second)-1)]
		}
	default:
		squeezeSet = first
	}
	if o.has("s") {
		for _, b := range squeezeSet {
			squeezed[b] = true
		}
	}
	p.translate(&table, &deleted, &squeezed)
	return 0
}

func (p *proc) translate(table *[256]byte, deleted, squeezed *[256]bool) {
	last := -1
	in := flushingReader{p, p.stdin}
	buf := make([]byte, 32<<10)
	for {
		n, err := in.Read(buf)
		kept := buf[:0]
		for _, b := range buf[:n] {
			if deleted[b] {
				continue
			}
			b = table[b]
			if squeezed[b] && int(b) == last {
				continue
			}
			last = int(b)
			kept = append(kept, b)
		}
		p.write(kept)
		if err != nil {
			p.fail("standard input", ignoreEOF(err))
			return
		}
	}
}

func complementOf(set []byte) []byte {
	var rest []byte
	for i := range 256 {
		if !bytes.Contains(set, []byte{byte(i)}) {
			rest = append(rest, byte(i))
		}
	}
	return rest
}

// classes are the character classes of tr and of bracket expressions, in the C locale.
func inClass(name string, c byte) bool {
	lower, upper, digit := c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9'
	switch name {
	case "alpha":
		return lower || upper
	case "digit":
		return digit
	case "alnum":
		return lower || upper || digit
	case "upper":
		return upper
	case "lower":
		return lower
	case "space":
		return c == ' ' || c >= '\t' && c <= '\r'
	case "blank":
		return c == ' ' || c == '\t'
	case "punct":
		return c > ' ' && c < 127 && !lower && !upper && !digit
	case "print":
		return c >= ' ' && c < 127
	case "graph":
		return c > ' ' && c < 127
	case "cntrl":
		return c < ' ' || c == 127
	case "xdigit":
		return digit || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
	}
	return false
}

// trSet expands ranges, classes, escapes and [c*n].
func trSet(text string) ([]byte, error) {
	var set []byte
	for text != "" {
		if strings.HasPrefix(text, "[:") {
			if name, rest, ok := strings.Cut(text[2:], ":]"); ok {
				size := len(set)
				for i := range 256 {
					if inClass(name, byte(i)) {
						set = append(set, byte(i))
					}
				}
				if len(set) == size {
					return nil, &textError{"invalid character class '" + name + "'"}
				}
				text = rest
				continue
			}
		}
		from, rest := trChar(text)
		text = rest
		if len(text) < 2 || text[0] != '-' {
			set = append(set, from)
			continue
		}
		to, rest := trChar(text[1:])
		text = rest
		if to < from {
			return nil, &textError{"range-endpoints are in reverse order"}
		}
		for c := int(from); c <= int(to); c++ {
			set = append(set, byte(c))
		}
	}
	return set, nil
}

type textError struct{ text string }

func (e *textError) Error() string { return e.text }

// trChar takes one character, or its escape, off the front.
func trChar(text string) (byte, string) {
	if text[0] != '\\' || len(text) == 1 {
		return text[0], text[1:]
	}
	if n := octalRun(text[1:], 3); n > 0 {
		v, _ := strconv.ParseUint(text[1:1+n], 8, 16) // digits, by octalRun
		return byte(v), text[1+n:]
	}
	if i := strings.IndexByte("abfnrtv\\", text[1]); i >= 0 {
		return "\a\b\f\n\r\t\v\\"[i], text[2:]
	}
	return text[1], text[2:]
}

func octalRun(s string, most int) int {
	n := 0
	for n < most && n < len(s) && s[n] >= '0' && s[n] <= '7' {
		n++
	}
	return n
}
