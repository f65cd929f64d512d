package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// sedAddress selects lines.
type sedAddress struct {
	kind byte // 0 none, 'n' line, '$' last, 're' is 'r', '~' first~step, '+' count of lines after the first address
	line int
	step int
	re   *regexp.Regexp // nil for 'r' is the last one used
}

// sedCommand is one command of a script.
type sedCommand struct {
	from, to  sedAddress
	negated   bool
	name      byte
	text      string // of a, i, c, y (256 bytes), b, t, :, r, w
	re        *regexp.Regexp
	parts     []sedPart
	global    bool
	print     bool
	nth       int
	file      string
	number    int // of q and Q: the exit status
	jump      int // of b, t, T, {: where to go
	active    bool
	activeEnd int
}

// sedPart is a part of a replacement: text, or a group of the match, or a
// change of case.
type sedPart struct {
	text  string
	group int // -1 is text
	fold  byte
}

// sedScript is a parsed script.
type sedScript struct {
	commands []sedCommand
	quiet    bool // a first line of #n
}

// sedParser parses a script.
type sedParser struct {
	in       string
	at       int
	extended bool
	out      sedScript
	blocks   []int
	labels   map[string]int
}

// parseSed parses a script of sed(1). Backslashes at the ends of lines go on
// in a, i and c; commands may follow each other after a semicolon.
func parseSed(script string, extended bool) (*sedScript, error) {
	s := &sedParser{in: script, extended: extended, labels: map[string]int{}}
	if strings.HasPrefix(script, "#n\n") || script == "#n" {
		s.out.quiet = true
	}
	for {
		s.skip(" \t\n;")
		if s.at >= len(s.in) {
			break
		}
		if err := s.command(); err != nil {
			return nil, errors.New("char " + strconv.Itoa(s.at) + ": " + err.Error())
		}
	}
	if len(s.blocks) > 0 {
		return nil, errors.New("unmatched {")
	}
	for i := range s.out.commands {
		c := &s.out.commands[i]
		if strings.IndexByte("btT", c.name) < 0 {
			continue
		}
		c.jump = len(s.out.commands)
		if c.text != "" {
			at, ok := s.labels[c.text]
			if !ok {
				return nil, errors.New("can't find label " + c.text)
			}
			c.jump = at
		}
	}
	return &s.out, nil
}

func (s *sedParser) skip(set string) {
	for s.at < len(s.in) && strings.IndexByte(set, s.in[s.at]) >= 0 {
		s.at++
	}
}

func (s *sedParser) peek() byte {
	if s.at >= len(s.in) {
		return 0
	}
	return s.in[s.at]
}

func (s *sedParser) command() error {
	var c sedCommand
	var err error
	if c.from, err = s.address(false); err != nil {
		return err
	}
	if s.skip(" \t"); c.from.kind != 0 && s.peek() == ',' {
		s.at++
		s.skip(" \t")
		if c.to, err = s.address(true); err != nil {
			return err
		}
		if c.to.kind == 0 {
			return errors.New("unexpected ','")
		}
	}
	if c.from.kind == 'n' && c.from.line == 0 && c.to.kind != 'r' {
		return errors.New("invalid usage of line address 0")
	}
	for s.skip(" \t"); s.peek() == '!'; s.skip(" \t") {
		s.at++
		c.negated = true
	}
	if s.at >= len(s.in) {
		return errors.New("missing command")
	}
	c.name = s.in[s.at]
	s.at++
	return s.rest(c)
}

func (s *sedParser) number() (int, bool) {
	start := s.at
	s.skip("0123456789")
	n, err := strconv.Atoi(s.in[start:s.at])
	return n, err == nil
}

