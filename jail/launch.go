package jail

import (
	"context"
	"io/fs"
	"os"
	"path"
	"syscall"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
)

// launch is a command as execve(2) gets it, decided from outside of the jail.
type launch struct {
	name string // the program, a path in the jail
	argv []string
	env  []string
	dir  string
	cred syscall.Credential
}

// checkEntrance refuses what cannot be entered, before anything is done.
func checkEntrance(e *entrance, euid int) error {
	if euid != 0 {
		return fault.New(fault.Permission, "sudo xjail exec "+e.Name+" ...", "entering jail %s: mounts and jail(2) need root on FreeBSD", e.Name)
	}
	if e.Host {
		return fault.New(fault.Unsupported, "make the root on a Linux host and take it as an archive: source", "building a root with the host's own programs needs Linux's namespaces")
	}
	return nil
}

// prepare mounts a view and decides how the command is started in it.
func prepare(v *view, e *entrance, osreldate int) (*launch, guest, error) {
	steps, err := e.mountPlan(osreldate, os.Stat)
	if err != nil {
		return nil, guest{}, err
	}
	if err := v.build(steps, osreldate); err != nil {
		return nil, guest{}, err
	}
	root, err := os.OpenRoot(v.root)
	if err != nil {
		return nil, guest{}, err
	}
	defer root.Close()
	g := readGuest(root)
	l, err := newLaunch(root, e, g)
	return l, g, err
}

// stat is os.Stat of what the jail sees.
func (v *view) stat(name string) (fs.FileInfo, error) {
	root, err := os.OpenRoot(v.root)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return statIn(root)(name)
}

// newLaunch looks up the user, the program and the directory in the jail's
// root. A probe is not told what uname(1) should say: it is asked.
func newLaunch(root *os.Root, e *entrance, g guest) (*launch, error) {
	acct, err := lookupAccount(openFileIn(root), e.User)
	if err != nil {
		return nil, err
	}
	l := &launch{argv: e.Argv, env: e.environ(acct, g), dir: e.Dir}
	l.cred = syscall.Credential{Uid: acct.uid, Gid: acct.gid, Groups: acct.groups}
	if len(l.argv) == 0 {
		l.argv = []string{acct.shell}
	}
	stat := statIn(root)
	if l.name, err = findProgram(l.argv[0], lookupEnv(l.env, "PATH"), stat); err != nil {
		return nil, err
	}
	if e.Login && l.dir == "" {
		l.dir = acct.home
	}
	if l.dir == "" {
		l.dir = "/"
	}
	if err := l.checkDir(stat, e.Login); err != nil {
		return nil, err
	}
	l.nameArgv0(root, e.Login)
	return l, nil
}

// environ is the command's environment.
func (e *entrance) environ(acct account, g guest) []string {
	base := acct.env()
	if !e.Probe {
		a, err := arch.Lookup(e.Arch)
		if err != nil {
			a = nil // an older record of an architecture that is no more
		}
		base = append(base, guestEnv(g, a, arch.Host())...)
	}
	return mergeEnv(base, e.Env)
}

// nameArgv0 decides argv[0]. imgact_binmisc hands it to the emulator in place
// of the program's path, so for a foreign program it is the path: the emulator
// would look for anything else in PATH, and take a login shell's -sh for an
// option. A shell that is emulated is therefore no login shell.
func (l *launch) nameArgv0(root *os.Root, login bool) {
	file := l.name
	if !path.IsAbs(file) {
		file = path.Join(l.dir, file)
	}
	id, err := identify(root, file)
	first := l.argv[0]
	switch host := arch.Host(); {
	case err == nil && host != nil && id.Name != host.Name:
		first = l.name
	case login:
		first = "-" + path.Base(first)
	}
	l.argv = append([]string{first}, l.argv[1:]...)
}

// checkDir looks at the working directory, since an execve that failed does not
// tell whether it was that. A login without a home begins at the root.
func (l *launch) checkDir(stat statFunc, login bool) error {
	st, err := stat(l.dir)
	if err == nil && !st.IsDir() {
		err = syscall.ENOTDIR
	}
	switch {
	case err == nil:
		return nil
	case login:
		l.dir = "/"
		return nil
	}
	return fault.New(fault.NotFound, "--dir names a directory of the jail", "working directory %s: %w", l.dir, err)
}

// interrupted tells whether the user gave up while the jail was set up.
func interrupted(ctx context.Context, signals <-chan os.Signal) bool {
	for {
		select {
		case s := <-signals:
			if s != syscall.SIGCONT && s != syscall.SIGTSTP {
				return true
			}
		default:
			return ctx.Err() != nil
		}
	}
}
