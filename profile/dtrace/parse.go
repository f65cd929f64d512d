package dtrace

import (
	"bufio"
	"cmp"
	_ "embed" // trace.d
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/profile"
)

//go:embed trace.d
var program string

// Program is the program in D. Its argument $1 is the process below which
// everything is told.
func Program() string { return program }

// formatVersion is in the first line that the program prints.
const formatVersion = "2"

// Options say what the parser cannot see.
type Options struct {
	// Emulators are the interpreters of the jail's activators, by their paths.
	Emulators []profile.Emulator
	// Words is how many arguments of its own an emulator gets before the
	// program's.
	Words int
	// Began is called when the program has begun to look; it may be nil.
	Began func()
	// Full tells that no more runs are to be written; it may be nil.
	Full func() bool
}

// Stats is what the parser has seen.
type Stats struct {
	Runs int64
	// Left counts the runs that have not ended.
	Left int64
	// At is the time of the last event, since the first.
	At time.Duration
	// Whole: the program told of its end.
	Whole bool
	// Sums are those of the runs.
	Sums profile.Sums
}

// lineMax is more than the longest line.
const lineMax = 64 << 10

// bounds of argv in a profile.
const (
	argMax  = 32
	argSize = 1024
)

// Parse makes a profile of what the program prints. What it does not understand is
// counted as lost; an error is that of reading, of writing, or of output that is
// not the program's. The profile is not closed.
func Parse(r io.Reader, w *profile.Writer, o Options) (*Stats, error) {
	p := newParser(w, o)
	in := bufio.NewReaderSize(r, lineMax)
	for {
		line, err := in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			for errors.Is(err, bufio.ErrBufferFull) {
				_, err = in.ReadSlice('\n')
			}
			p.lose("a line is too long")
			continue
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return p.stats(), fault.Wrap(fault.Failed, err, "read what dtrace prints", "")
		}
		if err != nil { // a last line that is not whole
			return p.stats(), p.failure
		}
		if err := p.line(strings.TrimSuffix(string(line), "\n")); err != nil {
			return p.stats(), err
		}
		if in.Buffered() == 0 { // so that the profile can be read while it is made
			p.note(w.Flush())
		}
		if p.failure != nil {
			return p.stats(), p.failure
		}
	}
}

// parser follows processes.
type parser struct {
	out       *profile.Writer
	o         Options
	base, at  int64
	begun     bool
	whole     bool
	processes map[int]*process
	runs      int64
	left      int64 // runs for which there was no room
	failure   error // of the writer
	tally     *profile.Tally
}

// process is one in the jail.
type process struct {
	run            profile.Run
	uticks, sticks int64 // when the run began
}

func newParser(w *profile.Writer, o Options) *parser {
	return &parser{out: w, o: o, processes: map[int]*process{}, tally: profile.NewTally()}
}

func (p *parser) stats() *Stats {
	s := &Stats{Runs: p.runs, Left: int64(len(p.processes)), At: time.Duration(p.at), Whole: p.whole, Sums: p.tally.Sums()}
	s.Sums.Left = s.Left
	return s
}

func (p *parser) note(err error) {
	if p.failure == nil {
		p.failure = err
	}
}

func (p *parser) lose(why string) { p.loseMany(1, why) }

func (p *parser) loseMany(n int64, why string) {
	l := &profile.Lost{At: p.at, Count: n, Why: why}
	p.tally.Lost(l)
	p.note(p.out.Lost(l))
}

// end writes the end of a run.
func (p *parser) end(e *profile.End) {
	p.tally.End(e)
	p.note(p.out.End(e))
}

// line reads one line. Empty ones are dtrace's own.
func (p *parser) line(text string) error {
	if text == "" {
		return nil
	}
	f := &fields{rest: strings.Split(text, "\t")}
	kind := f.text()
	if kind == "B" {
		return p.begin(f)
	}
	if !p.begun {
		return fault.New(fault.Damaged, "", "dtrace printed %q before the program began", text)
	}
	now := f.number()
	if f.bad {
		p.lose("a line is not understood")
		return nil
	}
	p.at = max(p.at, now-p.base)
	switch kind {
	case "F":
		p.fork(f)
	case "X":
		p.exec(f)
	case "N":
		p.fail(f)
	case "E":
		p.exit(f)
	case "Z":
		p.whole = true
	default:
		f.bad = true
	}
	if f.bad {
		p.lose("a line is not understood")
	}
	return nil
}

