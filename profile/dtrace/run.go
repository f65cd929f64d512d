package dtrace

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/profile"
)

// Collector runs dtrace(1) while a jail is used.
type Collector struct {
	cmd     *exec.Cmd
	out     *profile.Writer
	stats   *Stats
	failure error
	parsed  chan struct{} // closed when all output is read

	mu   sync.Mutex
	lost int64
	said []string // what dtrace complains of, apart from losses
	read chan struct{}
}

// command is dtrace(1); tests have another.
var command = "dtrace"

// beginTime is how long dtrace may take to compile the program and to begin.
var beginTime = time.Minute

// Start begins to collect what runs below the process pid, which is root's
// xjail. It returns when everything from then on is seen. The writer is the
// collector's until Stop.
//
// An error is of kind fault.Unsupported where there is no dtrace, and
// fault.Permission for those who may not use it.
func Start(pid int, w *profile.Writer, o Options) (*Collector, error) {
	file, err := Find()
	if err != nil {
		return nil, err
	}
	c := &Collector{out: w, parsed: make(chan struct{}), read: make(chan struct{})}
	began := make(chan struct{})
	o.Began = func() { close(began) }
	parse := func(r io.Reader) (*Stats, error) { return Parse(r, w, o) }
	return c, c.start(exec.Command(file, "-n", Program(), strconv.Itoa(pid)), parse, began)
}

// StartBulk begins to collect what runs in the jails of a bulk run, as Start does.
func StartBulk(k Keeper, o BulkOptions) (*Collector, error) {
	file, err := Find()
	if err != nil {
		return nil, err
	}
	c := &Collector{parsed: make(chan struct{}), read: make(chan struct{})}
	began := make(chan struct{})
	o.Began, o.Lost = func() { close(began) }, c.losses
	parse := func(r io.Reader) (*Stats, error) {
		err := ParseBulk(r, k, o)
		if err != nil { // nobody reads on
			_ = c.cmd.Process.Signal(syscall.SIGTERM)
		}
		return &Stats{}, err
	}
	return c, c.start(exec.Command(file, "-n", BulkProgram(), nobody, o.Name), parse, began)
}

// Find is where dtrace(1) is. The error is of kind fault.Unsupported.
func Find() (string, error) {
	file, err := exec.LookPath(command)
	return file, fault.Wrap(fault.Unsupported, err, "profiles are collected by dtrace(1)", "it is part of FreeBSD's base system; the set base has it")
}

// start starts dtrace, and waits until it has begun.
func (c *Collector) start(cmd *exec.Cmd, parse func(io.Reader) (*Stats, error), began <-chan struct{}) error {
	c.cmd = cmd
	// A Ctrl-C is for the command: dtrace ends when that has.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	stderr, err := c.cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := c.cmd.Start(); err != nil {
		return fault.Wrap(fault.Unsupported, err, "start dtrace(1)", "")
	}
	go c.parse(stdout, parse)
	go c.listen(stderr)
	select {
	case <-began:
		return nil
	case <-c.parsed:
	case <-time.After(beginTime):
	}
	_ = c.cmd.Process.Kill()
	return c.failed(c.wait())
}

func (c *Collector) parse(stdout io.Reader, parse func(io.Reader) (*Stats, error)) {
	defer close(c.parsed)
	c.stats, c.failure = parse(stdout)
	_, _ = io.Copy(io.Discard, stdout) // dtrace is not to hang
}

// refused begins what dtrace says of a program that it does not take: the whole of
// it, and then a colon and why.
const refused = "dtrace: invalid probe specifier "

// listen reads what dtrace says of itself.
func (c *Collector) listen(stderr io.Reader) {
	defer close(c.read)
	in := bufio.NewScanner(stderr)
	quoted := false
	for in.Scan() {
		line := strings.TrimSpace(in.Text())
		if quoted = quoted || strings.HasPrefix(line, refused); quoted {
			why, ok := strings.CutPrefix(line, ": ")
			if !ok {
				continue
			}
			line, quoted = "dtrace does not take the program: "+why, false
		}
		c.hear(line)
	}
	_, _ = io.Copy(io.Discard, stderr)
}

func (c *Collector) hear(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n, ok := Drops(line); ok {
		c.lost += n
	} else if line != "" && len(c.said) < 20 {
		c.said = append(c.said, line)
	}
}

func (c *Collector) wait() error {
	<-c.parsed
	<-c.read
	return c.cmd.Wait()
}

// failed says why dtrace did not begin.
func (c *Collector) failed(err error) error {
	said := strings.Join(c.said, "; ")
	kind, hint := fault.Failed, "dtrace -l -P proc must list probes"
	switch {
	case strings.Contains(said, "privileges") || strings.Contains(said, "ermission"):
		kind, hint = fault.Permission, "run xjail as root of the machine, not from within a jail"
	case strings.Contains(said, "not available") || strings.Contains(said, "No such file") || strings.Contains(said, "does not match any probes"):
		kind, hint = fault.Unsupported, "kldload dtraceall; a kernel without KDTRACE_HOOKS cannot"
	}
	if said != "" {
		err = errors.New(said)
	}
	if err == nil {
		err = errors.New("it did not begin in time")
	}
	return fault.Wrap(kind, err, "collect a profile by dtrace(1)", hint)
}

// Stop ends dtrace, which tells first of what it still has, and says what was
// seen. Losses are in the profile; it is not closed.
func (c *Collector) Stop() (*Stats, error) {
	err := c.end()
	if c.failure != nil {
		return c.stats, c.failure
	}
	at := int64(c.stats.At)
	c.stats.Sums.Lost += c.lost
	if c.lost > 0 {
		if err := c.out.Lost(&profile.Lost{At: at, Count: c.lost, Why: "dtrace had no room"}); err != nil {
			return c.stats, err
		}
	}
	if !c.stats.Whole {
		why := "dtrace ended early"
		if err != nil {
			why += ": " + err.Error()
		}
		c.stats.Sums.Lost++
		return c.stats, c.out.Lost(&profile.Lost{At: at, Count: 1, Why: why})
	}
	return c.stats, c.out.Flush()
}

// losses are what dtrace had no room for so far.
func (c *Collector) losses() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lost
}

// stopTime is how long dtrace may take to print what it still has.
const stopTime = 10 * time.Second

// end has dtrace end. SIGINT may be ignored in what a shell started in the
// background, and dtrace leaves it so.
func (c *Collector) end() error {
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	defer time.AfterFunc(stopTime, func() { _ = c.cmd.Process.Kill() }).Stop()
	return c.wait()
}

// RunBulk waits until the bulk run is over, which ctx tells, or dtrace ends by
// itself, and returns why that was.
func (c *Collector) RunBulk(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-c.parsed:
	}
	asked := ctx.Err() != nil
	if err := c.end(); c.failure == nil && !asked {
		return c.failed(err)
	}
	return c.failure
}
