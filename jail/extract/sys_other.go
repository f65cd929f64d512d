//go:build !linux && !freebsd

package extract

import (
	"errors"
	"os"
	"time"
)

// This system is none that xjail makes jails on: what os.Root has works, the
// rest is recorded in the report.

// maxTarget is the longest symbolic link in bytes that every system takes.
const maxTarget = 1023

func noSpace(error) bool          { return false }
func notAllowed(err error) bool   { return errors.Is(err, os.ErrPermission) }
func invalid(err error) bool      { return errors.Is(err, os.ErrInvalid) }
func notSupported(err error) bool { return errors.Is(err, errors.ErrUnsupported) }
func xattrTooBig(error) bool      { return false }

func setTimes(*os.File, string, time.Time, time.Time) error { return nil }
func mknod(*os.File, string, *entry) error                  { return errors.ErrUnsupported }
func setXattr(*os.File, string, []byte) error               { return errors.ErrUnsupported }
func setFlags(*os.Root, string, string) error               { return errors.ErrUnsupported }

func mountOf(*os.File, string) (uint64, error) { return 0, nil }
func mountsBelow(*os.File) ([]string, error)   { return nil, nil }
func clearFlags(*os.File) error                { return errors.ErrUnsupported }
func stuck(error) bool                         { return false }
func busy(error) bool                          { return false }

const openNoFollow = 0

type fileStat struct {
	entry
	dev, ino, links uint64
	socket          bool
}

func statAt(*os.File, string) (*fileStat, error)          { return nil, errors.ErrUnsupported }
func listXattrs(*os.File) (map[string][]byte, error)      { return nil, nil }
func nextData(_ *os.File, off, size int64) (int64, int64) { return off, size }
func clone(_, _ *os.File) error                           { return errors.ErrUnsupported }
