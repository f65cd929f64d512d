package e2e

import "syscall"

// stopSignals end a command in good order: Ctrl-C, kill, and a terminal that
// goes away.
var stopSignals = []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP}
