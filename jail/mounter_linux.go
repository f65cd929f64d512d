package jail

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// mounter is a thread of init that works in the mount namespaces of other
// processes of the jail. No other thread may do so: it takes a working directory
// and a root of its own.
type mounter struct{ work chan func() }

func newMounter() (*mounter, error) {
	m := &mounter{work: make(chan func())}
	ready := make(chan error)
	go m.run(ready)
	return m, <-ready
}

func (m *mounter) run(ready chan<- error) {
	runtime.LockOSThread() // and never unlocked: the thread ends with its goroutine
	err := unix.Unshare(unix.CLONE_FS)
	ready <- err
	if err != nil {
		return
	}
	for f := range m.work {
		f()
	}
}

// in calls f in the mount namespace of a process, whose root is / then.
func (m *mounter) in(pid int, f func() error) error {
	done := make(chan error)
	m.work <- func() { done <- enterMounts(pid, f) }
	return <-done
}

func enterMounts(pid int, f func() error) error {
	ns, err := unix.Open(fmt.Sprintf("/proc/%d/ns/mnt", pid), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open the mounts of a process: %w", err)
	}
	defer unix.Close(ns)
	if err := unix.Setns(ns, unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("enter the mounts of a process: %w", err)
	}
	return f()
}
