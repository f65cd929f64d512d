package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/term"
	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// shell is one run of sh: mvdan.cc/sh with commands that run in the process,
// the signals of trap, and the ways in which sh gets its script.
type shell struct {
	p           *proc
	runner      *interp.Runner
	interactive bool

	mu        sync.Mutex
	functions map[string]bool // names that scripts gave functions
	traps     map[syscall.Signal]string
	pending   []syscall.Signal
	signals   chan os.Signal
	children  int                        // commands that run as processes now
	running   map[int]context.CancelFunc // commands that run in the process now
	next      int                        // key of the next one
	// interrupts counts those that came from the terminal.
	interrupts int
	stop       context.CancelFunc // ends the statement of an interactive shell
	idle       bool               // the interactive shell waits for a line
	dropped    bool               // what was typed of a statement was interrupted
}

// shellOptions are sh's own, before those of set.
type shellOptions struct {
	command     string
	hasCommand  bool
	stdin       bool
	interactive bool
	login       bool
	set         []string
	rest        []string
}

func runShell(p *proc) int {
	o := p.shellOptions()
	s := &shell{
		p: p, functions: map[string]bool{}, traps: map[syscall.Signal]string{},
		running: map[int]context.CancelFunc{}, signals: make(chan os.Signal, 16),
	}
	go s.watch()
	var src io.Reader
	name, params := "sh", o.rest
	switch {
	case o.hasCommand:
		src = strings.NewReader(o.command)
		if len(params) > 0 {
			name, params = params[0], params[1:]
		}
	case len(params) > 0 && !o.stdin:
		name, params = params[0], params[1:]
		f, err := os.Open(p.path(name))
		if err == nil && p.isDir(name) {
			err = syscall.EISDIR
		}
		if err != nil {
			fmt.Fprintf(p.stderr, "sh: %s: %s\n", name, reason(err))
			return scriptStatus(err)
		}
		defer f.Close()
		src = f
	default:
		s.interactive = o.interactive || isTerminal(p.stdin) && isTerminal(p.stderr)
	}
	if err := s.open(o.set, params); err != nil {
		fmt.Fprintf(p.stderr, "sh: %v\n", err)
		return 2
	}
	if o.login || strings.HasPrefix(p.argv0, "-") {
		s.source("/etc/profile")
	}
	if src == nil {
		return s.lines()
	}
	return s.script(src, name)
}

// scriptStatus is what POSIX wants when the script cannot be read.
func scriptStatus(err error) int {
	if errors.Is(err, os.ErrNotExist) {
		return statusNotFound
	}
	return statusNotExecutable
}

// shellOptions parses sh's arguments: flags of set may be among them, with - or +.
func (p *proc) shellOptions() shellOptions {
	var o shellOptions
	args := p.args
	for len(args) > 0 {
		arg := args[0]
		if len(arg) < 2 || arg[0] != '-' && arg[0] != '+' {
			if arg == "-" {
				args = args[1:]
			}
			break
		}
		args = args[1:]
		if arg == "--" {
			break
		}
		if name, ok := strings.CutPrefix(arg, "--"); ok {
			o.login = o.login || name == "login"
			if name != "login" && name != "posix" && name != "noprofile" && name != "norc" {
				p.badUsage("unknown option --%s", name)
			}
			continue
		}
		for i := 1; i < len(arg); i++ {
			switch c := arg[i]; c {
			case 'c':
				o.hasCommand = true
			case 's':
				o.stdin = true
			case 'i':
				o.interactive = true
			case 'l':
				o.login = true
			case 'm', 'b', 'h', 'v', 'p': // job control and what has no effect here
			case 'o':
				if len(args) == 0 {
					p.badUsage("-o needs the name of an option")
				}
				o.set = append(o.set, arg[:1]+"o", args[0])
				args = args[1:]
			case 'a', 'e', 'f', 'n', 'u', 'x':
				o.set = append(o.set, arg[:1]+string(c))
			default:
				p.badUsage("unknown option -%c", c)
			}
		}
	}
	if o.hasCommand {
		if len(args) == 0 {
			p.badUsage("-c needs a command")
		}
		o.command, args = args[0], args[1:]
	}
	o.rest = args
	return o
}

