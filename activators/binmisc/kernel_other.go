//go:build !freebsd

package binmisc

import (
	"os"

	"github.com/xjail/xjail/activators"
)

// system is a kernel without imgact_binmisc.
type system struct{}

func (system) sysctl([]int32, []byte, []byte) (int, error) { return 0, activators.ErrUnsupported }

func (system) modfind(string) (int, error) { return 0, activators.ErrUnsupported }

func (system) kldfind(string) (int, error) { return 0, activators.ErrUnsupported }

func (system) kldload(string) error { return activators.ErrUnsupported }

func (system) euid() int { return os.Geteuid() }
