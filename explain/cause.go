package explain

// Cause names why a file does not run, or what is to be said of one that does.
// Those of a file as such are prefixed with script-interpreter-, emulator- or
// loader- when the file is not the program itself but what it needs:
// emulator-not-executable. docs/explain.md explains each.
type Cause string

// Causes on the way to a file, and of its mode. They take prefixes.
const (
	Missing       Cause = "missing"         // there is no such file
	DanglingLink  Cause = "dangling-link"   // a symlink leads to nothing
	LinkLoop      Cause = "link-loop"       // more than 40 symlinks (FreeBSD: 32)
	NotADirectory Cause = "not-a-directory" // on the way is a file
	NameTooLong   Cause = "name-too-long"
	NotSearchable Cause = "not-searchable" // a directory on the way without x for this user
	IsDirectory   Cause = "directory"
	NotRegular    Cause = "not-regular" // a device, a FIFO, a socket
	NotExecutable Cause = "not-executable"
	NoExec        Cause = "noexec" // on a file system that is mounted noexec
	Unreadable    Cause = "unreadable"
)

// Causes in a file's content. They take prefixes.
const (
	Empty         Cause = "empty"
	Text          Cause = "text"             // without #!: shells run it, the kernel does not
	ByteOrderMark Cause = "byte-order-mark"  // before #!
	UnknownFormat Cause = "unknown-format"   // neither ELF, nor a script, nor of an activator
	Truncated     Cause = "truncated"        // cut off
	ObjectFile    Cause = "object-file"      // what a compiler makes, not linked
	CoreFile      Cause = "core-file"        // what a crash leaves
	SharedLibrary Cause = "shared-library"   // no program
	BadHeaders    Cause = "bad-headers"      // ELF headers that the kernel refuses
	BadInterp     Cause = "bad-interp"       // a PT_INTERP that the kernel or the emulator refuses
	WrongSystem   Cause = "wrong-system"     // a program of another operating system
	WrongBrand    Cause = "unknown-brand"    // FreeBSD: native, but of no system that the kernel knows
	KernelTooOld  Cause = "kernel-too-old"   // the ABI note wants a newer Linux
	WrongArch     Cause = "wrong-arch"       // of another architecture than it must be
	NotELF        Cause = "not-elf"          // a dynamic linker that is no ELF file
	Unrecognised  Cause = "unrecognised"     // a native program that is no emulator that is known
	WrongTarget   Cause = "wrong-target"     // an emulator of another architecture
	Replaced      Cause = "replaced"         // by another file since the activator was registered
	LibraryAbsent Cause = "library-missing"  // of a dynamic program
	LibraryWrong  Cause = "library-damaged"  // or it is no ELF file, or cut off
	LibraryOther  Cause = "library-arch"     // or it is of another architecture
	LibraryOld    Cause = "library-too-old"  // or it lacks a symbol version
	LibraryNoExec Cause = "library-noexec"   // or it is on a file system that is mounted noexec
	LibraryCache  Cause = "library-uncached" // it is there, and ld.so.cache does not know it
)

// Causes in the first line of a script.
const (
	LineTooLong         Cause = "script-line-too-long"
	NoInterpreter       Cause = "script-no-interpreter"
	CarriageReturn      Cause = "script-carriage-return"
	ChainTooDeep        Cause = "script-chain-too-deep"
	RelativeInterpreter Cause = "script-interpreter-relative"
	EnvMissing          Cause = "script-env-missing"   // env(1) does not find the program
	EnvArguments        Cause = "script-env-arguments" // it is given several words in one piece
)

// JailUnusable is a jail in which no emulator was found when it was made.
const JailUnusable Cause = "jail-unusable"

// Causes in the table of activators.
const (
	NoActivator       Cause = "no-activator"
	ActivatorDisabled Cause = "activator-disabled"
	ActivatorMisses   Cause = "activator-misses" // an entry of the architecture, whose mask leaves this file out
	ActivatorShadowed Cause = "activator-shadowed"
	ActivatorLoop     Cause = "activator-loop"
	CapturesNative    Cause = "activator-captures-native"
	TableOff          Cause = "table-off"
	TableUnseen       Cause = "table-unseen" // the kernel's table cannot be read from here
	InstanceEmpty     Cause = "instance-empty"
	SetIDDropped      Cause = "set-id-dropped" // it runs without the rights of its set-id bits
)
