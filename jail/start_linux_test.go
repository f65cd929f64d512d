package jail

import (
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
)

// A tool that cannot be laid over is no fault of the command.
func TestToolIsNotTheCommand(t *testing.T) {
	e := &entrance{Name: "j"}
	c := &starting{name: "/bin/sh", attr: &syscall.ProcAttr{Sys: &syscall.SysProcAttr{}}}
	tool := fault.Wrap(fault.Failed, unix.ENOENT, "lay a native tool over /usr/bin/sed", "xjail tools install makes them anew")
	err := e.startError(&layError{tool}, c)
	if fault.HintOf(err) != fault.HintOf(tool) || fault.KindOf(err) != fault.Failed || strings.Contains(err.Error(), "/bin/sh") {
		t.Errorf("a tool: %v, hint %q", err, fault.HintOf(err))
	}
	if err := e.startError(unix.ENOENT, c); err == nil || !strings.Contains(err.Error(), "/bin/sh") {
		t.Errorf("the command: %v", err)
	}
	if err := e.startError(nil, c); err != nil {
		t.Errorf("nothing: %v", err)
	}
}
