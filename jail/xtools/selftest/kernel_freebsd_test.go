package selftest

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/xtools"
	"github.com/xjail/xjail/jail/xtools/nxb"
)

// chrootJail runs scripts by chroot(2), where Dir leads to the directory of the side.
type chrootJail struct{ root *os.Root }

func (j chrootJail) Run(ctx context.Context, job Job) (int, error) {
	if err := errors.Join(j.root.RemoveAll(Dir[1:]), j.root.Symlink("work/"+job.Work, Dir[1:])); err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, job.Argv[0], job.Argv[1:]...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = job.Env, "/", job.Output, job.Output
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: j.root.Name()}
	err := cmd.Run()
	if exit := (&exec.ExitError{}); errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	return 0, err
}

// The machine's own base system, in a root of its release with nothing else in it.
func TestKernelNxb(t *testing.T) {
	base, err := os.OpenRoot("/")
	if err != nil {
		t.Fatal(err)
	}
	defer base.Close()
	root, dir := openDir(t)
	for _, name := range []string{"bin/freebsd-version", "usr/include/sys/param.h"} {
		text, err := base.ReadFile(name)
		if err = errors.Join(err, root.MkdirAll(filepath.Dir(name), 0o755)); err == nil {
			err = root.WriteFile(name, text, 0o555)
		}
		if err != nil {
			t.Skip(err)
		}
	}
	if err := errors.Join(root.Mkdir("dev", 0o755), root.Mkdir("work", 0o755)); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "mount", "-t", "devfs", "devfs", dir+"/dev").CombinedOutput(); err != nil {
		t.Skipf("mounting is root's: %v %s", err, out)
	}
	t.Cleanup(func() { _ = exec.CommandContext(context.Background(), "umount", "-f", dir+"/dev").Run() })
	p, err := nxb.NewTwinPlan(t.Context(), base, nxb.Options{Target: lookup(t, "aarch64"), Jail: root})
	if fault.KindOf(err) == fault.NotFound {
		t.Skip(err) // no compiler, or two
	}
	if err != nil {
		t.Fatal(err)
	}
	n, err := p.Apply(t.Context(), root)
	work, werr := root.OpenRoot("work")
	if err = errors.Join(err, werr); err != nil {
		t.Fatal(err)
	}
	defer work.Close()
	tried := &test{report: &report{}, o: Options{Quick: true, Step: func(string) {}}, drifted: map[string]bool{}, compilers: map[string]bool{},
		s: &Subject{Manifest: &xtools.Manifest{}, Nxb: n, Root: root, Host: lookup(t, "amd64"), Target: lookup(t, "aarch64"), Work: work, Runner: chrootJail{root}}}
	if err := errors.Join(tried.nxbFiles(t.Context()), tried.nxbStart(t.Context()), tried.compiler(t.Context())); err != nil || len(find(tried.list, OK)) != 4 {
		t.Errorf("%v: %+v", err, tried.list)
	}
}
