package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail"
	"github.com/xjail/xjail/profile"
)

type profileOptions struct {
	execOptions
	output  string
	force   bool
	subject string
}

func newProfile(g *globals) *cobra.Command {
	o := &profileOptions{}
	cmd := &cobra.Command{
		Use:   "profile NAME [--] CMD [ARG...]",
		Short: "Run a command in a jail and write down what it ran",
		Long: `Run a command in a jail as xjail exec does, follow everything that it starts,
and write a profile: every program, native or emulated and by which emulator,
who started it, its processor time, memory and exit status, and every execve(2)
that failed. The exit status is the command's own.

The profile is written while the command runs, and can be read at any time. When
xjail is killed, the command and the profile go on to their end, and the jail
stays in use until then; Ctrl-C and SIGTERM end the command. What the command
leaves running is killed when it ends, and is in the profile.

Nothing that is followed can trace others: strace and gdb fail in the jail with
"Operation not permitted". A Linux host has to be amd64 or arm64; on FreeBSD
dtrace(1) follows, and ends with xjail: docs/profile-freebsd.md.

A jail that is called like a subcommand goes behind --:
xjail profile -- NAME CMD.
` + enterLong,
		Example: `  xjail profile mips64 -- make
  xjail profile mips64 --output build.xprof --bind $PWD:/src --dir /src -- make
  xjail profile mips64 --no-tools --force --output all.xprof -- ./configure`,
		Args:              minArgs("NAME", "CMD"),
		ValidArgsFunction: completeJail(g),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.output == "" && cmd.Flags().Changed("output") {
				return fault.New(fault.Usage, "leave it out for NAME-DATE-TIME.xprof", "--output has no name")
			}
			return runProfile(cmd.Context(), g, o, args[0], args[1:])
		},
	}
	cmd.Flags().SetInterspersed(false)
	o.addFlags(cmd.Flags())
	cmd.Flags().StringVarP(&o.output, "output", "o", "", "write the profile to this `file` (default NAME-DATE-TIME.xprof here)")
	cmd.Flags().BoolVarP(&o.force, "force", "f", false, "write over a file that is there")
	cmd.Flags().StringVar(&o.subject, "subject", "", "what the command builds, such as a `package`, for reports over many")
	cmd.AddCommand(newProfileReport(g), newProfileDiff(g), newProfileAdvice(g))
	return allowFlagsAfterName(cmd)
}

func runProfile(ctx context.Context, g *globals, o *profileOptions, name string, argv []string) error {
	file, err := o.file(name, time.Now())
	if err != nil {
		return err
	}
	store, err := g.store()
	if err != nil {
		return err
	}
	c, err := newCommand(g, store, &o.execOptions, name, argv)
	if err != nil {
		return err
	}
	c.Profile = &jail.Profile{Output: file, Force: o.force, Numbered: o.output == "", Xjail: readVersion().Version, Subject: o.subject}
	status, err := store.Exec(ctx, name, c)
	if err == nil {
		g.tellSums(&statsEvent{Type: "profile", File: c.Profile.Output, Status: status, Sums: c.Profile.Sums, Unwritten: c.Profile.Unwritten})
	}
	return statusError(status, err)
}

// file is where the profile goes.
func (o *profileOptions) file(name string, now time.Time) (string, error) {
	switch {
	case o.output == "-":
		return "", fault.New(fault.Usage, "--output FILE; xjail profile report FILE reads it", "standard output is the command's: a profile cannot go there")
	case o.output != "":
		return o.output, nil
	case jail.CheckName(name) != nil:
		return "", jail.CheckName(name)
	}
	return name + now.Format("-20060102-150405") + ".xprof", nil
}

// statsEvent is what is said at the end of a command that was followed: a line of
// JSON on standard error with --json, else text.
type statsEvent struct {
	Type   string `json:"message_type"`
	File   string `json:"file,omitempty"`
	Status int    `json:"status"`
	*profile.Sums
	Unwritten string `json:"unwritten,omitempty"`
}

// tellSums tells on stderr: what is on stdout is the command's.
func (g *globals) tellSums(e *statsEvent) {
	if e.Sums == nil {
		return
	}
	if e.Unwritten != "" {
		g.warn("the profile " + e.File + " is not whole: " + e.Unwritten)
	}
	if e.Lost > 0 {
		g.warn(fmt.Sprintf("the profile misses %d things that happened", e.Lost))
	}
	switch {
	case g.json:
		b, _ := json.Marshal(e)
		fmt.Fprintf(g.Stderr, "%s\n", b)
	case e.File == "" || !g.quiet:
		fmt.Fprintf(g.Stderr, "xjail: %s\n", sumsLine(e.Sums))
		if e.File != "" {
			fmt.Fprintf(g.Stderr, "xjail: profile: %s\n", filepath.Clean(e.File))
		}
	}
}

// sumsLine is the closing line.
func sumsLine(s *profile.Sums) string {
	var b strings.Builder
	fmt.Fprintf(&b, "execs %d, emulated %d; CPU %s", s.Execs, s.Emulated, seconds(s.CPU))
	if s.CPU > 0 {
		fmt.Fprintf(&b, ", emulated %s (%.0f %%)", seconds(s.EmulatedCPU), 100*float64(s.EmulatedCPU)/float64(s.CPU))
	}
	if d := s.Dearest; d != nil {
		fmt.Fprintf(&b, "; dearest %q: execs %d, CPU %s", d.Program, d.Execs, seconds(d.CPU))
	}
	if s.Failed > 0 {
		fmt.Fprintf(&b, "; failed execs %d", s.Failed)
	}
	if s.Left > 0 {
		fmt.Fprintf(&b, "; killed at the end %d", s.Left)
	}
	return b.String()
}

// seconds shows nanoseconds.
func seconds(ns int64) string {
	if ns < int64(time.Second) {
		return fmt.Sprintf("%.3f s", float64(ns)/1e9)
	}
	return fmt.Sprintf("%.1f s", float64(ns)/1e9)
}
