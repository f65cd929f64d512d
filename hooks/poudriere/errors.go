package poudriere

import (
	"errors"
	"io/fs"
	"syscall"

	"github.com/xjail/xjail/internal/fault"
)

// writeError gives a failed write its kind, unless it has one.
func writeError(err error) error {
	switch {
	case err == nil || fault.KindOf(err) != fault.Failed:
		return err
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fault.Wrap(fault.NoSpace, err, "", "free space there")
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fault.Wrap(fault.Permission, err, "", "run it as root; --poudriere-etc DIR names another place")
	}
	return err
}
