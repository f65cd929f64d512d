// Package hook is what xjail does when poudriere calls its hooks: for jails of
// another architecture, what poudriere itself leaves to chance.
//
// A hook that fails ends the whole build. So all that goes wrong here is said,
// and the build goes on; a Stop alone ends it, where the build could not work
// and nothing has been built yet. Poudriere's environment says of the host what
// is true of the jail (UNAME_m and others), so nothing is taken from there but
// what poudriere sets for its hooks.
package hook

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/hooks/poudriere"
	"github.com/xjail/xjail/jail"
	"github.com/xjail/xjail/profile/dtrace"
	"github.com/xjail/xjail/qemu"
)

// Call is one call of a hook.
type Call struct {
	Hook, Event string
	Args        []string            // behind the event
	Getenv      func(string) string // poudriere's environment
	Config      poudriere.Config    // where the environment does not say it
	Profile     bool                // profiles of packages are wanted
}

// Stop ends the build. It is one sentence that says why and what to do.
type Stop struct{ Sentence string }

func (s *Stop) Error() string { return s.Sentence }

func stop(format string, args ...any) error { return &Stop{fmt.Sprintf(format, args...)} }

// World is the machine, as hooks see and change it. New makes that of this
// machine; tests make their own.
type World struct {
	Store  jail.Store
	Config *jail.Config
	Table  activators.Machine
	// Second are further architectures that run in jails of one, by its name:
	// armv7 in those of aarch64. Their emulators are put into the jail too.
	Second map[string][]string
	// Leave are programs that stay emulated though there are native ones.
	Leave Leave
	// Keep is how many builds of a jail are remembered; 0 for all.
	Keep int
	// Say tells the user a line, in poudriere's output.
	Say func(line string)

	guest     string // the system of the jails: freebsd
	natives   func() []string
	find      func(context.Context, *arch.Arch, qemu.FindOptions) (*qemu.Emulator, []qemu.Candidate, error)
	inspect   func(context.Context, string) (*qemu.Emulator, error)
	exec      execFunc
	pkgStatic string // the host's pkg
	// pkgVersion asks a pkg for its version.
	pkgVersion func(ctx context.Context, pkg string) string
	now        func() time.Time
	// collector makes profiles until ctx is done.
	collector func(ctx context.Context, k dtrace.Keeper, o dtrace.BulkOptions) error
	// noCollector is why it cannot; nil where it may.
	noCollector func() error
}

// New is this machine.
func New(store jail.Store, config *jail.Config, table activators.Machine, say func(string)) *World {
	return &World{
		Store: store, Config: config, Table: table, Say: say,
		guest: "freebsd", natives: Natives, find: qemu.Find, inspect: qemu.Inspect, exec: jexec(),
		pkgStatic: "/usr/local/sbin/pkg-static", pkgVersion: askPkg, now: time.Now,
		collector: runDtrace, noCollector: noDtrace, Keep: DefaultKeep,
	}
}

// job is a call that is worked on.
type job struct {
	*World
	call *Call
	jail *poudriere.Jail
	arch *arch.Arch // nil when the catalog does not know it
	name string     // TARGET_ARCH, by which poudriere asks for the activator
}

// events are those that are for xjail, by hook and event. Poudriere calls a hook
// with every event that it has.
var events = map[string]func(*job, context.Context) error{
	"bulk start":       (*job).bulkStart,
	"bulk done":        (*job).bulkEnd,
	"bulk crashed":     (*job).bulkEnd,
	"jail mount":       (*job).jailMount,
	"jail start":       (*job).jailStart,
	"jail collect":     (*job).jailCollect,
	"jail stop":        (*job).jailStop,
	"builder start":    (*job).builderStart,
	"pkgbuild failed":  (*job).pkgbuildFailed,
	"pkgbuild success": (*job).pkgbuildSuccess,
	"pkgbuild skipped": (*job).pkgbuildSkipped,
	"pkgrepo sign":     (*job).pkgrepoSign,
}

