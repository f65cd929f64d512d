// Package shell follows a script of sh without running anything: what its
// commands would be called with, and what it would write to which files. No
// program is started, no file is opened, looked for or written, no variable of
// the environment is there. A Host is told of the commands and of the writes.
//
// What a script cannot know without being run, such as the output of a program or
// whether a file is there, is unknown. A branch that depends on it is followed
// for what it leads to: of the ways that there are, the first is taken that
// makes the Host record something, else the first that does not end the script;
// of the items of a case all that make it record something are followed.
//
// Everything is bounded, and it all happens in the caller's goroutine: scripts
// are written by strangers.
package shell

import (
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"mvdan.cc/sh/v3/syntax"
)

// Limits. Work is counted in bytes made and steps taken.
const (
	TextMax  = 1 << 18 // bytes of a script: its parser recurses
	workMax  = 1 << 23
	valueMax = 1 << 20 // bytes of a value
	depthMax = 400     // calls and commands within one another
	stepWork = 20      // work of a command
	partWork = 64      // and of a part of a list
)

// Host is what a script acts upon.
type Host interface {
	// Command is asked about each command that is no function and that the
	// shell does not know itself. known is false for any program that matters no
	// more than that it would be run.
	Command(c *Command) (s Status, known bool)
	// Write is text that one write(2) puts into a file.
	Write(line int, path, text string)
	// Mark and Reset go back to a state. Recorded grows with what was recorded.
	Mark() any
	Reset(any)
	Recorded() int
}

// Status is an exit status, or Unknown.
type Status int

// Unknown is the status of what is not run.
const Unknown Status = -1

// Known statuses.
const (
	Success Status = 0
	Failure Status = 1
)

func statusOf(ok bool) Status {
	if ok {
		return Success
	}
	return Failure
}

// not is the status of ! COMMAND.
func (s Status) not() Status {
	if s == Unknown {
		return s
	}
	return statusOf(s != Success)
}

// Command is a command that is called.
type Command struct {
	Line  int
	Args  []string
	Shell *Shell
}

// Stdin is what comes on the standard input, and whether that is known.
func (c *Command) Stdin() (string, bool) { return c.Shell.in.all() }

// Print writes to the standard output.
func (c *Command) Print(text string) { c.Shell.print(text) }

// Options are what a script begins with.
type Options struct {
	Params []string // $1 and so on
	Vars   map[string]string
}

// Note is something that is worth saying about a line.
type Note struct {
	Line int
	Text string
}

// Shell is a script that is being followed.
type Shell struct {
	host       Host
	state      state
	out        *output
	in         *input
	line       int
	work       int
	depth      int
	quiet      int // conditions that are being looked at: set -e does not hold in them
	bash       bool
	sub        Status    // status of the last command substitution
	hasSub     bool      // there was one in the command
	evaluating bool      // what runs now has no lines of its own
	outs       []*output // those that commands write to now
	ins        []*input

	notes   []Note
	skipped []Note // programs that were not run, by name
}

// state is what a branch that is given up leaves no trace of.
type state struct {
	vars    map[string]variable
	funcs   map[string]*syntax.Stmt
	params  []string
	scopes  []map[string]*variable // what local variables hide, nil where there was nothing
	flow    flow
	count   int // of loops that break and continue leave
	status  Status
	errexit bool
	files   map[string]string // what was written where
}

// flow is where a command leads.
type flow int

const (
	onward flow = iota
	breaking
	continuing
	returning
	exiting
)

// output is where the standard output goes: it is kept, or given to write.
type output struct {
	kept  []byte
	write func(text string)
}

// input is the standard input.
type input struct {
	text    string
	pos     int
	unknown bool
}

func (i *input) all() (string, bool) {
	text := i.text[i.pos:]
	i.pos = len(i.text)
	return text, !i.unknown
}

// stopped ends following a script: a limit was reached.
type stopped struct{ why string }

// Follow follows a script. The error, a *SyntaxError, is that of one that cannot
// be read; then nothing was followed.
func Follow(host Host, text string, o Options) (notes []Note, err error) {
	if len(text) > TextMax {
		return nil, &SyntaxError{0, fmt.Sprintf("a script of %d bytes, %d at most", len(text), TextMax)}
	}
	file, err := parse(text)
	if err != nil {
		return nil, err
	}
	s := &Shell{
		host: host, in: &input{unknown: true}, bash: isBash(text),
		state: state{vars: map[string]variable{}, funcs: map[string]*syntax.Stmt{}, params: o.Params, files: map[string]string{}},
	}
	s.out = &output{write: func(string) {}}
	for name, value := range o.Vars {
		s.state.vars[name] = variable{text: value}
	}
	s.guard(func() { s.stmts(file.Stmts) })
	return append(s.notes, s.skippedNotes()...), nil
}

