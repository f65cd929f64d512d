package jail

import (
	"errors"
	"io/fs"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
)

// statFunc is os.Stat of the jail's files: it follows symlinks within the root.
type statFunc func(name string) (fs.FileInfo, error)

// findProgram is the path of a program by the rules of execvp(3).
func findProgram(name, searchPath string, stat statFunc) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	for _, dir := range filepath.SplitList(searchPath) {
		p := path.Join(dir, name)
		if st, err := stat(p); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
			return p, nil
		}
	}
	return "", &fault.Error{Kind: statusNotFound, What: name + ": not found in the jail", Err: exec.ErrNotFound,
		Hint: pathHint + searchPath}
}

const pathHint = "PATH in the jail is "

// The statuses of a command that did not start, as shells give them.
const (
	statusNotExecutable fault.Kind = 126
	statusNotFound      fault.Kind = 127
)

// execError explains execve's errors in terms of the jail.
func execError(name string, err error, stat statFunc) error {
	kind, hint := statusNotExecutable, ""
	switch {
	case errors.Is(err, unix.ENOENT):
		kind = statusNotFound
		if _, serr := stat(name); serr == nil {
			hint = missingInterpreter(runtime.GOOS)
		}
	case errors.Is(err, unix.EACCES):
		if st, serr := stat(name); serr == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
			hint = notExecutable(runtime.GOOS)
		}
	case errors.Is(err, unix.ENOEXEC):
		hint = noActivator(runtime.GOOS)
	case errors.Is(err, unix.ELOOP):
		hint = "the emulator is itself caught by an activator"
	}
	return fault.New(kind, hint, "%s: %w", name, err)
}

// pointToExplain adds to the error of a command that is there and did not start
// the command that tells why. That one sees the jail as root does, and without
// what is bound into it.
func (c *Command) pointToExplain(jail string, err error) error {
	kind, hint := fault.KindOf(err), fault.HintOf(err)
	there := kind == statusNotExecutable || kind == statusNotFound && hint != "" && !strings.HasPrefix(hint, pathHint)
	if !there || len(c.Argv) == 0 || c.User != "" || len(c.Binds) > 0 {
		return err
	}
	file := c.Argv[0]
	if strings.Contains(file, "/") && !path.IsAbs(file) {
		file = path.Join("/", c.Dir, file)
	}
	why := "xjail explain --jail " + jail + " " + shellWord(file) + " tells why"
	if hint != "" {
		why += "; " + hint
	}
	return fault.Wrap(kind, err, "", why)
}

// shellWord is a word of a shell's command line.
func shellWord(s string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._+-:@%,="
	if s != "" && strings.Trim(s, plain) == "" && s[0] != '-' {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// missingInterpreter is the hint for a program that is there and yet not found.
// FreeBSD looks an activator's interpreter up in the jail, unless the activator
// opened it when it was registered.
func missingInterpreter(goos string) string {
	if goos == "freebsd" {
		return "the file is there, so what runs it is missing in the jail: the activator's emulator (xjail activator status shows its path), or the dynamic linker, /libexec/ld-elf.so.1"
	}
	return "the file is there, so its interpreter or dynamic linker is missing in the jail"
}

// notExecutable is the hint for a program that is executable by its mode, and
// yet may not be run.
func notExecutable(goos string) string {
	if goos == "freebsd" {
		return "its mode has x: look at the directories above it, at who this user is, and whether the activator's emulator is executable (xjail activator status shows its path)"
	}
	return "its mode has x: look at the directories above it, at who this user is, and whether its file system is mounted noexec"
}

func noActivator(goos string) string {
	if goos == "freebsd" {
		return "no activator of this machine matches the file, or it is switched off: xjail activator status"
	}
	return "no activator matches this file: it is of another architecture than the jail, or no program"
}
