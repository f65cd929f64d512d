package profile

import "time"

// formatVersion is in the header of every profile; a newer one is not read.
const formatVersion = 1

// Header says what was profiled, where and by which means.
type Header struct {
	Format    int        `json:"xjail_profile"`
	Xjail     string     `json:"xjail,omitempty"` // version of xjail
	Jail      string     `json:"jail"`
	Arch      string     `json:"arch"`               // the catalog's name of what the jail is
	Guest     string     `json:"guest_os,omitempty"` // linux or freebsd
	Host      string     `json:"host"`               // the catalog's name of the machine
	Collector string     `json:"collector"`          // ptrace, dtrace
	Started   time.Time  `json:"started"`
	Command   []string   `json:"command"`
	Emulators []Emulator `json:"emulators"`
	// Tools is where the jail's native tools are from, and their revision; "" for
	// a run without.
	Tools string `json:"tools,omitempty"`
	// Subject is what the command builds: the package of a bulk run; "" when
	// nobody said.
	Subject string `json:"subject,omitempty"`
}

// Emulator is an interpreter of one of the jail's activators.
type Emulator struct {
	Path    string `json:"path"` // as the activator names it
	Arch    string `json:"arch"` // what it runs: the catalog's name
	Version string `json:"version,omitempty"`
}

// Run is one program in one process. Times are nanoseconds, At since
// Header.Started.
type Run struct {
	// ID counts runs in the order in which they began, from 1.
	ID int64 `json:"id"`
	// Parent is the run that the process was forked from; 0 for the command itself
	// and for what came from outside.
	Parent int64 `json:"parent,omitempty"`
	// Replaced is the run that this one took the process of, by execve(2); 0 for a
	// run that began with fork(2).
	Replaced int64 `json:"replaced,omitempty"`
	PID      int   `json:"pid"` // in the jail
	At       int64 `json:"at"`
	// Program is the ELF file that runs, as the jail sees it, links followed: of a
	// script its last interpreter. A fork's is its parent's.
	Program string `json:"program"`
	// File is what execve(2) was given, made absolute, when it is another than
	// Program: a script, or a link such as /bin/sh.
	File string `json:"file,omitempty"`
	// Script: File is a script, and Program its interpreter.
	Script bool `json:"script,omitempty"`
	// Argv is what the program was given, from argv[0] on; Cut tells that more
	// arguments, or a longer one, were left out. Nil for a fork.
	Argv []string `json:"argv,omitempty"`
	Cut  bool     `json:"argv_cut,omitempty"`
	// Emulator is the path of the emulator that runs the program; "" when the
	// processor does.
	Emulator string `json:"emulator,omitempty"`

	// End is nil while it runs.
	End *End `json:"-"`
}

// Emulated tells whether an emulator runs the program.
func (r *Run) Emulated() bool { return r.Emulator != "" }

// Fork tells whether the run began with fork(2) and not with execve(2).
func (r *Run) Fork() bool { return r.Replaced == 0 && r.Argv == nil }

// How a run ends.
const (
	ByExit   = "exit"
	BySignal = "signal"
	ByExec   = "exec" // the process went on as another program
	Unknown  = "lost" // the collector lost sight of it
)

// End is what a run cost, and how it ended. Times are nanoseconds.
type End struct {
	ID   int64  `json:"id"`
	At   int64  `json:"at"`
	How  string `json:"how"`
	Code int    `json:"code,omitempty"` // exit status, or number of the signal
	Core bool   `json:"core,omitempty"` // the kernel wrote a core file, or would have
	// User and System are the processor time of this run alone: neither its
	// children's nor that of what the process was before.
	User   int64 `json:"user"`
	System int64 `json:"system"`
	// RSS is the largest resident memory of the process, in bytes; 0 when it is
	// not known, as for what was replaced.
	RSS int64 `json:"rss,omitempty"`
	// Threads counts those that were started beside the first, the emulator's
	// own among them.
	Threads int `json:"threads,omitempty"`
}

// Failure is an execve(2) that did not succeed.
type Failure struct {
	Run   int64  `json:"run"` // which ran on
	At    int64  `json:"at"`
	File  string `json:"file"`
	Error string `json:"error"` // the name of the errno: ENOENT
}

// Lost counts what the collector knows that it did not see.
type Lost struct {
	At    int64  `json:"at"`
	Count int64  `json:"count"`
	Why   string `json:"why"`
}

// Close is the last line. Times are nanoseconds.
type Close struct {
	At     int64 `json:"at"`
	Status int   `json:"status"` // of the command, as a shell has it
	// User and System are the kernel's own sum over all processes (getrusage(2)):
	// what the runs must add up to. Both are 0 where the kernel has none.
	User   int64 `json:"user"`
	System int64 `json:"system"`
	// Left counts the runs that were still running.
	Left int64 `json:"left,omitempty"`
}

// line is a line of the file: one of its members is set.
type line struct {
	Run   *Run     `json:"run,omitempty"`
	End   *End     `json:"end,omitempty"`
	Fail  *Failure `json:"fail,omitempty"`
	Lost  *Lost    `json:"lost,omitempty"`
	Close *Close   `json:"close,omitempty"`
}