// open makes the interpreter.
func (s *shell) open(set, params []string) error {
	dir, err := s.p.cwd()
	if err != nil {
		dir = "/" // the directory is gone: absolute names still work
	}
	runner, err := interp.New(
		interp.Interactive(s.interactive), // aliases
		interp.Dir(dir),
		interp.Env(expand.ListEnviron(s.environ()...)),
		interp.StdIO(s.p.stdin, s.p.stdout, s.p.stderr),
		interp.CallHandler(s.call),
		interp.ExecHandlers(func(interp.ExecHandlerFunc) interp.ExecHandlerFunc { return s.execute }),
		interp.OpenHandler(openRedirect),
		interp.Params(append(append(set, "--"), params...)...),
	)
	s.runner = runner
	return err
}

// environ is the environment, with what a shell cannot do without.
func (s *shell) environ() []string {
	env := s.p.env
	if _, ok := s.p.lookupEnv("PATH"); !ok {
		env = append([]string{"PATH=" + defaultPath}, env...)
	}
	return env
}

// defaultPath is PATH when the environment has none.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// openRedirect opens the file of a redirection with the mode that POSIX says.
func openRedirect(ctx context.Context, name string, flag int, _ os.FileMode) (io.ReadWriteCloser, error) {
	p := proc{dir: interp.HandlerCtx(ctx).Dir}
	f, err := os.OpenFile(p.path(name), flag, 0o666)
	if err != nil {
		return nil, &os.PathError{Op: "sh:", Path: name, Err: errors.New(reason(err))}
	}
	return f, nil
}

// script runs a whole script. What stands before a syntax error is run, as by
// a shell that reads line by line.
func (s *shell) script(src io.Reader, name string) int {
	parser := syntax.NewParser()
	file := &syntax.File{Name: name}
	var broken error
	for stmt, err := range parser.StmtsSeq(src) {
		if err != nil {
			broken = err
			file.Stmts = completeLines(file.Stmts)
			break
		}
		file.Stmts = append(file.Stmts, stmt)
	}
	s.prepare(file, "")
	status := s.status(s.runner.Run(s.p.ctx, file))
	if broken != nil && !s.runner.Exited() {
		fmt.Fprintf(s.p.stderr, "%s: %v\n", name, broken)
		return 2
	}
	return s.finish(status)
}

// completeLines leaves out the statements that a syntax error may share its
// line with: a line is parsed before any of it is run.
func completeLines(stmts []*syntax.Stmt) []*syntax.Stmt {
	for n := len(stmts); n > 0 && stmts[n-1].Semicolon.IsValid(); n-- {
		stmts = stmts[:n-1]
	}
	return stmts
}

// status is the exit status of what Run returned.
func (s *shell) status(err error) int {
	var code interp.ExitStatus
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	case errors.Is(err, context.Canceled):
		return statusSignal + int(syscall.SIGINT)
	}
	fmt.Fprintf(s.p.stderr, "sh: %v\n", err)
	return 1
}

// finish runs what signals that came at the very end have trapped.
func (s *shell) finish(status int) int {
	code := s.takeTraps()
	if code == "" || s.runner.Exited() {
		return status
	}
	return s.evalStatus(code, status)
}

// evalStatus runs text with $? at status, and returns status or what it exits with.
func (s *shell) evalStatus(code string, status int) int {
	file, err := syntax.NewParser().Parse(strings.NewReader(fmt.Sprintf("(exit %d)\n%s\n", status, code)), "trap")
	if err != nil {
		fmt.Fprintf(s.p.stderr, "sh: %v\n", err)
		return status
	}
	for _, stmt := range file.Stmts {
		err := s.runner.Run(s.p.ctx, stmt)
		if s.runner.Exited() {
			return s.status(err)
		}
	}
	return status
}

// source runs a file when it is there.
func (s *shell) source(name string) {
	f, err := os.Open(name)
	if err != nil {
		return
	}
	defer f.Close()
	file, err := syntax.NewParser().Parse(f, name)
	if err != nil {
		fmt.Fprintf(s.p.stderr, "sh: %v\n", err)
		return
	}
	for _, stmt := range file.Stmts {
		if err := s.runner.Run(s.p.ctx, stmt); s.runner.Exited() {
			panic(quit(s.status(err)))
		}
	}
}

