package xtools

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"strings"

	"github.com/xjail/xjail/internal/fault"
)

// staged is a tree of files out of packages. Nothing of a package is run.
type staged struct {
	root *os.Root
	// links are the symlinks, by their path: the target's path in the tree.
	links map[string]string
	// owner is the package of a file.
	owner map[string]Package
	// special are files that are set-id.
	special map[string]bool
}

// fileMax bounds one file of a package, bytes.
const fileMax = 1 << 30

// unpack takes the files out of a package's file that want asks for, by their
// path with /usr merged and in the target's own compiler's place.
func (s *staged) unpack(ctx context.Context, deb string, p Package, want func(name string) bool) error {
	cmd := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", deb)
	var text bytes.Buffer
	cmd.Stderr = &text
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("dpkg-deb: %w", err)
	}
	err = s.readTar(tar.NewReader(out), p, want)
	_, _ = io.Copy(io.Discard, out)
	werr := cmd.Wait()
	switch {
	case ctx.Err() != nil:
		return fault.Wrap(fault.Interrupted, ctx.Err(), "dpkg-deb", "")
	case err != nil:
		return fmt.Errorf("unpack %s: %w", path.Base(deb), err)
	case werr != nil:
		return fault.New(fault.Damaged, "xjail cache prune --all, and again", "unpack %s: %w: %s", path.Base(deb), werr, strings.TrimSpace(text.String()))
	}
	return nil
}

func (s *staged) readTar(r *tar.Reader, p Package, want func(name string) bool) error {
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fault.Wrap(fault.Damaged, err, "", "")
		}
		name := nativePath(mergedUsr(path.Clean(strings.TrimPrefix(h.Name, "./"))))
		if !fs.ValidPath(name) || !want(name) {
			continue
		}
		switch h.Typeflag {
		case tar.TypeReg:
			err = s.write(name, h, r)
		case tar.TypeSymlink:
			s.link(name, h.Linkname)
		case tar.TypeLink:
			// In a package the first of several names has the file.
			s.links[name] = nativePath(mergedUsr(path.Clean(strings.TrimPrefix(h.Linkname, "./"))))
		}
		if err != nil {
			return err
		}
		s.owner[name] = p
	}
}

// link notes a symlink, which may lead out of the tree as little as one of a root.
func (s *staged) link(name, target string) {
	if !path.IsAbs(target) {
		target = path.Join("/"+path.Dir(name), target)
	}
	s.links[name] = mergedUsr(path.Clean(target)[1:])
}

func (s *staged) write(name string, h *tar.Header, r io.Reader) error {
	if h.Size > fileMax {
		return fault.New(fault.Damaged, "", "%s has %d bytes", name, h.Size)
	}
	if err := s.root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	mode := h.FileInfo().Mode()
	if mode&(fs.ModeSetuid|fs.ModeSetgid) != 0 {
		s.special[name] = true
	}
	f, err := s.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode.Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}

// real follows the symlinks of the tree to a file; "" when there is none.
func (s *staged) real(name string) string {
	for range 40 {
		if target, ok := s.links[name]; ok {
			name = target
			continue
		}
		if st, err := s.root.Lstat(name); err == nil && st.Mode().IsRegular() {
			return name
		}
		return ""
	}
	return ""
}
