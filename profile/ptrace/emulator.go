package ptrace

// Emulator is a file that runs foreign programs. A process that runs it is
// emulated. Without Dev and Ino it is known by its name alone, when it is gone.
type Emulator struct {
	Path string // as a Run names it
	Dev  uint64
	Ino  uint64
	// Argv0 tells that it gets argv[0] of the program behind its path, as by
	// binfmt_misc's flag P. Kernels since 5.12 say so themselves.
	Argv0 bool
}