// lines runs the script that comes on the standard input, statement by
// statement: a command in it may read the lines that follow.
func (s *shell) lines() int {
	if s.interactive {
		// Without job control a stopped command could not be continued.
		signal.Ignore(syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU)
		signal.Notify(s.signals, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM)
	}
	s.assignZero()
	in := &lineReader{p: s.p, s: s}
	status := 0
	for {
		again, last := s.parseLines(in, status)
		status = last
		if !again {
			break
		}
	}
	if s.runner.Exited() {
		return status
	}
	// Run of a file, empty or not, is what runs the trap of EXIT.
	file, err := syntax.NewParser().Parse(strings.NewReader(fmt.Sprintf("(exit %d)", status)), "sh")
	if err != nil {
		return status
	}
	return s.finish(s.status(s.runner.Run(s.p.ctx, file)))
}

// parseLines runs statements until the input ends, or until a syntax error in
// an interactive shell, after which it has to be called again.
func (s *shell) parseLines(in *lineReader, status int) (again bool, _ int) {
	parser := syntax.NewParser()
	if len(in.rest) == 0 {
		s.ask("PS1")
	}
	for stmts, err := range parser.InteractiveSeq(in) {
		switch {
		case errors.Is(err, errDropped):
			s.setStatus(statusSignal + int(syscall.SIGINT))
			return true, statusSignal + int(syscall.SIGINT)
		case err != nil:
			if in.ended && s.interactive {
				fmt.Fprintln(s.p.stderr)
			}
			fmt.Fprintf(s.p.stderr, "sh: %v\n", err)
			s.setStatus(2)
			return s.interactive && !in.ended, 2
		}
		if parser.Incomplete() {
			s.ask("PS2")
			continue
		}
		for _, stmt := range stmts {
			var done bool
			if status, done = s.statement(stmt); done {
				return false, status
			}
		}
		s.ask("PS1")
	}
	if s.interactive {
		fmt.Fprintln(s.p.stderr)
	}
	return false, status
}

// statement runs one statement that was read from the standard input, and
// tells whether the shell ends with it.
func (s *shell) statement(stmt *syntax.Stmt) (status int, done bool) {
	s.prepare(stmt, "sh")
	ctx, stop := context.WithCancel(s.p.ctx)
	defer stop()
	if s.interactive {
		s.mu.Lock()
		s.stop, s.idle = stop, false
		s.mu.Unlock()
	}
	status = s.status(s.runner.Run(ctx, stmt))
	if ctx.Err() != nil {
		fmt.Fprintln(s.p.stderr)
		s.setStatus(statusSignal + int(syscall.SIGINT))
		return statusSignal + int(syscall.SIGINT), false
	}
	return status, s.runner.Exited()
}

// setStatus sets $? of an interactive shell.
func (s *shell) setStatus(status int) {
	if !s.interactive {
		return
	}
	file, err := syntax.NewParser().Parse(strings.NewReader(fmt.Sprintf("(exit %d)", status)), "")
	if err == nil {
		_ = s.runner.Run(s.p.ctx, file.Stmts[0]) // it fails, that is the point
	}
}

// ask is a prompt for the next line.
func (s *shell) ask(name string) {
	s.setIdle()
	s.prompt(name)
}

// prompt writes PS1 or PS2 when someone is there to see it.
func (s *shell) prompt(name string) {
	if !s.interactive {
		return
	}
	text := map[string]string{"PS1": "$ ", "PS2": "> "}[name]
	if name == "PS1" && os.Geteuid() == 0 {
		text = "# "
	}
	if v, ok := s.runner.Vars[name]; ok {
		text = v.String()
	} else if v, ok := s.p.lookupEnv(name); ok {
		text = v
	}
	fmt.Fprint(s.p.stderr, text)
}

// prepare changes what the interpreter does otherwise than POSIX: the last
// command of a pipeline gets an environment of its own, so that an exit in it
// leaves the pipeline only, and $0 is zero where that is given.
func (s *shell) prepare(node syntax.Node, zero string) {
	syntax.Walk(node, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.FuncDecl:
			s.noteFunction(n)
		case *syntax.BinaryCmd:
			if (n.Op == syntax.Pipe || n.Op == syntax.PipeAll) && !isSimple(n.Y) {
				inner := *n.Y
				n.Y = &syntax.Stmt{Cmd: &syntax.Subshell{Stmts: []*syntax.Stmt{&inner}}}
			}
		case *syntax.ParamExp:
			if zero != "" && n.Param != nil && n.Param.Value == "0" {
				n.Param.Value = nameOfZero
			}
		}
		return true
	})
}

