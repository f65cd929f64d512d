package formats

import (
	"errors"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/binfmt"
	"github.com/xjail/xjail/activators/binmiscctl"
	"github.com/xjail/xjail/activators/formats/shell"
)

// Shell scripts: what they would register, when they are followed by package
// shell. Of a service of rc(8) it is what start would register.

// register are words that a script which registers something has.
var scriptWords = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`\b(binmiscctl|update-binfmts|binfmt_misc|run_rc_command)\b|/binfmt\.d/`)
})

func fitsScript(s *source) bool { return scriptWords().MatchString(s.text) }

func readScript(s *source) (*Set, error) {
	m := &machine{builder: newBuilder(s, Register, "")}
	notes, err := shell.Follow(m, s.text, shell.Options{Params: m.params()})
	var syntax *shell.SyntaxError
	if errors.As(err, &syntax) {
		return nil, s.damaged(syntax.Line, err, "a script of sh is expected: sh -n finds what is wrong with it")
	}
	if err != nil {
		return nil, err
	}
	for _, n := range notes {
		m.note(n.Line, "%s", n.Text)
	}
	if len(m.set.Entries) == 0 && m.recorded == 0 {
		m.note(0, "the script registers nothing that can be seen without running it")
	}
	m.set.Kernel = m.kernelOf()
	return &m.set, nil
}

// commandWords are in the arguments of a program that registers something in a
// way that is not followed.
var commandWords = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`\b(binmiscctl add|update-binfmts|binfmt_misc/register)\b`)
})

// params are what a script is called with so that it registers something.
func (m *machine) params() []string {
	for word, pattern := range map[string]string{"start": `\bstart\s*\)`, "configure": `\bconfigure\s*(\||\))`} {
		if ok, _ := regexp.MatchString(pattern, m.text); ok {
			return []string{word}
		}
	}
	if strings.Contains(m.text, "run_rc_command") {
		return []string{"start"}
	}
	return nil
}

// machine is the shell.Host: a machine with a table and nothing else. What is
// registered is in the builder's set.
type machine struct {
	*builder
	recorded int
	freebsd  int // how much was registered with which kernel
	linux    int
	service  bool // it is one of rc(8)
}

// moment is a state of a machine.
type moment struct {
	entries  []activators.Entry
	notes    []string
	recorded int
	freebsd  int
	linux    int
}

// Mark is the state to go back to.
func (m *machine) Mark() any {
	m.set.Notes = slices.Clip(m.set.Notes)
	return moment{m.set.Entries, m.set.Notes, m.recorded, m.freebsd, m.linux}
}

// Reset goes back to a moment.
func (m *machine) Reset(to any) {
	t := to.(moment)
	m.set.Entries, m.set.Notes = t.entries, t.notes
	m.recorded, m.freebsd, m.linux = t.recorded, t.freebsd, t.linux
}

// Recorded grows with all that was registered. What is removed does not count:
// of the ways a script has, one that registers is wanted.
func (m *machine) Recorded() int { return m.recorded }

// kernelOf is the kernel for which all was that was registered.
func (m *machine) kernelOf() string {
	switch {
	case m.freebsd > 0 && m.linux > 0:
		m.note(0, "it registers entries with both kernels")
		return ""
	case m.freebsd > 0:
		if m.service {
			m.set.Format = RCScript
		} else {
			m.set.Format = Binmiscctl
		}
		return freebsd
	case m.linux > 0:
		return linux
	}
	return ""
}

// Command is asked about each program.
func (m *machine) Command(c *shell.Command) (shell.Status, bool) {
	args := c.Args
	name := path.Base(shell.Plain(args[0]))
	if strings.HasPrefix(name, "xjail") && len(args) > 1 && args[1] == "binmiscctl" {
		name, args = "binmiscctl", args[1:]
	}
	switch name {
	case "binmiscctl":
		return m.binmiscctl(c, args[1:]), true
	case "update-binfmts":
		return m.updateBinfmts(c, args[1:]), true
	case "load_rc_config", "warn", "info", "debug", "startmsg", "load_kld", "required_modules":
		return shell.Success, true
	case ".", "source":
		if len(args) < 2 || !strings.HasSuffix(args[1], "/rc.subr") {
			m.note(c.Line, "what %s brings is not read", shell.Plain(strings.Join(args, " ")))
		}
		return shell.Success, true
	case "err":
		return shell.Failure, true
	case "checkyesno":
		return m.checkYesNo(c), true
	case "run_rc_command":
		return m.runService(c), true
	}
	if name == "RUN" {
		return m.dockerRun(c, args[1:]), true
	}
	if inner := shellWithin(args); inner != nil {
		return c.Shell.Call(inner...), true
	}
	if commandWords().MatchString(strings.Join(args[1:], " ")) {
		m.note(c.Line, "not followed: %s", cut(shell.Plain(strings.Join(args, " "))))
	}
	return shell.Unknown, false
}

