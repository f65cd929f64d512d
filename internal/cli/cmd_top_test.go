package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/xjail/xjail/jail"
)

// ofNobody is a state directory with a jail that nobody is in.
func ofNobody(t *testing.T) string {
	t.Helper()
	state := t.TempDir()
	dir := filepath.Join(state, "jails", "j")
	if err := os.MkdirAll(filepath.Join(dir, "root"), 0o700); err != nil {
		t.Fatal(err)
	}
	record := `{"version":1,"name":"j","arch":"aarch64","root":"` + filepath.Join(dir, "root") + `","probe":{}}`
	if err := os.WriteFile(filepath.Join(dir, "jail.json"), []byte(record), 0o600); err != nil {
		t.Fatal(err)
	}
	return state
}

// On a terminal it is shown until q is typed, and the terminal is as before then.
func TestTopOnTerminal(t *testing.T) {
	master, tty, err := pty.Open()
	if err != nil {
		t.Skip(err)
	}
	defer master.Close()
	if err := pty.Setsize(master, &pty.Winsize{Rows: 5, Cols: 20}); err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	env := &Env{Args: []string{"--state", ofNobody(t), "top", "j", "--interval", "100ms"}, Stdin: tty, Stdout: tty, Stderr: tty, Getenv: func(string) string { return "" }}
	done := make(chan int, 1)
	go func() { done <- Run(context.Background(), env) }()
	seen := ""
	until := func(found func(string) bool) {
		t.Helper()
		for b := make([]byte, 4096); !found(seen); {
			n, err := master.Read(b)
			if seen += string(b[:n]); err != nil {
				t.Fatalf("%v: %q", err, seen)
			}
		}
	}
	until(func(s string) bool { return strings.Count(s, topLeft) > 2 })
	if _, err := master.WriteString("q"); err != nil {
		t.Fatal(err)
	}
	until(func(s string) bool { return strings.HasSuffix(s, leaveScreen) })
	if status := <-done; status != 0 {
		t.Errorf("status %d", status)
	}
	if !strings.HasPrefix(seen, enterScreen+topLeft+"jail j: 0 running, 0"+eraseLine) {
		t.Errorf("%q", seen)
	}
}

// A window of another size is filled at once.
func TestTopResized(t *testing.T) {
	master, tty, err := pty.Open()
	if err != nil {
		t.Skip(err)
	}
	defer master.Close()
	defer tty.Close()
	if err := pty.Setsize(master, &pty.Winsize{Rows: 5, Cols: 12}); err != nil {
		t.Fatal(err)
	}
	env := &Env{Args: []string{"--state", ofNobody(t), "top", "j", "--interval", "1h"}, Stdin: tty, Stdout: tty, Stderr: tty, Getenv: func(string) string { return "" }}
	done := make(chan int, 1)
	go func() { done <- Run(context.Background(), env) }()
	seen := ""
	until := func(want string) {
		t.Helper()
		for b := make([]byte, 4096); !strings.HasSuffix(seen, want); {
			n, err := master.Read(b)
			if seen += string(b[:n]); err != nil {
				t.Fatalf("%v: %q", err, seen)
			}
		}
	}
	until(eraseBelow)
	if err := pty.Setsize(master, &pty.Winsize{Rows: 5, Cols: 16}); err != nil {
		t.Fatal(err)
	}
	seen = ""
	if err := syscall.Kill(os.Getpid(), syscall.SIGWINCH); err != nil {
		t.Fatal(err)
	}
	until(topLeft + "jail j: 0 runnin" + eraseLine + eraseBelow)
	if _, err := master.WriteString("q"); err != nil {
		t.Fatal(err)
	}
	if status := <-done; status != 0 {
		t.Errorf("status %d", status)
	}
}

func TestPrintTop(t *testing.T) {
	s := &jail.Snapshot{Jail: "j", Processes: []jail.Process{
		{PID: 42, User: "root", State: "R", Emulator: "/usr/bin/qemu-aarch64-static", Program: "/usr/bin/sed", Args: []string{"sed", "s/a\x1b[2J/"}, CPU: 90 * time.Second, Elapsed: 3*time.Hour + 62*time.Second, RSS: 3 << 20, Load: 0.995},
		{PID: 7, User: "build", State: "S", Program: "/usr/bin/dash", Load: 0.25},
	}}
	var b bytes.Buffer
	if err := printTop(&b, s, 0, 0); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"jail j: 2 running, 1 of them emulated; CPU 125 %, 100 % emulated",
		"42   root   R  qemu-aarch64-static  99.5  1:30.00  3:01:02  3.0 MiB  ", "7    build  S  native               25.0  0:00.00  0:00.00  0 B      /usr/bin/dash",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "\x1b") {
		t.Errorf("a program writes to the terminal: %q", b.String())
	}
	b.Reset()
	if err := printTop(&b, s, 30, 4); err != nil || strings.Count(b.String(), "\n") != 4 {
		t.Errorf("%v %q", err, b.String())
	}
	for line := range strings.Lines(b.String()) {
		if len(strings.TrimSuffix(line, "\n")) > 30 {
			t.Errorf("%q does not fit", line)
		}
	}
}

// Every member of the JSON is documented.
func TestTopDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/profile-report.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ = bytes.Cut(text, []byte("xjail top NAME --json"))
	for _, of := range []reflect.Type{reflect.TypeFor[jail.Snapshot](), reflect.TypeFor[jail.Process]()} {
		for i := range of.NumField() {
			name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
			if !bytes.Contains(text, []byte("`"+name+"`")) {
				t.Errorf("docs/profile-report.md does not say what %s is", name)
			}
		}
	}
}