// assignZero gives nameOfZero its value.
func (s *shell) assignZero() {
	file, err := syntax.NewParser().Parse(strings.NewReader(nameOfZero+"=sh"), "")
	if err == nil {
		_ = s.runner.Run(s.p.ctx, file.Stmts[0]) // an assignment does not fail
	}
}

// noteFunction remembers a name that must not be taken for an applet's.
func (s *shell) noteFunction(n *syntax.FuncDecl) {
	if n.Name == nil {
		return
	}
	s.mu.Lock()
	s.functions[n.Name.Value] = true
	s.mu.Unlock()
}

func (s *shell) isFunction(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.functions[name]
}

// noteFunctions looks for functions in text that eval or "." is about to run.
func (s *shell) noteFunctions(text string) {
	if !strings.Contains(text, "(") && !strings.Contains(text, "function") {
		return
	}
	file, err := syntax.NewParser().Parse(strings.NewReader(text), "")
	if err != nil {
		return // who runs it will say so
	}
	syntax.Walk(file, func(n syntax.Node) bool {
		if f, ok := n.(*syntax.FuncDecl); ok {
			s.noteFunction(f)
		}
		return true
	})
}

// nameOfZero is the variable that stands for $0 in a script from the standard
// input: the interpreter has a name only for a script that it has as a whole.
const nameOfZero = "XJAIL_SHELL_NAME"

// isSimple tells whether a statement is a command that is an applet and
// nothing of the shell's own.
func isSimple(stmt *syntax.Stmt) bool {
	call, ok := stmt.Cmd.(*syntax.CallExpr)
	if !ok || len(call.Args) == 0 || len(call.Assigns) > 0 {
		return false
	}
	name := call.Args[0].Lit()
	_, ok = lookup(name)
	return ok && !interp.IsBuiltin(name)
}

func isTerminal(f any) bool {
	file, ok := f.(*os.File)
	if !ok {
		return false
	}
	st, err := file.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0 && term.IsTerminal(int(file.Fd()))
}

// lineReader reads a script so that nothing after the line at hand is taken
// from the input: what follows belongs to the commands.
type lineReader struct {
	p     *proc
	s     *shell
	rest  []byte
	ended bool
}

func (l *lineReader) Read(b []byte) (int, error) {
	if len(l.rest) == 0 {
		l.s.setIdle()
		line, err := l.line()
		if l.s.setBusy() && len(line) > 0 {
			l.rest = line
			return 0, errDropped
		}
		if len(line) == 0 {
			l.ended = true
			if err == nil {
				err = io.EOF
			}
			return 0, err
		}
		l.rest = line
	}
	n := copy(b, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}

// errDropped says that the statement so far was interrupted: the line that was
// read begins another.
var errDropped = errors.New("interrupted")

// setIdle notes that the shell waits for a line. It does so from before the
// prompt is there: who sees it may interrupt.
func (s *shell) setIdle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle = s.interactive
}

// setBusy notes that a line has come, and tells whether there was an interrupt
// in the meantime.
func (s *shell) setBusy() (dropped bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	dropped = s.dropped
	s.idle, s.dropped = false, false
	return dropped
}

// line reads up to a newline: a block and back where the input can seek, byte
// by byte where it cannot.
func (l *lineReader) line() ([]byte, error) {
	if f, ok := l.p.stdin.(io.ReadSeeker); ok {
		if start, err := f.Seek(0, io.SeekCurrent); err == nil {
			return lineAt(f, start)
		}
	}
	var line []byte
	var one [1]byte
	for {
		n, err := l.p.stdin.Read(one[:])
		if n > 0 {
			line = append(line, one[0])
			if one[0] == '\n' {
				return line, nil
			}
		}
		if err != nil {
			return line, err
		}
	}
}

func lineAt(f io.ReadSeeker, start int64) ([]byte, error) {
	var line []byte
	block := make([]byte, 512)
	for {
		n, err := f.Read(block)
		for i, c := range block[:n] {
			if c == '\n' {
				line = append(line, block[:i+1]...)
				_, err := f.Seek(start+int64(len(line)), io.SeekStart)
				return line, err
			}
		}
		line = append(line, block[:n]...)
		if err != nil {
			return line, err
		}
	}
}
