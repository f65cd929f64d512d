package activators

import "slices"

// Severity says how bad a Finding is. They are ordered: the first is the worst.
type Severity string

// The severities.
const (
	// Unsafe would make the machine unusable. Nothing registers it.
	Unsafe Severity = "unsafe"
	// Severe means that programs do not run, or are run by the wrong emulator.
	// Registering is refused, unless it is forced.
	Severe Severity = "severe"
	// Warning means that some programs do not run, or not as natively.
	Warning Severity = "warning"
	// Note is what one should know and need not change.
	Note Severity = "note"
)

// Severities are all of them, the worst first.
func Severities() []Severity { return []Severity{Unsafe, Severe, Warning, Note} }

// AsBadAs tells whether s is o or worse. An unknown severity is the least.
func (s Severity) AsBadAs(o Severity) bool { return s.rank() <= o.rank() }

func (s Severity) rank() int {
	if i := slices.Index(Severities(), s); i >= 0 {
		return i
	}
	return len(Severities())
}

// Code names what is wrong; docs/activators.md explains each.
type Code string

// The codes. Those of patterns come first, then those of interpreters, then
// those of the table and its flags.
const (
	Invalid           Code = "invalid"             // no kernel takes it, or should
	MatchesEverything Code = "matches-everything"  // every file
	CapturesNative    Code = "captures-native"     // the machine's own programs
	CapturesCompat    Code = "captures-compat"     // programs of another ABI that the kernel runs by itself
	CapturesScripts   Code = "captures-scripts"    // what begins with #!
	CapturesItself    Code = "captures-itself"     // its own interpreter, or that of another entry
	NeverAsked        Code = "never-asked"         // the kernel runs such programs before it asks the table
	Duplicate         Code = "duplicate"           // the same files for different interpreters
	Shadowed          Code = "shadowed"            // entries tried before take all its files
	ShadowedPartly    Code = "shadowed-partly"     // or some of them
	NeverMatches      Code = "never-matches"       // no program of its architecture
	MissesPIE         Code = "misses-pie"          // position-independent ones (ET_DYN)
	MissesExec        Code = "misses-exec"         // those with fixed addresses (ET_EXEC)
	MissesSystem      Code = "misses-system"       // those of a system that bears its EI_OSABI
	MissesABIVersion  Code = "misses-abi-version"  // those with another EI_ABIVERSION than 0
	MissesFlags       Code = "misses-flags"        // those with other e_flags
	MatchesOther      Code = "matches-other"       // programs of another architecture, which the interpreter does not run
	Loose             Code = "loose"               // files that are no programs of any architecture
	Missing           Code = "interpreter-missing" // there is no such file
	Dynamic           Code = "interpreter-dynamic" // it needs a dynamic linker, which roots of other architectures do not have
	WrongHost         Code = "interpreter-wrong-host"
	WrongTarget       Code = "interpreter-wrong-target" // it emulates another architecture than the entry is for
	NotExecutable     Code = "interpreter-not-executable"
	NotProgram        Code = "interpreter-not-program" // neither ELF nor a script, or cut off
	Script            Code = "interpreter-script"
	NoExec            Code = "interpreter-noexec" // on a file system that is mounted noexec
	SetID             Code = "interpreter-set-id"
	Replaced          Code = "interpreter-replaced" // by another file since it was registered
	Disabled          Code = "disabled"
	TableOff          Code = "table-off" // switched off as a whole
	NoMask            Code = "no-mask"   // on FreeBSD it then matches no byte of 0x80 or more
	LosesArgv0        Code = "loses-argv0"
	LosesCredentials  Code = "loses-credentials" // set-id programs run without their rights
	NotInRoots        Code = "not-in-roots"      // the interpreter is looked for in each root, and is not opened at registration
)

// Codes are all codes, in the order of docs/activators.md.
func Codes() []Code {
	return []Code{
		Invalid, MatchesEverything, CapturesNative, CapturesCompat, CapturesScripts, CapturesItself, NeverAsked,
		Duplicate, Shadowed, ShadowedPartly,
		NeverMatches, MissesPIE, MissesExec, MissesSystem, MissesABIVersion, MissesFlags, MatchesOther, Loose,
		Missing, Dynamic, WrongHost, WrongTarget, NotExecutable, NotProgram, Script, NoExec, SetID, Replaced,
		Disabled, TableOff, NoMask, LosesArgv0, LosesCredentials, NotInRoots,
	}
}

// Finding is one thing that is wrong with a set of entries.
type Finding struct {
	Code     Code     `json:"code"`
	Severity Severity `json:"severity"`
	Entry    string   `json:"entry,omitempty"` // name of the entry; "" when it is the table
	Other    string   `json:"other,omitempty"` // of the other entry, or of the architecture or file that it is about
	// Witness is the start of a file that shows it: what both entries match, or
	// what the one should match and does not.
	Witness Hex    `json:"witness,omitempty"`
	Message string `json:"message"` // one sentence, lower case, no period
	// Remedy is the command or the change that mends it, "" when there is none.
	Remedy string `json:"remedy,omitempty"`
}
