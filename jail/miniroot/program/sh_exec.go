package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
)

// rewritten are built-in commands of the interpreter that the applets do
// better: they take combined options, and write their output at once.
var rewritten = map[string]string{
	"echo": ownPrefix + "echo", "printf": ownPrefix + "printf",
	"test": ownPrefix + "test", "[": ownPrefix + "[", "kill": ownPrefix + "kill", "umask": ownPrefix + "umask", "ulimit": ownPrefix + "ulimit",
}

// ownPrefix marks the name of a command that is the shell's own whatever PATH
// says. No file name holds a zero byte.
const ownPrefix = "\x00"

// call is asked before every command, function or built-in, what to run.
func (s *shell) call(ctx context.Context, args []string) ([]string, error) {
	if code := s.takeTraps(); code != "" {
		return []string{"eval", code + "\n" + quoteAll(args)}, nil
	}
	args = withoutCommand(args)
	if s.isFunction(args[0]) {
		return args, nil
	}
	switch args[0] {
	case "eval":
		s.noteFunctions(strings.Join(args[1:], " "))
	case ".", "source":
		if len(args) > 1 {
			s.noteFunctionsOf(ctx, args[1])
		}
	case "trap":
		return s.trap(args), nil
	case "cd":
		return plainCd(args), nil
	case "exec":
		if len(args) > 1 && args[1] == "--" {
			return append([]string{"exec"}, args[2:]...), nil
		}
	}
	if len(args) > 1 && (args[1] == "-v" || args[1] == "-R") && (args[0] == "[" || args[0] == "test") {
		return args, nil // questions about the shell's variables
	}
	if own, ok := rewritten[args[0]]; ok {
		return append([]string{own}, args[1:]...), nil
	}
	return args, nil
}

// noteFunctionsOf looks for functions in a file that is about to be read.
func (s *shell) noteFunctionsOf(ctx context.Context, name string) {
	hc := interp.HandlerCtx(ctx)
	p := &proc{dir: hc.Dir, env: environ(hc.Env)}
	file := p.path(name)
	if !strings.Contains(name, "/") {
		for _, dir := range strings.Split(p.getenv("PATH"), ":") {
			candidate := p.path(dir + "/" + name)
			if st, err := os.Stat(candidate); err == nil && st.Mode().IsRegular() {
				file = candidate
				break
			}
		}
	}
	if st, err := os.Stat(file); err != nil || !st.Mode().IsRegular() {
		return
	}
	if text, err := os.ReadFile(file); err == nil {
		s.noteFunctions(string(text))
	}
}

// withoutCommand takes away "command" before a built-in that is rewritten.
func withoutCommand(args []string) []string {
	rest := args
	for len(rest) > 1 && (rest[0] == "command" || rest[0] == "builtin") {
		rest = rest[1:]
		if rest[0] == "-p" && len(rest) > 1 || rest[0] == "--" && len(rest) > 1 {
			rest = rest[1:]
		}
	}
	if len(rest) == len(args) || rest[0] == "-v" || rest[0] == "-V" {
		return args
	}
	if _, ok := rewritten[rest[0]]; ok {
		return append([]string{rewritten[rest[0]]}, rest[1:]...)
	}
	if args[1] == "-p" || args[1] == "--" {
		return append([]string{args[0]}, rest...)
	}
	return args
}

// plainCd drops the options of cd, which the interpreter does not know.
func plainCd(args []string) []string {
	rest := args[1:]
	for len(rest) > 0 && (rest[0] == "-P" || rest[0] == "-L" || rest[0] == "--") {
		rest = rest[1:]
	}
	return append([]string{"cd"}, rest...)
}

// execute runs a command that is neither a function nor a built-in.
func (s *shell) execute(ctx context.Context, args []string) error {
	hc := interp.HandlerCtx(ctx)
	p := &proc{
		ctx: ctx, name: path.Base(args[0]), argv0: args[0], args: args[1:],
		env: environ(hc.Env), dir: hc.Dir,
		stdin: hc.Stdin, stdout: hc.Stdout, stderr: hc.Stderr,
	}
	p.exec = s.command
	status := s.command(p, args)
	if code := s.takeTraps(); code != "" {
		if err := hc.Builtin(ctx, []string{"eval", code}); err != nil {
			return err
		}
	}
	if status != 0 {
		return interp.ExitStatus(uint8(status))
	}
	return nil
}