// guard calls f and notes when a limit was reached.
func (s *Shell) guard(f func()) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case stopped:
			s.note("followed up to here only: %s", r.why)
		default:
			s.note("followed up to here only: %v", r)
		}
	}()
	f()
}

// SyntaxError is a text that is no script.
type SyntaxError struct {
	Line int
	Text string
}

func (e *SyntaxError) Error() string { return e.Text }

// parse reads a script as bash does, whose grammar holds that of sh but for
// little.
func parse(text string) (file *syntax.File, err error) {
	text = toText(text)
	if n := nesting(text); n > nestingMax {
		return nil, &SyntaxError{0, fmt.Sprintf("commands within one another, %d deep", n)}
	}
	for _, variant := range []syntax.LangVariant{syntax.LangBash, syntax.LangPOSIX} {
		var e error
		file, e = syntax.NewParser(syntax.Variant(variant)).Parse(strings.NewReader(text), "")
		if e == nil {
			return file, nil
		}
		if err == nil {
			err = syntaxError(e)
		}
	}
	return nil, err
}

func syntaxError(err error) error {
	var p syntax.ParseError
	var l syntax.LangError
	switch {
	case errors.As(err, &p):
		return &SyntaxError{int(p.Pos.Line()), p.Text}
	case errors.As(err, &l):
		return &SyntaxError{int(l.Pos.Line()), l.Feature + " is not what a POSIX shell has"}
	}
	return &SyntaxError{0, err.Error()}
}

// nestingMax is deeper than scripts are and than a parser's stack minds.
const nestingMax = 8000

// nesting is how often at most a script opens something, of what can be in
// itself: brackets, substitutions and compound commands.
func nesting(text string) int {
	n := 0
	for _, open := range []string{"(", "{", "`", "[", "!"} {
		n += strings.Count(text, open)
	}
	for _, word := range []string{"if", "while", "until", "for", "case", "do", "time", "select", "coproc"} {
		n += strings.Count(text, word)
	}
	return n
}

// isBash tells from the first line whether the shell's echo and printf are
// bash's.
func isBash(text string) bool {
	first, _, _ := strings.Cut(text, "\n")
	return strings.HasPrefix(first, "#!") && (strings.Contains(first, "bash") || strings.Contains(first, "zsh") || strings.Contains(first, "/ash"))
}

// note says something about the line that is followed.
func (s *Shell) note(format string, args ...any) {
	n := Note{s.line, fmt.Sprintf(format, args...)}
	if len(s.notes) < 200 && !slices.Contains(s.notes, n) {
		s.notes = append(s.notes, n)
	}
}

// skip remembers a program that was not run.
func (s *Shell) skip(name string) {
	if len(s.skipped) < 50 && !slices.ContainsFunc(s.skipped, func(n Note) bool { return n.Text == name }) {
		s.skipped = append(s.skipped, Note{s.line, name})
	}
}

func (s *Shell) skippedNotes() []Note {
	if len(s.skipped) == 0 {
		return nil
	}
	var names []string
	for _, n := range s.skipped {
		names = append(names, fmt.Sprintf("%s (line %d)", Plain(n.Text), n.Line))
	}
	return []Note{{s.skipped[0].Line, "not run: " + strings.Join(names, ", ")}}
}

// spend counts work.
func (s *Shell) spend(n int) {
	s.work += n
	if s.work > workMax {
		panic(stopped{"it does too much"})
	}
}

// made counts a value.
func (s *Shell) made(text string) string {
	if len(text) > valueMax {
		panic(stopped{"a value gets too large"})
	}
	s.spend(len(text) + 1)
	return text
}

// enter is for all that can be within itself; leave ends it.
func (s *Shell) enter() {
	s.depth++
	if s.depth > depthMax {
		s.depth = 0 // for what the stop is said with
		panic(stopped{"it calls itself too often"})
	}
	s.spend(stepWork)
}

func (s *Shell) leave() { s.depth-- }

// print writes to the standard output, as one write(2).
func (s *Shell) print(text string) {
	s.made(text)
	if s.out.write != nil {
		s.out.write(text)
		return
	}
	if len(s.out.kept)+len(text) > valueMax {
		panic(stopped{"an output gets too large"})
	}
	s.out.kept = append(s.out.kept, text...)
}

