package jail

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"syscall"

	"github.com/xjail/xjail/internal/fault"
)

// On FreeBSD the command does not enter the jail(2) by itself: jail_attach(2)
// refuses a process that has a directory open (pwd_chroot_chdir in
// kern_descrip.c), and between fork and execve the child has all that this
// process has. So this program is started once more, without any descriptor but
// the command's own: it enters the jail and becomes the command.

// roleAttach is the role of that process, in argv[1].
const roleAttach = "attach"

// attachment is what it is told.
type attachment struct {
	jid  int
	cred syscall.Credential
	dir  string
	name string // the program
	argv []string
}

// args are its arguments. The command's own follow as they are, since two
// copies, or an encoding, might not fit into what execve(2) takes.
func (a *attachment) args() []string {
	groups := make([]string, len(a.cred.Groups))
	for i, g := range a.cred.Groups {
		groups[i] = fmt.Sprint(g)
	}
	return append([]string{InitName, roleAttach, fmt.Sprint(a.jid), fmt.Sprint(a.cred.Uid), fmt.Sprint(a.cred.Gid),
		strings.Join(groups, ","), a.dir, a.name}, a.argv...)
}

var errAttachment = errors.New("not what xjail starts itself with")

// parseAttachment reads what follows the role.
func parseAttachment(args []string) (*attachment, error) {
	if len(args) < 7 {
		return nil, errAttachment
	}
	var numbers []uint32
	list := args[:3]
	if args[3] != "" {
		list = append(list[:3:3], strings.Split(args[3], ",")...)
	}
	for _, text := range list {
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return nil, errAttachment
		}
		numbers = append(numbers, uint32(n))
	}
	return &attachment{
		jid: int(numbers[0]), cred: syscall.Credential{Uid: numbers[1], Gid: numbers[2], Groups: numbers[3:]},
		dir: args[4], name: args[5], argv: args[6:],
	}, nil
}

// attachError is what kept that process from becoming the command.
type attachError struct {
	step string // "" for the execve(2) itself
	err  syscall.Errno
}

func (e *attachError) Error() string {
	if e.step == "" {
		return e.err.Error()
	}
	return e.step + ": " + e.err.Error()
}

func (e *attachError) Unwrap() error { return e.err }

// write tells it to the process outside.
func (e *attachError) write(w io.Writer) {
	_, _ = fmt.Fprintf(w, "%d %s", e.err, e.step)
}

// readAttachError waits until the command runs, which closes the other end, or
// until its end says why not.
func readAttachError(r io.Reader) error {
	text, err := io.ReadAll(io.LimitReader(r, 256))
	if err != nil || len(text) == 0 {
		return err
	}
	number, step, _ := strings.Cut(string(text), " ")
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil {
		return errAttachment
	}
	return &attachError{step, syscall.Errno(n)}
}

// startError explains why a command did not start.
func startError(name string, err error, stat statFunc) error {
	var known *fault.Error
	var a *attachError
	switch {
	case errors.As(err, &known):
		return err
	case errors.As(err, &a) && a.step != "":
		hint := ""
		if errors.Is(err, syscall.EPERM) {
			hint = "its input or output may be a directory, which a jail must not have open"
		}
		return fault.New(fault.Failed, hint, "%s: %w", name, err)
	}
	return execError(name, err, stat)
}
