package nxb

import (
	"io/fs"
	"os"

	"github.com/xjail/xjail/internal/fault"
)

const setID = fs.ModeSetuid | fs.ModeSetgid

// take puts the program at name of the tree at path of the layout.
func (b *builder) take(name, path string) error {
	f, real, err := b.source.open(name)
	if err != nil {
		if missing(err) {
			return refuse("the %s has a link there that leads nowhere", b.what)
		}
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Mode()&setID != 0 {
		return refuse("it is set-id: it runs as another user than who starts it")
	}
	if first := b.taken(info); first != "" {
		b.link(path, first)
		return nil
	}
	file, needed, err := b.program(f, info)
	if err != nil {
		return err
	}
	file.Path, file.Source = path, real
	if file.Kind == Relocated {
		if err := b.libraries(needed, name); err != nil {
			return err
		}
	}
	b.add(b.source, file)
	b.known[info.Size()] = append(b.known[info.Size()], original{info, path})
	return nil
}

// taken is where the layout has a file already, under another of its names.
func (b *builder) taken(info os.FileInfo) string {
	for _, o := range b.known[info.Size()] {
		if os.SameFile(o.info, info) {
			return o.path
		}
	}
	return ""
}

// link adds a name for a file of the layout.
func (b *builder) link(path, to string) {
	first := b.files[to]
	b.add(nil, File{Path: path, Kind: Link, Link: to, Mode: first.Mode, Size: first.Size})
}

// program looks at a program and says how it runs in the jail, and which
// libraries it needs.
func (b *builder) program(f *os.File, info os.FileInfo) (File, []string, error) {
	if script(f) {
		return File{}, nil, refuse("a script: the jail's own is the same")
	}
	image, err := readImage(f, info.Size())
	if err != nil {
		return File{}, nil, err
	}
	if err := image.native(b.o.Host); err != nil {
		return File{}, nil, err
	}
	kind, edits, err := image.runnable()
	if err != nil {
		return File{}, nil, err
	}
	needed, err := image.needs()
	return File{Kind: kind, Edits: edits, Mode: mode(info), Size: info.Size()}, needed, err
}

// mode are the permissions of a file of the layout: those of the tree, without
// the right to write. A root that was unpacked by an unprivileged user has some
// files that only he may read.
func mode(info os.FileInfo) fs.FileMode {
	m := info.Mode().Perm() &^ 0o222
	if m&0o111 != 0 {
		return m | 0o555
	}
	return m | 0o444
}

// script tells whether a file begins with #!.
func script(f *os.File) bool {
	head := make([]byte, 2)
	_, err := f.ReadAt(head, 0)
	return err == nil && string(head) == "#!"
}

// rescue takes a program from /rescue, where all of its programs are one static
// file; done is false when it has none that would do.
func (b *builder) rescue(name string) (done bool, err error) {
	from := b.o.rescue(name)
	if from == "" || !b.source.has(from) || !b.source.has(rescueName) {
		return false, nil
	}
	f, real, err := b.source.open(rescueName)
	if err != nil {
		return false, b.failed(rescueName, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	if same, err := b.sameAs(from, info); err != nil || !same {
		return false, err
	}
	if b.files[rescueName] == nil {
		file, _, err := b.program(f, info)
		if err != nil {
			return false, b.failed(rescueName, err)
		}
		if file.Kind != Static {
			return false, b.failed(rescueName, fault.New(fault.Unsupported, "", "it is not static"))
		}
		file.Path, file.Source = rescueName, real
		b.add(b.source, file)
		b.known[info.Size()] = append(b.known[info.Size()], original{info, rescueName})
	}
	b.link(name, rescueName)
	return true, nil
}

// sameAs tells whether name is the file that info is of.
func (b *builder) sameAs(name string, info os.FileInfo) (bool, error) {
	f, _, err := b.source.open(name)
	if missing(err) {
		return false, nil
	}
	if err != nil {
		return false, b.failed(name, err)
	}
	defer f.Close()
	other, err := f.Stat()
	return err == nil && os.SameFile(info, other), err
}
