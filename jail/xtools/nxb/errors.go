package nxb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/xjail/xjail/internal/fault"
)

var errNotRegular = errors.New("not a regular file")

// absent takes "there is no such file" for no error.
func absent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// missing tells whether a path leads nowhere: it does not exist, or goes through
// a file, or round in a circle.
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ELOOP)
}

// refusal is why one program is left out: it is of a kind that cannot be moved,
// or that the jail must have of its own. Programs that poudriere names have to
// be there, and then it is an error.
type refusal struct{ reason string }

func (r *refusal) Error() string { return r.reason }

func refuse(format string, args ...any) error {
	return &refusal{fmt.Sprintf(format, args...)}
}

// kindOf is the kind of an error of reading or writing.
func kindOf(err error) fault.Kind {
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fault.Interrupted
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fault.NoSpace
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fault.Permission
	}
	return fault.KindOf(err)
}

// about says what an error is about, and gives it its kind.
func about(err error, what string) error {
	return fault.Wrap(kindOf(err), err, what, "")
}

// writeHints are what mends errors of writing.
var writeHints = map[fault.Kind]string{
	fault.NoSpace:    "make room on the jail's file system; nothing was changed",
	fault.Permission: "writing to the jail's root must be allowed",
}

// writeError is about for what is written.
func writeError(err error, what string) error {
	return fault.Wrap(kindOf(err), err, what, writeHints[kindOf(err)])
}
