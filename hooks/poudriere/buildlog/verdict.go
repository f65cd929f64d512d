// Package buildlog tells from the log of a build why it failed: what the
// emulator has to do with it, which program and which limit, and what to change.
// It reads the logs of poudriere, and whatever else make, configure and QEMU
// print. Verdicts of many builds are kept as JSON lines and summarised.
//
// It knows nothing of jails: a log is all that it is given.
package buildlog

// Cause is what made a build fail, in the words of the report.
type Cause string

// The causes. What a cause wants done about it is in advice.go.
const (
	EmulatorCrash  Cause = "emulator crash"  // a program died in a way that programs do not die natively
	Hang           Cause = "hang"            // poudriere ended it: no output, or a phase took too long
	OutOfMemory    Cause = "out of memory"   // memory, swap or address space
	OutOfLimit     Cause = "limit reached"   // processes or open files
	DiskFull       Cause = "disk full"       // a file system or a quota
	MissingSyscall Cause = "missing syscall" // the emulator does not know a system call, or does it wrongly
	WrongABI       Cause = "wrong ABI"       // a program that this kernel, linker or jail cannot run
	WrongMachine   Cause = "wrong machine"   // a native tool left something of the host in the build
	Misconfigured  Cause = "misconfigured"   // the build took the machine for another one
	Network        Cause = "network"         // fetching, or what was fetched
	BuildFailure   Cause = "build failure"   // the port's own: compiler error, test, dependency, packing list
	Unknown        Cause = "unknown"         // the log does not say
)

// Causes are all of them, in the order of the report: what emulation is to blame
// for first.
func Causes() []Cause {
	return []Cause{EmulatorCrash, Hang, MissingSyscall, WrongMachine, WrongABI, Misconfigured, OutOfMemory, OutOfLimit, DiskFull, Network, BuildFailure, Unknown}
}

// Blame tells whether emulation is to blame.
type Blame string

// A build that is not emulated at all has No.
const (
	Yes     Blame = "yes"
	Perhaps Blame = "perhaps"
	No      Blame = "no"
)

// Confidence is how sure a verdict is.
type Confidence string

// Certain: a message that means only this, and the failure follows it. Likely:
// such a message, but not next to the failure, or one that can mean other things.
// Guess: nothing better was found.
const (
	Certain Confidence = "certain"
	Likely  Confidence = "likely"
	Guess   Confidence = "guess"
)

// Line is a line of the log. A line longer than what is kept has "..." where it
// was cut; escape sequences of terminals are gone.
type Line struct {
	Number int    `json:"number"` // from 1
	Text   string `json:"text"`
}

// Verdict is what a log says.
type Verdict struct {
	Cause      Cause      `json:"cause"`
	Rule       string     `json:"rule"` // the name of the rule that decided
	Confidence Confidence `json:"confidence"`
	Emulation  Blame      `json:"emulation"`
	Summary    string     `json:"summary"` // a sentence
	Phase      string     `json:"phase,omitempty"`
	Program    string     `json:"program,omitempty"` // the program to blame
	Target     string     `json:"target,omitempty"`  // of make or ninja
	Signal     string     `json:"signal,omitempty"`  // "SIGSEGV"
	Syscall    string     `json:"syscall,omitempty"` // name or number
	Limit      string     `json:"limit,omitempty"`   // poudriere's variable
	Seconds    int64      `json:"seconds,omitempty"` // the limit that was reached
	Evidence   []Line     `json:"evidence"`          // the line that decided first
	Advice     []Advice   `json:"advice"`
}

// Advice is one thing to change. Reports add up those of the same kind and
// subject.
type Advice struct {
	Kind    AdviceKind `json:"kind"`
	Subject string     `json:"subject,omitempty"` // a program, a variable
	Text    string     `json:"text"`
}

// AdviceKind is what sort of change an Advice is.
type AdviceKind string

// The kinds of advice, in the order of the report.
const (
	MakeNative   AdviceKind = "make native"   // Subject is a program
	KeepEmulated AdviceKind = "keep emulated" // Subject is a program
	RaiseLimit   AdviceKind = "raise limit"   // Subject is a variable of poudriere
	NewEmulator  AdviceKind = "emulator"
	CheckJail    AdviceKind = "jail"
	AddMemory    AdviceKind = "memory"
	AddDisk      AdviceKind = "disk"
	FixNetwork   AdviceKind = "network"
	FixPort      AdviceKind = "port"
	ReadLog      AdviceKind = "log"
)
