// Package extract unpacks an archive, or copies a directory tree, into an
// *os.Root, safely and fast, and packs such a root again. Nothing else.
//
// Both are hostile input. Nothing outside the root is ever read or written:
// every directory is opened one component at a time below the root, and a
// symbolic link is resolved as a chroot(2) into the root would resolve it. What
// tries to leave is refused by its name, and a failure leaves the root empty.
//
// What the host cannot hold (owners without privilege, FreeBSD's file flags,
// devices, refused extended attributes) is not lost: the Report lists it.
package extract

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/xjail/xjail/internal/fault"
)

// The limits that hold where Options has 0. They are far above any root that
// people use and far below what fills a machine.
const (
	DefaultMaxEntries = 4 << 20  // entries, implied directories included
	DefaultMaxBytes   = 64 << 30 // bytes, 64 GiB

	// maxPath is the longest name of an entry in bytes, PATH_MAX of Linux.
	maxPath = 4096
	// maxXattrs is the most bytes of extended attributes an entry may carry:
	// XATTR_LIST_MAX and XATTR_SIZE_MAX of Linux are 64 KiB each.
	maxXattrs = 256 << 10
)

// Options say what an extraction may do. The zero value is safe for any input.
type Options struct {
	// SHA256 is the expected digest in hex of the archive as it is on disk.
	// When set, the whole archive is hashed before anything is extracted; one
	// that cannot be read twice is spooled into the system's temporary
	// directory first. Tree ignores it.
	SHA256 string

	// MaxEntries and MaxBytes refuse an archive bomb; 0 stands for the
	// defaults. MaxBytes bounds both the decompressed stream and the sum of the
	// files' sizes, holes included.
	MaxEntries int64
	MaxBytes   int64

	// Devices lets character and block devices be made. That needs root; where
	// the kernel refuses, the error has the kind fault.Permission.
	Devices bool
	// SkipDevices records devices in Report.Kept instead of failing: all of
	// them without Devices, those that the kernel refuses with it. With neither
	// set a device is refused as fault.Unsafe.
	SkipDevices bool

	// Progress, when set, is called from the goroutine that runs the extraction
	// at most ten times a second, and once at the end.
	Progress func(Progress)
}

// setLimits puts the defaults where nothing is said.
func (o *Options) setLimits() {
	if o.MaxEntries <= 0 {
		o.MaxEntries = DefaultMaxEntries
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = DefaultMaxBytes
	}
}

// Progress is how far an extraction is. All sizes are bytes.
type Progress struct {
	Read    int64 `json:"read"`    // of the archive as it is on disk
	Total   int64 `json:"total"`   // size of the archive, -1 when not known
	Written int64 `json:"written"` // of file contents
	Entries int64 `json:"entries"`
	Done    bool  `json:"done"`
}

// Report is what an extraction did.
type Report struct {
	Format      string `json:"format"` // "tar.xz", "tar", "dir"
	Entries     int64  `json:"entries"`
	Files       int64  `json:"files"`
	Directories int64  `json:"directories"`
	Symlinks    int64  `json:"symlinks"`
	HardLinks   int64  `json:"hard_links"`
	Devices     int64  `json:"devices"` // made, fifos included
	Bytes       int64  `json:"bytes"`   // of file contents, holes included
	Read        int64  `json:"read"`    // bytes of the archive as it is on disk
	SHA256      string `json:"sha256,omitempty"`

	// Kept is what this host or this user could not set, sorted by path.
	Kept []Metadata `json:"kept,omitempty"`
	// Skipped names what Tree or Pack left out on purpose and why, sorted by
	// path: contents of mount points, sockets, the destination itself.
	Skipped []Skipped `json:"skipped,omitempty"`
}

// Metadata is what an entry has in the source and not on disk. Only what is
// missing on disk is set.
type Metadata struct {
	Path   string            `json:"path"` // relative to the root, "." for itself
	Owner  *Owner            `json:"owner,omitempty"`
	Mode   *uint32           `json:"mode,omitempty"`   // with the bits 07000
	Flags  string            `json:"flags,omitempty"`  // chflags(1) words, comma separated
	Device *Device           `json:"device,omitempty"` // the file is absent
	Time   *time.Time        `json:"time,omitempty"`   // of its last change, with Device only
	Xattrs map[string][]byte `json:"xattrs,omitempty"`
	ACLs   map[string]string `json:"acls,omitempty"` // "access", "default", "ace"
}

// Owner is the user and the group of an entry, by number and by name.
type Owner struct {
	UID   int    `json:"uid"`
	GID   int    `json:"gid"`
	User  string `json:"user,omitempty"`
	Group string `json:"group,omitempty"`
}

// Device is a special file.
type Device struct {
	Type  string `json:"type"` // "char", "block", "fifo"
	Major int64  `json:"major"`
	Minor int64  `json:"minor"`
}

// Skipped is a file of a tree that was left out.
type Skipped struct {
	Path string `json:"path"`
	Why  string `json:"why"` // "mount point", "socket", "destination", "device number", or of PackOptions.Omit
}

