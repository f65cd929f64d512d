package jail

import (
	"cmp"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/internal/rootpath"
)

// Process is one that runs in a jail.
type Process struct {
	PID int `json:"pid"` // on this machine
	// JailPID is its number in the jail; 0 where that has no numbers of its own.
	JailPID int    `json:"jail_pid,omitempty"`
	Parent  int    `json:"ppid"` // on this machine
	UID     uint32 `json:"uid"`  // in the jail
	User    string `json:"user"` // by the jail's passwd(5), or the number
	// State is a letter as ps(1) has it: R, S, D, T, Z.
	State string `json:"state"`
	// Emulator is the interpreter that runs it; "" when the processor does.
	Emulator string `json:"emulator,omitempty"`
	// Program is the file that runs as the jail sees it, and Args what it was
	// given, from argv[0] on where that is known.
	Program string   `json:"program"`
	Args    []string `json:"args,omitempty"`
	// CPU is the processor time that it has used.
	CPU     time.Duration `json:"cpu"`
	Elapsed time.Duration `json:"elapsed"`
	RSS     int64         `json:"rss"` // bytes
	Threads int           `json:"threads,omitempty"`
	// Load is CPU per time, of one processor: since the snapshot before, or since
	// the process began.
	Load float64 `json:"load"`
}

// Emulated tells whether an emulator runs it.
func (p *Process) Emulated() bool { return p.Emulator != "" }

// Snapshot are the processes of a jail at one moment.
type Snapshot struct {
	Jail      string    `json:"jail"`
	Arch      string    `json:"arch"`
	At        time.Time `json:"at"`
	Processes []Process `json:"processes"` // the busiest first
}

// Processes looks what runs in a jail. before, which may be nil, is an earlier
// snapshot, to tell what was used since.
func (s Store) Processes(name string, before *Snapshot) (*Snapshot, error) {
	r, err := s.Load(name)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(r.Root)
	if err != nil {
		return nil, fault.Wrap(fault.NotFound, err, "root of jail "+name, "xjail destroy "+name+" and make it again")
	}
	defer root.Close()
	now := &Snapshot{Jail: name, Arch: r.Arch, At: time.Now(), Processes: []Process{}}
	found, err := s.processes(r, &onlooker{root: root, record: r, users: map[uint32]string{}})
	if err != nil {
		return nil, fault.Wrap(fault.KindOf(err), err, "processes of jail "+name, "")
	}
	now.Processes = append(now.Processes, found...)
	now.rate(before)
	return now, nil
}

// rate computes the loads and sorts by them.
func (s *Snapshot) rate(before *Snapshot) {
	type key struct {
		pid   int
		began int64
	}
	// A number may be that of another process by now: that began at another time.
	began := func(at time.Time, p *Process) int64 { return at.Add(-p.Elapsed).Round(time.Second).Unix() }
	used := map[key]time.Duration{}
	if before != nil {
		for i := range before.Processes {
			p := &before.Processes[i]
			used[key{p.PID, began(before.At, p)}] = p.CPU
		}
	}
	for i := range s.Processes {
		p := &s.Processes[i]
		cpu, span := p.CPU, p.Elapsed
		for _, near := range []int64{0, -1, 1} { // the rounding
			if old, ok := used[key{p.PID, began(s.At, p) + near}]; ok {
				cpu, span = p.CPU-old, s.At.Sub(before.At)
				break
			}
		}
		if span > 0 {
			p.Load = max(0, float64(cpu)/float64(span))
		}
	}
	slices.SortStableFunc(s.Processes, func(a, b Process) int {
		return cmp.Or(cmp.Compare(b.Load, a.Load), cmp.Compare(b.CPU, a.CPU), cmp.Compare(a.PID, b.PID))
	})
}

// onlooker knows what is needed of a jail to tell what a process of it is.
type onlooker struct {
	root   *os.Root
	record *Record
	users  map[uint32]string
}

// user is a name of the jail's passwd(5).
func (o *onlooker) user(uid uint32) string {
	name, ok := o.users[uid]
	if !ok {
		number := strconv.FormatUint(uint64(uid), 10)
		name = number
		if a, err := lookupAccount(openFileIn(o.root), number); err == nil {
			name = a.name
		}
		o.users[uid] = name
	}
	return name
}

// interpreter is the activator whose interpreter a command line begins with, with
// the words that come before the program's path; nil for none.
func (o *onlooker) interpreter(argv []string) (interpreter string, before int, argv0 bool) {
	if len(argv) == 0 {
		return "", 0, false
	}
	for _, a := range o.record.Activators {
		if a.Interpreter == argv[0] {
			return a.Interpreter, 1 + len(a.Args), a.Flags.PreserveArgv0
		}
	}
	return "", 0, false
}

// emulated takes apart the command line of an emulator.
func (o *onlooker) emulated(p *Process, argv []string) {
	interpreter, before, argv0 := o.interpreter(argv)
	if interpreter == "" {
		return
	}
	p.Emulator = interpreter
	if len(argv) <= before {
		return
	}
	p.Program, p.Args = o.real(argv[before]), argv[before:]
	if argv0 && len(argv) > before+1 {
		p.Args = argv[before+1:]
	}
}

// real is a path of the jail with its links followed, where that can be told from
// outside of it.
func (o *onlooker) real(name string) string {
	if !path.IsAbs(name) {
		return name
	}
	if real, err := rootpath.Resolve(o.root, name); err == nil && real != "" {
		return "/" + strings.TrimPrefix(real, "/")
	}
	return name
}
