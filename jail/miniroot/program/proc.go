package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// applet is one command.
type applet struct {
	name  string
	usage string // operands and options, for the usage line
	run   func(*proc) int
	kind  kind
}

// kind says where the shell may run an applet.
type kind int

const (
	inside  kind = iota // in the shell's process
	reads               // so, unless its standard input is a terminal: a read from one cannot be taken back
	outside             // only in a process of its own
	raw                 // inside, and --help is an operand
)

// proc is one run of an applet: all that it knows of the world. Applets use
// neither os.Args, os.Getwd, os.Getenv, os.Stdin nor os.Exit.
type proc struct {
	ctx    context.Context
	name   string // what it is called by
	argv0  string
	args   []string // without the name
	env    []string // KEY=VALUE, the last of a key counts
	dir    string   // working directory, "" for the process's own
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
	own    bool // the process is this run's own: it may change it
	self   applet
	out    *output
	exec   func(p *proc, argv []string) int // runs another command; nil: a process
	failed bool                             // something failed, and the run goes on
}

// quit ends a run from any depth: start recovers it.
type quit int

// Exit statuses that several applets share.
const (
	statusNotExecutable = 126
	statusNotFound      = 127
	statusSignal        = 128 // plus the signal's number
)

// start runs an applet to its end and returns the exit status.
func (p *proc) start(a applet) (status int) {
	p.self = a
	if p.stdin == nil {
		p.stdin = strings.NewReader("")
	}
	size := 32 << 10
	if a.kind == raw { // they write a line at most
		size = 128
	}
	p.out = &output{p: p, w: bufio.NewWriterSize(contextWriter{p.ctx, p.stdout}, size)}
	defer func() {
		switch r := recover().(type) {
		case nil:
		case quit:
			status = int(r)
		default:
			panic(r)
		}
	}()
	if a.kind != raw && len(p.args) == 1 && p.args[0] == "--help" {
		p.printf("usage: %s %s\n", p.name, a.usage)
	} else {
		status = a.run(p)
	}
	p.out.Flush()
	if status == 0 && p.failed {
		status = 1
	}
	return status
}

// output is the buffered standard output. Its methods do not return errors: a
// write that fails ends the run, as SIGPIPE does for a pipe that nobody reads.
type output struct {
	p *proc
	w *bufio.Writer
}

func (o *output) Write(b []byte) (int, error) {
	n, err := o.w.Write(b)
	o.check(err)
	return n, err
}

func (o *output) WriteString(s string) {
	_, err := o.w.WriteString(s)
	o.check(err)
}

func (o *output) WriteByte(b byte) error {
	err := o.w.WriteByte(b)
	o.check(err)
	return err
}

// Flush writes what is held back.
func (o *output) Flush() { o.check(o.w.Flush()) }

func (o *output) check(err error) {
	switch {
	case err == nil:
	case errors.Is(err, syscall.EPIPE):
		panic(quit(statusSignal + int(syscall.SIGPIPE)))
	case errors.Is(err, context.Canceled):
		panic(quit(statusSignal + int(syscall.SIGINT)))
	default:
		fmt.Fprintf(o.p.stderr, "%s: write error: %s\n", o.p.name, reason(err))
		panic(quit(1))
	}
}

// contextWriter fails when the run was interrupted, which is what ends a
// command that writes for ever.
type contextWriter struct {
	ctx context.Context
	w   io.Writer
}

func (c contextWriter) Write(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.w.Write(b)
}

// flushingReader flushes the output before it waits for more input, so that a
// filter answers line by line when it is fed line by line.
type flushingReader struct {
	p *proc
	r io.Reader
}

func (f flushingReader) Read(b []byte) (int, error) {
	f.p.out.Flush()
	if f.p.ctx.Err() != nil {
		panic(quit(statusSignal + int(syscall.SIGINT)))
	}
	return f.r.Read(b)
}

// printf writes to the standard output.
func (p *proc) printf(format string, args ...any) { fmt.Fprintf(p.out, format, args...) }