// command runs argv, in the process when it is one of the applets.
func (s *shell) command(p *proc, argv []string) int {
	name := argv[0]
	if own, ok := strings.CutPrefix(name, ownPrefix); ok {
		a, _ := lookup(own)
		status := s.inside(p, a, own, argv)
		if own == "kill" && slices.Contains(argv, strconv.Itoa(os.Getpid())) {
			s.awaitTrap()
		}
		return status
	}
	file, status := p.lookPath(name)
	if status != 0 {
		return status
	}
	if a, ok := lookup(path.Base(file)); ok && a.kind != outside && isSelf(file) {
		if a.kind != reads || !isTerminal(p.stdin) || !s.interactive {
			return s.inside(p, a, path.Base(file), argv)
		}
	}
	return s.process(p, file, argv)
}

// inside runs an applet in the shell's own process.
func (s *shell) inside(p *proc, a applet, name string, argv []string) (status int) {
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	s.mu.Lock()
	key := s.next
	s.next++
	s.running[key] = cancel
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.running, key)
		s.mu.Unlock()
		if r := recover(); r != nil {
			fmt.Fprintf(p.stderr, "%s: internal error: %v\n%s", name, r, debug.Stack())
			status = statusSignal + int(syscall.SIGABRT)
		}
	}()
	run := &proc{
		ctx: ctx, name: name, argv0: argv[0], args: argv[1:], env: p.env, dir: p.dir,
		stdin: p.stdin, stdout: p.stdout, stderr: p.stderr, exec: s.command,
	}
	return run.start(a)
}

// process runs a file in a process of its own, and counts it: while one runs,
// an interrupt is its affair.
func (s *shell) process(p *proc, file string, argv []string) int {
	s.mu.Lock()
	s.children++
	before := s.interrupts
	s.mu.Unlock()
	status := p.process(file, argv)
	if s.interactive && status == statusSignal+int(syscall.SIGINT) {
		s.awaitInterrupt(before)
	}
	s.mu.Lock()
	s.children--
	if s.children == 0 && s.stop != nil && status == statusSignal+int(syscall.SIGINT) {
		s.stop()
	}
	s.mu.Unlock()
	return status
}

// environ is the exported part of the shell's variables.
func environ(env expand.Environ) []string {
	var list []string
	for name, v := range env.Each {
		if v.IsSet() && v.Exported && v.Kind == expand.String {
			list = append(list, name+"="+v.Str)
		}
	}
	return list
}

// lookPath finds the file of a command as execvp(3) does. When there is none
// it says so, and the status is not 0.
func (p *proc) lookPath(name string) (file string, status int) {
	if strings.Contains(name, "/") {
		file, status = p.path(name), p.executable(p.path(name))
	} else {
		search, ok := p.lookupEnv("PATH")
		if !ok {
			search = defaultPath
		}
		file, status = p.searchPath(search, name)
	}
	switch status {
	case statusNotFound:
		fmt.Fprintf(p.stderr, "%s: not found\n", name)
	case statusNotExecutable:
		fmt.Fprintf(p.stderr, "%s: Permission denied\n", name)
	}
	return file, status
}

func (p *proc) searchPath(search, name string) (file string, status int) {
	status = statusNotFound
	if name == "" {
		return "", status
	}
	for _, dir := range strings.Split(search, ":") {
		candidate := p.path(dir + "/" + name)
		if dir == "" {
			candidate = p.path("./" + name)
		}
		switch p.executable(candidate) {
		case 0:
			return candidate, 0
		case statusNotExecutable:
			status = statusNotExecutable
		}
	}
	return "", status
}

func (p *proc) executable(file string) int {
	st, err := os.Stat(file)
	switch {
	case errors.Is(err, os.ErrPermission):
		return statusNotExecutable
	case err != nil:
		return statusNotFound
	case st.IsDir() || st.Mode()&0o111 == 0:
		return statusNotExecutable
	}
	return 0
}

