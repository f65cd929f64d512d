package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"
)

func runTrue(*proc) int { return 0 }

func runFalse(*proc) int { return 1 }

// uname asks the system; under an emulator the emulator answers.
func (p *proc) uname() utsname {
	u, err := uname()
	if err != nil {
		p.fatal(1, "cannot tell the system: %s", reason(err))
	}
	return u
}

func runUname(p *proc) int {
	o := p.options("asnrvmpio", "all=a", "kernel-name=s", "nodename=n", "kernel-release=r", "kernel-version=v",
		"machine=m", "processor=p", "hardware-platform=i", "operating-system=o")
	o.operands(0, 0)
	u := p.uname()
	system := u.system
	if system == "Linux" {
		system = "GNU/Linux"
	}
	var parts []string
	for _, f := range []struct{ letter, value string }{
		{"s", u.system}, {"n", u.node}, {"r", u.release}, {"v", u.version}, {"m", u.machine},
		{"p", u.machine}, {"i", u.machine}, {"o", system},
	} {
		all := o.has("a") && f.letter != "p" && f.letter != "i"
		if all || o.has(f.letter) || len(o.given) == 0 && f.letter == "s" {
			parts = append(parts, f.value)
		}
	}
	p.printf("%s\n", strings.Join(parts, " "))
	return 0
}

func runArch(p *proc) int {
	p.options("").operands(0, 0)
	p.printf("%s\n", p.uname().machine)
	return 0
}

func runHostname(p *proc) int {
	o := p.options("sf", "short=s", "fqdn=f")
	if len(o.rest) > 0 {
		p.fatal(1, "a jail's name is set from outside")
	}
	name := p.uname().node
	if o.has("s") {
		name, _, _ = strings.Cut(name, ".")
	}
	p.printf("%s\n", name)
	return 0
}

func runNproc(p *proc) int {
	p.options("a", "all=a").operands(0, 0)
	p.printf("%d\n", runtime.NumCPU())
	return 0
}

func runSync(p *proc) int {
	p.options("df")
	syncDisks()
	return 0
}

func runTty(p *proc) int {
	o := p.options("s", "silent=s", "quiet=s")
	if !isTerminal(p.stdin) {
		if !o.has("s") {
			p.printf("not a tty\n")
		}
		return 1
	}
	name, err := os.Readlink("/proc/self/fd/0")
	if err != nil {
		name = "/dev/tty"
	}
	if !o.has("s") {
		p.printf("%s\n", name)
	}
	return 0
}

// runStty says the size of the terminal, and switches what people switch in
// scripts: the echo, and the raw mode.
func runStty(p *proc) int {
	f, ok := p.stdin.(*os.File)
	if !ok || !isTerminal(f) {
		p.fatal(1, "standard input: %s", reason(syscall.ENOTTY))
	}
	fd := int(f.Fd())
	if len(p.args) == 0 || p.args[0] == "-a" {
		columns, rows, err := term.GetSize(fd)
		p.fail("standard input", err)
		p.printf("speed 38400 baud; rows %d; columns %d;\n", rows, columns)
		return 0
	}
	for _, arg := range p.args {
		if arg == "size" {
			columns, rows, err := term.GetSize(fd)
			p.fail("standard input", err)
			p.printf("%d %d\n", rows, columns)
			continue
		}
		p.fail(arg, setTerminal(fd, arg))
	}
	return 0
}

func runSleep(p *proc) int {
	var total time.Duration
	for _, text := range p.options("").operands(1, -1) {
		d, ok := parseInterval(text)
		if !ok {
			p.fatal(1, "invalid time interval '%s'", text)
		}
		total += d
	}
	timer := time.NewTimer(total)
	defer timer.Stop()
	select {
	case <-timer.C:
		return 0
	case <-p.ctx.Done():
		return statusSignal + int(syscall.SIGINT)
	}
}

