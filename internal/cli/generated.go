package cli

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/formats"
	"github.com/xjail/xjail/internal/fault"
)

// output is a file that generate writes.
type output struct {
	path string
	text []byte
	mode fs.FileMode
	same bool // it is there as it shall be
}

// writeFiles writes the files of a set. All of them are looked at before the
// first one is written.
func (o *generateOptions) writeFiles(entries []activators.Entry, options formats.Options) ([]generatedFile, error) {
	files, err := formats.Files(o.format, entries, options)
	if err != nil {
		return nil, err
	}
	var list []output
	for _, f := range files {
		out := output{path: o.pathOf(f), text: f.Text, mode: o.modeOf(f)}
		if err := out.look(o.force); err != nil {
			return nil, err
		}
		list = append(list, out)
	}
	if o.format == formats.Debian && !o.dryRun {
		if err := os.MkdirAll(o.output, 0o755); err != nil {
			return nil, writeError(o.output, err)
		}
	}
	written := []generatedFile{}
	for _, out := range list {
		f := generatedFile{"write", out.path}
		if out.same {
			f.Action = "unchanged"
		} else if !o.dryRun {
			if err := out.write(); err != nil {
				return nil, err
			}
		}
		written = append(written, f)
	}
	return written, nil
}

// pathOf is where a file goes: into the directory that is named, or to that
// name.
func (o *generateOptions) pathOf(f formats.File) string {
	if o.format == formats.Debian {
		return filepath.Join(o.output, f.Name)
	}
	if info, err := os.Stat(o.output); err == nil && info.IsDir() {
		name := "xjail-generated" + formats.Ending(o.format)
		if o.format == formats.RCScript {
			name = formats.ServiceName
		}
		return filepath.Join(o.output, name)
	}
	return o.output
}

func (o *generateOptions) modeOf(f formats.File) fs.FileMode {
	switch {
	case o.format == formats.RCScript:
		return 0o555
	case f.Program:
		return 0o755
	}
	return 0o644
}

// look refuses to replace what xjail did not write, unless force says so. What
// is no regular file is never replaced.
func (out *output) look(force bool) error {
	const hint = "--force replaces it; --output names another file"
	info, err := os.Lstat(out.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return writeError(out.path, err)
	}
	if !info.Mode().IsRegular() {
		return fault.New(fault.Exists, "--output names another file", "%s is there, and is no regular file", printable(out.path))
	}
	text, err := readSome(out.path)
	if err != nil {
		return writeError(out.path, err)
	}
	ours, changed := formats.Written(text)
	switch {
	case bytes.Equal(text, out.text) && info.Mode().Perm() == out.mode:
		out.same = true
	case force:
	case !ours:
		return fault.New(fault.Exists, hint, "%s is there, and xjail did not write it", printable(out.path))
	case changed:
		return fault.New(fault.Exists, hint, "%s was changed since xjail wrote it", printable(out.path))
	}
	return nil
}

// readSome reads more of a file than generate ever writes.
func readSome(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, 1<<20))
}

// write puts the file there in one step.
func (out *output) write() error {
	f, err := os.CreateTemp(filepath.Dir(out.path), "."+filepath.Base(out.path)+".*")
	if err != nil {
		return writeError(out.path, err)
	}
	_, err = f.Write(out.text)
	err = errors.Join(err, f.Chmod(out.mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), out.path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return writeError(out.path, err)
}

// writeError is an error of writing a file.
func writeError(path string, err error) error {
	if err == nil {
		return nil
	}
	kind := fault.Failed
	switch {
	case errors.Is(err, fs.ErrNotExist):
		kind = fault.NotFound
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		kind = fault.Permission
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		kind = fault.NoSpace
	}
	var perr *fs.PathError
	if errors.As(err, &perr) {
		err = perr.Err
	}
	return fault.Wrap(kind, err, "write "+printable(path), "")
}
