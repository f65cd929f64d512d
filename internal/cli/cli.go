// Package cli is xjail's command line: the only place that knows cobra. Each
// command is a file cmd_<verb>.go with its options, its flags and one run
// function; all of them can be run in-process through Run.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail"
)

// Env is the process as a command sees it. Tests make their own.
type Env struct {
	Args   []string // without the program's name
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	Getenv func(string) string
}

// OSEnv is the process that is running.
func OSEnv() *Env {
	return &Env{Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv}
}

// globals are the options that every command has.
type globals struct {
	*Env
	json   bool
	state  string
	config string
	quiet  bool
}

// exitStatus carries the status of a program that ran in a jail: it is that
// program's word, not a failure of xjail, so nothing is printed.
type exitStatus int

func (s exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// Main runs the process: the command line, binmiscctl where that is the
// program's name, or one of the processes that a jail is made of, which xjail
// starts from itself. It returns the exit status.
func Main() int {
	run := func(args []string) int {
		env := OSEnv()
		env.Args = args
		return Run(context.Background(), env)
	}
	if jail.IsInit() {
		return jail.RunInit(run)
	}
	if isBinmiscctl(os.Args[0]) {
		return runBinmiscctl(OSEnv(), os.Args[1:])
	}
	return run(os.Args[1:])
}

// Run runs one command and returns the exit status; docs/exit-codes.md lists
// them. SIGINT and SIGTERM cancel ctx, so that the command can undo its work.
func Run(ctx context.Context, env *Env) int {
	stops := []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP}
	// What the caller ignores, as nohup does, goes on being ignored.
	stops = slices.DeleteFunc(stops, signal.Ignored)
	ctx, stop := signal.NotifyContext(ctx, stops...)
	defer stop()
	g := &globals{Env: env}
	root := newRoot(g)
	root.SetArgs(env.Args)
	root.SetIn(env.Stdin)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	err := root.ExecuteContext(ctx)
	if err != nil && ctx.Err() != nil && fault.KindOf(err) == fault.Failed {
		err = fault.Wrap(fault.Interrupted, err, "interrupted", "")
	}
	return g.report(err)
}

// report prints err as text or JSON on stderr and returns the exit status.
func (g *globals) report(err error) int {
	var status exitStatus
	if err == nil {
		return 0
	}
	if errors.As(err, &status) {
		return int(status)
	}
	code, hint := int(fault.KindOf(err)), fault.HintOf(err)
	if g.json {
		b, _ := json.Marshal(map[string]any{"message_type": "exit_error", "code": code, "message": err.Error(), "hint": hint})
		fmt.Fprintf(g.Stderr, "%s\n", b)
		return code
	}
	fmt.Fprintf(g.Stderr, "xjail: error: %s\n", err)
	if hint != "" {
		fmt.Fprintf(g.Stderr, "xjail: hint: %s\n", hint)
	}
	return code
}

// warn tells on stderr what does not stop the work.
func (g *globals) warn(text string) {
	if g.json {
		b, _ := json.Marshal(map[string]string{"message_type": "warning", "message": text})
		fmt.Fprintf(g.Stderr, "%s\n", b)
		return
	}
	fmt.Fprintf(g.Stderr, "xjail: warning: %s\n", text)
}

// printJSON writes v as the command's answer.
func (g *globals) printJSON(v any) error {
	enc := json.NewEncoder(g.Stdout)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// usageError is a wrong command line: what is wrong, and where the help is.
func usageError(cmd *cobra.Command, format string, args ...any) error {
	return fault.New(fault.Usage, cmd.CommandPath()+" --help", format, args...)
}

// exactArgs is cobra's ExactArgs with an error that names what is missing.
func exactArgs(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < len(names) {
			return usageError(cmd, "%s: %s is missing", cmd.CommandPath(), names[len(args)])
		}
		if len(args) > len(names) {
			return usageError(cmd, "%s: unexpected argument %q", cmd.CommandPath(), args[len(names)])
		}
		return nil
	}
}

// minArgs asks for at least the named arguments; the last may be repeated.
func minArgs(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < len(names) {
			return usageError(cmd, "%s: %s is missing", cmd.CommandPath(), names[len(args)])
		}
		return nil
	}
}

// noArgs refuses arguments, and says which.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError(cmd, "%s: unexpected argument %q", cmd.CommandPath(), args[0])
	}
	return nil
}
