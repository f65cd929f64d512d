package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/internal/ui"
	"github.com/xjail/xjail/jail"
)

const topLong = `Show what runs in a jail now: each process, native or emulated, with its
processor time, the program as the jail sees it, and how long it runs. On a
terminal it is shown anew every two seconds; q or Ctrl-C ends that. Otherwise,
and with --once or --json, once. The JSON is in docs/profile-report.md.

%CPU is of one processor: since the last look, or, the first time, since the
process began. What other xjail commands run in the jail is shown as well.`

type topOptions struct {
	once     bool
	interval time.Duration
}

// shortestInterval keeps the looking itself cheap.
const shortestInterval = 100 * time.Millisecond

func newTop(g *globals) *cobra.Command {
	o := &topOptions{}
	cmd := &cobra.Command{
		Use:               "top NAME",
		Short:             "Show what runs in a jail, native or emulated",
		Long:              topLong,
		Example:           "  xjail top bookworm-arm64\n  xjail top bookworm-arm64 --once --json",
		Args:              exactArgs("NAME"),
		ValidArgsFunction: completeJail(g),
		RunE:              func(cmd *cobra.Command, args []string) error { return runTop(cmd.Context(), g, o, args[0]) },
	}
	cmd.Flags().BoolVar(&o.once, "once", false, "show it once")
	cmd.Flags().DurationVarP(&o.interval, "interval", "i", 2*time.Second, "how long to wait between two looks")
	return cmd
}

func runTop(ctx context.Context, g *globals, o *topOptions, name string) error {
	if o.interval < shortestInterval {
		return fault.New(fault.Usage, "--interval 2s", "--interval %s is too short: %s at least", o.interval, shortestInterval)
	}
	store, err := g.store()
	if err != nil {
		return err
	}
	first, err := store.Processes(name, nil)
	if err != nil {
		return err
	}
	in, out := asTerminal(g.Stdin), asTerminal(g.Stdout)
	switch {
	case g.json:
		return g.printJSON(first)
	case o.once || in == nil || out == nil:
		return printTop(g.Stdout, first, g.columns(), 0)
	}
	return followTop(ctx, store, o, first, in, out)
}

// asTerminal is the terminal that a stream is; nil for none.
func asTerminal(stream any) *os.File {
	if f, ok := stream.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return f
	}
	return nil
}

// The second screen of a terminal, so that the first is as before in the end, and
// the cursor: xterm's control sequences, which all terminals of today know.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l"
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	topLeft     = "\x1b[H"
	eraseLine   = "\x1b[K"
	eraseBelow  = "\x1b[J"
)

// followTop shows snapshots until q is typed.
func followTop(ctx context.Context, store jail.Store, o *topOptions, s *jail.Snapshot, in, out *os.File) error {
	old, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return fault.Wrap(fault.Failed, err, "take the terminal", "--once")
	}
	leave := func() {
		fmt.Fprint(out, leaveScreen)
		_ = term.Restore(int(in.Fd()), old)
	}
	defer leave()
	fmt.Fprint(out, enterScreen)
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, syscall.SIGWINCH)
	defer signal.Stop(resized)
	keys := make(chan byte)
	go readKeys(in, keys)
	tick := time.NewTicker(o.interval)
	defer tick.Stop()
	for {
		drawTop(out, s)
		select {
		case <-ctx.Done():
			return nil
		case k, ok := <-keys:
			switch {
			case !ok || k == 'q' || k == 'Q' || k == ctrl('C'):
				return nil
			case k == ctrl('Z'):
				leave()
				stopJob()
				if _, err := term.MakeRaw(int(in.Fd())); err != nil {
					return nil
				}
				fmt.Fprint(out, enterScreen)
			}
		case <-resized:
			continue // the same, for the other size
		case <-tick.C:
		}
		if s, err = store.Processes(s.Jail, s); err != nil {
			return err
		}
	}
}

// ctrl is what a terminal in raw mode sends for a key with Ctrl.
func ctrl(key byte) byte { return key & 0x1f }

// noStop is how long it takes to see that nothing stops a job that no shell looks
// after.
const noStop = 200 * time.Millisecond

// stopJob stops the job, as the terminal does for Ctrl-Z when it is not in raw
// mode, until the shell lets it go on.
func stopJob() {
	continued := make(chan os.Signal, 1)
	signal.Notify(continued, syscall.SIGCONT)
	defer signal.Stop(continued)
	if syscall.Kill(0, syscall.SIGTSTP) != nil {
		return
	}
	select {
	case <-continued:
	case <-time.After(noStop):
	}
}

func readKeys(in io.Reader, keys chan<- byte) {
	defer close(keys)
	for b := make([]byte, 1); ; {
		if n, err := in.Read(b); err != nil || n == 0 {
			return
		}
		keys <- b[0]
	}
}

// drawTop fills the screen.
func drawTop(out *os.File, s *jail.Snapshot) {
	width, height, err := term.GetSize(int(out.Fd()))
	if err != nil {
		width, height = 80, 24
	}
	var text strings.Builder
	_ = printTop(&text, s, width, height) // a builder fails never
	lines := strings.ReplaceAll(strings.TrimRight(text.String(), "\n"), "\n", eraseLine+"\r\n")
	fmt.Fprint(out, topLeft+lines+eraseLine+eraseBelow)
}

// printTop prints a snapshot, no more of it than fits; 0 fits all.
func printTop(w io.Writer, s *jail.Snapshot, width, height int) error {
	var text strings.Builder
	emulated, load, emulatedLoad := 0, 0.0, 0.0
	var rows [][]string
	for i := range s.Processes {
		p := &s.Processes[i]
		how := "native"
		load += p.Load
		if p.Emulated() {
			how = p.Emulator[strings.LastIndexByte(p.Emulator, '/')+1:]
			emulated, emulatedLoad = emulated+1, emulatedLoad+p.Load
		}
		rows = append(rows, []string{strconv.Itoa(p.PID), printable(p.User), p.State, printable(how), fmt.Sprintf("%.1f", 100*p.Load),
			clock(p.CPU), clock(p.Elapsed), ui.Size(p.RSS), topCommand(p)})
	}
	fmt.Fprintf(&text, "jail %s: %d running, %d of them emulated; CPU %.0f %%, %.0f %% emulated\n\n", s.Jail, len(rows), emulated, 100*load, 100*emulatedLoad)
	if err := ui.Table(&text, []string{"PID", "USER", "S", "RUN BY", "%CPU", "TIME", "ELAPSED", "MEMORY", "PROGRAM"}, rows); err != nil {
		return err
	}
	lines := strings.Split(strings.TrimRight(text.String(), "\n"), "\n")
	if height > 0 && len(lines) > height {
		lines = lines[:height]
	}
	for _, line := range lines {
		if _, err := fmt.Fprintln(w, ui.Cut(line, width, "")); err != nil {
			return err
		}
	}
	return nil
}

// topCommand is the program with its arguments.
func topCommand(p *jail.Process) string {
	text := p.Program
	if len(p.Args) > 1 {
		text += " " + strings.Join(p.Args[1:], " ")
	}
	return printable(ui.Cut(text, 2000, ""))
}

// clock is a time as top(1) has it: 1:02.30, 3:04:05.
func clock(d time.Duration) string {
	if d < time.Hour {
		return fmt.Sprintf("%d:%05.2f", int(d.Minutes()), (d % time.Minute).Truncate(10*time.Millisecond).Seconds())
	}
	return fmt.Sprintf("%d:%02d:%02d", int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60)
}
