//go:build !(darwin || dragonfly || freebsd || netbsd || openbsd)

package ui

import (
	"os"
	"syscall"
)

// askSignals make Progress print a line.
var askSignals = []os.Signal{syscall.SIGUSR1}
