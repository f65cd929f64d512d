package jail

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// A command has the terminal while it runs, and the caller has it afterwards: the
// command may have ended, been interrupted, or not been there. Ctrl-C interrupts
// the caller too.
func TestKernelTerminal(t *testing.T) {
	if dir := os.Getenv("XJAIL_TEST_SCRIPT"); dir != "" {
		beScript(Store{Dir: dir})
		return
	}
	s := kernelStore(t)
	tty, side, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKernelTerminal$")
	cmd.Env = append(os.Environ(), "XJAIL_TEST_SCRIPT="+s.Dir)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = side, side, side
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	side.Close()
	var said []string
	for lines := bufio.NewScanner(tty); lines.Scan() && lines.Text() != "end"; {
		said = append(said, lines.Text())
		if lines.Text() == "waiting" {
			_, _ = tty.WriteString("\x03")
		}
	}
	_ = cmd.Wait()
	const want = "hello print: 0 true waiting ^Cwait: 130 true interrupted nothing: 1 true"
	if got := strings.Join(said, " "); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// beScript runs commands as a script does that has a terminal, and tells their
// status and whether it has the foreground again.
func beScript(s Store) {
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, unix.SIGINT)
	for _, argv := range [][]string{{"guest", "print", "hello"}, {"guest", "wait"}, {"nothing"}} {
		c := Command{Interactive: true, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Argv: argv, Env: []string{guestVar + "=1"}}
		status, err := s.Exec(context.Background(), "j", &c)
		if err != nil {
			status = 1
		}
		now, err := unix.IoctlGetInt(0, unix.TIOCGPGRP)
		fmt.Printf("%s: %d %t\n", argv[min(1, len(argv)-1)], status, err == nil && now == unix.Getpgrp())
		if status == 130 {
			select {
			case <-interrupts:
				fmt.Println("interrupted")
			case <-time.After(time.Minute):
			}
		}
	}
	fmt.Println("end")
}
