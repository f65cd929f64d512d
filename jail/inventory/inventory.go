// Package inventory finds the ELF files in directories, archives and lists of
// files, and says what each is: whether anything in a root or in a package is
// of another architecture than the rest.
//
// What it reads is hostile input. It writes nothing, follows no symbolic link
// that it finds, opens no pipe, socket or device, stays on the file system that
// it starts on, and never enters one that makes its files up (proc).
package inventory

import (
	"cmp"
	"context"
	"errors"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/extract"
)

// DefaultMaxMember is how many bytes of an ELF file in an archive are kept to
// look at. Debian's largest program has some 200 MB, but one in a thousand has
// more than 64 MiB.
const DefaultMaxMember = 64 << 20

// DefaultMaxEntries is how many members of an archive are looked at: what is
// found is kept in memory.
const DefaultMaxEntries = 1 << 20

// Options say what is looked into. The zero value is safe for any input.
type Options struct {
	// Archives looks also into the archives that are found in directories,
	// lists and other archives, these one level deep. What is named as an
	// argument is always looked into.
	Archives bool
	// CrossMounts enters what is mounted in a directory, except file systems
	// that make their files up.
	CrossMounts bool

	Workers   int   // goroutines; 0 stands for one a processor
	MaxMember int64 // bytes kept of an ELF file in an archive, 0 for the default
	// Limits are those of jail/extract on one archive, MaxEntries and MaxBytes.
	Limits extract.Options

	// Progress, when set, is called from the goroutine of Scan ten times a
	// second, with the number of files looked at.
	Progress func(files int64)
}

// Found is an ELF file, or what could not be looked at.
type Found struct {
	Path   string // of the file: as named, or the directory's name and what is below it
	Member string // in the archive Path; "" for the file itself
	// ID is nil when Err says why nothing is known.
	ID *arch.Identity
	// Cut says that facts may be missing: in an archive the file is longer than
	// MaxMember, and something that matters lies behind that.
	Cut bool
	Err error

	group int     // the argument it belongs to
	link  *linked // set when the file has several names
}

// rename gives a file with several names the least of them, whoever was faster.
func (f *Found) rename() {
	if f.link == nil || f.link.path == f.Path {
		return
	}
	old := Printable(f.Path)
	f.Path = f.link.path
	var known *fault.Error
	if errors.As(f.Err, &known) {
		renamed := *known
		if rest, ok := strings.CutPrefix(known.What, old); ok {
			renamed.What = Printable(f.Path) + rest
		}
		f.Err = &renamed
	}
}

// Label is path and member for people, on one line and without control
// characters.
func (f *Found) Label() string { return label(f.Path, f.Member) }

func label(path, member string) string {
	if member == "" {
		return Printable(path)
	}
	return Printable(path + ":" + member)
}

// Printable quotes what could disturb a terminal or a parser of lines: names
// in a foreign root are not to be trusted.
func Printable(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }) {
		return strconv.Quote(s)
	}
	return s
}

// Counts are what a scan met.
type Counts struct {
	// Files are the regular files looked at, members of archives among them; of
	// the names of one file (hard links) one counts, HardLinks the others.
	Files       int64 `json:"files"`
	HardLinks   int64 `json:"hard_links"`
	Directories int64 `json:"directories"`
	Symlinks    int64 `json:"symlinks"` // not followed
	Special     int64 `json:"special"`  // pipes, sockets, devices: not opened
	Archives    int64 `json:"archives"` // looked into
	// Closed are archives and compressed files that were found and not looked
	// into.
	Closed int64 `json:"closed_archives"`
}

func (c *Counts) add(o *Counts) {
	c.Files += o.Files
	c.HardLinks += o.HardLinks
	c.Directories += o.Directories
	c.Symlinks += o.Symlinks
	c.Special += o.Special
	c.Archives += o.Archives
	c.Closed += o.Closed
}

// Result is what a scan found, in the order of the arguments, and by path within
// each: the same for the same files.
type Result struct {
	Found  []Found
	Counts Counts
	Mounts []string // mount points that were not entered, sorted
}

// Failed are those of r.Found that have an Err.
func (r *Result) Failed() []Found {
	return slices.DeleteFunc(slices.Clone(r.Found), func(f Found) bool { return f.Err == nil })
}

// Programs are those of r.Found that have an identity.
func (r *Result) Programs() []Found {
	return slices.DeleteFunc(slices.Clone(r.Found), func(f Found) bool { return f.ID == nil })
}

// Scan looks at args, which are files, directories and archives, and at the
// files of a list. Symbolic links in args are followed, those in the list are
// not, and directories in the list are not walked: a list from find(1) has what
// is in them.
//
// A file of args that is neither an ELF file nor an archive is an error in
// Result.Found, of kind fault.Damaged; in directories and lists it is only
// counted. What cannot be read is in Result.Found too. The error of Scan itself
// is that of ctx: it returns at once when ctx ends, though a goroutine may still
// wait for a disk.
func Scan(ctx context.Context, args, list []string, opts Options) (*Result, error) {
	if opts.Workers <= 0 {
		opts.Workers = runtime.GOMAXPROCS(0)
	}
	if opts.MaxMember <= 0 {
		opts.MaxMember = DefaultMaxMember
	}
	if opts.Limits.MaxEntries <= 0 {
		opts.Limits.MaxEntries = DefaultMaxEntries
	}
	s := &scan{ctx: ctx, opts: opts, queue: newQueue(), links: newLinks(), listed: len(args)}
	s.queue.fill(args, list)
	workers := make([]*worker, opts.Workers)
	done := make(chan struct{}, len(workers))
	for i := range workers {
		workers[i] = newWorker(s)
		go func() {
			workers[i].run()
			done <- struct{}{}
		}()
	}
	if err := s.wait(done, len(workers)); err != nil {
		s.queue.stop()
		return nil, err
	}
	return s.result(workers), nil
}

// progressEvery keeps a terminal readable and the cost unmeasurable.
const progressEvery = 100 * time.Millisecond

// wait waits for n workers or the end of the context.
func (s *scan) wait(done <-chan struct{}, n int) error {
	ticker := time.NewTicker(progressEvery)
	defer ticker.Stop()
	for n > 0 {
		select {
		case <-done:
			n--
		case <-ticker.C:
			if s.opts.Progress != nil {
				s.opts.Progress(s.looked.Load())
			}
		case <-s.ctx.Done():
			return s.ctx.Err()
		}
	}
	return s.ctx.Err()
}

// scan is one run of Scan.
type scan struct {
	ctx    context.Context
	opts   Options
	queue  *queue
	links  *links
	listed int // the group of what is listed
	looked atomic.Int64
}

// result puts together what the workers found.
func (s *scan) result(workers []*worker) *Result {
	r := &Result{}
	for _, w := range workers {
		r.Found = append(r.Found, w.found...)
		r.Counts.add(&w.counts)
		r.Mounts = append(r.Mounts, w.mounts...)
	}
	for i := range r.Found {
		r.Found[i].rename()
	}
	slices.SortFunc(r.Found, func(a, b Found) int {
		return cmp.Or(cmp.Compare(a.group, b.group), strings.Compare(a.Path, b.Path), strings.Compare(a.Member, b.Member))
	})
	slices.Sort(r.Mounts)
	return r
}
