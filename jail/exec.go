package jail

import (
	"context"
	"errors"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
)

// Exec runs a command in a jail and returns its status.
func (s Store) Exec(ctx context.Context, name string, c *Command) (int, error) {
	r, l, err := s.use(name)
	if err != nil {
		return 0, err
	}
	defer l.release()
	if c.Profile == nil {
		return s.exec(ctx, r, c)
	}
	return s.execProfiled(ctx, r, c, l)
}

func (s Store) exec(ctx context.Context, r *Record, c *Command) (int, error) {
	if st, err := os.Stat(r.Root); err != nil || !st.IsDir() {
		return 0, fault.New(fault.NotFound, "xjail destroy "+r.Name+" and make it again", "the root %s of jail %s is gone", r.Root, r.Name)
	}
	if r.NotRun != "" {
		return 0, fault.New(fault.NotFound, r.EmulatorHint(), "jail %s cannot be entered here: %s", r.Name, r.NotRun)
	}
	if err := checkPlaced(r); err != nil {
		return 0, err
	}
	if r.Global && len(r.Activators) > 0 {
		if err := s.ensureGlobal(MachineTable(), runtime.GOOS, r, fits(ctx, r)); err != nil {
			return 0, err
		}
	}
	tools, env, err := s.overlayOf(r, c)
	if err == nil {
		err = tools.checkBinds(c.Binds)
	}
	if err != nil {
		return 0, err
	}
	status, err := enter(ctx, &entrance{
		Name: r.Name, Root: r.Root,
		Private: len(r.Activators) > 0 && !r.Global, Activators: r.Activators,
		Binds: c.Binds, Argv: c.Argv, Env: mergeEnv(slices.Concat([]string{"XJAIL=" + r.Name}, r.Env, env), c.Env),
		User: c.User, Dir: c.Dir, Login: c.Login,
		Arch: r.Arch, Allow: r.Allow, Views: s.views(r.Name), Probe: c.probe, Tools: tools, Profile: s.profiling(r, c),
	}, c)
	return status, c.pointToExplain(r.Name, err)
}

// checkPlaced looks at the size of the emulator in the root. A damaged or
// replaced one ends every program of the jail without a word; its digest is for
// verify, since it costs more than most commands.
func checkPlaced(r *Record) error {
	if r.Emulator == nil || r.Global {
		return nil
	}
	root, err := os.OpenRoot(r.Root)
	if err != nil {
		return err
	}
	defer root.Close()
	st, err := root.Lstat(strings.TrimPrefix(r.Emulator.Path, "/"))
	if err == nil && st.Mode().IsRegular() && st.Size() == r.Emulator.Size {
		return nil
	}
	if err == nil {
		err = errors.New("it is not the file that was put there")
	}
	return fault.New(fault.BadEmulator, "xjail verify "+r.Name+" tells more; xjail update "+r.Name+" puts one there again",
		"emulator %s of jail %s: %w", r.Emulator.Path, r.Name, err)
}

// probeTimeout is far more than the slowest emulated uname needs.
const probeTimeout = 60 * time.Second

// runProbe runs a program of the root's architecture in the jail and looks at
// what it says: uname -m where there is one, else a shell's echo.
func (s Store) runProbe(ctx context.Context, r *Record, patience time.Duration) (Probe, error) {
	root, err := os.OpenRoot(r.Root)
	if err != nil {
		return Probe{}, err
	}
	uname, sh := findInRoot(root, "uname"), findInRoot(root, "sh")
	root.Close()
	p := Probe{}
	switch {
	case uname != "":
		p.Argv = []string{uname, "-m"}
	case sh != "":
		p.Argv = []string{sh, "-c", "echo " + probeWord}
	default:
		return p, fault.New(fault.Damaged, "a jail needs at least /bin/sh", "the root has neither uname nor sh to try")
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	status, out, errText, err := s.capture(ctx, r, p.Argv)
	p.Output = out
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return p, hangs(r, p.Argv[0], patience)
	case err != nil:
		return p, err
	case status != 0:
		return p, fault.New(fault.Failed, r.otherwise(), "%s ended with status %d: %s", strings.Join(p.Argv, " "), status, errText)
	}
	return p, checkProbe(r, p)
}

// hangs is for a program of a jail that did not end in time.
func hangs(r *Record, program string, patience time.Duration) error {
	culprit := "program"
	if r.Emulator != nil {
		culprit = "emulator"
	}
	return fault.New(fault.Failed, r.otherwise(), "%s did not end within %s: the %s hangs", program, patience, culprit)
}

const probeWord = "xjail-probe"

// capture runs a program and returns what it prints.
func (s Store) capture(ctx context.Context, r *Record, argv []string) (status int, out, errText string, err error) {
	return s.captureCommand(ctx, r, &Command{Argv: argv, probe: true})
}

// captureCommand runs a command without input and returns what it prints.
func (s Store) captureCommand(ctx context.Context, r *Record, c *Command) (status int, out, errText string, err error) {
	var stdout, stderr tailWriter
	outFile, outDone, err := pipeTo(&stdout)
	if err != nil {
		return 0, "", "", err
	}
	errFile, errDone, err := pipeTo(&stderr)
	if err != nil {
		outFile.Close()
		return 0, "", "", err
	}
	null, err := os.Open(os.DevNull)
	if err == nil {
		c.Stdin, c.Stdout, c.Stderr = null, outFile, errFile
		status, err = s.exec(ctx, r, c)
		null.Close()
	}
	outFile.Close()
	errFile.Close()
	<-outDone
	<-errDone
	return status, strings.TrimSpace(stdout.String()), strings.TrimSpace(stderr.String()), err
}

// Entry is a line of the list of jails.
type Entry struct {
	Name    string  `json:"name"`
	State   string  `json:"state"` // ready, no emulator, in use, being made, incomplete, damaged
	Problem string  `json:"problem,omitempty"`
	Record  *Record `json:"record,omitempty"`
}

// List describes every jail, whatever state it is in.
func (s Store) List() ([]Entry, error) {
	names, err := s.Names()
	if err != nil {
		return nil, err
	}
	list := make([]Entry, 0, len(names))
	for _, name := range names {
		list = append(list, s.describe(name))
	}
	return list, nil
}

func (s Store) describe(name string) Entry {
	e := Entry{Name: name, State: "ready"}
	r, err := s.Load(name)
	switch fault.KindOf(err) {
	case 0:
		e.Record = r
		if r.NotRun != "" {
			e.State, e.Problem = "no emulator", r.NotRun
		}
	case fault.NotFound:
		e.State, e.Problem = "incomplete", "its creation or removal was interrupted"
	default:
		e.State, e.Problem = "damaged", err.Error()
	}
	if s.inUse(name) {
		e.State = "in use"
		if r == nil {
			e.State = "being made"
		}
	}
	return e
}

// inUse tries the lock for a moment.
func (s Store) inUse(name string) bool {
	l, err := tryLock(s.lockFile(name), unix.LOCK_EX)
	if l != nil {
		l.release()
	}
	return errors.Is(err, unix.EWOULDBLOCK)
}
