package extract

import (
	"archive/tar"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/xjail/xjail/internal/fault"
)

// PackOptions say what Pack does.
type PackOptions struct {
	// Kept is the Report.Kept of the extraction that has made the root. What is
	// missing on disk is put back from it.
	Kept []Metadata
	// Omit are files that are left out, by their path below the root, and why:
	// Report.Skipped has the words. A directory is left out when it has no
	// other files in it.
	Omit map[string]string
	// Progress, when set, is called as that of Options. Read and Total are not
	// known.
	Progress func(Progress)
}

// Pack writes the tree root to w as a plain tar in PAX format: owners by number,
// modes, times of the last change to the nanosecond, hard links, symbolic links
// as they are, extended attributes, ACLs, file flags, devices. The same tree
// gives the same bytes. Sockets are left out, as everybody does, and are in
// Report.Skipped; holes are written as zeros.
//
// It reads below root only, follows no link, waits for no fifo, and refuses a
// root in which something is mounted.
//
// Errors have the kinds fault.Unsafe (a mount), fault.Permission, fault.Damaged
// (Kept contradicts itself), fault.Interrupted (ctx ended) and fault.Failed (the
// tree changes meanwhile); what w fails with is returned as it is.
func Pack(ctx context.Context, root *os.Root, w io.Writer, opts PackOptions) (*Report, error) {
	p := &packer{
		ctx: ctx, opts: opts, out: tar.NewWriter(w), report: &Report{Format: "tar"},
		src: &folders{top: root, open: map[string]*folder{}}, meter: meter{call: opts.Progress},
		links: map[inode]string{}, kept: map[inode]*Metadata{}, absent: map[string][]*entry{},
		real: map[string]bool{".": true}, buf: make([]byte, copyBuffer),
	}
	err := errors.Join(p.pack(), p.src.forget())
	if cerr := contextError(err); cerr != nil {
		err = fault.Wrap(fault.Interrupted, cerr, "packing "+root.Name(), "")
	}
	if err != nil {
		return nil, err
	}
	return p.report, nil
}

// packer is one run of Pack.
type packer struct {
	ctx    context.Context
	opts   PackOptions
	src    *folders
	out    *tar.Writer
	report *Report
	meter  meter
	mount  uint64
	links  map[inode]string    // first name of each file with more than one
	kept   map[inode]*Metadata // of files that are on disk: a hard link has it by any name
	absent map[string][]*entry // devices that are not on disk, by their directory
	real   map[string]bool     // whether a path leads to a directory and through no link
	buf    []byte
}

func (p *packer) pack() error {
	if err := p.checkMounts(); err != nil {
		return err
	}
	if err := p.matchKept(); err != nil {
		return err
	}
	top, err := p.src.at(".")
	if err != nil {
		return p.unreadable(".", err)
	}
	st, err := statAt(top.file, ".")
	if err != nil {
		return p.unreadable(".", err)
	}
	st.path = "."
	if err := p.directory(st); err != nil {
		return err
	}
	if err := p.out.Close(); err != nil {
		return err
	}
	slices.SortFunc(p.report.Skipped, func(a, b Skipped) int { return cmp.Compare(a.Path, b.Path) })
	p.meter.tick(p.report, true)
	return nil
}

// checkMounts refuses before anything is written, as far as there is a table of
// mounts.
func (p *packer) checkMounts() error {
	top, err := p.src.at(".")
	if err != nil {
		return p.unreadable(".", err)
	}
	below, err := mountsBelow(top.file)
	if err != nil {
		return err
	}
	if len(below) > 0 {
		return mountInTree(strings.Join(below, ", "), below[0])
	}
	p.mount, err = mountOf(top.file, ".")
	return err
}

func mountInTree(points, first string) error {
	return fault.New(fault.Unsafe, "umount "+first, "not packing what is mounted on %s", points)
}

func (p *packer) unreadable(path string, err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return p.changed(path)
	}
	return unreadable(p.src.top, path, err)
}

func (p *packer) changed(path string) error {
	return fault.New(fault.Failed, "stop what writes there, then pack again", "%s/%s changed while it was packed", p.src.top.Name(), path)
}

// directory writes a directory and what is in it.
func (p *packer) directory(st *fileStat) error {
	f, err := p.src.at(st.path)
	if err != nil {
		return p.unreadable(st.path, err)
	}
	// Between the looking and the opening it may have become a link.
	now, err := statAt(f.file, ".")
	if err != nil {
		return p.unreadable(st.path, err)
	}
	if now.dev != st.dev || now.ino != st.ino {
		return p.changed(st.path)
	}
	if st.xattrs, err = ownXattrs(f.file); err != nil {
		return p.unreadable(st.path, err)
	}
	names, err := f.file.Readdirnames(-1)
	if err != nil {
		return p.unreadable(st.path, err)
	}
	if why, omit := p.opts.Omit[st.path]; omit && p.omitsAll(f.file, st.path, names) {
		p.skip(st.path, why)
		return nil
	}
	if err := p.write(st, nil); err != nil {
		return err
	}
	p.report.Directories++
	return p.children(st.path, names)
}

// omitsAll tells whether a directory has nothing in it but files that are left
// out.
func (p *packer) omitsAll(f *os.File, dir string, names []string) bool {
	return !slices.ContainsFunc(names, func(name string) bool {
		_, omit := p.opts.Omit[join(dir, name)]
		st, err := statAt(f, name)
		return !omit || err != nil || st.kind == directory
	}) && len(p.absent[dir]) == 0
}

