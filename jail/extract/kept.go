package extract

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/xjail/xjail/internal/fault"
)

// deviceKinds are the opposite of deviceNames.
var deviceKinds = map[string]kind{"char": charDevice, "block": blockDevice, "fifo": fifo}

// matchKept finds the files that the kept facts are of. They are looked for by
// inode: the name under which a hard link is packed may be another than that
// under which it was unpacked. What is not there any more has been removed.
func (p *packer) matchKept() error {
	for i := range p.opts.Kept {
		m := &p.opts.Kept[i]
		path, err := cleanName(m.Path)
		if err != nil {
			return err
		}
		st, err := p.lookup(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			err = p.addAbsent(path, m)
		case err == nil && m.Device == nil: // else something else is in its place
			p.kept[inode{st.dev, st.ino}] = m
		}
		if err != nil {
			return err
		}
	}
	for _, entries := range p.absent {
		slices.SortFunc(entries, func(a, b *entry) int { return strings.Compare(a.path, b.path) })
	}
	return nil
}

// lookup looks at the file with that path, none of whose directories may be a
// link.
func (p *packer) lookup(path string) (*fileStat, error) {
	dir, base := ".", path
	if path != "." {
		dir, base = split(path)
	}
	ok, err := p.isReal(dir)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fs.ErrNotExist
	}
	f, err := p.src.at(dir)
	if err != nil {
		return nil, p.unreadable(dir, err)
	}
	st, err := statAt(f.file, base)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, p.unreadable(path, err)
	}
	return st, err
}

// isReal tells whether a path is a directory, and so are all those above it.
func (p *packer) isReal(dir string) (bool, error) {
	if ok, known := p.real[dir]; known {
		return ok, nil
	}
	st, err := p.lookup(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	p.real[dir] = err == nil && st.kind == directory
	return p.real[dir], nil
}

// addAbsent notes a device that could not be made, when its directory is there.
func (p *packer) addAbsent(path string, m *Metadata) error {
	if m.Device == nil || path == "." {
		return nil
	}
	dir, _ := split(path)
	if ok, err := p.isReal(dir); err != nil || !ok {
		return err
	}
	k, ok := deviceKinds[m.Device.Type]
	if !ok || m.Device.Major < 0 || m.Device.Minor < 0 {
		return fault.New(fault.Damaged, "", "%s is kept as the impossible device %q %d:%d", quote(path), m.Device.Type, m.Device.Major, m.Device.Minor)
	}
	e := &entry{path: path, kind: k, major: m.Device.Major, minor: m.Device.Minor}
	e.attrs = attrs{xattrs: m.Xattrs, acls: m.ACLs, flags: m.Flags, mtime: time.Unix(0, 0)}
	if m.Mode != nil {
		e.mode = *m.Mode & modeBits
	}
	if m.Owner != nil {
		e.uid, e.gid = m.Owner.UID, m.Owner.GID
	}
	if m.Time != nil {
		e.mtime = *m.Time
	}
	p.absent[dir] = append(p.absent[dir], e)
	return nil
}

// restore puts back what could not be set on disk. What has been changed on disk
// since then is newer and stays: an owner who is not the one who unpacked it, and
// the permissions.
func (st *fileStat) restore(m *Metadata) {
	if m.Owner != nil && st.uid == os.Geteuid() {
		st.uid, st.gid = m.Owner.UID, m.Owner.GID
		if m.Mode != nil {
			st.mode |= *m.Mode & (modeSetuid | modeSetgid)
		}
	}
	st.flags = joinFlags(st.flags, m.Flags)
	for name, value := range m.Xattrs {
		if _, ok := st.xattrs[name]; ok {
			continue
		}
		if st.xattrs == nil {
			st.xattrs = map[string][]byte{}
		}
		st.xattrs[name] = value
	}
	st.acls = m.ACLs
}
