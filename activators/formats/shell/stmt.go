package shell

import (
	"path"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

func (s *Shell) stmts(list []*syntax.Stmt) {
	for _, st := range list {
		if s.state.flow != onward {
			return
		}
		s.stmt(st)
	}
}

func (s *Shell) stmt(st *syntax.Stmt) {
	s.enter()
	defer s.leave()
	if !s.evaluating {
		s.line = int(st.Pos().Line())
	}
	run := func() { s.redirected(st.Redirs, func() { s.command(st.Cmd) }) }
	if st.Negated {
		s.quiet++
		run()
		s.quiet--
		s.state.status = s.state.status.not()
		return
	}
	if st.Background || st.Coprocess || st.Disown {
		s.apart(run) // exit ends the background command alone
		s.state.status = Success
		return
	}
	run()
	s.heedErrors(st.Cmd)
}

// heedErrors is set -e, for commands that are known to fail.
func (s *Shell) heedErrors(cmd syntax.Command) {
	if b, ok := cmd.(*syntax.BinaryCmd); ok && b.Op != syntax.Pipe && b.Op != syntax.PipeAll {
		return
	}
	if s.state.errexit && s.quiet == 0 && s.state.status > Success && s.state.flow == onward {
		s.state.flow = exiting
	}
}

func (s *Shell) command(cmd syntax.Command) {
	switch c := cmd.(type) {
	case nil:
		s.state.status = Success
	case *syntax.CallExpr:
		s.call(c)
	case *syntax.Block:
		s.stmts(c.Stmts)
	case *syntax.Subshell:
		s.apart(func() { s.stmts(c.Stmts) })
	case *syntax.IfClause:
		s.ifClause(c)
	case *syntax.WhileClause:
		s.while(c)
	case *syntax.ForClause:
		s.forClause(c)
	case *syntax.CaseClause:
		s.caseClause(c)
	case *syntax.BinaryCmd:
		s.binary(c)
	case *syntax.FuncDecl:
		s.declareFunction(c)
	case *syntax.DeclClause:
		s.declare(c)
	case *syntax.TestClause:
		s.state.status = s.testExpr(c.X)
	case *syntax.ArithmCmd:
		s.state.status = truth(s.arith(c.X))
	case *syntax.LetClause:
		for _, x := range c.Exprs {
			s.state.status = truth(s.arith(x))
		}
	case *syntax.TimeClause:
		if c.Stmt != nil {
			s.stmt(c.Stmt)
		}
	default:
		s.note("this kind of command is not followed")
		s.state.status = Unknown
	}
}

func (s *Shell) declareFunction(c *syntax.FuncDecl) {
	if c.Name != nil {
		s.state.funcs[c.Name.Value] = c.Body
	}
	s.state.status = Success
}

// condition runs commands whose status decides something.
func (s *Shell) condition(f func()) Status {
	s.quiet++
	f()
	s.quiet--
	return s.state.status
}

func (s *Shell) ifClause(c *syntax.IfClause) {
	s.enter()
	defer s.leave()
	if len(c.Cond) == 0 { // else
		s.stmts(c.Then)
		return
	}
	status := s.condition(func() { s.stmts(c.Cond) })
	if s.state.flow != onward {
		return
	}
	then := func() { s.stmts(c.Then) }
	otherwise := func() {
		s.state.status = Success
		if c.Else != nil {
			s.ifClause(c.Else)
		}
	}
	switch status {
	case Success:
		then()
	case Unknown:
		s.choose(then, otherwise)
	default:
		otherwise()
	}
}

// loopBody runs the body of a loop once and tells whether the loop goes on.
func (s *Shell) loopBody(body []*syntax.Stmt) bool {
	s.spend(stepWork)
	s.stmts(body)
	switch s.state.flow {
	case breaking, continuing:
		again := s.state.flow == continuing
		if s.state.count--; s.state.count > 0 {
			return false // an outer loop is meant
		}
		s.state.flow = onward
		return again
	case onward:
		return true
	}
	return false
}

func (s *Shell) while(c *syntax.WhileClause) {
	for s.state.flow == onward {
		status := s.condition(func() { s.stmts(c.Cond) })
		if c.Until {
			status = status.not()
		}
		switch {
		case s.state.flow != onward:
			return
		case status == Unknown:
			s.choose(func() { s.loopBody(c.Do) }, func() {})
			return
		case status != Success || !s.loopBody(c.Do):
			s.state.status = Success
			return
		}
	}
}

func (s *Shell) forClause(c *syntax.ForClause) {
	switch loop := c.Loop.(type) {
	case *syntax.WordIter:
		items := s.state.params
		if loop.InPos.IsValid() {
			items = s.fields(loop.Items)
		}
		if c.Select {
			items = items[:min(len(items), 1)]
			s.note("select asks somebody: the first choice is followed")
		}
		for _, item := range items {
			if slices.ContainsFunc([]string{"*", "?"}, func(g string) bool { return strings.Contains(item, g) }) {
				s.note("the files that %q stands for are not looked for", Plain(item))
			}
			s.assign(loop.Name.Value, item)
			if !s.loopBody(c.Do) {
				return
			}
		}
	case *syntax.CStyleLoop:
		s.cLoop(loop, c.Do)
	}
}

func (s *Shell) cLoop(loop *syntax.CStyleLoop, body []*syntax.Stmt) {
	if loop.Init != nil {
		s.arith(loop.Init)
	}
	for s.state.flow == onward {
		if loop.Cond != nil {
			if v, known := s.arith(loop.Cond); v == 0 || !known {
				return
			}
		}
		if !s.loopBody(body) {
			return
		}
		if loop.Post != nil {
			s.arith(loop.Post)
		}
	}
}

func (s *Shell) caseClause(c *syntax.CaseClause) {
	subject := s.one(c.Word)
	s.state.status = Success
	if IsUnknown(subject) {
		s.unknownCase(c)
		return
	}
	for i, item := range c.Items {
		for _, p := range item.Patterns {
			pattern := s.pattern(p)
			if IsUnknown(pattern) || !s.match(pattern, subject) {
				continue
			}
			s.caseItems(c.Items[i:])
			return
		}
	}
}

// caseItems runs an item, and those that it falls through to.
func (s *Shell) caseItems(items []*syntax.CaseItem) {
	for _, item := range items {
		s.stmts(item.Stmts)
		if item.Op != syntax.Fallthrough {
			return
		}
	}
}

// unknownCase follows the items that lead to something, or else the one for
// everything.
func (s *Shell) unknownCase(c *syntax.CaseClause) {
	var ways []func()
	for i, item := range c.Items {
		way := func() { s.caseItems(c.Items[i:]) }
		if slices.ContainsFunc(item.Patterns, func(p *syntax.Word) bool { return s.pattern(p) == "*" }) {
			ways = slices.Insert(ways, 0, way)
			continue
		}
		ways = append(ways, way)
	}
	s.each(append(ways, func() {}))
}

func (s *Shell) binary(c *syntax.BinaryCmd) {
	if c.Op == syntax.Pipe || c.Op == syntax.PipeAll {
		text := s.capture(func() { s.apart(func() { s.stmt(c.X) }) })
		in := &input{text: text, unknown: IsUnknown(text)}
		s.with(nil, in, func() { s.apart(func() { s.stmt(c.Y) }) })
		return
	}
	status := s.condition(func() { s.stmt(c.X) })
	if s.state.flow != onward {
		return
	}
	if c.Op == syntax.OrStmt {
		status = status.not()
	}
	switch status {
	case Success:
		s.stmt(c.Y)
	case Unknown:
		s.choose(func() { s.stmt(c.Y) }, func() { s.state.status = Unknown })
	}
}

// redirected calls f with the redirections of a command.
func (s *Shell) redirected(list []*syntax.Redirect, f func()) {
	var out *output
	var in *input
	for _, r := range list {
		o, i := s.redirect(r)
		if o != nil {
			out = o
		}
		if i != nil {
			in = i
		}
	}
	s.with(out, in, f)
}

// redirect is one redirection, of the standard output or input.
func (s *Shell) redirect(r *syntax.Redirect) (*output, *input) {
	switch r.Op {
	case syntax.Hdoc, syntax.DashHdoc:
		text := s.hereDocument(r)
		return nil, &input{text: text, unknown: IsUnknown(text)}
	case syntax.WordHdoc:
		text := s.one(r.Word) + "\n"
		return nil, &input{text: text, unknown: IsUnknown(text)}
	case syntax.RdrIn, syntax.RdrInOut:
		name := s.one(r.Word)
		text, known := s.state.files[name]
		return nil, &input{text: text, unknown: !known && name != "/dev/null" || IsUnknown(text)}
	case syntax.DplOut:
		if target := s.one(r.Word); r.N == nil && target != "1" {
			return &output{write: func(string) {}}, nil
		}
		return nil, nil
	case syntax.DplIn:
		return nil, nil
	}
	if r.N != nil && r.N.Value != "1" {
		return nil, nil
	}
	name, line := s.one(r.Word), s.line
	if r.Op == syntax.RdrOut || r.Op == syntax.RdrAll || r.Op == syntax.RdrClob {
		s.state.files[name] = ""
	}
	return &output{write: func(text string) { s.write(line, name, text) }}, nil
}

// write puts text at the end of a file.
func (s *Shell) write(line int, name, text string) {
	if name == "/dev/null" {
		return
	}
	s.state.files[name] = s.made(s.state.files[name] + text)
	s.host.Write(line, toBytes(name), toBytes(text))
}

// call is a simple command: assignments, a function, something that the shell
// knows, or a program.
func (s *Shell) call(c *syntax.CallExpr) {
	s.hasSub = false
	args := s.fields(c.Args)
	if len(args) == 0 {
		s.state.status = Success
		for _, a := range c.Assigns {
			s.assignment(a, false)
		}
		if s.hasSub {
			s.state.status = s.sub
		}
		return
	}
	before := map[string]variable{}
	missing := []string{}
	for _, a := range c.Assigns {
		if v, ok := s.state.vars[a.Name.Value]; ok {
			before[a.Name.Value] = v
		} else {
			missing = append(missing, a.Name.Value)
		}
		s.assignment(a, false)
	}
	s.runArgs(args)
	for name, v := range before {
		s.state.vars[name] = v
	}
	for _, name := range missing {
		delete(s.state.vars, name)
	}
}

// runArgs runs a command by its words.
func (s *Shell) runArgs(args []string) {
	s.enter()
	defer s.leave()
	if body, ok := s.state.funcs[args[0]]; ok {
		s.function(body, args[1:])
		return
	}
	if b, ok := builtins[args[0]]; ok {
		s.state.status = b(s, args)
		return
	}
	if b, ok := programs[path.Base(args[0])]; ok {
		s.state.status = b(s, args)
		return
	}
	s.state.status = s.ask(args)
}

// ask asks the host about a command. Of a program that is not known only its
// output matters, which is unknown as well.
func (s *Shell) ask(args []string) Status {
	for i := range args {
		args[i] = toBytes(args[i])
	}
	status, known := s.host.Command(&Command{Line: s.line, Args: args, Shell: s})
	if known {
		return status
	}
	s.skip(path.Base(args[0]))
	if s.out.write == nil {
		s.print(unknownValue("$(" + Plain(strings.Join(args, " ")) + ")"))
	}
	return Unknown
}

// function calls a function.
func (s *Shell) function(body *syntax.Stmt, args []string) {
	params := s.state.params
	s.state.params = args
	s.state.scopes = append(s.state.scopes, map[string]*variable{})
	s.stmt(body)
	if s.state.flow == returning {
		s.state.flow = onward
	}
	s.state.params = params
	last := len(s.state.scopes) - 1
	for name, old := range s.state.scopes[last] {
		if old == nil {
			delete(s.state.vars, name)
			continue
		}
		s.state.vars[name] = *old
	}
	s.state.scopes = s.state.scopes[:last]
}

// Call runs words as a command: for hosts whose commands call functions of the
// script.
func (s *Shell) Call(args ...string) Status {
	s.runArgs(args)
	return s.state.status
}

// Eval runs a text in the shell.
func (s *Shell) Eval(text string) Status {
	s.spend(len(text) * 4)
	file, err := parse(text)
	if err != nil {
		s.note("what is evaluated is no shell command: %v", err)
		return Failure
	}
	s.enter()
	evaluating := s.evaluating
	s.evaluating, s.state.status = true, Success
	s.stmts(file.Stmts)
	s.evaluating = evaluating
	s.leave()
	return s.state.status
}
