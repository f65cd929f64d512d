package jail

import (
	"bufio"
	"encoding/gob"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path"
	"runtime"
	"slices"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
)

// IsInit tells whether this process was started by xjail itself to become the
// first process of a jail.
func IsInit() bool { return len(os.Args) > 1 && os.Args[0] == InitName }

// RunInit does what argv[1] asks for and returns the exit status. Role files
// is the caller's work: it runs main again as root of a user namespace.
func RunInit(main func(args []string) int) int {
	// Both are lost when an exec gains capabilities, as after roleWait.
	if !slices.Contains(os.Args[1:], roleKeep) {
		_ = unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0)
	}
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0)
	control := os.NewFile(controlFD, "control")
	switch role, args := os.Args[1], os.Args[2:]; role {
	case roleWait:
		return waitForMaps(control, args)
	case roleInit:
		unix.CloseOnExec(controlFD)
		return runJailInit(control)
	case roleKeep:
		closeInherited(controlFD)
		return runJailInit(control)
	case roleFiles:
		unix.CloseOnExec(controlFD)
		return main(args)
	}
	return int(fault.Usage)
}

// waitForMaps blocks until the parent has had the ids mapped. Only an exec
// after that gives uid 0 of the namespace its capabilities.
func waitForMaps(control *os.File, args []string) int {
	var b [1]byte
	if n, _ := control.Read(b[:]); n != 1 || len(args) == 0 {
		return int(fault.Failed)
	}
	err := unix.Setresgid(0, 0, 0)
	if err == nil {
		err = unix.Setresuid(0, 0, 0)
	}
	if err == nil {
		err = unix.Exec("/proc/self/exe", append([]string{InitName}, args...), os.Environ())
	}
	_ = send(control, errorMessage(fmt.Errorf("become root of the user namespace: %w", err)))
	return int(fault.Failed)
}

// runJailInit makes the jail around itself, runs the command and stays its
// init: it reaps what the command leaves behind, and when it ends the kernel
// ends everything that is still in the jail.
func runJailInit(control *os.File) int {
	in := bufio.NewReader(control)
	var e entrance
	// The reader is one of bytes, so nothing behind the entrance is taken.
	if err := gob.NewDecoder(in).Decode(&e); err != nil {
		return int(fault.Failed)
	}
	orders := make(chan syscall.Signal, 16)
	var keep atomic.Bool
	go obeyParent(in, orders, &keep)
	end, err := e.run(control, orders, &keep)
	if err != nil {
		_ = send(control, errorMessage(err))
		return int(fault.KindOf(err))
	}
	_ = send(control, end)
	return *end.Exited
}

// obeyParent reads signals for the command, a byte each, and ends the jail when
// the parent is gone: its end of the socket closes even when it was killed. A
// command that is kept goes on, once it has begun.
func obeyParent(in *bufio.Reader, orders chan<- syscall.Signal, keep *atomic.Bool) {
	for {
		b, err := in.ReadByte()
		if err != nil {
			if keep.Load() {
				return
			}
			os.Exit(int(fault.Failed))
		}
		orders <- syscall.Signal(b)
	}
}

func (e *entrance) run(control *os.File, orders <-chan syscall.Signal, keep *atomic.Bool) (message, error) {
	var started atomic.Bool
	signals := make(chan os.Signal, 16)
	signal.Notify(signals)
	go dropSignals(signals, control, &started)
	if err := e.makeRoot(); err != nil {
		return message{}, err
	}
	if err := unix.Sethostname([]byte(e.Name)); err != nil {
		return message{}, fault.Wrap(fault.Failed, err, "sethostname", "")
	}
	if e.Try {
		return message{Exited: new(int)}, nil
	}
	c, err := e.prepare()
	if err != nil {
		return message{}, err
	}
	begun := func() {
		started.Store(true)
		keep.Store(e.Profile != nil && e.Profile.File)
		_ = send(control, message{Started: true})
	}
	if e.Profile != nil {
		return e.follow(c, control, orders, begun)
	}
	pid, err := e.start(c, control)
	if err != nil {
		return message{}, err
	}
	begun()
	return reap(pid, orders, control)
}

// dropSignals is for what a terminal sends: it reaches init too, which shares
// the command's process group. It is the command's to act on, so here it is
// caught and dropped; ignoring it instead would be inherited. Before there is a
// command, Ctrl-C ends the jail.
func dropSignals(signals <-chan os.Signal, control *os.File, started *atomic.Bool) {
	for s := range signals {
		if !started.Load() && (s == unix.SIGINT || s == unix.SIGQUIT) {
			_ = send(control, errorMessage(fault.New(fault.Interrupted, "", "interrupted while the jail was set up")))
			os.Exit(int(fault.Interrupted))
		}
	}
}

// starting is a command as execve(2) gets it.
type starting struct {
	name string
	argv []string
	attr *syscall.ProcAttr
}

