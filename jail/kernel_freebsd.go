package jail

import (
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/jail/devfsrule"
	"github.com/xjail/xjail/jail/vfsopt"
)

// hostKernel is the running kernel.
type hostKernel struct{}

// workingDirectory is held while the process is in another directory.
var workingDirectory sync.Mutex

// Mount goes into the directory, since nmount(2) takes no descriptor: so the
// kernel finds what was opened, whatever a jail does to the path meanwhile.
func (hostKernel) Mount(dir int, name string, o vfsopt.Options) error {
	workingDirectory.Lock()
	defer workingDirectory.Unlock()
	home, err := unix.Open(".", openDirFlags, 0)
	if err != nil {
		if home, err = unix.Open("/", openDirFlags, 0); err != nil {
			return err
		}
	}
	defer unix.Close(home)
	if err := unix.Fchdir(dir); err != nil {
		return err
	}
	_, err = vfsopt.Call(unix.SYS_NMOUNT, o, 0)
	if back := unix.Fchdir(home); err == nil {
		err = back
	}
	return err
}

func (hostKernel) Confine(dev int) error {
	set, err := devfsrule.Ensure(devfsrule.Mount(dev), devfsrule.Jail())
	if err != nil {
		return err
	}
	return devfsrule.Mount(dev).Use(set)
}

func (hostKernel) Pause() { time.Sleep(20 * time.Millisecond) }
