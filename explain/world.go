package explain

import (
	"io"
	"io/fs"
	"time"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/arch"
)

// Info is what a file system says of a file.
type Info struct {
	Mode     fs.FileMode
	UID, GID uint32
	Size     int64     // bytes
	Changed  time.Time // of the inode: when it was written, renamed or linked; zero when not known
}

// Mount is the file system that a file is in.
type Mount struct {
	Point  string // the path of the host that it is mounted on; "" when not known
	NoExec bool
	NoSUID bool
}

// File is an open file.
type File interface {
	io.ReaderAt
	io.Closer
}

// Files is a file system, seen from the root in question. Names are absolute
// and clean, and no directory in them is a symlink. Errors are such as package
// os gives: fs.ErrNotExist, fs.ErrPermission, syscall.ENOTDIR.
type Files interface {
	// Lstat does not follow a symlink.
	Lstat(name string) (Info, error)
	Readlink(name string) (string, error)
	// ReadDir are the names in a directory.
	ReadDir(name string) ([]string, error)
	// Open opens a regular file for reading.
	Open(name string) (File, error)
	// Mount is the file system that a file or directory is in.
	Mount(name string) Mount
}

// Entry is an activator, and what is known of its interpreter.
type Entry struct {
	activators.Entry
	// Stale is why the kernel may run another file than the one at the path, by
	// xjail's own record; "" when it does not, or when there is no record.
	Stale string
	// Registered is when it was registered; the zero time when that is not known.
	Registered time.Time
	// Owned says that xjail registered it.
	Owned bool
}

// Table is the kernel's table of activators as it holds for the program.
type Table struct {
	Where   string  // the directory of binfmt_misc
	Entries []Entry // the one that is tried first at the front
	Off     bool    // switched off as a whole
	// Unseen is why the table cannot be read, "" when it can. Entries that are
	// not seen may hold all the same: those of the machine in a container.
	Unseen string
	// Namespace says that the table belongs to a user namespace and not to the
	// machine.
	Namespace bool
	// CompiledIn says that a FreeBSD kernel asks its table before it looks for ELF
	// files and scripts.
	CompiledIn bool
	// Absent says that a FreeBSD kernel has no table, since the module is not
	// loaded.
	Absent bool
}

// Jail is what a remedy needs to know of the jail that is looked at.
type Jail struct {
	Name string
	Arch string
	// Private says that the table is registered each time that the jail is
	// entered, with the files that are in the root then.
	Private  bool
	Emulator string // its path in the root
	// Origin is the file of the host from which it can be restored, "" when there
	// is none. It may be nil.
	Origin func() string
	// Covered tells whether a native program is laid over a path when the jail is
	// entered. It may be nil.
	Covered func(path string) bool
	// Refused is why the jail is not entered, with the cause; "" when it is.
	Refused string
	Cause   Cause
	// Remedy mends that; "" stands for what restores the emulator.
	Remedy string
}

// World is everything that decides whether a file runs.
type World struct {
	OS    string // "linux" or "freebsd"
	Files Files
	// Host is the file system of the machine, from which the kernel opened the
	// interpreters of its activators; nil when that is Files.
	Host Files
	// Root is the path of the host that is the root, "/" for the machine itself.
	Root string
	Dir  string // the working directory, seen from the root
	Path string // for names without a slash: directories, with colons between

	UID        uint32
	Groups     []uint32 // with the primary one
	NoNewPrivs bool

	// Natives are the architectures that the kernel runs by itself, the machine's
	// own first.
	Natives []*arch.Arch
	Kernel  string // its version: 6.18.44
	Table   Table
	Jail    *Jail // nil when it is not a jail

	// LibraryPath is LD_LIBRARY_PATH of the program.
	LibraryPath string
	// Prefix is QEMU_LD_PREFIX of the program.
	Prefix string
	// Install is the command that gets an emulator of an architecture, and Find
	// tells whether there is one. Either may be nil.
	Install func(*arch.Arch) string
	Find    func(*arch.Arch) bool

	noRemedies bool // remedies that ask for an explanation themselves are left out
}

func (w *World) freebsd() bool { return w.OS == "freebsd" }

// Limits of the kernels: Linux include/linux/limits.h, binfmts.h and namei.h;
// FreeBSD sys/sys/syslimits.h and sys/kern/vfs_lookup.c. Bytes, and links.
const (
	pathMax       = 4096
	pathMaxBSD    = 1024
	nameMax       = 255
	linksMax      = 40
	linksMaxBSD   = 32
	headerSize    = 256  // BINPRM_BUF_SIZE
	headerSizeBSD = 4096 // PAGE_SIZE, which is MAXSHELLCMDLEN too
)

func (w *World) limit(linux, freebsd int) int {
	if w.freebsd() {
		return freebsd
	}
	return linux
}
