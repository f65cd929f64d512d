package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
)

// terminal is a pseudo-terminal with a command on it, and what the command
// wrote.
type terminal struct {
	t   *testing.T
	tty *os.File
	cmd *exec.Cmd

	mu   sync.Mutex
	text bytes.Buffer
	seen int
	done chan struct{}
}

// onTerminal starts a command as the leader of a session on a terminal.
func onTerminal(t *testing.T, cmd *exec.Cmd) *terminal {
	t.Helper()
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 33, Cols: 77})
	if err != nil {
		t.Fatal(err)
	}
	term := &terminal{t: t, tty: tty, cmd: cmd, done: make(chan struct{})}
	t.Cleanup(func() { _ = cmd.Process.Kill(); tty.Close() })
	go term.read()
	return term
}

func (term *terminal) read() {
	defer close(term.done)
	b := make([]byte, 4096)
	for {
		n, err := term.tty.Read(b)
		term.mu.Lock()
		term.text.Write(b[:n])
		term.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// typed sends keys.
func (term *terminal) typed(keys string) {
	term.t.Helper()
	if _, err := term.tty.WriteString(keys); err != nil {
		term.t.Fatal(err)
	}
}

// expect waits for a pattern in what came since the last one.
func (term *terminal) expect(pattern string) {
	term.t.Helper()
	re := regexp.MustCompile(pattern)
	for range 600 {
		term.mu.Lock()
		at := re.FindIndex(term.text.Bytes()[term.seen:])
		if at != nil {
			term.seen += at[1]
		}
		term.mu.Unlock()
		if at != nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	term.mu.Lock()
	defer term.mu.Unlock()
	term.t.Fatalf("waited in vain for %q, got %q", pattern, term.text.Bytes()[term.seen:])
}

// ends waits for the command and returns its status.
func (term *terminal) ends() int {
	term.t.Helper()
	guard := time.AfterFunc(time.Minute, func() { _ = term.cmd.Process.Kill() })
	defer guard.Stop()
	_ = term.cmd.Wait()
	return term.cmd.ProcessState.ExitCode()
}

func TestTerminalSize(t *testing.T) {
	w := tinyJail(t, caller, "powerpc")
	term := onTerminal(t, w.command("exec", "tiny", "--", "sh", "-c", "stty; cat; stty"))
	term.expect(`33 77\r\n`)
	if err := pty.Setsize(term.tty, &pty.Winsize{Rows: 44, Cols: 99}); err != nil {
		t.Fatal(err)
	}
	term.typed("\x04")
	term.expect(`44 99\r\n`)
	if got := term.ends(); got != 0 {
		t.Errorf("status %d", got)
	}
}

func TestTerminalInterrupt(t *testing.T) {
	w := tinyJail(t, caller, "powerpc")
	for keys, want := range map[string]int{"\x03": 130, "\x1c": 131} {
		term := onTerminal(t, w.command("exec", "tiny", "--", "sh", "-c", "echo begun; sleep 600"))
		term.expect("begun")
		term.typed(keys)
		if got := term.ends(); got != want {
			t.Errorf("%q: status %d, want %d", keys, got, want)
		}
	}
}

// Under a shell with job control: Ctrl-C, Ctrl-Z, bg, fg, and the shell has the
// terminal back each time.
func TestTerminalJobControl(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip(err)
	}
	w := tinyJail(t, caller, "powerpc")
	shell := w.as.command(bash, "--norc", "--noprofile", "-i")
	shell.Env = append(shell.Env, "PS1=ready> ", "TERM=dumb")
	shell.Dir = "/"
	line := strings.Join(w.command("exec", "tiny", "--", "sh", "-c", "'echo be''gun; cat; echo en''ded'").Args, " ") + "\n"
	term := onTerminal(t, shell)
	term.expect("ready> ")

	term.typed(line)
	term.expect(`\nbegun\r\n`)
	term.typed("\x03")
	term.expect("ready> ")
	term.typed("echo status=$?\n")
	term.expect(`\nstatus=130\r\n`)

	term.typed(line)
	term.expect(`\nbegun\r\n`)
	term.typed("\x1a")
	term.expect("Stopped")
	term.expect("ready> ")
	term.typed("jobs\n")
	term.expect("Stopped.*exec tiny")
	term.expect("ready> ")
	term.typed("fg\n")
	term.expect("exec tiny.*\r\n")
	term.typed("through cat\n")
	term.expect("through cat\r\nthrough cat\r\n")
	term.typed("\x1a")
	term.expect("Stopped")
	term.expect("ready> ")
	term.typed("fg\n")
	term.expect("exec tiny.*\r\n")
	term.typed("\x04")
	term.expect(`ended\r\n`)
	term.expect("ready> ")
	term.typed("echo status=$?\n")
	term.expect(`\nstatus=0\r\n`)
	term.typed("exit\n")
	if got := term.ends(); got != 0 {
		t.Errorf("the shell ended with status %d", got)
	}
}

// Without a shell that could continue it, as under ssh -t, Ctrl-Z does nothing.
func TestTerminalWithoutJobControl(t *testing.T) {
	w := tinyJail(t, caller, "powerpc")
	term := onTerminal(t, w.command("exec", "tiny", "--", "sh", "-c", "echo begun; cat; echo ended"))
	term.expect("begun\r\n")
	term.typed("\x1a")
	term.expect(`\^Z`)
	term.typed("alive\n")
	term.expect("alive\r\n.*alive\r\n")
	term.typed("\x04")
	term.expect("ended\r\n")
	if got := term.ends(); got != 0 {
		t.Errorf("status %d", got)
	}
}

// A pager reads the keys while the jail's command writes to it; a command that
// reads from the terminal gets it.
func TestTerminalPager(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip(err)
	}
	w := tinyJail(t, caller, "powerpc")
	shell := w.as.command(bash, "--norc", "--noprofile", "-i")
	shell.Env = append(shell.Env, "PS1=ready> ", "TERM=dumb")
	shell.Dir = "/"
	term := onTerminal(t, shell)
	term.expect("ready> ")
	exec := strings.Join(w.command("exec", "tiny", "--").Args, " ")

	term.typed(exec + " cat /etc/words | sh -c 'cat; read key < /dev/tty; echo key=$key'\n")
	term.expect("\nthree\r\n")
	term.typed("q\n")
	term.expect("\nkey=q\r\n")
	term.expect("ready> ")

	term.typed(exec + " cat | cat\n")
	term.expect("cat \\| cat\r\n")
	term.typed("typed\n")
	term.expect("typed\r\ntyped\r\n")
	term.typed("\x1a")
	term.expect("Stopped")
	term.expect("ready> ")
	term.typed("fg\n")
	term.expect("cat \\| cat\r\n")
	term.typed("again\n")
	term.expect("again\r\nagain\r\n")
	term.typed("\x04")
	term.expect("ready> ")

	term.typed(exec + " sh -c 'cat; echo do''ne' &\n")
	term.expect("ready> ")
	term.typed("\n")
	term.expect("Stopped")
	term.expect("ready> ")
	term.typed("fg\n")
	term.expect("exec tiny.*\r\n")
	term.typed("in front\n")
	term.expect("in front\r\nin front\r\n")
	term.typed("\x04")
	term.expect("done\r\n")
	term.expect("ready> ")

	// A script that runs xjail is interrupted with it.
	term.typed("sh -c '" + exec + " cat /etc/words /dev/tty; echo not''reached'\n")
	term.expect(`\nthree\r\n`)
	term.typed("\x03")
	term.expect("ready> ")
	term.typed("echo status=$?\n")
	term.expect("\nstatus=130\r\n")
	term.mu.Lock()
	if strings.Contains(term.text.String(), "\nnotreached") {
		t.Error("the script went on")
	}
	term.mu.Unlock()
}

// A terminal that goes away takes the jail's programs with it, stopped or not.
func TestTerminalHangup(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip(err)
	}
	w := tinyJail(t, caller, "powerpc")
	for _, keys := range []string{"", "\x1a"} {
		shell := w.as.command(bash, "--norc", "--noprofile", "-i")
		shell.Env = append(shell.Env, "PS1=ready> ", "TERM=dumb")
		shell.Dir = "/"
		term := onTerminal(t, shell)
		term.expect("ready> ")
		term.typed(strings.Join(w.command("exec", "tiny", "--", "sh", "-c", "'echo be''gun; sleep 600'").Args, " ") + "\n")
		term.expect(`\nbegun\r\n`)
		if keys != "" {
			term.typed(keys)
			term.expect("Stopped")
		}
		_ = term.cmd.Process.Kill()
		term.tty.Close()
		_ = term.cmd.Wait()
		waitFor(t, "the end of the jail", func() bool { return !programsBelow(w.state) })
	}
}

// The mini root's shell, as xjail shell starts it: a prompt, commands, Ctrl-C
// that ends a command and not the shell, Ctrl-D that ends the shell.
func TestTerminalShell(t *testing.T) {
	w := newWorld(t, caller)
	needEmulator(t, w, "mips64")
	w.ok("create", "mips64", "--from", "miniroot")
	cmd := w.command("shell", "mips64")
	cmd.Env = append(cmd.Env, "TERM=dumb")
	term := onTerminal(t, cmd)
	term.expect(`[#$] `)
	term.typed("uname -m; test -t 0 && echo on a term''inal; pwd\n")
	term.expect(`\nmips64\r\n`)
	term.expect(`^on a terminal\r\n/root\r\n`)
	term.typed("echo be''gun; sleep 600\n")
	term.expect(`\nbegun\r\n`)
	term.typed("\x03")
	term.typed("echo still he''re\n")
	term.expect(`still here\r\n`)
	term.typed("sh -c 'exit 7'\n")
	term.typed("\x04")
	if got := term.ends(); got != 7 {
		t.Errorf("status %d, want that of the last command", got)
	}
}
