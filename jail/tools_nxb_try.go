package jail

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/xtools"
	"github.com/xjail/xjail/jail/xtools/inplace"
	"github.com/xjail/xjail/jail/xtools/nxb"
	"github.com/xjail/xjail/jail/xtools/selftest"
)

// nxbTrial tries a /nxb-bin that is in its place.
type nxbTrial func(*nxb.Manifest) error

// triesNxb tells whether native tools of a root of FreeBSD can be tried here. They
// are programs of FreeBSD, and what they build must run as well.
func triesNxb(r *Record) bool { return runtime.GOOS == "freebsd" && r.NotRun == "" }

// nxbTrialOf is the short self-test; nil where it is not wanted, or not possible.
func (s Store) nxbTrialOf(ctx context.Context, r *Record, wanted bool, w Watcher) nxbTrial {
	if !wanted || !triesNxb(r) {
		return nil
	}
	return func(n *nxb.Manifest) error {
		w.Step("tools", "try them")
		m := toolsOfNxb(n)
		findings, err := s.tryNxb(ctx, r, m, n, selftest.Options{Quick: true})
		if err == nil {
			err = errors.Join(selftest.Failure(findings), s.keepFailures(r.Name, m, findings, false))
		}
		if err == nil {
			return nil
		}
		return notUsed(r.Name, err)
	}
}

// verifyNxb is VerifyTools of a root of FreeBSD.
func (s Store) verifyNxb(ctx context.Context, r *Record, m *xtools.Manifest, o selftest.Options) ([]selftest.Finding, error) {
	if !triesNxb(r) {
		return nil, nxbUntriable(runtime.GOOS, r)
	}
	n, err := s.loadNxb(r.Name)
	if err != nil {
		return nil, err
	}
	if n == nil {
		return nil, fault.New(fault.Damaged, "rm -r "+filepath.Join(r.Root, nxb.Dir)+"; xjail tools install "+r.Name, "what is in /%s of jail %s is not known", nxb.Dir, r.Name)
	}
	findings, err := s.tryNxb(ctx, r, m, n, o)
	if err != nil {
		return findings, err
	}
	return findings, s.keepFailures(r.Name, m, findings, !o.Quick)
}

// nxbUntriable says why native tools cannot be tried on a system.
func nxbUntriable(system string, r *Record) error {
	instead := "xjail verify " + r.Name + " compares the files with what was written"
	if system == "freebsd" {
		return fault.New(fault.NotFound, r.EmulatorHint()+"; "+instead, "jail %s cannot be entered here: %s", r.Name, r.NotRun)
	}
	return fault.New(fault.Unsupported, instead, "the native tools of jail %s are programs of FreeBSD, and cannot be tried here", r.Name)
}

// tryNxb runs the self-test with /nxb-bin first in the PATH.
func (s Store) tryNxb(ctx context.Context, r *Record, m *xtools.Manifest, n *nxb.Manifest, o selftest.Options) (list []selftest.Finding, err error) {
	err = s.withSubject(ctx, r, func(subject *selftest.Subject) error {
		subject.Manifest, subject.Nxb = m, n
		return withTryPoint(subject.Root, func() (err error) {
			list, err = selftest.Run(ctx, subject, o)
			return err
		})
	})
	return list, writeError(err)
}

// tryPoint is the directory of a root on which that of the self-test is mounted; ""
// where there is none.
func tryPoint() string {
	if name := strings.TrimPrefix(selftest.Dir, "/"); !strings.Contains(name, "/") {
		return name
	}
	return ""
}

// withTryPoint does something while a root has the directory on which that of the
// self-test is mounted. A killed one leaves it, empty, and the next takes it away.
func withTryPoint(root *os.Root, do func() error) error {
	point := tryPoint()
	if point == "" {
		return do()
	}
	return inplace.KeepTimes(root, []string{"/"}, func() error {
		err := root.Mkdir(point, 0o755)
		if err != nil && !errors.Is(err, os.ErrExist) {
			return writeError(err)
		}
		if st, err := root.Lstat(point); err != nil || !st.IsDir() {
			return fault.New(fault.Unsafe, "move it away", "/%s of the root, where the self-test works, is no directory", point)
		}
		err = do()
		if left := root.Remove(point); !errors.Is(left, unix.ENOTEMPTY) { // with what is somebody else's
			err = errors.Join(err, absentError(left))
		}
		return err
	})
}

// dropTryPoint removes what a killed self-test left in a root. The jail is locked for
// the caller alone. What is not empty is somebody else's.
func dropTryPoint(r *Record) {
	point := tryPoint()
	if point == "" || r.Guest != "freebsd" {
		return
	}
	root, err := os.OpenRoot(r.Root)
	if err != nil {
		return // whoever needs the root says so
	}
	defer root.Close()
	if st, err := root.Lstat(point); err == nil && st.IsDir() {
		_ = inplace.KeepTimes(root, []string{"/"}, func() error { return root.Remove(point) })
	}
}
