package cli

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/xjail/xjail/explain"
	"github.com/xjail/xjail/internal/fault"
)

func newExplain(g *globals) *cobra.Command {
	o := &explainOptions{}
	cmd := &cobra.Command{
		Use:   "explain FILE [ARG...]",
		Short: "Tell why a file would run, or not",
		Long: `Follow what the kernel does with a file when it is to be run, and what an
emulator and a dynamic linker do then: where the name leads, its mode and
mount, #! lines, the ELF header, which activator takes it and which do not, the
emulator, the dynamic linker, the libraries and their symbol versions. Nothing
is run and nothing changed. The answer ends with a verdict, and with the command
that mends it.

It is about this machine, or about a jail with --jail, or about a directory that
is to be the root with --root; these two want paths as they are in there. A FILE
without a slash is looked for in PATH: in the jail's with --jail.

--run runs the file with ARGs as well, its input empty and the beginning of its
output on standard error, and tells whether that came to what was said. What it
leaves running in the background is ended.

EXIT STATUS
  0 it runs   1 it does not   3 it cannot be told   10 FILE is not there
  With --run 0 and 1 are for what happened, and 1 is also for a prediction that
  was wrong. A program that runs and fails has run.`,
		Example: `  xjail explain ./a.out
  xjail explain --jail mips64 make
  xjail explain --root /srv/arm64 /usr/bin/python3 --json
  xjail explain --jail arm64 --run /usr/bin/hello`,
		Args: minArgs("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error { return runExplain(cmd.Context(), g, o, args) },
	}
	cmd.Flags().SetInterspersed(false)
	addBinfmtDir(cmd, &o.dir)
	cmd.Flags().StringVar(&o.jail, "jail", "", "look at the file from within this `jail`")
	cmd.Flags().StringVar(&o.root, "root", "", "look at the file as if this `directory` were the root")
	cmd.Flags().BoolVar(&o.run, "run", false, "run it, and compare")
	cmd.Flags().DurationVar(&o.timeout, "timeout", 10*time.Second, "with --run, end it after this `time`")
	_ = cmd.RegisterFlagCompletionFunc("jail", completeJail(g))
	_ = cmd.MarkFlagDirname("root")
	return allowFlagsAfterName(cmd)
}

type explainOptions struct {
	dir     string
	jail    string
	root    string
	run     bool
	timeout time.Duration
}

// explained is the answer of explain.
type explained struct {
	*explain.Explanation
	Jail string `json:"jail,omitempty"`
	Root string `json:"root"`
	Run  *trial `json:"run,omitempty"`
}

func runExplain(ctx context.Context, g *globals, o *explainOptions, args []string) error {
	switch {
	case args[0] == "":
		return fault.New(fault.Usage, "xjail explain --help", "FILE is empty")
	case o.jail != "" && o.root != "":
		return fault.New(fault.Usage, "a jail has its own root", "--jail and --root exclude each other")
	case o.timeout <= 0:
		return fault.New(fault.Usage, "--timeout 10s", "--timeout %s is no time to run in", o.timeout)
	}
	if o.jail != "" {
		if done, err := g.asRoot(); done {
			return err
		}
	}
	w, err := g.explainWorld(ctx, o)
	if err != nil {
		return err
	}
	defer w.Close()
	x := &explained{Explanation: explain.Explain(w.World, args[0]), Jail: o.jail, Root: w.Root}
	if o.run {
		if x.Run, err = g.try(ctx, o, w, x.Explanation, args); err != nil {
			return err
		}
	}
	if g.json {
		err = g.printJSON(x)
	} else {
		g.printExplained(x)
	}
	if status := x.status(); err == nil && status != 0 {
		return exitStatus(status)
	}
	return err
}

// status is the exit status of an answer.
func (x *explained) status() int {
	v := x.Verdict
	switch {
	case v.Cause == explain.Missing:
		return int(fault.NotFound)
	case x.Run != nil && x.Run.Ran && x.Run.agrees():
		return 0
	case x.Run != nil:
		return int(fault.Failed)
	case v.Runs == explain.Yes:
		return 0
	case v.Runs == explain.Unknown:
		return int(fault.Partly)
	}
	return int(fault.Failed)
}

func (g *globals) printExplained(x *explained) {
	for i, s := range x.Steps {
		fmt.Fprintf(g.Stdout, "%2d %-4s %s\n", i+1, s.Result, printable(s.What))
		for _, line := range s.Evidence {
			fmt.Fprintf(g.Stdout, "        %s\n", printable(line))
		}
	}
	v := x.Verdict
	fmt.Fprintf(g.Stdout, "verdict: %s\n", printable(v.Message))
	if v.Cause != "" {
		fmt.Fprintf(g.Stdout, "cause: %s%s\n", v.Cause, stageText(v))
	}
	if v.Remedy != "" {
		fmt.Fprintf(g.Stdout, "hint: %s\n", printable(v.Remedy))
	}
	if x.Run != nil {
		fmt.Fprintf(g.Stdout, "run: %s\n", printable(x.Run.String()))
	}
}

// stageText is who fails, and how.
func stageText(v explain.Verdict) string {
	switch v.Stage {
	case explain.AtJail:
		return " (the jail is not entered)"
	case explain.AtExec:
		return fmt.Sprintf(" (execve: %s, %q)", v.Errno, v.Errno.Text())
	case explain.AtEmulator:
		return " (the emulator refuses it)"
	case explain.AtLoader:
		return " (the dynamic linker gives up)"
	case explain.AtProgram:
		return " (it starts, and cannot work)"
	}
	return ""
}

// explainRoot opens the root that is looked at, and tells the working directory
// in it.
func explainRoot(dir string) (files explain.Files, root, cwd string, closer func(), err error) {
	if dir == "" {
		cwd, err = os.Getwd()
		if err != nil {
			cwd = "/"
		}
		return explain.Machine(), "/", cwd, func() {}, nil
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, "", "", nil, err
	}
	r, err := explain.OpenRoot(dir)
	if err != nil {
		return nil, "", "", nil, rootError(dir, err)
	}
	return r, r.Dir(), "/", func() { _ = r.Close() }, nil
}

func rootError(dir string, err error) error {
	kind := fault.Failed
	switch {
	case os.IsNotExist(err):
		kind = fault.NotFound
	case os.IsPermission(err):
		kind = fault.Permission
	}
	return fault.Wrap(kind, err, "root "+dir, "name a directory that can be read")
}

// defaultJailPath is PATH in a jail; see jail.Command.
const defaultJailPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// envOf is a variable that a jail gets, from a list of NAME=VALUE.
func envOf(list []string, name, otherwise string) string {
	value := ""
	for _, kv := range list {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			value = v
		}
	}
	return cmp.Or(value, otherwise)
}
