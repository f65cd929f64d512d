package jail

import (
	"bytes"
	"errors"
	"io/fs"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"github.com/xjail/xjail/internal/fault"
)

func TestAttachment(t *testing.T) {
	for _, a := range []attachment{
		{jid: 7, cred: syscall.Credential{Uid: 0, Gid: 0, Groups: []uint32{0, 5}}, dir: "/", name: "/bin/sh", argv: []string{"/bin/sh", "-c", ""}},
		{jid: 1, cred: syscall.Credential{Uid: 4294967294, Gid: 20, Groups: []uint32{}}, dir: "/a b", name: "/\xff", argv: []string{"", "\xff\n"}},
	} {
		args := a.args()
		if args[0] != InitName || args[1] != roleAttach {
			t.Errorf("%q", args)
		}
		got, err := parseAttachment(args[2:])
		if err != nil || !reflect.DeepEqual(*got, a) {
			t.Errorf("%+v came back as %+v, %v", a, got, err)
		}
	}
	for _, args := range [][]string{nil, {"1", "2", "3", "", "/", "/bin/sh"}, {"-1", "0", "0", "", "/", "/a", "a"}, {"1", "0", "0", "x", "/", "/a", "a"}, {"1", "0", "4294967296", "", "/", "/a", "a"}} {
		if got, err := parseAttachment(args); err == nil {
			t.Errorf("%q is taken for %+v", args, got)
		}
	}
}

func TestAttachError(t *testing.T) {
	if err := readAttachError(strings.NewReader("")); err != nil {
		t.Errorf("the command runs: %v", err)
	}
	for _, e := range []attachError{{"", syscall.ENOENT}, {"working directory /x y", syscall.EACCES}} {
		var b bytes.Buffer
		e.write(&b)
		err := readAttachError(&b)
		if !errors.Is(err, e.err) || err.Error() != e.Error() {
			t.Errorf("%v came back as %v", &e, err)
		}
	}
	if err := readAttachError(strings.NewReader("panic: no number")); !errors.Is(err, errAttachment) {
		t.Errorf("not an error of ours: %v", err)
	}
}

func TestStartError(t *testing.T) {
	none := func(string) (fs.FileInfo, error) { return nil, fs.ErrNotExist }
	for _, tt := range []struct {
		err  error
		kind fault.Kind
		text string
	}{
		{&attachError{"", syscall.ENOENT}, statusNotFound, "/bin/x: no such file"},
		{&attachError{"", syscall.ENOEXEC}, statusNotExecutable, "/bin/x: exec format"},
		{&attachError{"enter the jail", syscall.EPERM}, fault.Failed, "/bin/x: enter the jail: operation not permitted"},
		{fault.New(fault.Failed, "", "start this"), fault.Failed, "start this"},
	} {
		err := startError("/bin/x", tt.err, none)
		if fault.KindOf(err) != tt.kind || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%v: kind %d, %v", tt.err, fault.KindOf(err), err)
		}
	}
}
