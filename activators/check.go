package activators

// Program is a kind of program that an entry may match or miss: the start of a
// file, and what it is.
type Program struct {
	Arch   string // catalog name of the architecture
	What   string // "PIE of FreeBSD"
	Header []byte // 64 bytes or more
}

// Architecture is what Check knows of one: which programs it has.
type Architecture struct {
	Name string
	// Same are the architectures that no header tells from this one.
	Same     []string
	Programs []Sample
}

// Sample is a program of an architecture.
type Sample struct {
	Header     []byte
	PIE        bool
	OSABI      byte
	ABIVersion byte
	// Usual says that compilers of the architecture make such programs. Others
	// need not be matched.
	Usual bool
}

// Host is the machine on which entries are, or shall be, registered.
type Host struct {
	OS string // "linux" or "freebsd"
	// Asked first says that the kernel asks its table before it looks whether it
	// runs a file by itself: Linux, and FreeBSD with imgact_binmisc compiled in.
	AsksFirst bool
	Natives   []Program // what the kernel runs by itself; the first is the machine's own
	Archs     []Architecture
	// Where the table is, for remedies: the directory of binfmt_misc.
	Where string
	Off   bool // the table is switched off as a whole
}

// Interpreter is what is known of the file that an entry names.
type Interpreter struct {
	Missing       bool
	Why           string // why nothing else is known, when it could not be read
	NotExecutable bool
	NoExec        string // the mount point, when it is mounted noexec
	Dynamic       string // PT_INTERP
	Script        string // what its #! line starts
	NotProgram    bool
	HostArch      string   // the architecture for which it was built
	Targets       []string // the architectures that it runs; nil when that is not known
	SetID         bool
	Header        []byte
	Stale         string // why the kernel may hold another file open, "" when it does not
}

// Check tells what is wrong with a set of entries: the exact answer for magic,
// mask and offset, whatever the set. entries are in the order of Table.List, the
// one that is tried first at the front. The findings are sorted by severity.
// interpreters are by the path that entries name; of one that is not among them
// nothing is said.
func Check(entries []Entry, host Host, interpreters map[string]Interpreter) []Finding {
	return nil
}
