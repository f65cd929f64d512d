package jail

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"path"
	"path/filepath"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/extract"
	"github.com/xjail/xjail/jail/xtools"
)

// PackedTools says what Store.PackTools has written.
type PackedTools struct {
	Jail    string `json:"jail"`
	File    string `json:"file"`
	Release string `json:"release"`
	Host    string `json:"host"`
	Target  string `json:"target"`
	SHA256  string `json:"sha256"`
	Size    int64  `json:"size"` // of the file in bytes
}

// PackTools writes the native tools of a jail into a file, of which other
// machines make the same with --tools pack:FILE. The ending of its name says how
// it is compressed; the file is there whole or not at all.
func (s Store) PackTools(ctx context.Context, name, file string, force bool, w Watcher) (*PackedTools, error) {
	format, err := extract.FormatOf(file)
	if err != nil {
		return nil, err
	}
	r, l, err := s.use(name)
	if err != nil {
		return nil, err
	}
	defer l.release()
	m, err := s.LoadTools(name)
	switch {
	case err != nil:
		return nil, err
	case m == nil:
		return nil, fault.New(fault.NotFound, "xjail tools install "+name, "jail %s has no native tools", name)
	case m.Layout == xtools.NxbBin:
		return nil, fault.New(fault.Unsupported, "pack the directory of native-xtools or the base system with tar, and take it with nxb:FILE", "/nxb-bin of a FreeBSD jail is for this jail alone")
	}
	unlock, err := s.lockFarms(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	out, err := newPackFile(file, r.Root, force)
	if err != nil {
		return nil, err
	}
	defer out.discard()
	w.Step("pack", "pack the native tools of "+name+" into "+file)
	sum, size := sha256.New(), &byteCount{}
	z, err := format.NewWriter(io.MultiWriter(out, sum, size))
	if err != nil {
		return nil, packError(err, file)
	}
	err = xtools.WritePack(ctx, filepath.Join(s.Dir, path.Dir(m.Farm)), m, z)
	if cerr := z.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = out.publish()
	}
	if err != nil {
		return nil, packError(err, file)
	}
	return &PackedTools{Jail: name, File: file, Release: m.Release, Host: m.Host, Target: m.Target, SHA256: hex.EncodeToString(sum.Sum(nil)), Size: size.n}, nil
}