func (p *parser) begin(f *fields) error {
	if version := f.text(); version != formatVersion || p.begun {
		return fault.New(fault.Damaged, "", "what dtrace prints has format %q, want %s once", version, formatVersion)
	}
	p.base, p.begun = f.number(), true
	if p.o.Began != nil {
		p.o.Began()
	}
	return nil
}

// start begins a run in a process; nil when there is no room for it.
func (p *parser) start(pid int, r profile.Run) *process {
	if p.o.Full != nil && p.o.Full() {
		p.left++
		return nil
	}
	p.runs++
	r.ID, r.PID, r.At = p.runs, pid, p.at
	c := &process{run: r}
	p.processes[pid] = c
	p.tally.Begin(&r)
	p.note(p.out.Begin(&r))
	return c
}

// fork knows only of what is in the jail: xjail's own processes are outside of it.
func (p *parser) fork(f *fields) {
	pid, child, jid := f.pid(), f.pid(), f.number()
	parent := p.processes[pid]
	if f.bad || parent == nil || jid == 0 {
		return
	}
	if p.processes[child] != nil {
		p.drop(child)
	}
	p.start(child, profile.Run{Parent: parent.run.ID, Program: parent.run.Program, Emulator: parent.run.Emulator})
}

// drop ends a run whose end was not seen.
func (p *parser) drop(pid int) {
	p.end(&profile.End{ID: p.processes[pid].run.ID, At: p.at, How: profile.Unknown})
	delete(p.processes, pid)
	p.lose("the end of a process was not seen")
}

func (p *parser) exec(f *fields) {
	pid, jid := f.pid(), f.number()
	_ = f.text() // the jail's name
	cpu, uticks, sticks := f.number(), f.number(), f.number()
	name, first, previous, last, args := f.string(), f.string(), f.string(), f.string(), f.string()
	if f.bad || jid == 0 {
		return
	}
	old := p.processes[pid]
	r := p.image(name, first, previous, last, args)
	if old != nil {
		delete(p.processes, pid)
		user, system := old.split(cpu, uticks, sticks)
		p.end(&profile.End{ID: old.run.ID, At: p.at, How: profile.ByExec, User: user, System: system})
		r.Parent, r.Replaced = old.run.Parent, old.run.ID
	}
	if c := p.start(pid, r); c != nil {
		c.uticks, c.sticks = uticks, sticks
	}
}

// image is what a process became. last is the file that the kernel has loaded in
// the end: the program, the interpreter of a script, or the emulator. Kernels that
// do not tell of the files on the way give first alone.
func (p *parser) image(name, first, previous, last, args string) profile.Run {
	argv := strings.Split(strings.TrimRight(args, "\x1f"), "\x1f")
	if args == "" {
		argv = nil
	}
	r := profile.Run{Program: last, File: first}
	emulator := p.emulator(name, last, argv)
	switch {
	case emulator != "":
		argv = argv[min(len(argv), 1+p.o.Words):]
		r.Emulator, r.Program = emulator, cmp.Or(previous, interpreterOf(argv, first), first)
	case last == first:
		r.Program = cmp.Or(interpreterOf(argv, first), first)
	}
	if r.Script = r.File != r.Program; !r.Script {
		r.File = ""
	}
	r.Argv, r.Cut = bound(argv, r.Program)
	return r
}

// interpreterOf is the interpreter of a script, by the arguments that the kernel
// has given it: itself, perhaps one option, and the file (sys/kern/imgact_shell.c).
// It is "" for what is no script.
func interpreterOf(argv []string, file string) string {
	if len(argv) < 2 || !path.IsAbs(argv[0]) || argv[1] != file && (len(argv) < 3 || argv[2] != file) {
		return ""
	}
	return argv[0]
}

// emulator is the one that a process runs; "" for none.
func (p *parser) emulator(name, last string, argv []string) string {
	for _, e := range p.o.Emulators {
		base := path.Base(e.Path)
		if last == e.Path || len(argv) > 0 && argv[0] == e.Path || name == base || len(name) == commMax && strings.HasPrefix(base, name) {
			return e.Path
		}
	}
	return ""
}

// commMax is how much of a program's name the kernel keeps (MAXCOMLEN).
const commMax = 19

// bound keeps argv small. Where the kernel did not keep any the program stands for
// it: a run that begins with execve(2) has an argv.
func bound(argv []string, program string) (list []string, cut bool) {
	if len(argv) == 0 {
		return []string{program}, true
	}
	size := 0
	for _, a := range argv {
		if len(list) == argMax || size+len(a) > argSize {
			if list == nil { // not even the first
				list = []string{a[:argSize]}
			}
			return list, true
		}
		list, size = append(list, a), size+len(a)
	}
	return list, false
}