// Archive unpacks src, a tar that is plain or compressed with xz, zstd, gzip or
// bzip2 (told by its content), into dst, which must be empty. On failure dst is
// emptied again.
//
// After ctx has ended src may still be in use for one Read; do not read it.
//
// Errors have the kinds fault.Damaged (truncated, corrupt, not a tar),
// fault.Unsafe (an entry that wants out of dst, a device, a bomb),
// fault.Mismatch (digest), fault.NoSpace, fault.Permission, fault.Exists (dst is
// not empty) and fault.Interrupted (ctx ended).
func Archive(ctx context.Context, src io.Reader, dst *os.Root, opts Options) (*Report, error) {
	return fill(ctx, dst, opts, func(s *sink) error { return unpack(ctx, src, s) })
}

// Layer is one of several archives that make a root together.
type Layer struct {
	Name   string    // for messages
	Source io.Reader // an *os.File is best: its size is known
	SHA256 string    // as in Options, which has none then
}

// Archives unpacks layers into one dst, one over the other, as Archive does with
// one: what a later layer has replaces what an earlier one has, and never goes
// through its links: a file of an earlier layer keeps its other names. File flags
// are set when everything is there. The Report is of all together, without
// format and digest.
func Archives(ctx context.Context, layers []Layer, dst *os.Root, opts Options) (*Report, error) {
	return fill(ctx, dst, opts, func(s *sink) error {
		total := int64(0)
		for _, l := range layers {
			total += sizeOf(l.Source)
		}
		for _, l := range layers {
			s.opts.SHA256 = l.SHA256
			before := s.report.Read
			s.meter.span = func(read int64) (int64, int64) { return before + read, total }
			err := unpack(ctx, l.Source, s)
			if err != nil && contextError(err) == nil {
				err = explain(err, dst)
				err = fault.Wrap(fault.KindOf(err), err, l.Name, "")
			}
			if err != nil {
				return err
			}
			s.report.Read += before
		}
		s.report.Format, s.report.SHA256 = "", ""
		return nil
	})
}

// sizeOf is 0 for what is no file.
func sizeOf(r io.Reader) int64 {
	f, ok := r.(interface{ Stat() (fs.FileInfo, error) })
	if !ok {
		return 0
	}
	info, err := f.Stat()
	if err != nil {
		return 0
	}
	return info.Size()
}

// fill runs make over an empty dst and leaves it empty when make fails.
func fill(ctx context.Context, dst *os.Root, opts Options, make func(*sink) error) (*Report, error) {
	if err := requireEmpty(dst); err != nil {
		return nil, err
	}
	s, err := newSink(ctx, dst, opts)
	if err != nil {
		return nil, err
	}
	err = make(s)
	if err == nil {
		err = s.finish()
	}
	if err = errors.Join(err, s.close()); err == nil {
		return s.report, nil
	}
	err = explain(err, dst)
	// The context that stopped the extraction must not stop the cleaning.
	if cerr := Clear(context.WithoutCancel(ctx), dst); cerr != nil {
		return nil, errors.Join(err, fmt.Errorf("removing what was extracted: %w", cerr))
	}
	return nil, err
}

// requireEmpty refuses a destination with files in it: a failure could not be
// undone there.
func requireEmpty(dst *os.Root) error {
	d, err := dst.Open(".")
	if err != nil {
		return explain(err, dst)
	}
	names, err := d.Readdirnames(1)
	if cerr := d.Close(); cerr != nil {
		return cerr
	}
	if len(names) > 0 {
		return fault.New(fault.Exists, "extract into a new directory",
			"extracting into %s: it is not empty, it has %q", dst.Name(), names[0])
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return explain(err, dst)
	}
	return nil
}

// explain puts the kind and the hint on an error of the operating system.
func explain(err error, dst *os.Root) error {
	var known *fault.Error
	where := "extracting into " + dst.Name()
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fault.Wrap(fault.Interrupted, err, where, "")
	case errors.As(err, &known):
		return err
	case noSpace(err):
		return fault.Wrap(fault.NoSpace, err, where,
			"free space (df -h "+dst.Name()+"; df -i for inodes) or choose a directory on another file system")
	case errors.Is(err, fs.ErrPermission):
		return fault.Wrap(fault.Permission, err, where, "run it as the owner of "+dst.Name()+" or as root")
	}
	return fault.Wrap(fault.Failed, err, where, "")
}

// meter calls Options.Progress, not too often.
type meter struct {
	call func(Progress)
	read func() (read, total int64)
	// span, when set, makes progress in all layers of that in one.
	span func(read int64) (readOfAll, total int64)
	last time.Time
}

// progressEvery keeps a terminal readable and the cost unmeasurable.
const progressEvery = 100 * time.Millisecond

func (m *meter) tick(r *Report, done bool) {
	if m.call == nil {
		return
	}
	now := time.Now()
	if !done && now.Sub(m.last) < progressEvery {
		return
	}
	m.last = now
	read, total := int64(0), int64(-1)
	if m.read != nil {
		read, total = m.read()
	}
	if m.span != nil {
		read, total = m.span(read)
	}
	m.call(Progress{Read: read, Total: total, Written: r.Bytes, Entries: r.Entries, Done: done})
}
