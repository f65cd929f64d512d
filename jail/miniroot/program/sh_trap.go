package main

import (
	"fmt"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"mvdan.cc/sh/v3/syntax"
)

// watch takes in the signals that are trapped, and those that an interactive
// shell does not die of.
func (s *shell) watch() {
	for sig := range s.signals {
		number, ok := sig.(syscall.Signal)
		if !ok {
			continue
		}
		s.mu.Lock()
		if s.traps[number] != "" {
			s.pending = append(s.pending, number)
		}
		if number == syscall.SIGINT {
			s.interrupts++
			// As the terminal would have interrupted the commands, had they
			// been processes.
			for _, cancel := range s.running {
				cancel()
			}
			if s.idle {
				s.dropped = true
				fmt.Fprintln(s.p.stderr)
				s.prompt("PS1")
			} else if s.children == 0 && s.stop != nil && s.traps[number] == "" {
				s.stop()
			}
		}
		s.mu.Unlock()
	}
}

// awaitInterrupt gives the interrupt that has ended a command the time to arrive here
// too, as the terminal sends it to both: it is not to end what is typed next. Not
// every status of that kind comes from a terminal, so it is not waited for long.
func (s *shell) awaitInterrupt(before int) {
	for range 500 {
		s.mu.Lock()
		come := s.interrupts != before
		s.mu.Unlock()
		if come {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// awaitTrap gives a signal that the script sent to its own shell the time to
// arrive, so that its trap runs before the next command. It may be one that is
// not trapped, so it is not waited for long.
func (s *shell) awaitTrap() {
	for range 50 {
		s.mu.Lock()
		none := len(s.pending) == 0 && len(s.traps) > 0
		s.mu.Unlock()
		if !none {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// takeTraps is the code of the signals that came since it was last asked.
func (s *shell) takeTraps() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var code []string
	for _, sig := range s.pending {
		if text := s.traps[sig]; text != "" {
			code = append(code, text)
		}
	}
	s.pending = nil
	return strings.Join(code, "\n")
}

// trap keeps what is for signals, and leaves EXIT and ERR to the interpreter:
// what is returned is the command for it.
func (s *shell) trap(args []string) []string {
	rest := args[1:]
	if len(rest) > 0 && rest[0] == "--" {
		rest = rest[1:]
	}
	if len(rest) == 0 || len(rest) == 1 && rest[0] == "-p" {
		s.listTraps()
		return []string{"trap"}
	}
	action := "-"
	if _, err := strconv.Atoi(rest[0]); err != nil && len(rest) > 1 {
		action, rest = rest[0], rest[1:]
	}
	left := []string{"trap", action}
	for _, name := range rest {
		sig, ok := signalNumber(name)
		switch {
		case name == "0" || strings.EqualFold(name, "EXIT"):
			left = append(left, "EXIT")
		case name == "ERR":
			left = append(left, "ERR")
		case !ok:
			left = append(left, name) // the interpreter refuses it
		default:
			s.setTrap(sig, action)
		}
	}
	if len(left) == 2 {
		return []string{"true"}
	}
	return left
}

func (s *shell) setTrap(sig syscall.Signal, action string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch action {
	case "-":
		delete(s.traps, sig)
		if !s.interactive {
			signal.Reset(sig)
		}
	case "":
		s.traps[sig] = ""
		signal.Ignore(sig)
	default:
		s.traps[sig] = action
		signal.Notify(s.signals, sig)
	}
}

// listTraps prints the traps of signals; the interpreter adds its own.
func (s *shell) listTraps() {
	s.mu.Lock()
	defer s.mu.Unlock()
	var numbers []syscall.Signal
	for sig := range s.traps {
		numbers = append(numbers, sig)
	}
	slices.Sort(numbers)
	for _, sig := range numbers {
		fmt.Fprintf(s.p.stdout, "trap -- %s %s\n", quoteAll([]string{s.traps[sig]}), signalName(sig))
	}
}

// quoteAll makes shell text of words.
func quoteAll(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		q, err := syntax.Quote(w, syntax.LangBash)
		if err != nil { // a zero byte, which no word of a script can hold
			q = "''"
		}
		quoted[i] = q
	}
	return strings.Join(quoted, " ")
}

// signals by name, in the order of kill -l, as every architecture has them:
// the numbers differ.
var signalNames = []struct {
	name   string
	number syscall.Signal
}{
	{"HUP", syscall.SIGHUP}, {"INT", syscall.SIGINT}, {"QUIT", syscall.SIGQUIT}, {"ILL", syscall.SIGILL},
	{"TRAP", syscall.SIGTRAP}, {"ABRT", syscall.SIGABRT}, {"BUS", syscall.SIGBUS}, {"FPE", syscall.SIGFPE},
	{"KILL", syscall.SIGKILL}, {"USR1", syscall.SIGUSR1}, {"SEGV", syscall.SIGSEGV}, {"USR2", syscall.SIGUSR2},
	{"PIPE", syscall.SIGPIPE}, {"ALRM", syscall.SIGALRM}, {"TERM", syscall.SIGTERM}, {"CHLD", syscall.SIGCHLD},
	{"CONT", syscall.SIGCONT}, {"STOP", syscall.SIGSTOP}, {"TSTP", syscall.SIGTSTP}, {"TTIN", syscall.SIGTTIN},
	{"TTOU", syscall.SIGTTOU}, {"URG", syscall.SIGURG}, {"XCPU", syscall.SIGXCPU}, {"XFSZ", syscall.SIGXFSZ},
	{"VTALRM", syscall.SIGVTALRM}, {"PROF", syscall.SIGPROF}, {"WINCH", syscall.SIGWINCH}, {"IO", syscall.SIGIO},
	{"SYS", syscall.SIGSYS},
}

// signalNumber is the signal of a name, with or without SIG, or of a number.
func signalNumber(name string) (syscall.Signal, bool) {
	if n, err := strconv.Atoi(name); err == nil {
		return syscall.Signal(n), n > 0 && n < 128
	}
	name = strings.TrimPrefix(strings.ToUpper(name), "SIG")
	for _, s := range signalNames {
		if s.name == name {
			return s.number, true
		}
	}
	return 0, false
}

// signalName is the name of a signal without SIG, or its number.
func signalName(sig syscall.Signal) string {
	for _, s := range signalNames {
		if s.number == sig {
			return s.name
		}
	}
	return strconv.Itoa(int(sig))
}
