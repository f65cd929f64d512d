package dtrace

import (
	"bufio"
	_ "embed" // bulk.d
	"errors"
	"io"
	"strings"
	"time"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/profile"
)

//go:embed bulk.d
var bulkProgram string

// nobody is a process that there is not, for $1: it is beyond PID_MAX.
const nobody = "1073741823"

// BulkProgram is the program for the jails of a bulk run. Its argument $$2 is what
// their names begin with.
func BulkProgram() string {
	return strings.Replace(program, "\nBEGIN\n", "\n"+bulkProgram+"BEGIN\n", 1)
}

// Cut says that a builder has done with a package: what runs in its jail later is
// of the next.
type Cut struct {
	At      time.Time `json:"at"`
	Jail    string    `json:"jail"` // without the -n of the one that has a network
	Subject string    `json:"subject"`
}

// Keeper keeps the profiles of a bulk run, of which each jail has one at a time.
type Keeper interface {
	// Begin opens the profile of what a jail runs from now on.
	Begin(jail string, started time.Time) (*profile.Writer, error)
	// Full tells whether there is no room for more in it.
	Full(jail string) bool
	// End closes it. The subject is "" when nothing said what it was.
	End(jail, subject string, s *Stats) error
	// Cuts are those that came since the last call. A builder goes on only after
	// its cut is there.
	Cuts() []Cut
}

// BulkOptions say what is followed.
type BulkOptions struct {
	Options
	// Name is that of the reference; those of builders are NAME-job-ID.
	Name string
	// Quiet is after how long without an execve(2) in the jails nobody builds any
	// more; 0 for never.
	Quiet time.Duration
	// Lost counts what dtrace said it had no room for, so far; it may be nil.
	Lost func() int64
}

// errQuiet ends a collector that was forgotten.
var errQuiet = fault.New(fault.Failed, "", "nothing has run in the jails for too long")

// ParseBulk makes a profile of each package. Cuts go by the time of the machine's
// clock, which the program prints beside that of the events.
func ParseBulk(r io.Reader, k Keeper, o BulkOptions) error {
	b := &bulk{o: o, keeper: k, jails: map[string]*builder{}, owner: map[int]string{}}
	in := bufio.NewReaderSize(&cutReader{r, b}, lineMax)
	for {
		line, err := in.ReadSlice('\n')
		for errors.Is(err, bufio.ErrBufferFull) {
			line = nil
			_, err = in.ReadSlice('\n')
		}
		if err != nil {
			return errors.Join(readError(err), b.end())
		}
		if err := b.line(strings.TrimSuffix(string(line), "\n")); err != nil {
			return errors.Join(err, b.end())
		}
	}
}

func readError(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return fault.Wrap(fault.Failed, err, "read what dtrace prints", "")
}

// cutReader asks for cuts after each read: what a builder does after its cut is
// printed later, so it is in a read after the cut was there.
type cutReader struct {
	r io.Reader
	b *bulk
}

func (c *cutReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.b.cuts = append(c.b.cuts, c.b.keeper.Cuts()...)
	return n, err
}

// bulk tells the jails apart.
type bulk struct {
	o          BulkOptions
	keeper     Keeper
	begun      bool
	time, wall int64 // of the same moment
	now, busy  int64 // the last line, and the last execve(2)
	jails      map[string]*builder
	owner      map[int]string // the jail of a process
	cuts       []Cut
}

// builder is a jail in which a package is built.
type builder struct {
	*parser
	lost int64 // Lost when it began
}

// line reads a line, and hands it to the parser of its jail.
func (b *bulk) line(text string) error {
	if text == "" {
		return nil
	}
	f := &fields{rest: strings.Split(text, "\t")}
	kind := f.text()
	if kind == "B" {
		return b.begin(f)
	}
	if !b.begun {
		return fault.New(fault.Damaged, "", "dtrace printed %q before the program began", text)
	}
	now := f.number()
	if f.bad {
		return nil
	}
	b.now = max(b.now, now)
	if kind == "T" {
		if wall := f.number(); !f.bad {
			b.setBack(b.wall+now-b.time-wall, wall)
			b.time, b.wall = now, wall
		}
		if b.o.Quiet > 0 && b.now-b.busy > int64(b.o.Quiet) {
			return errQuiet
		}
	}
	if err := b.cut(); err != nil {
		return err
	}
	return b.event(kind, text, f)
}

