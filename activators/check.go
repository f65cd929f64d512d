package activators

import (
	"cmp"
	"slices"
)

// Program is a kind of program that an entry may match or miss: the start of a
// file, and what it is.
type Program struct {
	Arch   string // catalog name of the architecture
	What   string // "this machine's own programs"
	Header []byte // 64 bytes or more
	// Unsure says that the kernel may run such programs: whether it does could
	// not be found out.
	Unsure bool
}

// Architecture is what Check knows of one: which programs it has.
type Architecture struct {
	Name string
	// Names are all words by which an entry may mean it, in lower case: its name,
	// those that QEMU and others have for it, triples.
	Names []string
	// Emulators are QEMU's targets that run its programs: the emulator is
	// qemu-TARGET. Several architectures may have the same.
	Emulators []string
	// Same are the architectures that no header tells from this one.
	Same     []string
	Programs []Sample
}

// Sample is a program of an architecture.
type Sample struct {
	Header     []byte // an ELF header
	PIE        bool   // ET_DYN; else ET_EXEC
	OSABI      byte
	ABIVersion byte
	Flags      uint32 // e_flags
	// Usual says that compilers make such programs for the host's system. Others
	// need not be matched.
	Usual bool
}

// Host is the machine on which entries are, or shall be, registered.
type Host struct {
	OS string // "linux" or "freebsd"
	// AsksFirst says that the kernel asks its table before it looks whether it
	// runs a file by itself: Linux, and FreeBSD with imgact_binmisc compiled in.
	AsksFirst bool
	Natives   []Program // what the kernel runs by itself; the first is the machine's own, of which there may be more
	Archs     []Architecture
	// Where the table is, for remedies: the directory of binfmt_misc.
	Where string
	Off   bool // the table is switched off as a whole
	// Takes is why FreeBSD's kernel should not get an entry, beside what Check knows
	// of it; nil when nobody can tell.
	Takes func(Entry) error
	// Planned says that the entries are not in the kernel yet, so that it holds no
	// interpreter open.
	Planned bool
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
	// Stale is why the kernel holds another file open for an entry, by the
	// entry's name. One that is not among them holds this one, or it is not known.
	Stale map[string]string
}

// Check tells what is wrong with a set of entries: the exact answer for magic,
// mask and offset, whatever the set. entries are in the order of Table.List, the
// one that is tried first at the front. The findings are sorted by severity, and
// then in the order of the entries. interpreters are by the path that entries
// name; of one that is not among them nothing is said.
//
// Of an entry that is disabled only what it is by itself is told, since it takes
// no file from others. Entries with an extension are compared with each other
// alone: what such a file contains is anything.
func Check(entries []Entry, host Host, interpreters map[string]Interpreter) []Finding {
	c := newChecker(entries, host, interpreters)
	c.table()
	for i := range c.rules {
		c.at = i
		if c.invalid() {
			continue
		}
		safe := c.captures()
		c.shadows()
		c.programs(safe)
		c.interpreter(safe)
		c.flags()
	}
	slices.SortStableFunc(c.findings, func(a, b Finding) int { return cmp.Compare(a.Severity.rank(), b.Severity.rank()) })
	return c.findings
}

// checker is a Check under way, of the rule at.
type checker struct {
	host         Host
	interpreters map[string]Interpreter
	archs        []archIndex
	rules        []rule
	at           int
	search       search
	findings     []Finding
}

// rule is an entry as its kernel applies it.
type rule struct {
	Entry
	// dead says that the kernel never takes a file for it, or never holds it.
	dead  bool
	file  Interpreter
	known bool // file is known
	// elf says that it is for programs of architectures, as emulators' entries are.
	elf bool
	// runs are the architectures, by their place in Host.Archs, whose programs its
	// interpreter runs; nil when that is not known. meant are those that the entry
	// is for.
	runs, meant []int
	// matched are, for each architecture, whether it matches any of its programs.
	matched []bool
}

func newChecker(entries []Entry, host Host, interpreters map[string]Interpreter) *checker {
	c := &checker{host: host, interpreters: interpreters, search: search{budget: coverBudget}}
	for _, a := range host.Archs {
		c.archs = append(c.archs, indexArch(a))
	}
	for _, e := range entries {
		c.rules = append(c.rules, c.newRule(e))
	}
	return c
}

func (c *checker) newRule(e Entry) rule {
	r := rule{Entry: e, dead: c.neverApplies(e)}
	r.file, r.known = c.interpreters[e.Interpreter]
	c.understand(&r)
	return r
}

// takes tells whether a file that begins with header is for r, if r is enabled
// and nothing before it takes it.
func (r *rule) takes(header []byte) bool { return !r.dead && Captures(r.Entry, header) }

// rule is the one that is looked at.
func (c *checker) rule() *rule { return &c.rules[c.at] }

// find adds a finding about the rule that is looked at.
func (c *checker) find(f Finding) {
	f.Entry = c.rule().Name
	c.findings = append(c.findings, f)
}

// winner is the enabled rule that the kernel takes for a file that begins with
// header, or -1.
func (c *checker) winner(header []byte) int {
	for j := range c.rules {
		if c.rules[j].Enabled && c.rules[j].takes(header) {
			return j
		}
	}
	return -1
}
