package jail

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/extract"
	"github.com/xjail/xjail/qemu"
)

// PackOptions say what Store.Pack does.
type PackOptions struct {
	// Force lets an existing file be replaced.
	Force bool
	// WithEmulator packs the emulator too that was put into the root.
	WithEmulator bool
	// Stdout, when set, gets a plain tar in place of the file.
	Stdout io.Writer
}

// Packed says what Store.Pack has written.
type Packed struct {
	Jail    string            `json:"jail"`
	File    string            `json:"file,omitempty"` // "" for Stdout
	Format  string            `json:"format"`
	SHA256  string            `json:"sha256"`
	Size    int64             `json:"size"` // of the archive in bytes
	Entries int64             `json:"entries"`
	Bytes   int64             `json:"bytes"`    // of file contents
	LeftOut []extract.Skipped `json:"left_out"` // sorted by path
}

// omitPoint is why a mount point is in Packed.LeftOut.
const omitPoint = "mount point of native tools"

// omitEmulator is why the emulator is in Packed.LeftOut.
const omitEmulator = "emulator"

// Pack writes the root of a jail into an archive that Create makes the same root
// of, here or on another machine, with what this file system or user could not
// hold. The ending of the file's name says how it is compressed; the file is
// there whole or not at all. The jail can be in use meanwhile, but nothing may
// change in it.
//
// Errors have the kinds of extract.Pack, and fault.Usage (an unknown ending, or a
// file in the root itself), fault.Exists, fault.NoSpace, fault.NotFound and
// fault.Locked.
func (s Store) Pack(ctx context.Context, name, file string, opts PackOptions, w Watcher) (*Packed, error) {
	format := extract.PlainTar
	if opts.Stdout == nil {
		var err error
		if format, err = extract.FormatOf(file); err != nil {
			return nil, err
		}
	}
	r, l, err := s.use(name)
	if err != nil {
		return nil, err
	}
	defer l.release()
	root, err := os.OpenRoot(r.Root)
	if err != nil {
		return nil, fault.Wrap(fault.NotFound, err, "root of jail "+name, "xjail destroy "+name+" and make it again")
	}
	defer root.Close()
	p := &packing{record: r, root: root, format: format, watch: w}
	if err := p.prepare(s, opts); err != nil {
		return nil, err
	}
	if opts.Stdout != nil {
		w.Step("pack", "pack the root of "+name)
		done, err := p.writeTo(ctx, opts.Stdout)
		return done, packError(err, "the standard output")
	}
	return p.writeFile(ctx, file, opts.Force)
}

// packing is a Pack under way.
type packing struct {
	record *Record
	root   *os.Root
	format extract.Format
	watch  Watcher
	opts   extract.PackOptions
}

func (p *packing) prepare(s Store, opts PackOptions) error {
	kept, err := s.kept(p.record)
	if err != nil {
		return err
	}
	p.opts.Kept = kept
	p.opts.Progress = func(done extract.Progress) { p.watch.Progress(done.Written, -1, done.Entries) }
	if p.opts.Omit, err = s.emptyPoints(p.record, p.root); err != nil {
		return err
	}
	if p.record.Emulator == nil || opts.WithEmulator {
		return nil
	}
	emulator, err := p.emulator()
	maps.Copy(p.opts.Omit, emulator)
	return err
}

// kept reads metadata.json, which creation.keep has written.
func (s Store) kept(r *Record) ([]extract.Metadata, error) {
	file := filepath.Join(s.dir(r.Name), "metadata.json")
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) && r.Source.Kept == 0 {
		return nil, nil
	}
	hint := "xjail destroy " + r.Name + " and make it again"
	if err != nil {
		return nil, fault.Wrap(fault.Damaged, err, "what is known of the root besides its files", hint)
	}
	var kept []extract.Metadata
	if err := json.Unmarshal(text, &kept); err != nil {
		return nil, fault.Wrap(fault.Damaged, err, file, hint)
	}
	return kept, nil
}

// emulator is the path of the emulator that was put into the root. Where another
// file is in its place now, that is the root's own.
func (p *packing) emulator() (map[string]string, error) {
	e := p.record.Emulator
	real, err := resolve(p.root, e.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Wrap(fault.Damaged, err, "emulator "+e.Path+" of the root", "xjail verify "+p.record.Name)
	}
	if err := qemu.Verify(p.root, qemu.Placed{Path: real, SHA256: e.SHA256}); err != nil {
		p.watch.Warn(fmt.Sprintf("%s is packed, for it is not the emulator that was put there: %v", e.Path, err))
		return nil, nil
	}
	return map[string]string{real: omitEmulator}, nil
}

// writeTo writes the archive and finds out its digest and size.
func (p *packing) writeTo(ctx context.Context, w io.Writer) (*Packed, error) {
	sum := sha256.New()
	size := &byteCount{}
	z, err := p.format.NewWriter(io.MultiWriter(w, sum, size))
	if err != nil {
		return nil, err
	}
	report, err := extract.Pack(ctx, p.root, z, p.opts)
	if cerr := z.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return nil, err
	}
	done := &Packed{
		Jail: p.record.Name, Format: p.format.Name, SHA256: hex.EncodeToString(sum.Sum(nil)), Size: size.n,
		Entries: report.Entries, Bytes: report.Bytes, LeftOut: report.Skipped,
	}
	if done.LeftOut == nil {
		done.LeftOut = []extract.Skipped{}
	}
	return done, nil
}

type byteCount struct{ n int64 }

func (c *byteCount) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}

// writeFile writes the archive into a file that gets its name in the end.
func (p *packing) writeFile(ctx context.Context, file string, force bool) (*Packed, error) {
	out, err := newPackFile(file, p.record.Root, force)
	if err != nil {
		return nil, err
	}
	defer out.discard()
	p.watch.Step("pack", "pack the root of "+p.record.Name+" into "+file)
	done, err := p.writeTo(ctx, out)
	if err == nil {
		err = out.publish()
	}
	if err != nil {
		return nil, packError(err, file)
	}
	done.File = file
	return done, nil
}