// dockerRun is an instruction RUN of a Dockerfile, in the form that a shell
// reads: options, and then a command, or a here-document with several. The form
// with brackets is JSON, which a shell reads as one pattern.
func (m *machine) dockerRun(c *shell.Command, args []string) shell.Status {
	for len(args) > 0 && strings.HasPrefix(args[0], "--") {
		args = args[1:]
	}
	switch {
	case len(args) == 0:
		return c.Shell.Call("sh")
	case strings.HasPrefix(args[0], "["):
		if scriptWords().MatchString(strings.Join(args, " ")) {
			m.note(c.Line, "not followed: RUN %s", cut(shell.Plain(strings.Join(args, " "))))
		}
		return shell.Unknown
	}
	return c.Shell.Call(append([]string{"env"}, args...)...)
}

// shellWithin is the sh -c TEXT that another program starts, such as docker run,
// when the text is about activators; nil when there is none.
func shellWithin(args []string) []string {
	for i := 1; i+2 < len(args); i++ {
		base, option := path.Base(args[i]), args[i+1]
		if slices.Contains([]string{"sh", "bash", "ash", "dash"}, base) && strings.HasPrefix(option, "-") && strings.HasSuffix(option, "c") && scriptWords().MatchString(args[i+2]) {
			return args[i:]
		}
	}
	return nil
}

// cut is a text as a note shows it.
func cut(text string) string {
	const most = 120
	if len(text) > most {
		return text[:most] + "..."
	}
	return text
}

// yes is what rc.subr(8) takes for yes.
func yes(value string) bool {
	return slices.Contains([]string{"yes", "true", "on", "1"}, strings.ToLower(value))
}

func (m *machine) checkYesNo(c *shell.Command) shell.Status {
	if len(c.Args) < 2 {
		return shell.Failure
	}
	value := c.Shell.Var(c.Args[1])
	if value == "" || shell.IsUnknown(value) {
		return shell.Unknown
	}
	if yes(value) {
		return shell.Success
	}
	return shell.Failure
}

// runService is what rc.subr(8) does at start.
func (m *machine) runService(c *shell.Command) shell.Status {
	m.service = true
	if len(c.Args) > 1 && c.Args[1] != "start" {
		return shell.Success
	}
	for _, v := range []string{"start_precmd", "start_cmd", "start_postcmd"} {
		if text := c.Shell.Var(v); text != "" {
			c.Shell.Eval(text)
		}
	}
	return shell.Success
}

// binmiscctl does what the command does to the table.
func (m *machine) binmiscctl(c *shell.Command, args []string) shell.Status {
	for i, a := range args {
		if shell.IsUnknown(a) && (i < 2 || !isInterpreter(args[i-1], a)) {
			m.note(c.Line, "binmiscctl is called with what is not known: %s", cut(shell.Plain(strings.Join(args, " "))))
			return shell.Unknown
		}
		args[i] = m.plain(c.Line, a)
	}
	cmd, err := binmiscctl.Parse(args)
	if err != nil {
		m.note(c.Line, "binmiscctl fails: %v", err)
		return 255
	}
	return m.sent(c, cmd)
}

// isInterpreter tells whether a word is what an interpreter is given with.
func isInterpreter(before, word string) bool {
	return strings.HasPrefix(before, "--i") || before == "-i" || strings.HasPrefix(word, "--i")
}

// plain is a word without its unknown part, which is noted: it is shown as it is
// in the script.
func (m *machine) plain(line int, word string) string {
	if shell.IsUnknown(word) {
		m.note(line, "%q is not known without running it", shell.Plain(word))
	}
	return shell.Plain(word)
}