// prepare decides how the command is started, and makes its directory this
// process's.
func (e *entrance) prepare() (*starting, error) {
	acct, err := lookupAccount(openInput, e.User)
	if err != nil {
		return nil, err
	}
	env := mergeEnv(acct.env(), e.Env)
	argv, dir := e.Argv, e.Dir
	if len(argv) == 0 {
		argv = []string{acct.shell}
	}
	name, err := findProgram(argv[0], lookupEnv(env, "PATH"), os.Stat)
	if err != nil {
		return nil, err
	}
	if e.Login {
		argv = append([]string{"-" + path.Base(argv[0])}, argv[1:]...)
		if dir == "" {
			dir = acct.home
		}
	}
	if dir == "" {
		dir = "/"
	}
	if err := unix.Chdir(dir); err != nil {
		if !e.Login {
			return nil, fault.New(fault.NotFound, "--dir names a directory of the jail", "working directory %s: %w", dir, err)
		}
		_ = unix.Chdir("/")
	}
	attr := &syscall.ProcAttr{Env: env, Files: []uintptr{0, 1, 2}, Sys: &syscall.SysProcAttr{}}
	if err := e.confine(attr.Sys); err != nil {
		return nil, err
	}
	if e.User != "" && acct.uid != 0 {
		attr.Sys.Credential = &syscall.Credential{Uid: acct.uid, Gid: acct.gid, Groups: acct.groups}
	}
	if err := e.protectTerminal(); err != nil {
		return nil, err
	}
	unignore()
	return &starting{name, argv, attr}, nil
}

// start runs the command as a child, since pid 1 is special to the kernel: it
// gets no signal that it does not handle.
func (e *entrance) start(c *starting, control *os.File) (int, error) {
	if e.Tools != nil {
		return e.startWithTools(c, control)
	}
	pid, err := syscall.ForkExec(c.name, c.argv, c.attr)
	return pid, e.startError(err, c)
}

// startError says why a command could not be started.
func (e *entrance) startError(err error, c *starting) error {
	if c.attr.Sys.Credential != nil && (errors.Is(err, unix.EPERM) || errors.Is(err, unix.EINVAL)) {
		return fault.New(fault.Permission, "users need subordinate ids for jails with users: man subuid; or run xjail as root",
			"become user %s, uid %d: this jail has no such id: %w", e.User, c.attr.Sys.Credential.Uid, err)
	}
	var errno syscall.Errno
	var tools *layError
	if !errors.As(err, &tools) && errors.As(err, &errno) && fault.KindOf(err) == fault.Failed {
		return execError(c.name, err, os.Stat)
	}
	return err
}

// startWithTools lays the native tools over, sets the trap that lifts them, and
// starts the command.
func (e *entrance) startWithTools(c *starting, control *os.File) (int, error) {
	lay, err := e.toolsLayer(control)
	if err != nil {
		return 0, err
	}
	pid := 0
	if c.attr.Sys.Cloneflags != 0 && gateELF(runtime.GOARCH) != nil {
		pid, err = startBehindGate(c.name, c.argv, c.attr, lay)
	} else if err = lay(0); err == nil {
		pid, err = syscall.ForkExec(c.name, c.argv, c.attr)
	}
	return pid, e.startError(err, c)
}

// toolsLayer sets the trap, and returns what lays the tools over in the mounts of
// a process; 0 is this one.
func (e *entrance) toolsLayer(control *os.File) (func(pid int) error, error) {
	mounts, err := newMounter()
	if err != nil {
		return nil, err
	}
	// It is there before this thread is filtered.
	if err := e.Tools.setTrap(mounts, func(lifted string) { _ = send(control, message{Lifted: lifted}) }); err != nil {
		_ = send(control, message{NoTrap: err.Error()})
	}
	return func(pid int) error {
		var drifted []string
		lay := func() (err error) {
			drifted, err = e.Tools.lay()
			return err
		}
		if pid == 0 {
			err = lay()
		} else {
			err = mounts.in(pid, lay)
		}
		if len(drifted) > 0 {
			_ = send(control, message{Drifted: drifted})
		}
		if err != nil {
			err = &layError{err}
		}
		return err
	}, nil
}

// layError is of the native tools, and not of the command that is to be started.
type layError struct{ err error }

func (l *layError) Error() string { return l.err.Error() }
func (l *layError) Unwrap() error { return l.err }

// reap waits for every child of the jail until the command is done. A command
// that stops is reported, so that the user's shell sees a stopped job.
func reap(command int, orders <-chan syscall.Signal, control *os.File) (message, error) {
	go passOrders(command, orders)
	for {
		var ws unix.WaitStatus
		pid, err := unix.Wait4(-1, &ws, unix.WUNTRACED, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return message{}, fmt.Errorf("wait for the command: %w", err)
		case pid != command:
		case ws.Stopped():
			_ = send(control, message{Stopped: int(ws.StopSignal())})
		case ws.Signaled(), ws.Exited():
			return ended(ws), nil
		}
	}
}

func passOrders(command int, orders <-chan syscall.Signal) {
	for sig := range orders {
		_ = unix.Kill(command, sig)
	}
}
