//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package ui

import (
	"os"
	"syscall"
)

// askSignals make Progress print a line: Ctrl-T sends SIGINFO.
var askSignals = []os.Signal{syscall.SIGINFO, syscall.SIGUSR1}
