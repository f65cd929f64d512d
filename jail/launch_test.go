package jail

import (
	"context"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
)

// launchRoot is a FreeBSD root for mips64 whose sh is emulated and whose make
// is native.
func launchRoot(t *testing.T) *os.Root {
	t.Helper()
	root := plant(t, "bin/\nusr/bin/\netc/\nroot/\nhome/build/\nsrc -> home\nusr/bin/cc -> /bin/sh\n")
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		if self, err = os.ReadFile(os.Args[0]); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string][]byte{
		"bin/sh": noted(1302001), "usr/bin/make": self[:4096], "usr/bin/script": []byte("#!/bin/sh\n"),
		"bin/freebsd-version": []byte("USERLAND_VERSION=\"13.2-RELEASE\"\n"),
		"etc/passwd":          []byte("root:*:0:0::/root:/bin/sh\nbuild:*:1001:1001::/home/build:/bin/sh\nlost:*:1002:1002::/none:/usr/bin/make\n"),
		"etc/group":           []byte("wheel:*:0:build\n"),
	} {
		if err := root.WriteFile(name, text, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestNewLaunch(t *testing.T) {
	root := launchRoot(t)
	g := readGuest(root)
	tests := []struct {
		name string
		e    entrance
		prog string
		argv []string
		dir  string
		uid  uint32
	}{
		{"emulated, from PATH", entrance{Argv: []string{"sh", "-c", "x"}}, "/bin/sh", []string{"/bin/sh", "-c", "x"}, "/", 0},
		{"emulated, through a link", entrance{Argv: []string{"cc"}}, "/usr/bin/cc", []string{"/usr/bin/cc"}, "/", 0},
		{"native, from PATH", entrance{Argv: []string{"make"}}, "/usr/bin/make", []string{"make"}, "/", 0},
		{"script", entrance{Argv: []string{"script"}}, "/usr/bin/script", []string{"script"}, "/", 0},
		{"relative", entrance{Argv: []string{"./sh"}, Dir: "/bin"}, "./sh", []string{"./sh"}, "/bin", 0},
		{"user", entrance{Argv: []string{"make"}, User: "build"}, "/usr/bin/make", []string{"make"}, "/", 1001},
		{"login, emulated", entrance{Login: true}, "/bin/sh", []string{"/bin/sh"}, "/root", 0},
		{"login, native, no home", entrance{Login: true, User: "lost"}, "/usr/bin/make", []string{"-make"}, "/", 1002},
		{"directory through a link", entrance{Argv: []string{"make"}, Dir: "/src/build"}, "/usr/bin/make", []string{"make"}, "/src/build", 0},
	}
	for _, tt := range tests {
		tt.e.Arch = "mips64"
		l, err := newLaunch(root, &tt.e, g)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if l.name != tt.prog || !slices.Equal(l.argv, tt.argv) || l.dir != tt.dir || l.cred.Uid != tt.uid {
			t.Errorf("%s: %+v", tt.name, l)
		}
	}
	l, err := newLaunch(root, &entrance{Arch: "mips64", Argv: []string{"sh"}, User: "build", Env: []string{"A=1", "UNAME_m=x"}}, g)
	if err != nil {
		t.Fatal(err)
	}
	if want := []uint32{1001, 0}; !slices.Equal(l.cred.Groups, want) {
		t.Errorf("groups %v", l.cred.Groups)
	}
	for name, want := range map[string]string{"UNAME_p": "mips64", "UNAME_r": "13.2-RELEASE", "UNAME_m": "x", "A": "1", "HOME": "/home/build", "OSVERSION": "", "ABI_FILE": ""} {
		if got := lookupEnv(l.env, name); got != want {
			t.Errorf("%s=%q, want %q", name, got, want)
		}
	}
	l, err = newLaunch(root, &entrance{Arch: "mips64", Argv: []string{"sh"}, Probe: true}, g)
	if err != nil || lookupEnv(l.env, "UNAME_m")+lookupEnv(l.env, "UNAME_r") != "" {
		t.Errorf("a probe is told %q, %v", l.env, err)
	}
}

func TestNewLaunchErrors(t *testing.T) {
	root := launchRoot(t)
	for name, tt := range map[string]struct {
		e    entrance
		kind fault.Kind
	}{
		"no program": {entrance{Argv: []string{"none"}}, statusNotFound},
		"no user":    {entrance{Argv: []string{"sh"}, User: "nobody"}, fault.NotFound},
		"no dir":     {entrance{Argv: []string{"sh"}, Dir: "/none"}, fault.NotFound},
		"dir a file": {entrance{Argv: []string{"sh"}, Dir: "/bin/sh"}, fault.NotFound},
	} {
		if _, err := newLaunch(root, &tt.e, guest{}); fault.KindOf(err) != tt.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := checkEntrance(&entrance{}, 1001); fault.KindOf(err) != fault.Permission || fault.HintOf(err) == "" {
		t.Errorf("not root: %v", err)
	}
	if err := checkEntrance(&entrance{Host: true}, 0); fault.KindOf(err) != fault.Unsupported {
		t.Errorf("host: %v", err)
	}
	if err := checkEntrance(&entrance{}, 0); err != nil {
		t.Error(err)
	}
}

func TestExecError(t *testing.T) {
	root := plant(t, "sh\n")
	if err := root.WriteFile("run", nil, 0o755); err != nil {
		t.Fatal(err)
	}
	stat := statIn(root)
	for _, tt := range []struct {
		name string
		err  error
		kind fault.Kind
		hint bool
	}{
		{"/sh", unix.ENOENT, statusNotFound, true},
		{"/none", unix.ENOENT, statusNotFound, false},
		{"/sh", unix.ENOEXEC, statusNotExecutable, true},
		{"/run", unix.EACCES, statusNotExecutable, true},
		{"/sh", unix.EACCES, statusNotExecutable, false},
		{"/etc", unix.EACCES, statusNotExecutable, false},
	} {
		err := execError(tt.name, tt.err, stat)
		if fault.KindOf(err) != tt.kind || (fault.HintOf(err) != "") != tt.hint {
			t.Errorf("%s, %v: %v, hint %q", tt.name, tt.err, err, fault.HintOf(err))
		}
	}
	if missingInterpreter("freebsd") == missingInterpreter("linux") || notExecutable("freebsd") == notExecutable("linux") || noActivator("freebsd") == noActivator("linux") {
		t.Error("the hints do not know the system")
	}
}

func TestPointToExplain(t *testing.T) {
	stat := statIn(plant(t, "sh\n"))
	run := func(c Command, err error) string { return fault.HintOf(c.pointToExplain("j", err)) }
	_, notFound := findProgram("none", "/bin", stat)
	for name, tt := range map[string]struct {
		c    Command
		err  error
		want string // the beginning of the hint
	}{
		"loader missing":  {Command{Argv: []string{"/sh"}}, execError("/sh", unix.ENOENT, stat), "xjail explain --jail j /sh tells why; "},
		"no x bit":        {Command{Argv: []string{"/sh"}}, execError("/sh", unix.EACCES, stat), "xjail explain --jail j /sh tells why"},
		"no activator":    {Command{Argv: []string{"s h"}}, execError("/s h", unix.ENOEXEC, stat), "xjail explain --jail j 's h' tells why; "},
		"relative":        {Command{Argv: []string{"./it's"}, Dir: "/src"}, execError("./it's", unix.ENOEXEC, stat), `xjail explain --jail j '/src/it'\''s' tells why; `},
		"nowhere":         {Command{Argv: []string{"none"}}, notFound, "PATH in the jail is /bin"},
		"not there":       {Command{Argv: []string{"/none"}}, execError("/none", unix.ENOENT, stat), ""},
		"another user":    {Command{Argv: []string{"/sh"}, User: "nobody"}, execError("/sh", unix.EACCES, stat), ""},
		"xjail's own":     {Command{Argv: []string{"/sh"}}, fault.New(fault.Locked, "wait", "in use"), "wait"},
		"nothing is said": {Command{Argv: []string{"/sh"}}, nil, ""},
	} {
		if got := run(tt.c, tt.err); !strings.HasPrefix(got, tt.want) || tt.want == "" && got != "" {
			t.Errorf("%s: hint %q, want %q", name, got, tt.want)
		}
		if got := tt.c.pointToExplain("j", tt.err); fault.KindOf(got) != fault.KindOf(tt.err) {
			t.Errorf("%s: %v became %v", name, tt.err, got)
		}
	}
}

func TestInterrupted(t *testing.T) {
	signals := make(chan os.Signal, 3)
	ctx, cancel := context.WithCancel(context.Background())
	signals <- syscall.SIGCONT
	if interrupted(ctx, signals) {
		t.Error("by SIGCONT")
	}
	signals <- syscall.SIGTERM
	if !interrupted(ctx, signals) {
		t.Error("not by SIGTERM")
	}
	cancel()
	if !interrupted(ctx, signals) {
		t.Error("not by the context")
	}
}

// startTestChild is a shell whose end only supervise sees.
func startTestChild(t *testing.T, script string) *child {
	t.Helper()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no sh")
	}
	pid, err := syscall.ForkExec(sh, []string{"sh", "-c", script}, &syscall.ProcAttr{Env: []string{}, Files: []uintptr{0, 1, 2}, Sys: &syscall.SysProcAttr{Setpgid: true}})
	if err != nil {
		t.Fatal(err)
	}
	return &child{pid: pid, end: func() { _ = unix.Kill(-pid, unix.SIGKILL) }}
}

func TestSupervise(t *testing.T) {
	for script, want := range map[string]int{"exit 0": 0, "exit 42": 42, "kill -TERM $$": 143, "kill -KILL $$": 137} {
		status, err := startTestChild(t, script).supervise(context.Background(), nil, &terminal{})
		if err != nil || status != want {
			t.Errorf("%s: %d, %v, want %d", script, status, err, want)
		}
	}
	signals := make(chan os.Signal, 1)
	signals <- unix.SIGUSR1
	// The signal ends it, before or after it is ready.
	if status, err := startTestChild(t, "while :; do :; done").supervise(context.Background(), signals, &terminal{}); err != nil || status != 128+int(unix.SIGUSR1) {
		t.Errorf("a signal passed on: %d, %v", status, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := startTestChild(t, "while :; do :; done").supervise(ctx, nil, &terminal{}); fault.KindOf(err) != fault.Interrupted {
		t.Errorf("ended context: %v", err)
	}
	c := startTestChild(t, "exit 3")
	c.interactive = true
	if status, err := c.supervise(ctx, nil, &terminal{}); err != nil || status != 3 {
		t.Errorf("an interactive command decides by itself: %d, %v", status, err)
	}
}

// Bits of wait statuses as both systems have them.
func TestReadStatus(t *testing.T) {
	for ws, want := range map[unix.WaitStatus]change{
		0x2a00: {status: 42}, 0x000f: {status: 143, signal: unix.SIGTERM}, 0x008b: {status: 139, signal: unix.SIGSEGV},
		unix.WaitStatus(uint32(unix.SIGSTOP)<<8 | 0x7f): {stopped: unix.SIGSTOP}, unix.WaitStatus(uint32(unix.SIGTSTP)<<8 | 0x7f): {stopped: unix.SIGTSTP},
	} {
		if got := readStatus(ws); !reflect.DeepEqual(got, want) {
			t.Errorf("%#x: %+v, want %+v", uint32(ws), got, want)
		}
	}
}