func (s *sedParser) address(second bool) (sedAddress, error) {
	switch c := s.peek(); {
	case c >= '0' && c <= '9':
		n, ok := s.number()
		if !ok {
			return sedAddress{}, errors.New("line number is too large")
		}
		if s.peek() != '~' || second {
			return sedAddress{kind: 'n', line: n}, nil
		}
		s.at++
		step, _ := s.number() // nothing is 0
		return sedAddress{kind: '~', line: n, step: step}, nil
	case c == '$':
		s.at++
		return sedAddress{kind: '$'}, nil
	case second && (c == '+' || c == '~'):
		s.at++
		n, ok := s.number()
		if !ok {
			return sedAddress{}, errors.New("expected a number")
		}
		return sedAddress{kind: map[byte]byte{'+': '+', '~': 'm'}[c], line: n}, nil
	case c == '/' || c == '\\':
		s.at++
		delimiter := c
		if c == '\\' {
			delimiter = s.peek()
			s.at++
		}
		text, err := s.delimited(delimiter, true)
		if err != nil {
			return sedAddress{}, err
		}
		fold, multi := false, false
		for s.peek() == 'I' || s.peek() == 'M' {
			fold, multi = fold || s.peek() == 'I', multi || s.peek() == 'M'
			s.at++
		}
		re, err := s.compile(text, fold, multi)
		return sedAddress{kind: 'r', re: re}, err
	}
	return sedAddress{}, nil
}

// compile compiles a pattern; nothing stands for the last one used.
func (s *sedParser) compile(text string, fold, multi bool) (*regexp.Regexp, error) {
	if text == "" {
		return nil, nil
	}
	kind := basic
	if s.extended {
		kind = extended
	}
	re, err := compile(text, kind, fold)
	if err != nil || !multi {
		return re, err
	}
	re, err = regexp.Compile("(?m)" + re.String())
	if err == nil {
		re.Longest()
	}
	return re, err
}

// delimited reads up to the delimiter, which a backslash makes a character. In
// a pattern the delimiter also is one within brackets.
func (s *sedParser) delimited(delimiter byte, pattern bool) (string, error) {
	if delimiter == 0 || delimiter == '\n' || delimiter == '\\' {
		return "", errors.New("invalid delimiter")
	}
	var b strings.Builder
	for s.at < len(s.in) {
		c := s.in[s.at]
		s.at++
		switch {
		case c == delimiter:
			return b.String(), nil
		case c == '\\' && s.at < len(s.in):
			next := s.in[s.at]
			s.at++
			if next != delimiter || strings.IndexByte("&0123456789n", next) >= 0 && !pattern {
				b.WriteByte('\\')
			}
			b.WriteByte(next)
		case c == '\n' && pattern:
			return "", errors.New("unterminated address regex")
		case c == '[' && pattern:
			end := bracketEnd(s.in[s.at-1:])
			b.WriteString(s.in[s.at-1 : s.at-1+end])
			s.at += end - 1
		default:
			b.WriteByte(c)
		}
	}
	return "", errors.New("unterminated command: no " + string(delimiter))
}

// bracketEnd is the length of the bracket expression that text begins with, 1
// when it is none.
func bracketEnd(text string) int {
	i := 1
	if i < len(text) && text[i] == '^' {
		i++
	}
	if i < len(text) && text[i] == ']' {
		i++
	}
	for i < len(text) && text[i] != '\n' {
		switch {
		case text[i] == ']':
			return i + 1
		case text[i] == '[' && i+1 < len(text) && strings.IndexByte(":.=", text[i+1]) >= 0:
			j := strings.Index(text[i+2:], string(text[i+1])+"]")
			if j < 0 {
				return 1
			}
			i += j + 4
		default:
			i++
		}
	}
	return 1
}

// rest parses what follows the name of a command.
func (s *sedParser) rest(c sedCommand) error {
	var err error
	switch c.name {
	case '#':
		if c.from.kind != 0 {
			return errors.New("comments don't accept any addresses")
		}
		s.line()
		return nil
	case '{':
		s.blocks = append(s.blocks, len(s.out.commands))
		s.out.commands = append(s.out.commands, c)
		return nil
	case '}':
		return s.closeBlock(c)
	case ':':
		label := strings.TrimSpace(s.word())
		if c.from.kind != 0 || label == "" {
			return errors.New(`":" wants a label and no address`)
		}
		s.labels[label] = len(s.out.commands)
		return nil
	case 'b', 't', 'T':
		c.text = strings.TrimSpace(s.word())
	case 'a', 'i', 'c':
		c.text, err = s.textArgument()
	case 'r', 'w':
		s.skip(" \t")
		if c.file = s.line(); c.file == "" {
			err = errors.New("missing filename")
		}
	case 's':
		err = s.substitute(&c)
	case 'y':
		err = s.transliterate(&c)
	case 'q', 'Q':
		s.skip(" \t")
		c.number, _ = s.number() // nothing is 0
		if c.to.kind != 0 {
			err = errors.New("command only uses one address")
		}
	case '=', 'd', 'D', 'g', 'G', 'h', 'H', 'l', 'n', 'N', 'p', 'P', 'x', 'z':
	default:
		err = errors.New("unknown command: '" + string(c.name) + "'")
	}
	if err != nil {
		return err
	}
	s.out.commands = append(s.out.commands, c)
	return s.end(c.name)
}

