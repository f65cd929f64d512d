package nxb

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
)

// probeSource is compiled by Probe; there is nothing in it that needs a header.
const probeSource = "int answer(void) { return 42; }\n"

// Probe compiles with cc, the path of a compiler that runs on this machine, and
// looks whether the object is of the target's machine. It answers what
// Manifest.Unproved leaves open. Errors have the kind WrongArch for another
// machine's object, and that of the failure when cc does not run.
func Probe(ctx context.Context, cc string, target *arch.Arch) (err error) {
	dir, err := os.MkdirTemp("", "nxb-probe-")
	if err != nil {
		return about(err, "compile with "+cc)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	object := filepath.Join(dir, "answer.o")
	cmd := exec.CommandContext(ctx, cc, "-x", "c", "-c", "-o", object, "-")
	cmd.Stdin = strings.NewReader(probeSource)
	said, err := cmd.CombinedOutput()
	if err != nil {
		return about(errors.Join(err, ctx.Err()), strings.TrimSpace("compile with "+cc+"\n"+string(said)))
	}
	b, err := os.ReadFile(object)
	if err == nil {
		err = CheckObject(b, target)
	}
	return about(err, "what "+cc+" compiles")
}

// CheckObject fails, with the kinds Damaged and WrongArch, unless b is an object
// file of the target's machine.
func CheckObject(b []byte, target *arch.Arch) error {
	id, err := arch.Identify(bytes.NewReader(b))
	if err != nil {
		return err
	}
	if id.Type != "object" {
		return damaged("it is no object file: %s", id.Type)
	}
	if target.Accepts(id) != nil {
		return fault.New(fault.WrongArch, "build native-xtools again with both TARGET and TARGET_ARCH set",
			"it is for %s, not for %s", id.Name, target)
	}
	return nil
}