// Hooks are the hooks for which there are events.
func Hooks() []string {
	var names []string
	for key := range events {
		name, _, _ := strings.Cut(key, " ")
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Idle tells whether there is nothing to do: an event that is for somebody else,
// a native jail, a jail that poudriere does not know. It opens one file at most.
func (c *Call) Idle(natives func() []string) bool {
	if events[c.Hook+" "+c.Event] == nil {
		return true
	}
	if !c.Profile && (c.Hook == "pkgbuild" && c.Event == "success" || c.Collects()) {
		return true
	}
	if c.Hook == "jail" && c.Event == "mount" && (len(c.Args) == 0 || filepath.Base(c.Args[0]) != reference) {
		return true // a builder, which is a clone of the reference
	}
	name := c.Getenv("JAILNAME")
	if name == "" || filepath.Base(name) != name || name == ".." {
		return true
	}
	text, err := readLine(filepath.Join(c.config().Dir(), "jails", name, "arch"))
	if err != nil || text == "" {
		return true
	}
	_, targetArch := (&poudriere.Jail{Arch: text}).Target()
	return runsItself(targetArch, natives())
}

// Collects tells of the event that the hook of poudriere's "jail" has besides
// poudriere's own: it lasts as long as the build.
func (c *Call) Collects() bool { return c.Hook == "jail" && c.Event == "collect" }

// reference is the name of the jail from which poudriere clones its builders.
const reference = "ref"

// config is where poudriere says that its configuration is.
func (c *Call) config() poudriere.Config {
	if dir := c.Getenv("POUDRIERED"); filepath.IsAbs(dir) && filepath.Base(dir) == "poudriere.d" {
		return poudriere.Config{Etc: filepath.Dir(dir)}
	}
	return c.Config
}

// readLine reads a file of one line, and does not wait for one who writes it.
func readLine(name string) (string, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b := make([]byte, 256)
	n, err := f.Read(b)
	line, _, _ := strings.Cut(string(b[:n]), "\n")
	return line, err
}

// runsItself is poudriere's need_emulation, turned round: whether the host runs
// programs of a TARGET_ARCH. One that runs armv7 runs armv6.
func runsItself(targetArch string, natives []string) bool {
	return slices.Contains(natives, targetArch) || targetArch == "armv6" && slices.Contains(natives, "armv7")
}

// Run does what there is to do for a call. The error is a *Stop, or something
// that went wrong and is no reason to stop.
func (w *World) Run(ctx context.Context, c *Call) error {
	if c.Idle(w.natives) {
		return nil
	}
	name := c.Getenv("JAILNAME")
	properties, err := c.config().Jail(name)
	if err != nil {
		return err
	}
	properties.Mnt = strings.TrimSpace(properties.Mnt) // as words of poudriere's shell are
	j := &job{World: w, call: c, jail: properties}
	_, j.name = properties.Target()
	if a, err := arch.Lookup(j.name); err == nil {
		j.arch = a
	}
	err = events[c.Hook+" "+c.Event](j, ctx)
	var s *Stop
	if ctx.Err() != nil && errors.As(err, &s) {
		// What was not found in time may be there.
		return fmt.Errorf("there was no time to look: %s", s.Sentence)
	}
	return err
}

// say tells a line about the jail.
func (j *job) say(format string, args ...any) {
	j.Say("jail " + j.jail.Name + ": " + fmt.Sprintf(format, args...))
}

// masterMnt is where poudriere has the reference mounted, "" where it does not say so.
func (j *job) masterMnt() string {
	dir := j.call.Getenv("MASTERMNT")
	if !filepath.IsAbs(dir) || filepath.Base(dir) != reference {
		return ""
	}
	return dir
}

// openReference opens the reference jail; nil when there is none.
func (j *job) openReference() *os.Root {
	dir := j.masterMnt()
	if dir == "" {
		return nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil
	}
	return root
}

// data is where the hooks keep what they collect.
func (w *World) data() string { return filepath.Join(w.Store.Dir, "poudriere") }
