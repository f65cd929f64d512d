package jail

import (
	"os"
	"os/signal"
	"path"
	"slices"
	"sort"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/internal/fault"
)

// InitName is argv[0] of the processes that xjail starts from itself in new
// namespaces. A program that uses this package must call RunInit when it sees
// that name, before anything else.
const InitName = "xjail-init"

// Bind is a directory or file of the host that is seen inside a jail.
type Bind struct {
	Source   string
	Target   string
	ReadOnly bool
}

// ParseBind reads SRC:DST or SRC:DST:ro. Both paths are absolute.
func ParseBind(s string) (Bind, error) {
	parts := strings.Split(s, ":")
	b := Bind{Source: parts[0]}
	switch {
	case len(parts) == 1:
		b.Target = parts[0]
	case len(parts) == 2:
		b.Target = parts[1]
	case len(parts) == 3 && (parts[2] == "ro" || parts[2] == "rw"):
		b.Target, b.ReadOnly = parts[1], parts[2] == "ro"
	default:
		return b, fault.New(fault.Usage, "--bind /src:/usr/src or --bind /src:/usr/src:ro", "bind %q is not SRC:DST or SRC:DST:ro", s)
	}
	if !path.IsAbs(b.Source) || !path.IsAbs(b.Target) || path.Clean(b.Target) == "/" {
		return b, fault.New(fault.Usage, "--bind /src:/usr/src", "bind %q: both paths must be absolute, and the second not /", s)
	}
	b.Target = path.Clean(b.Target)
	return b, nil
}

// Command is a program to run in a jail.
type Command struct {
	Argv []string
	Env  []string // NAME=VALUE, over the jail's own environment
	User string   // name or number in the jail's passwd; "" is root
	Dir  string   // working directory in the jail; "" is /, or the user's home for Login
	// Login starts the user's shell as a login shell when Argv is empty.
	Login bool
	Binds []Bind
	// NoTools leaves the jail's native tools out.
	NoTools bool
	probe   bool
	// Warn is told what the user should know when the command has ended; nil is
	// as good as a function that does nothing.
	Warn func(text string)
	// Profile follows what the command starts; nil does not.
	Profile *Profile
	// Interactive commands get the terminal, and decide themselves what a
	// signal means to them.
	Interactive bool

	Stdin, Stdout, Stderr *os.File
}

// entrance is everything that the first process of a jail needs to know. It
// travels as gob from the process that a user started to the one that becomes
// the jail's init: names and arguments are bytes, and JSON would change those
// that are not UTF-8.
type entrance struct {
	Name       string
	Root       string
	Host       bool // stay in the host's root: building one
	Activators []activators.Entry
	Private    bool // an instance of binfmt_misc of its own
	Binds      []Bind
	Argv       []string
	Env        []string
	User       string
	Dir        string
	Login      bool
	// Arch is the catalog's name of what the jail is.
	Arch string
	// Views is the directory in which FreeBSD's views of the root are made.
	Views string
	// Allow are the record's.
	Allow []string
	// Probe: the command is to say by itself what it runs on.
	Probe bool
	// MachineRoot: uid 0 of the jail is uid 0 of the machine.
	MachineRoot bool
	// Try: end when everything is set up, and start no command.
	Try bool
	// Tools are native tools that are laid over the root; nil for none.
	Tools *overlay
	// Terminal: the jail shares a terminal with the caller.
	Terminal bool
	// Profile: the command is followed.
	Profile *profiling
}

// defaultPath is where programs of a jail are, in the order of Debian's and
// FreeBSD's login shells.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// mergeEnv lays over over base, sorted by name so that a plan prints the same
// way each time.
func mergeEnv(base, over []string) []string {
	values := map[string]string{}
	for _, list := range [][]string{base, over} {
		for _, kv := range list {
			if name, value, ok := strings.Cut(kv, "="); ok && name != "" {
				values[name] = value
			}
		}
	}
	out := make([]string, 0, len(values))
	for name, value := range values {
		out = append(out, name+"="+value)
	}
	sort.Strings(out)
	return out
}

// lookupEnv finds name in a list of NAME=VALUE.
func lookupEnv(env []string, name string) string {
	for _, kv := range env {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			return v
		}
	}
	return ""
}

// passedOn are the signals that reach the command when this process gets them.
var passedOn = []os.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2}

// notIgnored leaves out the signals that the caller had ignored, as nohup does.
func notIgnored(signals []os.Signal) []os.Signal {
	return slices.DeleteFunc(slices.Clone(signals), signal.Ignored)
}