// parseInterval reads seconds, with a fraction and one of s, m, h, d.
func parseInterval(text string) (time.Duration, bool) {
	unit := time.Second
	if text != "" {
		switch text[len(text)-1] {
		case 's':
			text = text[:len(text)-1]
		case 'm':
			unit, text = time.Minute, text[:len(text)-1]
		case 'h':
			unit, text = time.Hour, text[:len(text)-1]
		case 'd':
			unit, text = 24*time.Hour, text[:len(text)-1]
		}
	}
	const longest = 200 * 365 * 24 * time.Hour // fits, also when several are added
	if text == "infinity" {
		return longest, true
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || n < 0 {
		return 0, false
	}
	if n*float64(unit) > float64(longest)/100 {
		return longest / 100, true
	}
	return time.Duration(n * float64(unit)), true
}

// runKill sends a signal. Options are not parsed as usual: a signal is one.
func runKill(p *proc) int {
	args, sig := p.args, syscall.SIGTERM
	if len(args) > 0 && (args[0] == "-l" || args[0] == "-L") {
		return p.listSignals(args[1:])
	}
	if len(args) > 0 && args[0] != "--" && len(args[0]) > 1 && args[0][0] == '-' {
		name := args[0][1:]
		args = args[1:]
		switch {
		case name == "s" || name == "n":
			if len(args) == 0 {
				p.badUsage("option -%s needs a value", name)
			}
			name, args = args[0], args[1:]
		case name[0] == 's' && len(name) > 1 && !strings.EqualFold(name, "stop") && !strings.EqualFold(name, "segv"):
			name = name[1:]
		}
		number, ok := signalNumber(name)
		if !ok && name != "0" {
			p.fatal(1, "unknown signal %s", name)
		}
		sig = number
	}
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		p.badUsage("missing process")
	}
	for _, arg := range args {
		pid, err := strconv.Atoi(arg)
		if err != nil {
			p.warn("%s: not a process id", arg)
			continue
		}
		p.fail(arg, sendSignal(pid, sig))
	}
	return 0
}

