package jail

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/internal/fault"
)

// TestKernelForeign makes jails of another architecture, whose programs are no
// more than headers: the kernel hands them to the emulator, which is this test.
func TestKernelForeign(t *testing.T) {
	kernelStore(t) // or skip
	s, table := Store{Dir: t.TempDir()}, MachineTable()
	if list, err := table.List(); err == nil && len(list) > 0 {
		t.Skip("activators are registered on this machine")
	}
	emulator := filepath.Join(t.TempDir(), "qemu-aarch64-static")
	replaceEmulator(t, emulator)
	req := Request{Arch: "aarch64", From: "archive:" + foreignRoot(t), Emulator: emulator}
	for _, req.Name = range []string{"one", "two"} {
		p, err := s.NewPlan(t.Context(), &Config{}, req)
		if err == nil {
			_, err = s.Create(t.Context(), p, &listener{})
		}
		if err != nil {
			t.Fatalf("%s: %v, hint %q", req.Name, err, fault.HintOf(err))
		}
		t.Cleanup(func() { _ = s.Destroy(context.Background(), req.Name) })
	}
	works := func(when string) {
		t.Helper()
		r, err := s.Load("one")
		if err != nil {
			t.Fatal(err)
		}
		if status, out, _, err := s.capture(t.Context(), r, []string{"/bin/sh", "-c", "x y"}); err != nil || status != 0 || out != "/bin/sh|-c|x y" {
			t.Errorf("%s: %d %q, %v", when, status, out, err)
		}
	}
	works("made")
	if e, err := table.Lookup("aarch64"); err != nil || e.Interpreter != emulator || e.Flags.PreOpen != activators.PreOpens(table) {
		t.Errorf("registered %+v, %v", e, err)
	}
	replaceEmulator(t, emulator)
	works("with a new emulator")
	if err := table.Remove("aarch64"); err != nil {
		t.Fatal(err)
	}
	works("as after a reboot")
	if err := table.Disable("aarch64"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Exec(t.Context(), "one", &Command{Argv: []string{"/bin/sh"}}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("switched off: %v", err)
	}
	for i, name := range []string{"one", "two"} {
		if err := s.Destroy(t.Context(), name); err != nil {
			t.Error(err)
		}
		if list, err := table.List(); err != nil || len(list) != 1-i {
			t.Errorf("after %s: %+v, %v", name, list, err)
		}
	}
}
