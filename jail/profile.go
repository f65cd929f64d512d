package jail

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/profile"
	"github.com/xjail/xjail/profile/ptrace"
)

// Profile asks that everything that a command starts is followed, and how it is
// told.
type Profile struct {
	// Output is the file of the profile; "" for sums alone. The command goes on when
	// this process is killed, if there is one, and the file is written to its end.
	Output string
	// Force lets Output be a file that is there.
	Force bool
	// Numbered takes another name when Output is there, with -2 and so on before the
	// extension, and has that in Output then.
	Numbered bool
	// Xjail is the version of xjail, and Subject what the command builds: both for
	// the file.
	Xjail, Subject string

	// Sums are what was seen, when Exec has come back; nil when the command never
	// began. Unwritten is why Output is not whole.
	Sums      *profile.Sums
	Unwritten string

	file *os.File
	lock *lock
}

// profiling is what the process that follows a command needs to know.
type profiling struct {
	Header    profile.Header
	Emulators []ptrace.Emulator // of the machine; the jail's are in its root
	File      bool
}

// execProfiled is Exec of a command that is followed. A file that was made for one
// that never began goes again.
func (s Store) execProfiled(ctx context.Context, r *Record, c *Command, l *lock) (int, error) {
	run := s.exec
	if runtime.GOOS == "freebsd" {
		run = s.execTraced
	}
	p := c.Profile
	p.lock = l
	if p.Output == "" {
		return run(ctx, r, c)
	}
	made, err := p.open()
	if err != nil {
		return 0, err
	}
	defer p.file.Close()
	status, err := run(ctx, r, c)
	if st, serr := p.file.Stat(); made && err != nil && serr == nil && st.Size() == 0 {
		_ = os.Remove(p.Output)
	}
	return status, err
}

// open opens the file and tells whether it was made. One that is there stays as it
// is until the command begins.
func (p *Profile) open() (made bool, err error) {
	flags := os.O_WRONLY | syscall.O_NONBLOCK
	ext := filepath.Ext(p.Output)
	for name, n := p.Output, 1; ; name = fmt.Sprintf("%s-%d%s", strings.TrimSuffix(p.Output, ext), n, ext) {
		p.file, err = os.OpenFile(name, flags|os.O_CREATE|os.O_EXCL, 0o666)
		if err == nil {
			p.Output = name
			return true, nil
		}
		if n++; !p.Numbered || !errors.Is(err, fs.ErrExist) || n > numbersMax {
			break
		}
	}
	st, serr := os.Stat(p.Output)
	switch {
	case !errors.Is(err, fs.ErrExist):
	case errors.Is(serr, fs.ErrNotExist):
		return false, fault.New(fault.Exists, "remove the link; --output names another file", "%s is a link that leads nowhere", p.Output)
	case serr == nil && st.Mode().IsRegular() && !p.Force:
		return false, fault.New(fault.Exists, "--force writes over it; --output names another", "%s is there already", p.Output)
	default:
		p.file, err = os.OpenFile(p.Output, flags, 0)
	}
	return false, outputError(err)
}

// numbersMax is how many profiles of a jail can begin in one second.
const numbersMax = 10000

// outputError says why the file of a profile cannot be written.
func outputError(err error) error {
	const other = "--output names another file"
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return fault.Wrap(fault.NotFound, err, "profile", "--output names a file in a directory that is there")
	case errors.Is(err, syscall.EISDIR):
		return fault.Wrap(fault.Usage, err, "profile", "--output names a file, not a directory")
	case errors.Is(err, syscall.ENXIO):
		return fault.Wrap(fault.Usage, err, "profile: nobody reads", "start what reads the pipe first")
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fault.Wrap(fault.NoSpace, err, "profile", other)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fault.Wrap(fault.Permission, err, "profile", other)
	}
	return fault.Wrap(fault.Failed, err, "profile", other)
}

// profiling is what is told to the process that follows the command.
func (s Store) profiling(r *Record, c *Command) *profiling {
	if c.Profile == nil {
		return nil
	}
	p := &profiling{File: c.Profile.file != nil, Header: profile.Header{
		Xjail: c.Profile.Xjail, Subject: c.Profile.Subject,
		Jail: r.Name, Arch: r.Arch, Guest: r.Guest, Collector: "ptrace", Command: c.Argv,
		Emulators: []profile.Emulator{},
	}}
	if host := arch.Host(); host != nil {
		p.Header.Host = host.Name
	}
	for _, e := range r.Activators {
		known := profile.Emulator{Path: e.Interpreter, Arch: r.Arch}
		if r.Emulator != nil {
			known.Version = r.Emulator.Version
		}
		p.Header.Emulators = append(p.Header.Emulators, known)
	}
	if m, err := s.LoadTools(r.Name); err == nil && m != nil && !c.NoTools {
		p.Header.Tools = m.Source + " " + m.Release
	}
	if len(r.Activators) == 0 || r.Global {
		p.Emulators = machineEmulators()
	}
	return p
}

// machineEmulators are the interpreters that the machine's table of activators
// has, as they are now. A jail without a table of its own sees them too.
func machineEmulators() []ptrace.Emulator {
	entries, err := MachineTable().List()
	if err != nil {
		return nil // there is no table, so nothing is emulated by it
	}
	var list []ptrace.Emulator
	for _, e := range entries {
		if e.Enabled {
			list = append(list, emulatorAt(e.Interpreter, e.Flags.PreserveArgv0))
		}
	}
	return list
}

// emulatorAt identifies the file of an emulator. One that is gone, and that the kernel
// may have open still, has its name alone.
func emulatorAt(name string, argv0 bool) ptrace.Emulator {
	e := ptrace.Emulator{Path: name, Argv0: argv0}
	st, err := os.Stat(name)
	if err != nil {
		return e
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		e.Dev, e.Ino = uint64(sys.Dev), uint64(sys.Ino) //nolint:unconvert // other types on other systems
	}
	return e
}
