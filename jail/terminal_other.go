//go:build !linux && !freebsd

package jail

import (
	"errors"
	"os"
)

func isTerminal(*os.File) bool { return false }

func stopNow() error { return errors.ErrUnsupported }

func parentOf(int) int { return 0 }
