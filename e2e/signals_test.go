package e2e

import (
	"os"
	"os/signal"
	"syscall"
)

// stopSignals end a command in good order: Ctrl-C, kill, and a terminal that
// goes away.
var stopSignals = []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP}

// heedSignals undoes, for the commands that the tests start, what a runner
// left ignored: nohup does it to SIGHUP, a shell to the SIGINT and SIGQUIT of
// what it runs in the background. A command inherits what is ignored, and
// xjail respects it. What has a handler here has its default action in a child.
func heedSignals() {
	handled := make(chan os.Signal, 1)
	for n := syscall.SIGHUP; n < syscall.SIGSYS; n++ {
		if signal.Ignored(n) {
			signal.Notify(handled, n)
		}
	}
}