func (s *sedParser) closeBlock(c sedCommand) error {
	if len(s.blocks) == 0 || c.from.kind != 0 {
		return errors.New("unexpected }")
	}
	last := len(s.blocks) - 1
	s.out.commands[s.blocks[last]].jump = len(s.out.commands)
	s.blocks = s.blocks[:last]
	return s.end('}')
}

// end checks that nothing follows a command but the next one.
func (s *sedParser) end(name byte) error {
	if strings.IndexByte("aicrw", name) >= 0 {
		return nil
	}
	s.skip(" \t")
	switch s.peek() {
	case 0, '\n', ';', '}', '#':
		return nil
	}
	return errors.New("extra characters after command")
}

// line takes the rest of the line.
func (s *sedParser) line() string {
	text, _, _ := strings.Cut(s.in[s.at:], "\n")
	s.at += len(text)
	return text
}

// word takes up to a semicolon or the end of the line.
func (s *sedParser) word() string {
	rest := s.in[s.at:]
	if i := strings.IndexAny(rest, ";\n}"); i >= 0 {
		rest = rest[:i]
	}
	s.at += len(rest)
	return rest
}

// textArgument is the text of a, i and c: on lines of its own after a
// backslash, or behind the command as GNU allows.
func (s *sedParser) textArgument() (string, error) {
	s.skip(" \t")
	if s.peek() == '\\' {
		s.at++
		s.skip(" \t")
		if s.peek() == '\n' {
			s.at++
		}
	}
	if s.at >= len(s.in) {
		return "", errors.New("expected \\ after a, c or i")
	}
	var b strings.Builder
	for s.at < len(s.in) && s.in[s.at] != '\n' {
		if s.in[s.at] == '\\' && s.at+1 < len(s.in) {
			s.at++
		}
		b.WriteByte(s.in[s.at])
		s.at++
	}
	return b.String() + "\n", nil
}

func (s *sedParser) substitute(c *sedCommand) error {
	delimiter := s.peek()
	s.at++
	pattern, err := s.delimited(delimiter, true)
	if err != nil {
		return err
	}
	replacement, err := s.delimited(delimiter, false)
	if err != nil {
		return err
	}
	fold, multi := false, false
flags:
	for {
		switch f := s.peek(); {
		case f == 'g':
			c.global = true
		case f == 'p':
			c.print = true
		case f == 'i' || f == 'I':
			fold = true
		case f == 'm' || f == 'M':
			multi = true
		case f >= '0' && f <= '9':
			n, ok := s.number()
			if !ok || n == 0 {
				return errors.New("number option to 's' may not be zero")
			}
			c.nth = n
			continue
		case f == 'w':
			s.at++
			s.skip(" \t")
			if c.file = s.line(); c.file == "" {
				return errors.New("missing filename")
			}
			break flags
		default:
			break flags
		}
		s.at++
	}
	if c.re, err = s.compile(pattern, fold, multi); err != nil {
		return err
	}
	groups := 9
	if c.re != nil {
		groups = c.re.NumSubexp()
	}
	c.parts, err = parseReplacement(replacement, groups)
	return err
}