// children writes what is in a directory, sorted, with the devices that are not
// on disk. Its folder may be closed and opened again on the way.
func (p *packer) children(dir string, names []string) error {
	slices.Sort(names)
	absent := p.absent[dir]
	for _, name := range names {
		path, err := cleanName(join(dir, name))
		if err != nil {
			return err
		}
		for len(absent) > 0 && absent[0].path < path {
			if err := p.writeAbsent(absent[0]); err != nil {
				return err
			}
			absent = absent[1:]
		}
		if err := p.child(dir, name, path); err != nil {
			return err
		}
	}
	for _, e := range absent {
		if err := p.writeAbsent(e); err != nil {
			return err
		}
	}
	return nil
}

func (p *packer) child(dir, name, path string) error {
	f, err := p.src.at(dir)
	if err != nil {
		return p.unreadable(dir, err)
	}
	st, err := statAt(f.file, name)
	if err != nil {
		return p.unreadable(path, err)
	}
	mount, err := mountOf(f.file, name)
	if err != nil {
		return p.unreadable(path, err)
	}
	if mount != p.mount {
		full := p.src.top.Name() + "/" + path
		return mountInTree(full, full)
	}
	st.path = path
	switch why, omit := p.opts.Omit[path]; {
	case omit && st.kind != directory:
		p.skip(path, why)
		return nil
	case st.socket:
		p.skip(path, "socket")
		return nil
	case !st.numbered():
		p.skip(path, "device number")
		return nil
	}
	return p.one(f, name, st)
}

func (p *packer) skip(path, why string) {
	p.report.Skipped = append(p.report.Skipped, Skipped{path, why})
}

func (p *packer) one(f *folder, name string, st *fileStat) error {
	if st.kind == directory {
		return p.directory(st)
	}
	if st.links > 1 {
		id := inode{st.dev, st.ino}
		if first, ok := p.links[id]; ok {
			st.kind, st.target = hardlink, first
			p.report.HardLinks++
			return p.write(st, nil)
		}
		p.links[id] = st.path
	}
	switch st.kind {
	case regular:
		return p.file(f, name, st)
	case symlink:
		target, err := f.root.Readlink(name)
		if err != nil {
			return p.unreadable(st.path, err)
		}
		st.target = target
		p.report.Symlinks++
	default:
		p.report.Devices++
	}
	return p.write(st, nil)
}

func (p *packer) file(f *folder, name string, st *fileStat) error {
	src, err := f.root.OpenFile(name, os.O_RDONLY|openNoFollow, 0)
	if err != nil {
		return p.unreadable(st.path, err)
	}
	err = p.openFile(src, st)
	return errors.Join(err, src.Close())
}

func (p *packer) openFile(src *os.File, st *fileStat) error {
	before, err := src.Stat()
	if err != nil {
		return p.unreadable(st.path, err)
	}
	if !before.Mode().IsRegular() || before.Size() != st.size || !before.ModTime().Equal(st.mtime) {
		return p.changed(st.path)
	}
	if st.xattrs, err = ownXattrs(src); err != nil {
		return p.unreadable(st.path, err)
	}
	if err := p.write(st, src); err != nil {
		return err
	}
	after, err := src.Stat()
	if err != nil {
		return p.unreadable(st.path, err)
	}
	if after.Size() != st.size || !after.ModTime().Equal(st.mtime) {
		return p.changed(st.path)
	}
	p.report.Files++
	return nil
}

// write writes an entry that is on disk, with what was kept of it.
func (p *packer) write(st *fileStat, src *os.File) error {
	if m := p.kept[inode{st.dev, st.ino}]; m != nil {
		st.restore(m)
	}
	return p.writeEntry(&st.entry, src)
}

func (p *packer) writeEntry(e *entry, src *os.File) error {
	if err := p.ctx.Err(); err != nil {
		return err
	}
	p.report.Entries++
	p.meter.tick(p.report, false)
	if err := p.out.WriteHeader(formatHeader(e)); err != nil {
		return fmt.Errorf("%s: %w", quote(e.path), err)
	}
	if src == nil {
		return nil
	}
	return p.contents(e, src)
}

// contents copies as many bytes as the header has said.
func (p *packer) contents(e *entry, src *os.File) error {
	for left := e.size; left > 0; {
		if err := p.ctx.Err(); err != nil {
			return err
		}
		n, err := io.ReadFull(src, p.buf[:min(left, copyBuffer)])
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return p.changed(e.path)
		}
		if err != nil {
			return p.unreadable(e.path, err)
		}
		if _, err := p.out.Write(p.buf[:n]); err != nil {
			return err
		}
		left -= int64(n)
		p.report.Bytes += int64(n)
		p.meter.tick(p.report, false)
	}
	return nil
}

// maxDevice is the largest major or minor number that a header has room for:
// seven octal digits, and PAX has no record for it.
const maxDevice = 1<<21 - 1

// numbered tells whether the number of a device, if it is one, can be written.
func (e *entry) numbered() bool {
	return e.kind != charDevice && e.kind != blockDevice || e.major <= maxDevice && e.minor <= maxDevice
}

func (p *packer) writeAbsent(e *entry) error {
	if !e.numbered() {
		p.skip(e.path, "device number")
		return nil
	}
	p.report.Devices++
	return p.writeEntry(e, nil)
}