// sendSignal is kill(2), which a signal to the process itself does not outlast:
// sent to the process it could be another thread's to take, while this one goes
// on with the script.
func sendSignal(pid int, sig syscall.Signal) error {
	if pid != os.Getpid() {
		return syscall.Kill(pid, sig)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return signalThread(sig)
}

func (p *proc) listSignals(args []string) int {
	if len(args) == 0 {
		for _, s := range signalNames {
			p.printf("%s\n", s.name)
		}
		return 0
	}
	for _, arg := range args {
		n, err := strconv.Atoi(arg)
		if err == nil {
			if n > statusSignal {
				n -= statusSignal
			}
			p.printf("%s\n", signalName(syscall.Signal(n)))
			continue
		}
		sig, ok := signalNumber(arg)
		if !ok {
			p.fatal(1, "unknown signal %s", arg)
		}
		p.printf("%d\n", int(sig))
	}
	return 0
}

func runUmask(p *proc) int {
	o := p.options("+Sp")
	o.operands(0, 1)
	mask := umask()
	if len(o.rest) == 0 {
		if !o.has("S") {
			p.printf("%04o\n", mask)
			return 0
		}
		text := modeString(0o777 &^ mask)
		p.printf("u=%s,g=%s,o=%s\n", strings.ReplaceAll(text[1:4], "-", ""), strings.ReplaceAll(text[4:7], "-", ""), strings.ReplaceAll(text[7:10], "-", ""))
		return 0
	}
	n, err := strconv.ParseUint(o.rest[0], 8, 9)
	if err != nil {
		// A symbolic mask names what is allowed.
		allowed, modeErr := changeMode(o.rest[0], 0o777&^mask, 0)
		if modeErr != nil {
			p.fatal(1, "%s: invalid mask", o.rest[0])
		}
		n = uint64(0o777 &^ allowed.Perm())
	}
	syscall.Umask(int(n)) //nolint:gosec // nine bits
	return 0
}

func runPrintenv(p *proc) int {
	o := p.options("+0", "null=0")
	end := "\n"
	if o.has("0") {
		end = "\x00"
	}
	if len(o.rest) == 0 {
		for _, kv := range p.env {
			p.printf("%s%s", kv, end)
		}
	}
	for _, name := range o.rest {
		if v, ok := p.lookupEnv(name); ok {
			p.printf("%s%s", v, end)
		} else {
			p.failed = true
		}
	}
	return 0
}

func runEnv(p *proc) int {
	if len(p.args) > 0 && p.args[0] == "-" {
		p.args[0] = "-i"
	}
	o := p.options("+iu:C:0S:", "ignore-environment=i", "unset=u", "chdir=C", "null=0", "split-string=S")
	env := slices.Clone(p.env)
	if o.has("i") {
		env = nil
	}
	unset := func(key string) {
		env = slices.DeleteFunc(env, func(kv string) bool { return strings.HasPrefix(kv, key+"=") })
	}
	for _, key := range o.values('u') {
		unset(key)
	}
	rest := append(strings.Fields(o.value('S', "")), o.rest...)
	for len(rest) > 0 && strings.Contains(rest[0], "=") {
		key, _, _ := strings.Cut(rest[0], "=")
		unset(key)
		env = append(env, rest[0])
		rest = rest[1:]
	}
	p.env = env
	if len(rest) == 0 {
		end := "\n"
		if o.has("0") {
			end = "\x00"
		}
		for _, kv := range env {
			p.printf("%s%s", kv, end)
		}
		return 0
	}
	if dir := o.value('C', ""); dir != "" {
		if !p.isDir(dir) {
			p.fatal(125, "cannot change directory to '%s'", dir)
		}
		p.dir = p.path(dir)
	}
	return p.become(rest)
}

// become runs a command in place of this run: by exec where the process is the
// run's own.
func (p *proc) become(argv []string) int {
	if !p.own || p.dir != "" {
		return p.run(argv, p.stdin)
	}
	file, status := p.lookPath(argv[0])
	if status != 0 {
		return status
	}
	p.out.Flush()
	err := syscall.Exec(file, argv, p.env)
	if errors.Is(err, syscall.ENOEXEC) {
		return p.plainScript(file, argv)
	}
	fmt.Fprintf(p.stderr, "%s: %s: %s\n", p.name, argv[0], reason(err))
	return statusNotExecutable
}

func runNohup(p *proc) int {
	rest := p.options("+").operands(1, -1)
	ignoreHangup()
	if isTerminal(p.stdout) {
		f, err := os.OpenFile(p.path("nohup.out"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			p.fatal(127, "nohup.out: %s", reason(err))
		}
		fmt.Fprintln(p.stderr, "nohup: appending output to 'nohup.out'")
		if isTerminal(p.stderr) {
			p.stderr = f
		}
		p.stdout = f
		return p.run(rest, p.stdin)
	}
	return p.become(rest)
}

func runTimeout(p *proc) int {
	o := p.options("+s:k:vfp", "signal=s", "kill-after=k", "foreground=f", "preserve-status=p", "verbose=v")
	rest := o.operands(2, -1)
	limit, ok := parseInterval(rest[0])
	grace, graceOK := parseInterval(o.value('k', "0"))
	sig, sigOK := signalNumber(o.value('s', "TERM"))
	if !ok || !sigOK || !graceOK {
		p.badUsage("invalid time or signal")
	}
	file, status := p.lookPath(rest[1])
	if status != 0 {
		return status
	}
	cmd := p.newCommand(file, rest[1:])
	if err := cmd.Start(); err != nil {
		p.fatal(statusNotExecutable, "%s: %s", rest[1], reason(err))
	}
	done := make(chan struct{})
	late := make(chan bool, 1)
	go func() { late <- interruptLate(cmd, done, limit, grace, sig) }()
	err := cmd.Wait()
	close(done)
	if <-late && !o.has("p") {
		if sig == syscall.SIGKILL {
			return statusSignal + int(sig)
		}
		return 124
	}
	if exit, ok := err.(*exec.ExitError); ok { //nolint:errorlint // Wait returns it bare
		return p.waitStatus(exit)
	}
	return 0
}

// interruptLate signals a command that takes longer than limit, and kills it
// when it goes on; it tells whether it had to.
func interruptLate(cmd *exec.Cmd, done <-chan struct{}, limit, grace time.Duration, sig syscall.Signal) bool {
	if limit == 0 {
		<-done
		return false
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-done:
		return false
	case <-timer.C:
	}
	_ = cmd.Process.Signal(sig) // it may have ended just now
	if grace > 0 {
		timer.Reset(grace)
		select {
		case <-done:
		case <-timer.C:
			_ = cmd.Process.Kill() // as above
		}
	}
	return true
}

func runWhich(p *proc) int {
	o := p.options("as")
	search, ok := p.lookupEnv("PATH")
	if !ok {
		search = defaultPath
	}
	for _, name := range o.operands(1, -1) {
		found := false
		for _, dir := range strings.Split(search, ":") {
			file := path.Join(dir, name)
			if strings.Contains(name, "/") {
				file = name
			}
			if found && (!o.has("a") || file == name) || p.executable(p.path(file)) != 0 {
				continue
			}
			found = true
			if !o.has("s") {
				p.printf("%s\n", file)
			}
		}
		p.failed = p.failed || !found
	}
	return 0
}

func runXargs(p *proc) int {
	o := p.options("+0rtn:L:I:P:s:d:a:x", "null=0", "no-run-if-empty=r", "verbose=t", "max-args=n", "max-lines=L", "replace=I", "max-procs=P", "delimiter=d", "arg-file=a")
	command := o.rest
	if len(command) == 0 {
		command = []string{"echo"}
	}
	in, stdin := p.stdin, io.Reader(strings.NewReader(""))
	if name := o.value('a', ""); name != "" {
		f, err := p.open(name)
		if p.fail(name, err) {
			return 1
		}
		defer f.Close()
		in, stdin = f, p.stdin
	}
	data, err := io.ReadAll(in)
	if p.fail("standard input", err) {
		return 1
	}
	lines, ok := xargsWords(string(data), o)
	if !ok {
		p.fatal(1, "unmatched quote")
	}
	status := 0
	for _, argv := range xargsCommands(command, lines, o) {
		if o.has("t") {
			fmt.Fprintln(p.stderr, strings.Join(argv, " "))
		}
		switch s := p.run(argv, stdin); {
		case s == statusNotFound || s == statusNotExecutable:
			return s
		case s == 255:
			p.warn("%s: exited with status 255; aborting", argv[0])
			return 124
		case s > statusSignal:
			p.warn("%s: terminated by signal %d", argv[0], s-statusSignal)
			return 125
		case s != 0:
			status = 123
		}
	}
	return status
}

// xargsWords splits the input into the words of each line.
func xargsWords(data string, o options) (lines [][]string, ok bool) {
	separator := ""
	switch o.last("0d") {
	case '0':
		separator = "\x00"
	case 'd':
		separator = expandEscapes(o.value('d', ""))
	}
	if separator != "" {
		for _, word := range strings.Split(strings.TrimSuffix(data, separator), separator) {
			if data != "" {
				lines = append(lines, []string{word})
			}
		}
		return lines, true
	}
	for _, line := range strings.Split(data, "\n") {
		if o.has("I") { // a line is one word, quotes and all taken as POSIX says
			if line = strings.TrimLeft(line, " \t"); line != "" {
				lines = append(lines, []string{line})
			}
			continue
		}
		words, ok := unquoteWords(line)
		if !ok {
			return nil, false
		}
		if len(words) > 0 {
			lines = append(lines, words)
		}
	}
	return lines, true
}

// unquoteWords splits at blanks; quotes and backslashes keep them.
func unquoteWords(line string) (words []string, ok bool) {
	var word strings.Builder
	in, quote := false, byte(0)
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteByte(c)
		case c == '\'' || c == '"':
			quote, in = c, true
		case c == '\\' && i+1 < len(line):
			i++
			word.WriteByte(line[i])
			in = true
		case c == ' ' || c == '\t':
			if in {
				words = append(words, word.String())
				word.Reset()
			}
			in = false
		default:
			word.WriteByte(c)
			in = true
		}
	}
	if in {
		words = append(words, word.String())
	}
	return words, quote == 0
}

// xargsCommands puts the words behind the command, not too many at a time.
func xargsCommands(command []string, lines [][]string, o options) [][]string {
	var all [][]string
	if mark := o.value('I', ""); mark != "" {
		for _, line := range lines {
			var argv []string
			for _, arg := range command {
				argv = append(argv, strings.ReplaceAll(arg, mark, line[0]))
			}
			all = append(all, argv)
		}
		return all
	}
	if n := o.number('L', 0); n > 0 {
		for group := range slices.Chunk(lines, n) {
			all = append(all, slices.Concat(command, slices.Concat(group...)))
		}
		return all
	}
	words := slices.Concat(lines...)
	if len(words) == 0 {
		if o.has("r") {
			return nil
		}
		return [][]string{command}
	}
	most, size := o.number('n', 1<<30), 100<<10 // well below ARG_MAX
	argv := slices.Clone(command)
	for _, word := range words {
		if n := len(argv) - len(command); n > 0 && (n >= most || size < len(word)+1) {
			all, argv, size = append(all, argv), slices.Clone(command), 100<<10
		}
		argv = append(argv, word)
		size -= len(word) + 1
	}
	return append(all, argv)
}
