package jail

import (
	"errors"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// terminal is the caller's terminal and who has its foreground.
//
// A jail's processes are a process group of their own. A command whose input
// and output both are the terminal gets the foreground at once: Ctrl-C, Ctrl-Z
// and the window's size reach it directly and once, and a shell in the jail can
// do its job control. Others, such as one whose output goes to a pager that
// reads the keys itself, leave the foreground to the caller's group and get it
// when they read from the terminal; until then its signals are passed on.
type terminal struct {
	tty   *os.File // nil when the caller has none
	whole bool     // input and output are the terminal
	jail  int      // the jail's process group
	given bool     // a group of the jail has had the foreground
	echo  bool     // a SIGTSTP of our own to the caller's group comes back
}

// ofTerminals are the signals that only a terminal and a shell send.
var ofTerminals = []os.Signal{unix.SIGTSTP, unix.SIGCONT}

// openTerminal looks for the terminal of an interactive command.
func openTerminal(c *Command) *terminal {
	t := &terminal{}
	if !c.Interactive {
		return t
	}
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return t
	}
	// Giving the foreground away, or taking it back, from the background raises
	// SIGTTOU.
	signal.Ignore(unix.SIGTTOU)
	t.tty, t.whole = tty, isTerminal(c.Stdin) && isTerminal(c.Stdout)
	return t
}

func (t *terminal) close() {
	if t.tty != nil {
		t.tty.Close()
	}
}

// unignore is for a process that becomes a command, or starts one: what it
// inherited from a process with a terminal, which ignores SIGTTOU, the command
// shall not. signal.Reset would leave it ignored; a signal that is caught is at
// its default after execve(2).
func unignore() { signal.Notify(make(chan os.Signal, 1), unix.SIGTTOU) }

// has tells whether a process group has the foreground. What the jail was given
// it still has when the group is gone that had it last: FreeBSD's kernel forgets a
// group with its last process, and names one that cannot be (tty_rel_pgrp in
// sys/kern/tty.c, NO_PID).
func (t *terminal) has(group int) bool {
	if t.tty == nil {
		return false
	}
	now, err := unix.IoctlGetInt(int(t.tty.Fd()), unix.TIOCGPGRP)
	return err == nil && (now == group || t.given && group == t.jail && gone(now))
}

// gone tells whether no process of a group is left.
func gone(group int) bool {
	return group > 1 && errors.Is(unix.Kill(-group, 0), unix.ESRCH)
}

// givesAtStart tells whether a command gets the foreground with its first breath.
func (t *terminal) givesAtStart() bool {
	t.given = t.whole && t.has(unix.Getpgrp())
	return t.given
}

// hand gives the foreground from one group to another, if it has it.
func (t *terminal) hand(from, to int) bool {
	if !t.has(from) || unix.IoctlSetPointerInt(int(t.tty.Fd()), unix.TIOCSPGRP, to) != nil {
		return false
	}
	t.given = t.given || to == t.jail
	return true
}

func (t *terminal) takeBack() bool { return t.hand(t.jail, unix.Getpgrp()) }

// passOn handles the signals that a terminal sends to a whole process group,
// and tells whether s was one.
func (t *terminal) passOn(s os.Signal) bool {
	if t.tty == nil {
		return false
	}
	switch s {
	case unix.SIGCONT:
		if t.whole {
			t.hand(unix.Getpgrp(), t.jail)
		}
	case unix.SIGINT, unix.SIGQUIT:
	case unix.SIGTSTP:
		if t.echo {
			t.echo = false
			return true
		}
	default:
		return false
	}
	_ = unix.Kill(-t.jail, s.(unix.Signal))
	return true
}

// stopped is called when the command was stopped. One that wants the terminal
// gets it, if this process can give it. Otherwise this process stops as well,
// so that the user's shell takes the terminal and shows a stopped job, until it
// is continued.
//
// Where no shell could continue it, as under ssh -t, it does not stop. Then Ctrl-Z
// does nothing, as for any program there, and a command that wants a terminal that it
// will never get is told that the terminal is gone.
func (t *terminal) stopped(reason unix.Signal) {
	wants := reason == unix.SIGTTIN || reason == unix.SIGTTOU
	// One that has it stopped before it was given: continued twice, as fg does with
	// a pipeline, it can stop twice before it gets it.
	if late := wants && t.has(t.jail); !late && (!wants || !t.hand(unix.Getpgrp(), t.jail)) {
		if t.takeBack() && reason == unix.SIGTSTP && !orphaned(unix.Getpid()) {
			// The terminal would have stopped a whole pipeline.
			t.echo = true
			_ = unix.Kill(0, unix.SIGTSTP)
		}
		continued := stopSelf()
		given := (t.whole || wants) && t.hand(unix.Getpgrp(), t.jail)
		if !continued && wants && !given {
			_ = unix.Kill(-t.jail, unix.SIGHUP)
		}
	}
	_ = unix.Kill(-t.jail, unix.SIGCONT)
}

// stopSelf stops this process until it is continued, and tells whether it did.
// A process group that no shell could continue is orphaned, and does not stop
// (POSIX, 11.1.4).
func stopSelf() bool {
	return !orphaned(unix.Getpid()) && stopNow() == nil
}

// orphaned tells whether no ancestor of a process is in another process group
// of the same session, from where it could be continued.
func orphaned(pid int) bool {
	group, session := unix.Getpgrp(), sessionOf(0)
	for {
		pid = parentOf(pid)
		if pid <= 0 || sessionOf(pid) != session {
			return true
		}
		if g, err := unix.Getpgid(pid); err != nil || g != group {
			return false
		}
	}
}

func sessionOf(pid int) int {
	session, err := unix.Getsid(pid)
	if err != nil {
		return -1
	}
	return session
}

// ended does what the terminal would have done, had the command been in the
// caller's group: the script that runs this process is interrupted with it.
func (t *terminal) ended(by unix.Signal) {
	if t.has(t.jail) && (by == unix.SIGINT || by == unix.SIGQUIT) {
		t.takeBack()
		_ = unix.Kill(0, by)
	}
}
