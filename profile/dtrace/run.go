package dtrace

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
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
	file, err := exec.LookPath(command)
	if err != nil {
		return nil, fault.Wrap(fault.Unsupported, err, "profiles are collected by dtrace(1)", "it is part of FreeBSD's base system; the set base has it")
	}
	c := &Collector{out: w, parsed: make(chan struct{}), read: make(chan struct{})}
	c.cmd = exec.Command(file, "-n", Program(), strconv.Itoa(pid))
	// A Ctrl-C is for the command: dtrace ends when that has.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	stderr, err := c.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, fault.Wrap(fault.Unsupported, err, "start dtrace(1)", "")
	}
	began := make(chan struct{})
	o.Began = func() { close(began) }
	go c.parse(stdout, o)
	go c.listen(stderr)
	select {
	case <-began:
		return c, nil
	case <-c.parsed:
	case <-time.After(beginTime):
	}
	_ = c.cmd.Process.Kill()
	return nil, c.failed(c.wait())
}

func (c *Collector) parse(stdout io.Reader, o Options) {
	defer close(c.parsed)
	c.stats, c.failure = Parse(stdout, c.out, o)
	_, _ = io.Copy(io.Discard, stdout) // dtrace is not to hang
}

// listen reads what dtrace says of itself.
func (c *Collector) listen(stderr io.Reader) {
	defer close(c.read)
	in := bufio.NewScanner(stderr)
	for in.Scan() {
		c.mu.Lock()
		if n, ok := Drops(in.Text()); ok {
			c.lost += n
		} else if line := bytes.TrimSpace(in.Bytes()); len(line) > 0 && len(c.said) < 20 {
			c.said = append(c.said, string(line))
		}
		c.mu.Unlock()
	}
	_, _ = io.Copy(io.Discard, stderr)
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
	_ = c.cmd.Process.Signal(os.Interrupt)
	err := c.wait()
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
