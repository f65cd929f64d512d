package selftest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/xjail/xjail/internal/fault"
)

// Dir is where a script sees its directory. Both sides see theirs at the same path:
// it gets into what is compiled.
var Dir = dirOn(runtime.GOOS)

// dirOn is Dir on a system. Linux mounts on a name in /dev, which is a jail's own, so
// that nothing is made in the stored root for it. FreeBSD's devfs has no room for
// that: there it is a directory of the root, which is made for the test.
func dirOn(system string) string {
	if system == "freebsd" {
		return "/.xjail-selftest"
	}
	return "/dev/selftest"
}

// Job is a script to run in the jail.
type Job struct {
	// Tools: with the native tools laid over; without, every program is the
	// root's own.
	Tools bool
	// Work is the directory of the Runner that is seen as Dir.
	Work   string
	Argv   []string
	Env    []string
	Output io.Writer // of standard output and standard error
}

// Runner runs programs in a jail.
type Runner interface {
	// Run returns the status of the command; an error is of what kept it from
	// being run, or from ending by itself.
	Run(ctx context.Context, job Job) (status int, err error)
}

// The sides of a comparison, and names of their directories.
const (
	hybrid   = "hybrid"
	emulated = "emulated"
)

// step is a part of a script, run in a shell of its own with nothing to read.
type step struct {
	name   string // letters, digits, - and _
	script string
}

// outcome is what became of a step.
type outcome struct {
	ran    bool
	status int
	out    string
	err    string
}

// good tells whether a step ended well.
func (o outcome) good() bool { return o.ran && o.status == 0 }

// absent is the status of a step that found nothing to do.
const absent = 111

func (o outcome) absent() bool { return o.ran && o.status == absent }

// why says how a step failed: its status, and the last lines of what it said.
func (o outcome) why() []string {
	if !o.ran {
		return []string{"it was not run"}
	}
	lines := []string{fmt.Sprintf("status %d", o.status)}
	if o.status > 128 && o.status < 160 {
		lines[0] = fmt.Sprintf("ended by signal %d", o.status-128)
	}
	said := strings.TrimSpace(o.err)
	if said == "" {
		said = strings.TrimSpace(o.out)
	}
	if said == "" {
		return lines
	}
	all := strings.Split(said, "\n")
	return append(lines, all[max(0, len(all)-5):]...)
}

// baseEnv is the environment of every script. Compilers and shells write their
// temporary files to TMPDIR, so that nothing is left in the root when they are
// killed.
var baseEnv = []string{
	"LC_ALL=C", "TZ=UTC0", "TMPDIR=" + Dir + "/tmp", "HOME=" + Dir + "/tmp", "SOURCE_DATE_EPOCH=1000000000",
	"GCC_COLORS=", "TERM=dumb", "CONFIG_SHELL=/bin/sh",
}

// quietMax is how long a step may take. Emulated ones on a busy machine are slow.
const quietMax = 20 * time.Minute

// steps runs steps one after the other in one visit to the jail, in the directory
// of work, which is the side's own unless said otherwise.
func (t *test) steps(ctx context.Context, side, work string, list []step) (map[string]outcome, error) {
	if len(list) == 0 {
		return nil, nil
	}
	if t.s.Nxb != nil {
		list = watched(side, list)
	}
	t.scripts++
	name := fmt.Sprintf("run-%d", t.scripts)
	if err := t.prepare(work, name, list); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	follow := newFollower(func(step string) {
		cancel(fault.New(fault.Failed, "", "step %q did not end within %s", step, quietMax))
	})
	defer follow.stop()
	job := Job{Tools: side == hybrid, Work: work, Argv: []string{t.shell(side), Dir + "/" + name + ".sh"}, Env: t.env(side), Output: follow}
	status, err := t.s.Runner.Run(ctx, job)
	if cause := context.Cause(ctx); cause != nil && (err != nil || status != 0) {
		var said *fault.Error
		if !errors.As(cause, &said) {
			return nil, fault.Wrap(fault.Interrupted, cause, "self-test of the tools", "")
		}
		err = cause
	}
	found := t.collect(work, name, list)
	if err == nil && status != 0 {
		err = fault.New(fault.Failed, "", "%s ended with status %d%s", job.Argv[0], status, follow.rest())
	}
	return found, err
}

// prepare writes the script.
func (t *test) prepare(work, name string, list []step) error {
	for _, dir := range []string{"tmp", name} {
		if err := t.s.Work.MkdirAll(path.Join(work, dir), 0o755); err != nil {
			return err
		}
	}
	return t.s.Work.WriteFile(path.Join(work, name+".sh"), []byte(script(name, list)), 0o755)
}

// script is the text that runs steps. Each begins with a line of its name, which
// shows that the script goes on. One about many files may have none to be about,
// and parentheses around nothing are an error of syntax.
func script(name string, list []step) string {
	var b strings.Builder
	fmt.Fprintf(&b, "cd %s || exit 1\numask 022\n", Dir)
	for _, s := range list {
		at := name + "/" + s.name
		fmt.Fprintf(&b, "echo '%s%s'\n(\n:\n%s\n) >%s.out 2>%s.err </dev/null\necho $? >%s.rc\n", mark, s.name, s.script, at, at, at)
	}
	return b.String()
}

// mark begins the line of a step.
const mark = ":step "

// collect reads what the steps left.
func (t *test) collect(work, name string, list []step) map[string]outcome {
	found := map[string]outcome{}
	for _, s := range list {
		at := path.Join(work, name, s.name)
		o := outcome{out: t.read(at + ".out"), err: t.read(at + ".err")}
		if n, err := strconv.Atoi(strings.TrimSpace(t.read(at + ".rc"))); err == nil {
			o.ran, o.status = true, n
		}
		found[s.name] = o
	}
	return found
}

// outputMax bounds what is read of a step's output, bytes. Predefined macros are
// 12 KiB.
const outputMax = 1 << 20

func (t *test) read(name string) string {
	text, _ := readSome(t.s.Work, name, outputMax)
	return string(text)
}

// readSome reads a regular file of what a jail could write to.
func readSome(root *os.Root, name string, most int64) ([]byte, error) {
	if st, err := root.Lstat(name); err != nil {
		return nil, err
	} else if !st.Mode().IsRegular() {
		return nil, fs.ErrNotExist
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most))
}

// follower reads a script's output while it runs.
type follower struct {
	mu      sync.Mutex
	line    []byte
	kept    bytes.Buffer
	current string
	timer   *time.Timer
}

func newFollower(late func(step string)) *follower {
	f := &follower{}
	f.timer = time.AfterFunc(quietMax, func() {
		f.mu.Lock()
		step := f.current
		f.mu.Unlock()
		late(step)
	})
	return f
}

func (f *follower) stop() { f.timer.Stop() }

// Write implements io.Writer.
func (f *follower) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.timer.Reset(quietMax)
	for _, c := range p {
		if c != '\n' {
			if len(f.line) < lineMax {
				f.line = append(f.line, c)
			}
			continue
		}
		f.take(string(f.line))
		f.line = f.line[:0]
	}
	return len(p), nil
}

func (f *follower) take(line string) {
	if name, ok := strings.CutPrefix(line, mark); ok {
		f.current = printable(name)
		return
	}
	if f.kept.Len() < lineMax {
		f.kept.WriteString(" " + line)
	}
}

// rest is what was said besides, for an error.
func (f *follower) rest() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.take(string(f.line))
	text := strings.TrimSpace(f.kept.String())
	if text == "" {
		return ""
	}
	return ": " + printable(text)
}

// printable is a text of the jail without what would move a terminal's cursor.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\t' && !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}