func (p *parser) fail(f *fields) {
	pid, errno, file := f.pid(), f.number(), f.string()
	if c := p.processes[pid]; c != nil && !f.bad {
		failure := &profile.Failure{Run: c.run.ID, At: p.at, File: file, Error: errnoName(errno)}
		p.tally.Fail(failure)
		p.note(p.out.Fail(failure))
	}
}

// Reasons of proc:::exit, the codes of SIGCHLD.
const (
	exited = 1
	killed = 2
	dumped = 3
)

// coreFlag is in the kernel's number of a signal that had a core dumped (WCOREFLAG).
const coreFlag = 0x80

func (p *parser) exit(f *fields) {
	pid, reason, status, signal := f.pid(), f.number(), f.number(), f.number()
	cpu, uticks, sticks, rss := f.number(), f.number(), f.number(), f.number()
	c := p.processes[pid]
	if f.bad || c == nil {
		return
	}
	e := profile.End{ID: c.run.ID, At: p.at, RSS: max(0, rss) << 10}
	e.User, e.System = c.split(cpu, uticks, sticks)
	switch reason {
	case exited:
		e.How, e.Code = profile.ByExit, int(status)
	case killed, dumped:
		e.How, e.Code, e.Core = profile.BySignal, int(signal&^coreFlag), reason == dumped
	default:
		e.How = profile.Unknown
	}
	p.end(&e)
	delete(p.processes, pid)
}

// split divides time by the ticks of the clock, as the kernel does for
// getrusage(2): what had none is the system's.
func (c *process) split(cpu, uticks, sticks int64) (user, system int64) {
	cpu = max(0, cpu)
	u, s := max(0, uticks-c.uticks), max(0, sticks-c.sticks)
	if u+s <= 0 {
		return 0, cpu
	}
	user = min(cpu, int64(float64(cpu)*(float64(u)/(float64(u)+float64(s)))))
	return user, cpu - user
}

// fields takes a line apart; bad is set when something is not as it should be.
type fields struct {
	rest []string
	bad  bool
}

func (f *fields) text() string {
	if len(f.rest) == 0 {
		f.bad = true
		return ""
	}
	s := f.rest[0]
	f.rest = f.rest[1:]
	return s
}

func (f *fields) number() int64 {
	n, err := strconv.ParseInt(f.text(), 10, 64)
	if err != nil || n > 1<<62 || n < -1<<62 {
		f.bad = true
		return 0
	}
	return n
}

func (f *fields) pid() int { return int(f.number()) }

// escape is what %S writes for what is not printable.
var escape = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\\([0-7]{1,3}|.)`) })

// plain are the escapes with a letter.
var plain = map[string]string{"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}

func (f *fields) string() string {
	s := f.text()
	if !strings.Contains(s, `\`) {
		return s
	}
	return escape().ReplaceAllStringFunc(s, func(e string) string {
		code := e[1:]
		if n, err := strconv.ParseUint(code, 8, 8); err == nil {
			return string([]byte{byte(n)})
		}
		if c, ok := plain[code]; ok {
			return c
		}
		return code
	})
}

// errnos are the numbers of FreeBSD that execve(2) gives (sys/sys/errno.h).
var errnos = map[int64]string{
	1: "EPERM", 2: "ENOENT", 4: "EINTR", 5: "EIO", 7: "E2BIG", 8: "ENOEXEC", 9: "EBADF", 12: "ENOMEM", 13: "EACCES", 14: "EFAULT", 16: "EBUSY",
	20: "ENOTDIR", 21: "EISDIR", 22: "EINVAL", 26: "ETXTBSY", 35: "EAGAIN", 62: "ELOOP", 63: "ENAMETOOLONG", 93: "ENOTCAPABLE", 94: "ECAPMODE",
}

func errnoName(n int64) string {
	if name, ok := errnos[n]; ok {
		return name
	}
	return fmt.Sprintf("errno %d", n)
}

// dropped is what dtrace says on stderr of what it could not keep.
var dropped = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^dtrace: (\d+) (?:dynamic variable |aggregation )?(?:drops?|failed|errors?)\b.*$`)
})

// failedProbe begins what dtrace says of an event that it could not print.
const failedProbe = "dtrace: error on enabled probe ID "

// Drops tells how many events a line of dtrace's stderr says were lost.
func Drops(line string) (count int64, ok bool) {
	if strings.HasPrefix(line, failedProbe) {
		return 1, true
	}
	m := dropped().FindStringSubmatch(strings.TrimSpace(line))
	if m == nil {
		return 0, false
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	return n, err == nil
}