// setBack has cuts be of now that were there before somebody set the machine's clock
// back: by its new time they would come late, and hold up those behind them.
func (b *bulk) setBack(by, wall int64) {
	if by < int64(time.Second) {
		return
	}
	for i, c := range b.cuts {
		if c.At.UnixNano()-wall > by/2 {
			b.cuts[i].At = time.Unix(0, wall)
		}
	}
}

func (b *bulk) begin(f *fields) error {
	if version := f.text(); version != formatVersion || b.begun {
		return fault.New(fault.Damaged, "", "what dtrace prints has format %q, want %s once", version, formatVersion)
	}
	b.time, b.wall, b.begun = f.number(), f.number(), true
	b.now, b.busy = b.time, b.time
	if b.o.Began != nil {
		b.o.Began()
	}
	return nil
}

// event is a line about a process.
func (b *bulk) event(kind, text string, f *fields) error {
	pid := f.pid()
	name := b.owner[pid]
	switch kind {
	case "X":
		_ = f.number()
		to := b.jailOf(f.string())
		if f.bad || to == "" {
			return nil
		}
		if name != "" && name != to && b.jails[name] != nil && b.jails[name].processes[pid] != nil {
			b.jails[name].drop(pid)
		}
		b.owner[pid], b.busy, name = to, b.now, to
		if b.jails[to] == nil {
			if err := b.open(to); err != nil {
				return err
			}
		}
	case "F":
		if child := f.pid(); name != "" && !f.bad {
			b.owner[child] = name
		}
	case "E":
		delete(b.owner, pid)
	case "N":
	default:
		return nil
	}
	if p := b.jails[name]; p != nil {
		if err := p.line(text); err != nil {
			return err
		}
		return p.failure
	}
	return nil
}

// jailOf is the jail of a name, without the -n of the one that has a network; ""
// for those of others.
func (b *bulk) jailOf(name string) string {
	rest, ok := strings.CutPrefix(name, b.o.Name)
	if !ok {
		return ""
	}
	rest = strings.TrimSuffix(rest, "-n")
	if id, ok := strings.CutPrefix(rest, builderInfix); rest != "" && (!ok || id == "" || strings.Contains(id, "-")) {
		return ""
	}
	return b.o.Name + rest
}

// builderInfix is between the name of the reference and the number of a builder.
const builderInfix = "-job-"

// BuilderJail is the jail of a builder, by poudriere's _my_name.
func BuilderJail(name, id string) string { return name + builderInfix + id }

func (b *bulk) open(name string) error {
	w, err := b.keeper.Begin(name, time.Unix(0, b.wall+b.now-b.time))
	if err != nil {
		return err
	}
	o := b.o.Options
	o.Full, o.Began = func() bool { return b.keeper.Full(name) }, nil
	p := &builder{parser: newParser(w, o), lost: b.lost()}
	p.base, p.begun = b.now, true
	b.jails[name] = p
	return nil
}

func (b *bulk) lost() int64 {
	if b.o.Lost == nil {
		return 0
	}
	return b.o.Lost()
}

// cut ends the profiles of packages that were done before now.
func (b *bulk) cut() error {
	for len(b.cuts) > 0 && b.cuts[0].At.UnixNano()-b.wall+b.time <= b.now {
		c := b.cuts[0]
		b.cuts = b.cuts[1:]
		if err := b.close(c.Jail, c.Subject); err != nil {
			return err
		}
	}
	return nil
}

func (b *bulk) close(name, subject string) error {
	p := b.jails[name]
	if p == nil {
		return nil
	}
	delete(b.jails, name)
	if n := b.lost() - p.lost; n > 0 {
		p.loseMany(n, "dtrace had no room, in this builder or another")
	}
	if p.left > 0 {
		p.loseMany(p.left, "the profile has no room for more runs")
	}
	return errors.Join(p.failure, b.keeper.End(name, subject, p.stats()))
}

// end ends what is left: first by the cuts that no line came after.
func (b *bulk) end() error {
	var failed error
	for _, c := range b.cuts {
		failed = errors.Join(failed, b.close(c.Jail, c.Subject))
	}
	for name := range b.jails {
		failed = errors.Join(failed, b.close(name, ""))
	}
	return failed
}
