package cli

import (
	"os"
	"testing"

	"github.com/creack/pty"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/extract"
)

func TestPackNotToATerminal(t *testing.T) {
	master, tty, err := pty.Open()
	if err != nil {
		t.Skip(err)
	}
	defer master.Close()
	defer tty.Close()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	o := &packOptions{name: "a", file: "-"}
	err = checkPackStdout(&globals{Env: &Env{Stdout: tty}}, o)
	if fault.KindOf(err) != fault.Usage || fault.HintOf(err) != "xjail pack a - > FILE" {
		t.Errorf("%v", err)
	}
	if err := checkPackStdout(&globals{Env: &Env{Stdout: null}}, o); err != nil {
		t.Error(err)
	}
}

func TestLeftOut(t *testing.T) {
	files := []extract.Skipped{{Path: "usr/bin/qemu", Why: "emulator"}, {Path: "run/a", Why: "socket"}, {Path: "run/b", Why: "socket"}, {Path: "run/c", Why: "socket"}}
	if got := leftOut(files[:1]); got != "/usr/bin/qemu (emulator)" {
		t.Errorf("%q", got)
	}
	if got := leftOut(files); got != "/usr/bin/qemu (emulator), /run/a (socket), /run/b (socket) and 1 more" {
		t.Errorf("%q", got)
	}
}