// capture is what f writes to the standard output.
func (s *Shell) capture(f func()) string {
	o := &output{}
	s.with(o, nil, f)
	return string(o.kept)
}

// with calls f with another output or input; nil is the same.
func (s *Shell) with(o *output, i *input, f func()) {
	out, in, outs, ins := s.out, s.in, s.outs, s.ins
	if o != nil {
		s.out, s.outs = o, append(slices.Clone(s.outs), o)
	}
	if i != nil {
		s.in, s.ins = i, append(slices.Clone(s.ins), i)
	}
	f()
	s.out, s.in, s.outs, s.ins = out, in, outs, ins
}

// moment is all that a branch changes.
type moment struct {
	state state
	host  any
	outs  []int
	ins   []int
	line  int
	notes int
	skips int
}

func (s *Shell) mark() moment {
	m := moment{state: s.state.clone(), host: s.host.Mark(), line: s.line, notes: len(s.notes), skips: len(s.skipped)}
	for _, o := range s.outs {
		m.outs = append(m.outs, len(o.kept))
	}
	for _, i := range s.ins {
		m.ins = append(m.ins, i.pos)
	}
	s.spend(s.state.size())
	return m
}

func (s *Shell) reset(m moment) {
	s.state = m.state.clone()
	s.host.Reset(m.host)
	s.line, s.notes, s.skipped = m.line, s.notes[:m.notes], s.skipped[:m.skips]
	for k, o := range s.outs {
		o.kept = o.kept[:m.outs[k]]
	}
	for k, i := range s.ins {
		i.pos = m.ins[k]
	}
}

func (t state) clone() state {
	t.vars, t.funcs, t.params = maps.Clone(t.vars), maps.Clone(t.funcs), slices.Clone(t.params)
	t.scopes, t.files = slices.Clone(t.scopes), maps.Clone(t.files)
	for i := range t.scopes {
		t.scopes[i] = maps.Clone(t.scopes[i])
	}
	return t
}

// size is the work of a clone.
func (t state) size() int {
	n := len(t.vars) + len(t.funcs) + len(t.params) + len(t.files)
	for _, scope := range t.scopes {
		n += len(scope) + 1
	}
	return partWork * n
}

// choose follows one of the ways that something unknown decides between.
func (s *Shell) choose(ways ...func()) {
	before := s.mark()
	best := -1
	for i, way := range ways {
		recorded := s.host.Recorded()
		way()
		if s.host.Recorded() > recorded {
			return
		}
		if best < 0 && s.state.flow == onward {
			best = i
		}
		s.reset(before)
	}
	ways[max(best, 0)]()
}

// each follows all the ways that make the host record something, one after the
// other; if there is none, it is as choose.
func (s *Shell) each(ways []func()) {
	recorded := s.host.Recorded()
	for _, way := range ways {
		before, n := s.mark(), s.host.Recorded()
		way()
		if s.host.Recorded() == n {
			s.reset(before)
			continue
		}
		s.state.flow = onward
	}
	if s.host.Recorded() == recorded {
		s.choose(ways...)
	}
}

// apart calls f as a subshell: what it does to variables is forgotten.
func (s *Shell) apart(f func()) {
	kept := s.state.clone()
	s.spend(kept.size())
	f()
	kept.status, kept.files = s.state.status, s.state.files
	s.state = kept
}

// What is unknown is in a value as a text between two marks: what it would be
// the output of, in hexadecimal, so that it stays as it is wherever a value goes,
// in a command that is evaluated too. The marks are of Unicode's private use.
const (
	markOpen  = "\ue0f0"
	markClose = "\ue0f1"
)

var marked = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(markOpen + "([0-9a-f]*)" + markClose) })

func unknownValue(what string) string {
	return markOpen + hex.EncodeToString([]byte(what)) + markClose
}

// IsUnknown tells whether a value depends on what is not run.
func IsUnknown(value string) bool { return strings.Contains(value, markOpen) }

// Plain is a value for people: what is unknown is shown as in the script.
func Plain(value string) string {
	return marked().ReplaceAllStringFunc(value, func(m string) string {
		text, _ := hex.DecodeString(m[len(markOpen) : len(m)-len(markClose)])
		return string(text)
	})
}

// Var is the value of a variable, "" when it has none.
func (s *Shell) Var(name string) string { return s.state.vars[name].String() }
