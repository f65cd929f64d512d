package jail

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/qemu"
)

// Result is the outcome of one check.
type Result string

// The results, from good to bad.
const (
	OK      Result = "ok"
	Info    Result = "info"
	Warning Result = "warning"
	Failed  Result = "failed"
)

// Check is one thing that was looked at.
type Check struct {
	Result  Result `json:"result"`
	Name    string `json:"check"`
	Message string `json:"message"`
	Fix     string `json:"fix,omitempty"`
}

// The names of checks. That of an activator is followed by the entry's.
const (
	CheckRoot      = "root"
	CheckArch      = "architecture"
	CheckEmulator  = "emulator"
	CheckOrigin    = "emulator on the host"
	CheckActivator = "activator"
	CheckTools     = "native tools"
	CheckRun       = "run"
)

// Verify looks whether a jail is still what its record says, and runs a program
// in it. The error is of what kept it from looking.
func (s Store) Verify(ctx context.Context, name string) ([]Check, error) {
	return s.Examine(ctx, name, probeTimeout)
}

// Examine is Verify with a program that has patience to end; with 0 none is run.
func (s Store) Examine(ctx context.Context, name string, patience time.Duration) ([]Check, error) {
	r, l, err := s.use(name)
	if err != nil {
		return nil, err
	}
	defer l.release()
	root, err := os.OpenRoot(r.Root)
	if err != nil {
		return []Check{{Failed, CheckRoot, err.Error(), "xjail destroy " + name + " and make it again"}}, nil
	}
	defer root.Close()
	checks := []Check{s.verifyArch(root, r)}
	if r.Emulator != nil {
		checks = append(checks, verifyEmulator(root, r), verifyOrigin(r, fits(ctx, r)))
	}
	for _, e := range r.Activators {
		checks = append(checks, verifyActivator(r, e))
	}
	checks = append(checks, s.verifyTools(root, r)...)
	if patience == 0 {
		return checks, nil
	}
	return append(checks, s.verifyProbe(ctx, r, patience)), nil
}

func (s Store) verifyArch(root *os.Root, r *Record) Check {
	c := Check{OK, CheckArch, "programs of the root are of " + r.Arch, ""}
	a, err := arch.Lookup(r.Arch)
	if err == nil {
		// Tools that are in the root tell nothing of it.
		err = checkRootBut(root, a, cmp.Or(r.Guest, "linux"), s.writtenPaths(r.Name))
	}
	if err != nil {
		c.Result, c.Message, c.Fix = Failed, err.Error(), fault.HintOf(err)
	}
	return c
}

// verifyEmulator compares the file in the root with its digest.
func verifyEmulator(root *os.Root, r *Record) Check {
	c := Check{OK, CheckEmulator, fmt.Sprintf("%s is QEMU %s as it was placed", r.Emulator.Path, r.Emulator.Version), ""}
	placed := qemu.Placed{Path: strings.TrimPrefix(r.Emulator.Path, "/"), SHA256: r.Emulator.SHA256}
	if err := qemu.Verify(root, placed); err != nil {
		c.Result, c.Message, c.Fix = Failed, err.Error(), "xjail update "+r.Name+" puts one there again"
	}
	return c
}

// verifyOrigin tells when the host has a newer emulator than the jail. What the
// machine's activator has open goes on to be run, and is not there any more after
// a restart.
func verifyOrigin(r *Record, fit func(path string) error) Check {
	c := Check{OK, CheckOrigin, r.Emulator.Origin + " is the same file", ""}
	sum, err := qemu.Digest(r.Emulator.Origin)
	unfit := err
	if err == nil && r.Global {
		unfit = fit(r.Emulator.Origin)
	}
	switch {
	case r.Global && unfit != nil:
		c.Result, c.Message, c.Fix = Failed, unfit.Error()+"; the machine's activator needs it", "install it again"
	case errors.Is(err, fs.ErrNotExist):
		c.Result, c.Message = Info, r.Emulator.Origin+" is gone; the jail keeps its own copy"
	case err != nil:
		c.Result, c.Message = Warning, err.Error()
	case sum != r.Emulator.SHA256:
		c.Result, c.Message = Warning, r.Emulator.Origin+" was replaced since; the jail keeps its own copy"
		c.Fix = "xjail update " + r.Name + " takes the new one"
	}
	return c
}

func verifyActivator(r *Record, e activators.Entry) Check {
	c := Check{OK, CheckActivator + " " + e.Name, "private to the jail, registered at each entering", ""}
	if r.Global {
		c.Message = "registered with the machine"
	}
	_, err := registerLine(runtime.GOOS, e)
	if err == nil {
		err = e.Validate()
	}
	if err == nil {
		err = Safe(tableOf(r.Global), e)
	}
	if err == nil && r.Global {
		err = checkGlobal(MachineTable(), r)
	}
	if err != nil {
		c.Result, c.Message, c.Fix = Failed, err.Error(), fault.HintOf(err)
	}
	return c
}

func (s Store) verifyProbe(ctx context.Context, r *Record, patience time.Duration) Check {
	if r.NotRun != "" {
		return Check{Warning, CheckRun, "nothing was run: " + r.NotRun, r.EmulatorHint()}
	}
	p, err := s.runProbe(ctx, r, patience)
	if err != nil {
		return Check{Failed, CheckRun, err.Error(), fault.HintOf(err)}
	}
	return Check{OK, CheckRun, fmt.Sprintf("%s says %s", strings.Join(p.Argv, " "), p.Output), ""}
}