// sent is a command that binmiscctl sends to its kernel.
func (m *machine) sent(c *shell.Command, cmd binmiscctl.Command) shell.Status {
	name := cmd.Entry.Name
	i := m.find(name)
	switch {
	case cmd.Name == "list":
		for _, e := range m.set.Entries {
			c.Print(binmiscctl.Format(e))
		}
		return shell.Success
	case cmd.Name == "add" && i >= 0:
		m.note(c.Line, "binmiscctl fails: %q is there already, from an earlier line", name)
		return 255
	case cmd.Name == "add":
		m.recorded++
		m.freebsd++
		m.add(cmd.Entry)
		return shell.Success
	case i < 0:
		return 255
	case cmd.Name == "lookup":
		c.Print(binmiscctl.Format(m.set.Entries[i]))
		return shell.Success
	}
	if cmd.Name == "remove" {
		m.remove(name)
		return shell.Success
	}
	m.set.Entries = slices.Clone(m.set.Entries)
	m.set.Entries[i].Enabled = cmd.Name == "enable"
	return shell.Success
}

// Write is what goes into a file: the files of binfmt_misc, and those that are
// read at boot.
func (m *machine) Write(line int, file, text string) {
	dir, base := path.Split(file)
	parent := path.Base(dir)
	if shell.IsUnknown(base) || shell.IsUnknown(parent) {
		if likeLine(text) && !strings.Contains(shell.Plain(file), "temp") {
			m.note(line, "it writes to a file whose name is not known: %s", cut(shell.Plain(file)))
		}
		return
	}
	switch parent {
	case "binfmt_misc":
		m.written(line, base, text)
	case "binfmt.d":
		m.readWritten(line, text, func(b *builder) { b.lines(line-1, text) })
	case "binfmts":
		part := &source{name: file, text: text}
		if !fitsDebian(part) {
			m.note(line, "what is written to %s is not understood", file)
			return
		}
		set, err := readDebian(part)
		if err != nil {
			m.note(line, "%v", err)
			return
		}
		m.set.Notes = append(m.set.Notes, set.Notes...)
		m.readWritten(line, text, func(b *builder) {
			for _, e := range slices.Backward(set.Entries) {
				b.replace(line, e)
			}
		})
	default:
		if likeLine(strings.TrimSpace(text)) && base == "register" {
			m.written(line, base, text) // binfmt_misc mounted elsewhere
		}
	}
}

// readWritten reads a text that goes into a file.
func (m *machine) readWritten(line int, text string, read func(*builder)) {
	if shell.IsUnknown(text) {
		m.note(line, "what is written is not known: %s", cut(shell.Plain(text)))
		return
	}
	m.recorded++
	m.linux++
	read(m.builder)
}

// written is a write(2) to a file of binfmt_misc's directory.
func (m *machine) written(line int, file, text string) {
	word := strings.TrimSuffix(text, "\n")
	switch {
	case file == "register":
		m.registered(line, text)
	case file == "status" && word == "-1":
		m.set.Entries = nil
	case file == "status":
		if word == "0" {
			m.note(line, "it switches the whole table off")
		}
	case m.find(file) < 0:
	case word == "-1":
		m.remove(file)
	case word == "0" || word == "1":
		m.set.Entries = slices.Clone(m.set.Entries)
		m.set.Entries[m.find(file)].Enabled = word == "1"
	}
}

// registered is a write to register, of one line.
func (m *machine) registered(line int, text string) {
	known := shell.Plain(text)
	if shell.IsUnknown(text) {
		if !m.unknownInterpreter(text) {
			m.note(line, "the line that is registered is not known: %s", cut(known))
			m.recorded++
			return
		}
		m.note(line, "its interpreter is not known without running it: %s", cut(known))
	}
	m.recorded++
	if strings.Contains(known, "\x00") {
		m.note(line, "the line has bytes of 0 as they are, at which the kernel cuts magic and mask: \\x00 is to be written")
	}
	e, err := binfmt.ParseLine([]byte(known))
	if err != nil {
		if strings.Contains(strings.TrimSuffix(known, "\n"), "\n") {
			m.note(line, "several lines in one write, of which the kernel takes none")
			return
		}
		m.note(line, "the kernel refuses the line: %v: %s", why(err), cut(known))
		return
	}
	if m.find(e.Name) >= 0 {
		m.note(line, "%q is there already, from an earlier line: the kernel refuses it", e.Name)
		return
	}
	m.linux++
	m.add(e)
}

// unknownInterpreter tells whether all that is unknown of a line is its
// interpreter.
func (m *machine) unknownInterpreter(text string) bool {
	if text == "" {
		return false
	}
	fields := strings.Split(text[1:], text[:1])
	for i, f := range fields {
		if shell.IsUnknown(f) && i != 5 {
			return false
		}
	}
	return len(fields) > 6
}
