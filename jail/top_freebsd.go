package jail

import (
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// processes are those in the jails(2) of the commands that run in a jail.
func (s Store) processes(r *Record, o *onlooker) ([]Process, error) {
	prisons, err := hostKernel{}.Prisons()
	if err != nil {
		return nil, err
	}
	views, err := filepath.EvalSymlinks(s.views(r.Name))
	if err != nil {
		return nil, absentError(err) // nobody has entered it
	}
	raw, err := unix.SysctlRaw("kern.proc.proc")
	if err != nil {
		return nil, err
	}
	ask := func(name string) func(int) []byte {
		return func(pid int) []byte {
			text, _ := unix.SysctlRaw(name, pid) // of one that has ended: nothing
			return text
		}
	}
	all := parseKinfo(raw, time.Now(), int64(os.Getpagesize()))
	return o.lookAtKinfo(all, prisons, views, ask("kern.proc.args"), ask("kern.proc.pathname")), nil
}