// process runs a file and waits for its end.
func (p *proc) process(file string, argv []string) int {
	if p.out != nil {
		p.out.Flush()
	}
	cmd := p.newCommand(file, argv)
	err := cmd.Start()
	if errors.Is(err, syscall.ENOEXEC) {
		return p.plainScript(file, argv)
	}
	if err == nil {
		err = cmd.Wait()
	}
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return p.waitStatus(exit)
	case errors.Is(err, os.ErrNotExist):
		// The file is there: its interpreter is what was not found.
		fmt.Fprintf(p.stderr, "%s: %s: no such interpreter\n", argv[0], reason(err))
		return statusNotFound
	case cmd.ProcessState != nil: // copying its output failed
		return cmd.ProcessState.ExitCode()
	}
	fmt.Fprintf(p.stderr, "%s: %s\n", argv[0], reason(err))
	return statusNotExecutable
}

func (p *proc) newCommand(file string, argv []string) *exec.Cmd {
	return &exec.Cmd{
		Path: file, Args: argv, Env: p.env, Dir: p.dir,
		Stdin: inherited(p.stdin), Stdout: p.stdout, Stderr: p.stderr,
	}
}

// inherited keeps a nil file from becoming a reader that is not nil.
func inherited(r io.Reader) io.Reader {
	if f, ok := r.(*os.File); ok && f == nil {
		return nil
	}
	return r
}

// waitStatus is the status as $? has it.
func (p *proc) waitStatus(exit *exec.ExitError) int {
	ws, ok := exit.Sys().(syscall.WaitStatus)
	if !ok || !ws.Signaled() {
		return exit.ExitCode()
	}
	if sig := ws.Signal(); sig != syscall.SIGINT && sig != syscall.SIGPIPE {
		text := sig.String()
		fmt.Fprintln(p.stderr, strings.ToUpper(text[:1])+text[1:])
	}
	return statusSignal + int(ws.Signal())
}

// plainScript runs a file that the kernel cannot execute: by POSIX it is a
// script of the shell.
func (p *proc) plainScript(file string, argv []string) int {
	head := make([]byte, 128)
	f, err := os.Open(file)
	if err == nil {
		n, _ := f.Read(head)
		head = head[:n]
		f.Close()
	}
	line, _, _ := strings.Cut(string(head), "\n")
	exe, exeErr := selfPath()
	if err != nil || exeErr != nil || strings.ContainsRune(line, 0) {
		fmt.Fprintf(p.stderr, "%s: Exec format error\n", argv[0])
		return statusNotExecutable
	}
	cmd := p.newCommand(exe, append([]string{"sh", file}, argv[1:]...))
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return p.waitStatus(exit)
	}
	fmt.Fprintf(p.stderr, "%s: %s\n", argv[0], reason(err))
	return statusNotExecutable
}

// run runs another command for an applet: in the process where the shell that
// runs the applet can do that.
func (p *proc) run(argv []string, stdin io.Reader) int {
	p.out.Flush()
	child := &proc{
		ctx: p.ctx, name: argv[0], argv0: argv[0], args: argv[1:], env: p.env, dir: p.dir,
		stdin: stdin, stdout: p.stdout, stderr: p.stderr, exec: p.exec,
	}
	if p.exec != nil {
		return p.exec(child, argv)
	}
	file, status := child.lookPath(argv[0])
	if status != 0 {
		return status
	}
	return child.process(file, argv)
}

// selfInfo is what stat says of this program; nil where nothing tells its file.
var selfInfo = sync.OnceValue(func() os.FileInfo {
	exe, err := selfPath()
	if err != nil {
		return nil
	}
	st, err := os.Stat(exe)
	if err != nil {
		return nil
	}
	return st
})

// isSelf tells whether a file is a link to this program.
func isSelf(file string) bool {
	self := selfInfo()
	if self == nil {
		return false
	}
	st, err := os.Stat(file)
	return err == nil && os.SameFile(st, self)
}
