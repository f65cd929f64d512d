package activators

import (
	"errors"
	"io/fs"

	"github.com/xjail/xjail/internal/fault"
)

// What can go wrong with a Table; errors.Is finds them in its errors.
var (
	ErrExists      = errors.New("an entry of that name exists")
	ErrNotFound    = errors.New("no such entry")
	ErrFull        = errors.New("the kernel's table is full")
	ErrInvalid     = errors.New("not a valid entry")
	ErrPermission  = errors.New("not permitted")
	ErrUnsupported = errors.New("not supported by this kernel")
	ErrInterpreter = errors.New("the interpreter cannot be opened")
)

// errEverything is why an entry without a magic or with an empty mask is
// refused.
var errEverything = errors.New("it matches every file")

// Table is a kernel's list of activators. Its errors are *fault.Error.
type Table interface {
	// List returns all entries, the one that the kernel tries first at the front.
	List() ([]Entry, error)
	// Lookup returns one entry, or ErrNotFound.
	Lookup(name string) (Entry, error)
	// Add registers e; it is tried before all others. ErrExists, ErrFull,
	// ErrInvalid, ErrInterpreter and ErrPermission leave the table as it was.
	Add(e Entry) error
	// Remove removes an entry; programs that run on go on. ErrNotFound.
	Remove(name string) error
	// Enable and Disable switch an entry, which keeps its place. They do nothing
	// when it is so already. ErrNotFound.
	Enable(name string) error
	Disable(name string) error
	// Status describes the table as a whole. A table that is not there is not an
	// error of Status.
	Status() (Status, error)
}

// Status is a table as a whole.
type Status struct {
	Kernel    string `json:"kernel"`    // linux or freebsd
	Where     string `json:"where"`     // the directory, or the sysctl
	Available bool   `json:"available"` // binfmt_misc is mounted there, imgact_binmisc is loaded
	Enabled   bool   `json:"enabled"`   // false: no entry has an effect
	Entries   int    `json:"entries"`
	Capacity  int    `json:"capacity,omitempty"` // 0: no limit
}

// tableError is a failure of which errors.Is finds both the sort and the cause.
type tableError struct{ sentinel, cause error }

func (e *tableError) Error() string   { return e.cause.Error() }
func (e *tableError) Unwrap() []error { return []error{e.sentinel, e.cause} }

// kinds are what a script can do about each.
var kinds = map[error]fault.Kind{
	ErrExists:      fault.Exists,
	ErrNotFound:    fault.NotFound,
	ErrFull:        fault.Unsupported,
	ErrInvalid:     fault.Usage,
	ErrPermission:  fault.Permission,
	ErrUnsupported: fault.Unsupported,
	ErrInterpreter: fault.NotFound,
}

// Fail is the error of a table or of an entry: what failed and where, why, and
// what mends it. sentinel is one of this package's and decides the kind; a nil
// why is the sentinel itself.
func Fail(sentinel error, what string, why error, hint string) error {
	kind := kinds[sentinel]
	if kind == fault.NotFound && errors.Is(why, fs.ErrPermission) {
		kind = fault.Permission
	}
	return failOf(kind, sentinel, what, why, hint)
}

func failOf(kind fault.Kind, sentinel error, what string, why error, hint string) error {
	cause := sentinel
	if why != nil {
		cause = &tableError{sentinel, why}
	}
	return &fault.Error{Kind: kind, What: what, Hint: hint, Err: cause}
}