// warn reports a failure after which the run goes on; its status will not be 0.
func (p *proc) warn(format string, args ...any) {
	p.failed = true
	p.out.Flush()
	fmt.Fprintf(p.stderr, p.name+": "+format+"\n", args...)
}

// fail warns that something about a file failed. It returns false for nil.
func (p *proc) fail(what string, err error) bool {
	if err == nil {
		return false
	}
	p.warn("%s: %s", what, reason(err))
	return true
}

// fatal reports a failure and ends the run.
func (p *proc) fatal(status int, format string, args ...any) {
	p.warn(format, args...)
	panic(quit(status))
}

// badUsage says what is wrong with the arguments and ends the run.
func (p *proc) badUsage(format string, args ...any) {
	fmt.Fprintf(p.stderr, p.name+": "+format+"\n", args...)
	fmt.Fprintf(p.stderr, "usage: %s %s\n", p.name, p.self.usage)
	switch p.self.name {
	case "printf", "grep", "ls", "sort", "cmp", "sh", "test", "[", "expr", "tar":
		panic(quit(2))
	case "env", "nohup", "timeout":
		panic(quit(125))
	}
	panic(quit(1))
}

// path is a file name as the process has to open it. It is not cleaned: "a/.."
// is another directory than "." when a is a symbolic link.
func (p *proc) path(name string) string {
	if name == "" || name[0] == '/' || p.dir == "" {
		return name
	}
	return p.dir + "/" + name
}

// cwd is the absolute name of the working directory.
func (p *proc) cwd() (string, error) {
	if p.dir != "" {
		return p.dir, nil
	}
	return os.Getwd()
}

// lookupEnv finds a variable.
func (p *proc) lookupEnv(key string) (string, bool) {
	for i := len(p.env) - 1; i >= 0; i-- {
		if v, ok := strings.CutPrefix(p.env[i], key+"="); ok {
			return v, true
		}
	}
	return "", false
}

func (p *proc) getenv(key string) string {
	v, _ := p.lookupEnv(key)
	return v
}

// open opens a file to read; "-" is the standard input.
func (p *proc) open(name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(flushingReader{p, p.stdin}), nil
	}
	f, err := os.Open(p.path(name))
	if err != nil {
		return nil, err
	}
	if st, err := f.Stat(); err == nil && st.IsDir() {
		f.Close()
		return nil, syscall.EISDIR
	}
	if st, err := f.Stat(); err == nil && !st.Mode().IsRegular() {
		return struct {
			io.Reader
			io.Closer
		}{flushingReader{p, f}, f}, nil
	}
	return f, nil
}

// eachFile calls do with each named file, or the standard input when there is
// none, and warns of those that cannot be read.
func (p *proc) eachFile(names []string, do func(name string, r io.Reader) error) {
	if len(names) == 0 {
		names = []string{"-"}
	}
	for _, name := range names {
		f, err := p.open(name)
		if p.fail(name, err) {
			continue
		}
		err = do(name, f)
		f.Close()
		p.fail(name, err)
	}
}

// eachLine calls do with every line, without its newline; last says that the
// line ended with the file instead. It stops when do returns false.
func eachLine(r io.Reader, do func(line []byte, last bool) bool) error {
	br := bufio.NewReaderSize(r, 64<<10)
	var long []byte
	for {
		part, err := br.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			long = append(long, part...)
			continue
		}
		line := part
		if long != nil {
			long = append(long, part...)
			line, long = long, nil
		}
		text, ended := bytes.CutSuffix(line, []byte("\n"))
		if len(line) > 0 && !do(text, !ended) {
			return nil
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// reason is the text of an error as strerror(3) has it, without the call and
// the file, which the message names already.
func reason(err error) string {
	var errno syscall.Errno
	switch {
	case errors.As(err, &errno):
	case errors.Is(err, fs.ErrNotExist):
		errno = syscall.ENOENT
	case errors.Is(err, fs.ErrExist):
		errno = syscall.EEXIST
	default:
		return err.Error()
	}
	text := errno.Error()
	return strings.ToUpper(text[:1]) + text[1:]
}
