package miniroot

import "syscall"

// endTogether makes go end with this process. The compilers that it runs end
// when they are done.
func endTogether() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
