package jail

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/xtools"
	"github.com/xjail/xjail/jail/xtools/selftest"
)

// VerifyTools tries the native tools of a jail. What is found is returned beside
// an error too, which is of what kept it from going on. The stored root stays as
// it is.
func (s Store) VerifyTools(ctx context.Context, cfg *Config, name string, o selftest.Options) ([]selftest.Finding, error) {
	r, l, err := s.use(name)
	if err != nil {
		return nil, err
	}
	defer l.release()
	m, err := s.LoadTools(name)
	if err != nil {
		return nil, err
	}
	if m == nil {
		return nil, fault.New(fault.NotFound, "xjail tools install "+name, "jail %s has no native tools", name)
	}
	if m.Layout == xtools.NxbBin {
		return s.verifyNxb(ctx, r, m, o)
	}
	if m.Layout != "" {
		return nil, fault.New(fault.Unsupported, "xjail verify "+name+" compares the files with what was written",
			"the native tools of jail %s are in its root: there is nothing to compare them with", name)
	}
	policy, err := xtools.DefaultPolicy().With(cfg.Tools)
	if err != nil {
		return nil, err
	}
	findings, err := s.tryTools(ctx, r, m, policy, o)
	if err != nil {
		return findings, err
	}
	return findings, s.keepFailures(r.Name, m, findings, !o.Quick)
}

// tryTools runs the self-test with the tools that the jail is entered with.
func (s Store) tryTools(ctx context.Context, r *Record, m *xtools.Manifest, policy *xtools.Policy, o selftest.Options) (list []selftest.Finding, err error) {
	if err := s.checkTools(r); err != nil {
		return nil, err
	}
	farm, err := os.OpenRoot(filepath.Join(s.Dir, m.Farm))
	if err != nil {
		return nil, fault.Wrap(fault.NotFound, err, "native tools of jail "+r.Name, "xjail tools install "+r.Name+" gets them again")
	}
	defer farm.Close()
	err = s.withSubject(ctx, r, func(subject *selftest.Subject) error {
		subject.Manifest, subject.Farm, subject.Policy = m, farm, policy
		list, err = selftest.Run(ctx, subject, o)
		return err
	})
	return list, writeError(err)
}

// withSubject does something with what a self-test is about, without the tools, and
// takes away what that leaves.
func (s Store) withSubject(ctx context.Context, r *Record, do func(*selftest.Subject) error) (err error) {
	target, err := arch.Lookup(r.Arch)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(r.Root)
	if err != nil {
		return err
	}
	defer root.Close()
	machine, err := s.machineOf(ctx, r, root)
	if err != nil {
		return err
	}
	work, err := openTryDir(ctx, s.tryDir(r.Name))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, work.remove()) }()
	return do(&selftest.Subject{
		Root: root, Host: arch.Host(), Target: target, Machine: machine, Work: work.root, Runner: &tryRunner{s, r, work.path},
	})
}

// machineOf is what uname -m says without native tools, "" when the root has none.
func (s Store) machineOf(ctx context.Context, r *Record, root *os.Root) (string, error) {
	if n := len(r.Probe.Argv); n == 2 && r.Probe.Argv[1] == "-m" {
		return r.Probe.Output, nil
	}
	uname := findInRoot(root, "uname")
	if uname == "" {
		return "", nil
	}
	return s.ask(ctx, r, uname, "-m")
}

// tryRunner runs the scripts of a self-test.
type tryRunner struct {
	store  Store
	record *Record
	work   string
}

// Run implements selftest.Runner.
func (t *tryRunner) Run(ctx context.Context, job selftest.Job) (int, error) {
	out, done, err := pipeTo(job.Output)
	if err != nil {
		return 0, err
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		out.Close()
		return 0, err
	}
	status, err := t.store.exec(ctx, t.record, &Command{
		Argv: job.Argv, Env: job.Env, NoTools: !job.Tools, Stdin: null, Stdout: out, Stderr: out,
		Binds: []Bind{{Source: filepath.Join(t.work, job.Work), Target: selftest.Dir}},
	})
	null.Close()
	out.Close()
	<-done
	return status, err
}

// tryDir is where a self-test works, beside the root: a jail that is removed
// takes it along.
func (s Store) tryDir(name string) string { return filepath.Join(s.dir(name), "selftest") }

// tryWork is the directory of a self-test under way, which holds its lock.
type tryWork struct {
	path string
	file *os.File
	root *os.Root
}

// openTryDir takes the directory for one self-test at a time, and clears what a
// killed one left.
func openTryDir(ctx context.Context, dir string) (*tryWork, error) {
	for {
		if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return nil, writeError(err)
		}
		w, err := lockTryDir(dir)
		if err != nil {
			return nil, err
		}
		if w == nil {
			continue // another one removed it meanwhile
		}
		if err := clearTree(ctx, dir); err != nil {
			w.close()
			return nil, err
		}
		return w, nil
	}
}

// lockTryDir is nil when the directory is not there any more once it is locked.
func lockTryDir(dir string) (*tryWork, error) {
	f, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fault.New(fault.Locked, "wait until it has ended", "the tools of this jail are being tried by another xjail")
		}
		return nil, err
	}
	mine, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	if now, err := os.Lstat(dir); err != nil || !os.SameFile(mine, now) {
		f.Close()
		return nil, nil //nolint:nilerr // it is made again
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		f.Close()
		return nil, err
	}
	return &tryWork{dir, f, root}, nil
}

func (w *tryWork) close() {
	w.root.Close()
	w.file.Close()
}

// remove takes it away, also when the user gave up meanwhile.
func (w *tryWork) remove() error {
	err := removeTree(context.Background(), w.path)
	w.close()
	return fault.Wrap(fault.KindOf(err), err, "remove what the self-test made", "")
}

// useTried lays tools over when a short self-test finds nothing wrong with them.
// Otherwise the jail has what it had before.
func (s Store) useTried(ctx context.Context, r *Record, root *os.Root, m *xtools.Manifest, policy *xtools.Policy, w Watcher) error {
	old, err := s.LoadTools(r.Name)
	if err != nil {
		old = nil // it is replaced
	}
	m.Untried = true
	if err := s.useTools(r, root, m); err != nil {
		return err
	}
	w.Step("tools", "try them")
	findings, err := s.tryTools(ctx, r, m, policy, selftest.Options{Quick: true})
	if err == nil {
		err = errors.Join(selftest.Failure(findings), s.keepFailures(r.Name, m, findings, false))
	}
	if err == nil {
		err = s.tried(r.Name, m)
	}
	if err == nil {
		return nil
	}
	if old != nil {
		err = errors.Join(err, s.useTools(r, root, old))
	} else {
		err = errors.Join(err, s.dropTools(r.Name, root, m))
	}
	return notUsed(r.Name, err)
}

// refusedTools are tools that have not passed.
type refusedTools struct{ error }

func (r refusedTools) Unwrap() error { return r.error }

// notUsed says that tools have not passed. An interruption says nothing of them.
func notUsed(name string, err error) error {
	if fault.KindOf(err) == fault.Interrupted {
		return err
	}
	return refusedTools{fault.Wrap(fault.KindOf(err), err, "native tools that do not pass the self-test are not used",
		"xjail tools install "+name+" --no-verify uses them all the same, and xjail tools verify "+name+" tells more")}
}

// tried notes that tools have passed.
func (s Store) tried(name string, m *xtools.Manifest) error {
	m.Untried = false
	text, err := m.Marshal()
	if err != nil {
		return err
	}
	return writeFile(s.toolsManifest(name), text)
}
