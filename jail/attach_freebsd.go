package jail

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
)

// IsInit tells whether this process was started by xjail itself, to become the
// command of a jail.
func IsInit() bool { return len(os.Args) > 2 && os.Args[0] == InitName && os.Args[1] == roleAttach }

// RunInit becomes the command; it returns only when that fails.
func RunInit(func([]string) int) int {
	report := os.NewFile(reportFD, "report")
	unix.CloseOnExec(reportFD)
	a, err := parseAttachment(os.Args[2:])
	if err != nil {
		return int(fault.Usage)
	}
	unignore()
	for _, s := range []struct {
		what string
		do   func() error
	}{
		{"enter the jail", a.attach}, {"set the groups", a.setGroups},
		{"set the group", func() error { return syscall.Setgid(int(a.cred.Gid)) }},
		{"set the user", func() error { return syscall.Setuid(int(a.cred.Uid)) }},
		{"working directory " + a.dir, func() error { return syscall.Chdir(a.dir) }},
		{"", func() error { return syscall.Exec(a.name, a.argv, os.Environ()) }},
	} {
		var errno syscall.Errno
		if errors.As(s.do(), &errno) {
			(&attachError{s.what, errno}).write(report)
			return int(fault.Failed)
		}
	}
	return int(fault.Failed)
}

// attach is jail_attach(2).
func (a *attachment) attach() error {
	if _, _, errno := unix.Syscall(unix.SYS_JAIL_ATTACH, uintptr(a.jid), 0, 0); errno != 0 {
		return errno
	}
	return nil
}

func (a *attachment) setGroups() error {
	groups := make([]int, len(a.cred.Groups))
	for i, g := range a.cred.Groups {
		groups[i] = int(g)
	}
	return syscall.Setgroups(groups)
}
