package jail

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/xjail/xjail/internal/fault"
)

// checkNothingLeft looks that no mount, jail or view of the state is there.
func checkNothingLeft(t *testing.T, s Store) {
	t.Helper()
	dir, err := filepath.EvalSymlinks(filepath.Dir(s.Dir)) // the state goes with its last jail
	if err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(dir, filepath.Base(s.Dir))
	all, err := hostKernel{}.Mounts()
	if left := mountsIn(all, dir); err != nil || len(left) > 0 {
		t.Errorf("mounted: %v, %v", left, err)
	}
	prisons, err := hostKernel{}.Prisons()
	if err != nil {
		t.Error(err)
	}
	for jid, path := range prisons {
		if below(path, dir) {
			t.Errorf("jail %d is left in %s", jid, path)
		}
	}
	if left, _ := os.ReadDir(s.views("j")); len(left) > 0 {
		t.Errorf("views: %v", left)
	}
}

// A command is killed with everything when its context ends, and what a killed
// xjail left goes with the next command and with destroy.
func TestKernelLeftovers(t *testing.T) {
	s := kernelStore(t)
	for _, clean := range []func() error{
		func() error { _, _, err := run(context.Background(), s, &Command{}, "print"); return err },
		func() error { return s.dropViews("j") },
	} {
		v, err := openView(hostKernel{}, s.views("j"))
		if err != nil {
			t.Fatal(err)
		}
		e := &entrance{Name: "j", Root: filepath.Join(s.dir("j"), "root"), Argv: []string{"guest"}}
		if _, _, err := prepare(v, e, kernelVersion(t)); err != nil {
			t.Fatal(err)
		}
		if _, err := newPrison(e, v, guest{}); err != nil {
			t.Fatal(err)
		}
		v.lock.release()
		if err := clean(); err != nil {
			t.Error(err)
		}
		checkNothingLeft(t, s)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	go func() { // the first word says that the command runs
		_, _ = r.Read(make([]byte, 1))
		cancel()
	}()
	c := &Command{Argv: []string{"guest", "wait"}, Env: []string{guestVar + "=1"}, Stdout: w}
	if _, err := s.Exec(ctx, "j", c); fault.KindOf(err) != fault.Interrupted {
		t.Errorf("ended context: %v", err)
	}
	w.Close()
	r.Close()
}
