package freebsd

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/binmisc"
	"github.com/xjail/xjail/activators/tabletest"
)

// uid is a user who is not root, and needs no account.
const uid = 1001

func asUser() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
}

// actAsUser tries everything as whoever this is, and reports it in Argv.
func actAsUser() int {
	table := binmisc.New()
	var said []string
	say := func(what string, err error) {
		switch {
		case err == nil:
			what += ": done"
		case errors.Is(err, activators.ErrPermission), errors.Is(err, syscall.EPERM):
			what += ": denied"
		default:
			what += ": " + err.Error()
		}
		said = append(said, what)
	}
	list, err := table.List()
	say(fmt.Sprintf("list %d", len(list)), err)
	_, err = table.Lookup("there")
	say("lookup", err)
	s, err := table.Status()
	say(fmt.Sprintf("status %d", s.Entries), err)
	say("add", table.Add(activators.Entry{Name: "mine", Interpreter: os.Args[0], Magic: activators.Hex("xjt2")}))
	say("enable", table.Enable("there"))
	say("disable", table.Disable("there"))
	say("remove", table.Remove("there"))
	say("remove what is not there", table.Remove("nope"))
	// The privilege is asked for before anything is looked at.
	for _, node := range []string{"add", "remove", "enable", "disable"} {
		_, err := rawSysctl(binmisc.Node+"."+node, nil, tabletest.BinmiscRecord{}.Bytes())
		say(node+" of version 0", err)
	}
	if json.NewEncoder(os.Stdout).Encode(report{said, os.Geteuid(), generation}) != nil {
		return 1
	}
	return 0
}

// Everybody may look, only root may change.
func TestUser(t *testing.T) {
	table := emptyTable(t)
	mustAdd(t, table, entry(t, "there", "xjt1"))
	r, err := execute(execution{file: self(), argv: []string{self()}, env: []string{roleVariable + "=user"}, attr: asUser()})
	if errors.Is(err, syscall.EACCES) {
		t.Skipf("user %d cannot reach %s", uid, scratch)
	}
	want := []string{"list 1: done", "lookup: done", "status 1: done", "add: denied", "enable: denied", "disable: denied", "remove: denied",
		"remove what is not there: denied", "add of version 0: denied", "remove of version 0: denied", "enable of version 0: denied", "disable of version 0: denied"}
	if err != nil || r.EUID != uid || fmt.Sprint(r.Argv) != fmt.Sprint(want) {
		t.Errorf("as %d: %q, %v, want %q", r.EUID, r.Argv, err, want)
	}
	if list, err := table.List(); err != nil || len(list) != 1 || !list[0].Enabled {
		t.Errorf("the table has %+v, %v", list, err)
	}
}

// A program that is set-user-id does not get its owner's rights: those of the
// interpreter count.
func TestSetID(t *testing.T) {
	table := emptyTable(t)
	e := entry(t, "setid", "xjt1")
	mustAdd(t, table, e)
	file := program(t, "xjt1")
	if err := os.Chmod(file, os.ModeSetuid|0o711); err != nil {
		t.Fatal(err)
	}
	r, err := execute(execution{file: file, argv: []string{"zero"}, attr: asUser()})
	if errors.Is(err, syscall.EACCES) {
		t.Skipf("user %d cannot reach %s", uid, scratch)
	}
	if err != nil || r.EUID != uid {
		t.Errorf("it runs as %d, %v", r.EUID, err)
	}
}