// parseReplacement splits the right side of s.
func parseReplacement(text string, groups int) ([]sedPart, error) {
	var parts []sedPart
	var b strings.Builder
	flush := func() {
		if b.Len() > 0 {
			parts = append(parts, sedPart{text: b.String(), group: -1})
			b.Reset()
		}
	}
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '&' {
			flush()
			parts = append(parts, sedPart{group: 0})
			continue
		}
		if c != '\\' || i+1 == len(text) {
			b.WriteByte(c)
			continue
		}
		i++
		switch c = text[i]; {
		case c >= '0' && c <= '9':
			if int(c-'0') > groups {
				return nil, errors.New("invalid reference \\" + string(c) + " on 's' command's RHS")
			}
			flush()
			parts = append(parts, sedPart{group: int(c - '0')})
		case strings.IndexByte("LUElu", c) >= 0:
			flush()
			parts = append(parts, sedPart{group: -1, fold: c})
		case strings.IndexByte("ntrfva", c) >= 0:
			b.WriteByte("\n\t\r\f\v\a"[strings.IndexByte("ntrfva", c)])
		default:
			b.WriteByte(c)
		}
	}
	flush()
	return parts, nil
}

func (s *sedParser) transliterate(c *sedCommand) error {
	delimiter := s.peek()
	s.at++
	from, err := s.delimited(delimiter, false)
	if err != nil {
		return err
	}
	to, err := s.delimited(delimiter, false)
	if err != nil {
		return err
	}
	unquote := strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\t`, "\t")
	from, to = unquote.Replace(from), unquote.Replace(to)
	if len(from) != len(to) {
		return errors.New("strings for 'y' command are different lengths")
	}
	table := make([]byte, 256)
	for i := range table {
		table[i] = byte(i)
	}
	for i := range len(from) {
		table[from[i]] = to[i]
	}
	c.text = string(table)
	return nil
}

// sedRun runs a script over files.
type sedRun struct {
	p       *proc
	script  *sedScript
	quiet   bool
	space   []byte
	hold    []byte
	input   *sedInput
	added   []func() // what a and r print after the cycle
	last    *regexp.Regexp
	out     io.Writer
	files   map[string]*os.File
	quit    bool
	status  int
	changed bool // a substitution since the line was read, for t
	bare    bool // what was written last lacks its newline
}

func runSed(p *proc) int {
	// -i takes a value only when it stands in the same word.
	args := make([]string, 0, len(p.args))
	inPlace, suffix := false, ""
	for i, arg := range p.args {
		if arg == "--" {
			args = append(args, p.args[i:]...)
			break
		}
		if s, ok := strings.CutPrefix(arg, "--in-place"); ok {
			inPlace, suffix = true, strings.TrimPrefix(s, "=")
			continue
		}
		if letters := strings.TrimLeft(strings.TrimPrefix(arg, "-"), "nErs"); strings.HasPrefix(arg, "-") && strings.HasPrefix(letters, "i") {
			inPlace, suffix = true, letters[1:]
			if arg = strings.TrimSuffix(arg, letters); arg == "-" {
				continue
			}
		}
		args = append(args, arg)
	}
	p.args = args
	o := p.options("nErse:f:uz", "quiet=n", "silent=n", "regexp-extended=E", "expression=e", "file=f", "separate=s", "unbuffered=u")
	text, files := p.sedScript(o)
	script, err := parseSed(text, o.has("Er"))
	if err != nil {
		p.fatal(1, "%v", err)
	}
	r := &sedRun{p: p, script: script, quiet: o.has("n") || script.quiet, out: p.out, files: map[string]*os.File{}}
	defer func() {
		for _, f := range r.files {
			f.Close()
		}
	}()
	if inPlace {
		for _, name := range files {
			p.fail("couldn't edit "+name, r.edit(name, suffix))
			if r.quit {
				break
			}
		}
		return r.status
	}
	if len(files) == 0 {
		files = []string{"-"}
	}
	if o.has("s") {
		for _, name := range files {
			r.run([]string{name})
		}
	} else {
		r.run(files)
	}
	if p.failed && r.status == 0 { // a file could not be read
		return 2
	}
	return r.status
}

// sedScript is the script of -e and -f, or of the first operand.
func (p *proc) sedScript(o options) (script string, files []string) {
	var parts []string
	for _, g := range o.given {
		switch g.name {
		case 'e':
			parts = append(parts, g.value)
		case 'f':
			r, err := p.open(g.value)
			if err != nil {
				p.fatal(1, "couldn't open file %s: %s", g.value, reason(err))
			}
			text, err := io.ReadAll(r)
			r.Close()
			if err != nil {
				p.fatal(1, "%s: %s", g.value, reason(err))
			}
			parts = append(parts, strings.TrimSuffix(string(text), "\n"))
		}
	}
	files = o.rest
	if parts == nil {
		if len(files) == 0 {
			p.badUsage("missing script")
		}
		parts, files = files[:1], files[1:]
	}
	return strings.Join(parts, "\n"), files
}

// edit is -i: what is printed becomes the file, by a rename.
func (r *sedRun) edit(name, suffix string) error {
	full := r.p.path(name)
	st, err := os.Stat(full)
	if err != nil {
		return err
	}
	if !st.Mode().IsRegular() {
		return errors.New("not a regular file")
	}
	temporary := full + ".sed" + randomName(6)
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, st.Mode().Perm())
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	r.out = w
	r.run([]string{name})
	err = w.Flush()
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		s := statOf(st)
		_ = os.Chown(temporary, int(s.uid), int(s.gid)) // as GNU: only where it is allowed
		err = os.Chmod(temporary, st.Mode())
	}
	if err == nil && suffix != "" {
		err = os.Rename(full, full+suffix)
	}
	if err == nil {
		err = os.Rename(temporary, full)
	}
	if err != nil {
		_ = os.Remove(temporary) // the first error counts
	}
	return err
}

// sedInput are the lines of all files, with one line of look-ahead to know the
// last.
type sedInput struct {
	p      *proc
	names  []string
	reader *bufio.Reader
	closer io.Closer
	next   []byte
	has    bool
	bare   bool // the next line has no newline
	isBare bool // nor has this one
	line   int
}

func (in *sedInput) advance() bool {
	for {
		if in.reader == nil {
			if len(in.names) == 0 {
				return false
			}
			name := in.names[0]
			in.names = in.names[1:]
			f, err := in.p.open(name)
			if in.p.fail("can't read "+name, err) {
				continue
			}
			in.reader, in.closer = bufio.NewReaderSize(f, 64<<10), f
		}
		line, err := in.reader.ReadBytes('\n')
		if len(line) > 0 {
			in.next, in.bare = bytes.CutSuffix(line, []byte("\n"))
			in.bare = !in.bare
			return true
		}
		if err != nil {
			in.p.fail("read error", ignoreEOF(err))
			in.closer.Close()
			in.reader = nil
		}
	}
}

// read gives the next line.
func (in *sedInput) read() ([]byte, bool) {
	if !in.has && !in.advance() {
		return nil, false
	}
	line := in.next
	in.isBare = in.bare
	in.line++
	in.has = false
	return line, true
}

// isLast looks ahead, which is why it is asked only when a script has a $.
func (in *sedInput) isLast() bool {
	if !in.has {
		bare := in.isBare
		in.has = in.advance()
		in.isBare = bare
	}
	return !in.has
}

func (r *sedRun) run(files []string) {
	r.input = &sedInput{p: r.p, names: files}
	for i := range r.script.commands {
		r.script.commands[i].active = false
	}
	defer func() {
		if r.input.reader != nil {
			r.giveBack()
			r.input.closer.Close()
		}
	}()
	restart := false
	for !r.quit {
		if !restart {
			line, ok := r.input.read()
			if !ok {
				return
			}
			r.space, r.changed = line, false
		}
		restart = r.cycle()
		r.flushAdded()
	}
}

// giveBack returns what was read ahead of a q: POSIX wants the rest of the
// input left to others.
func (r *sedRun) giveBack() {
	n := r.input.reader.Buffered()
	if r.input.has {
		n += len(r.input.next) + 1
	}
	r.p.giveBack(n)
}

func (r *sedRun) flushAdded() {
	for _, f := range r.added {
		f()
	}
	r.added = nil
}

// put writes a line. The newline that the last line of the input lacks is not
// added, unless more is written after it.
func (r *sedRun) put(b []byte) {
	r.write(b)
	if r.input.isBare && r.input.isLast() {
		r.bare = true
		return
	}
	r.write([]byte("\n"))
}

func (r *sedRun) write(b []byte) {
	if r.bare {
		r.bare = false
		r.write([]byte("\n"))
	}
	if _, err := r.out.Write(b); err != nil {
		r.p.fatal(4, "write error: %s", reason(err))
	}
}

// cycle runs the script on the pattern space. It returns true when the next
// cycle shall not read a line (D).
func (r *sedRun) cycle() (restart bool) {
	for pc := 0; pc < len(r.script.commands); {
		c := &r.script.commands[pc]
		if r.selects(c) == c.negated {
			if pc++; c.name == '{' {
				pc = c.jump
			}
			continue
		}
		next, end := r.execute(c, pc)
		switch end {
		case 'd':
			return false
		case 'D':
			return true
		case 'e': // the end of the cycle, with what it prints
			next = len(r.script.commands)
		}
		pc = next
	}
	if !r.quiet {
		r.put(r.space)
	}
	return false
}

// selects tells whether the addresses select the line at hand.
func (r *sedRun) selects(c *sedCommand) bool {
	if c.from.kind == 0 {
		return true
	}
	if c.to.kind == 0 {
		return r.matches(c.from)
	}
	line := r.input.line
	if c.active {
		switch c.to.kind {
		case 'n', '+', 'm':
			if line >= c.activeEnd {
				c.active = false
			}
			return line <= c.activeEnd
		}
		c.active = !r.matches(c.to)
		return true
	}
	zero := c.from.kind == 'n' && c.from.line == 0
	if zero && line == 1 {
		c.active = !r.matches(c.to)
		return true
	}
	if zero || !r.matches(c.from) {
		return false
	}
	c.active = true
	switch c.to.kind {
	case 'n':
		c.activeEnd = c.to.line
	case '+':
		c.activeEnd = line + c.to.line
	case 'm':
		c.activeEnd = line
		if c.to.line > 0 {
			c.activeEnd = (line + c.to.line - 1) / c.to.line * c.to.line
		}
	case '$':
		c.active = !r.input.isLast()
		return true
	default:
		return true
	}
	c.active = c.activeEnd > line
	return true
}

func (r *sedRun) matches(a sedAddress) bool {
	switch a.kind {
	case 'n':
		return r.input.line == a.line
	case '~':
		if a.step == 0 {
			return r.input.line == a.line
		}
		return r.input.line >= a.line && (r.input.line-a.line)%a.step == 0
	case '$':
		return r.input.isLast()
	}
	return r.regexp(a.re).Match(r.space)
}

// regexp is the pattern, or for an empty one the last that was used.
func (r *sedRun) regexp(re *regexp.Regexp) *regexp.Regexp {
	if re == nil {
		re = r.last
	}
	if re == nil {
		r.p.fatal(1, "no previous regular expression")
	}
	r.last = re
	return re
}

// execute runs one command and says where to go on. end is 'd' to end the
// cycle without printing, 'D' to restart it, 'e' to end it.
func (r *sedRun) execute(c *sedCommand, pc int) (next int, end byte) {
	next = pc + 1
	switch c.name {
	case 's':
		r.substitute(c)
	case 'y':
		for i, b := range r.space {
			r.space[i] = c.text[b]
		}
	case 'p':
		r.put(r.space)
	case 'P':
		line, _, _ := bytes.Cut(r.space, []byte("\n"))
		r.write(append(bytes.Clone(line), '\n'))
	case 'd':
		return next, 'd'
	case 'D':
		_, rest, ok := bytes.Cut(r.space, []byte("\n"))
		if !ok {
			return next, 'd'
		}
		r.space = rest
		return next, 'D'
	case 'q', 'Q':
		r.quit, r.status = true, c.number
		if c.name == 'Q' {
			return next, 'd'
		}
		return next, 'e'
	case 'n', 'N':
		return next, r.nextLine(c.name)
	case 'g':
		r.space = bytes.Clone(r.hold)
	case 'G':
		r.space = append(append(r.space, '\n'), r.hold...)
	case 'h':
		r.hold = bytes.Clone(r.space)
	case 'H':
		r.hold = append(append(r.hold, '\n'), r.space...)
	case 'x':
		r.space, r.hold = r.hold, r.space
	case 'z':
		r.space = nil
	case 'b':
		return c.jump, 0
	case 't', 'T':
		if changed := r.changed; changed == (c.name == 't') {
			next = c.jump
		}
		r.changed = false
	default:
		return next, r.print(c)
	}
	return next, 0
}

// print runs the commands that print other things than the pattern space.
func (r *sedRun) print(c *sedCommand) (end byte) {
	switch c.name {
	case '=':
		r.write([]byte(strconv.Itoa(r.input.line) + "\n"))
	case 'l':
		r.write([]byte(visible(r.space) + "$\n"))
	case 'i':
		r.write([]byte(c.text))
	case 'a':
		r.added = append(r.added, func() { r.write([]byte(c.text)) })
	case 'c':
		if c.to.kind == 0 || c.negated || !c.active {
			r.write([]byte(c.text))
		}
		return 'd'
	case 'r':
		r.added = append(r.added, func() {
			if text, err := os.ReadFile(r.p.path(c.file)); err == nil { // a missing file is empty
				r.write(text)
			}
		})
	case 'w':
		r.toFile(c.file)
	}
	return 0
}

// nextLine is n and N. Without a next line the script ends: GNU prints the
// pattern space then.
func (r *sedRun) nextLine(name byte) (end byte) {
	if r.input.isLast() {
		r.quit = true
		return 'e'
	}
	if name == 'n' && !r.quiet {
		r.put(r.space)
	}
	r.flushAdded()
	line, _ := r.input.read() // there is one: it is not the last
	if name == 'n' {
		r.space = line
	} else {
		r.space = append(append(r.space, '\n'), line...)
	}
	return 0
}

func (r *sedRun) toFile(name string) {
	switch name {
	case "/dev/stdout":
		r.put(r.space)
		return
	case "/dev/stderr":
		r.p.out.Flush()
		if _, err := r.p.stderr.Write(append(bytes.Clone(r.space), '\n')); err != nil {
			r.p.failed = true
		}
		return
	}
	f, ok := r.files[name]
	if !ok {
		var err error
		if f, err = os.Create(r.p.path(name)); err != nil {
			r.p.fatal(4, "couldn't open file %s: %s", name, reason(err))
		}
		r.files[name] = f
	}
	if _, err := f.Write(append(bytes.Clone(r.space), '\n')); err != nil {
		r.p.fatal(4, "couldn't write to %s: %s", name, reason(err))
	}
}

func (r *sedRun) substitute(c *sedCommand) {
	re := r.regexp(c.re)
	most := 1
	switch {
	case c.global:
		most = -1
	case c.nth > 1:
		most = c.nth
	}
	var out []byte
	at, count := 0, 0
	for _, m := range re.FindAllSubmatchIndex(r.space, most) {
		count++
		if count < c.nth {
			continue
		}
		out = append(out, r.space[at:m[0]]...)
		out = appendReplacement(out, c.parts, r.space, m)
		at = m[1]
		r.changed = true
		if !c.global {
			break
		}
	}
	if count == 0 || count < c.nth {
		return
	}
	r.space = append(out, r.space[at:]...)
	if c.print {
		r.put(r.space)
	}
	if c.file != "" {
		r.toFile(c.file)
	}
}

// appendReplacement builds the right side for a match, with GNU's \L \U \E \l \u.
func appendReplacement(out []byte, parts []sedPart, space []byte, m []int) []byte {
	var long, once byte
	for _, part := range parts {
		if part.fold != 0 {
			switch part.fold {
			case 'l', 'u':
				once = part.fold
			default:
				long = part.fold
			}
			continue
		}
		text := []byte(part.text)
		if part.group >= 0 {
			if 2*part.group+1 >= len(m) || m[2*part.group] < 0 {
				continue
			}
			text = space[m[2*part.group]:m[2*part.group+1]]
		}
		switch long {
		case 'L':
			text = bytes.ToLower(text)
		case 'U':
			text = bytes.ToUpper(text)
		}
		if once != 0 && len(text) > 0 {
			first := text[:1]
			if once == 'l' {
				first = bytes.ToLower(first)
			} else {
				first = bytes.ToUpper(first)
			}
			text = append(bytes.Clone(first), text[1:]...)
			once = 0
		}
		out = append(out, text...)
	}
	return out
}

// visible is the text as the command l shows it.
func visible(text []byte) string {
	var b strings.Builder
	for _, c := range text {
		switch i := strings.IndexByte("\\\a\b\f\n\r\t\v", c); {
		case i >= 0:
			b.WriteString(`\` + string(`\abfnrtv`[i]))
		case c < ' ' || c > '~':
			b.WriteString(`\` + string('0'+c>>6) + string('0'+c>>3&7) + string('0'+c&7))
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
