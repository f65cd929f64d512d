//go:build !linux

package jail

import (
	"runtime"

	"github.com/xjail/xjail/internal/fault"
)

func errNoTable() error {
	return fault.New(fault.Unsupported, "use binmiscctl(8)", "activators of %s cannot be registered by this version", runtime.GOOS)
}

func (s Store) registerGlobal(*Record) error              { return errNoTable() }
func (s Store) unregisterGlobal(string, string) error     { return errNoTable() }
func (s Store) checkGlobal(*Record) error                 { return errNoTable() }
func (s Store) willRegister(string, string) (bool, error) { return false, errNoTable() }
