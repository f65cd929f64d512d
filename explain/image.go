package explain

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

// image is a file on the way to being a program.
type image struct {
	name   string // as the kernel was asked for it
	place  *place
	mount  Mount
	file   File // nil when it may be run and not read
	header []byte
	role   role
}

func (i *image) close() {
	if i != nil && i.file != nil {
		_ = i.file.Close()
	}
}

func (i *image) size() int64 { return i.place.info.Size }

// shown names it in messages: with the name that was asked for when it differs.
func (i *image) shown() string { return i.place.path }

// open looks a file up and opens it as execve(2) does: it must be a regular
// file, on a file system without noexec, with an x bit for this user.
func (e *explainer) open(name string, as role) (*image, *Verdict) {
	p, d := e.w.lookup(name)
	if d != nil {
		return nil, e.lost(d, name, as)
	}
	img := &image{name: name, place: p, mount: e.w.Files.Mount(p.path), role: as}
	found := fmt.Sprintf("%s is %s", as.noun(), describe(p))
	if v := e.runnable(img); v != nil {
		e.step(Bad, found, append(p.links, v.Message)...)
		return nil, v
	}
	e.step(OK, found, p.links...)
	if j := e.w.Jail; j != nil && j.Covered != nil && j.Covered(p.path) {
		e.step(Note, fmt.Sprintf("a native program is laid over %s when the jail is entered, and runs in its place: what follows is of the jail's own, as with --no-tools", p.path))
	}
	if err := e.read(img); err != nil {
		v := &Verdict{Runs: Unknown, Cause: as.cause(Unreadable), Message: fmt.Sprintf("%s may be run but not read, so its content is not known", p.path)}
		e.step(Note, v.Message, err.Error())
		return nil, v
	}
	return img, nil
}

// describe is what ls -l says of a file.
func describe(p *place) string {
	text := fmt.Sprintf("%s, mode %s", p.path, modeText(p.info.Mode))
	if p.info.Mode.IsRegular() {
		text += fmt.Sprintf(", %d bytes", p.info.Size)
	}
	return text
}

// modeText is a mode in octal, with the set-id bits.
func modeText(m fs.FileMode) string {
	bits := uint32(m.Perm())
	for bit, value := range map[fs.FileMode]uint32{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if m&bit != 0 {
			bits |= value
		}
	}
	return fmt.Sprintf("%04o", bits)
}

// lost is the verdict on a name that leads nowhere.
func (e *explainer) lost(d *dead, name string, as role) *Verdict {
	v := &Verdict{Runs: No, Stage: AtExec, Errno: d.errno, Cause: as.cause(d.cause)}
	if v.Message = fmt.Sprintf("%s: %s", name, d.why); name == d.at {
		v.Message = d.why
	}
	if as != asProgram {
		v.Message = fmt.Sprintf("%s %s cannot be opened: %s", as.noun(), name, d.why)
	}
	v.Remedy = e.lostRemedy(d, name, as)
	e.step(Bad, "look up "+name, d.why)
	return v
}

// runnable is what may_open, path_noexec and inode_permission of Linux refuse,
// and exec_check_permissions of FreeBSD.
func (e *explainer) runnable(img *image) *Verdict {
	mode, at := img.place.info.Mode, img.shown()
	bad := func(c Cause, remedy, format string, args ...any) *Verdict {
		return &Verdict{Runs: No, Stage: AtExec, Errno: EACCES, Cause: img.role.cause(c), Message: fmt.Sprintf(format, args...), Remedy: remedy}
	}
	switch {
	case mode.IsDir():
		return bad(IsDirectory, "name a file in it", "%s is a directory", at)
	case !mode.IsRegular():
		return bad(NotRegular, "name a regular file", "%s is %s, and only regular files are run", at, kindText(mode))
	case img.mount.NoExec:
		return bad(NoExec, e.remount(img.mount, "exec"), "%s is on %s, which is mounted noexec", at, mountText(img.mount))
	case !e.w.may(img.place.info):
		return bad(NotExecutable, "chmod +x "+e.onHost(at), "%s has mode %s: no x bit for uid %d", at, modeText(mode), e.w.UID)
	}
	return nil
}

func kindText(m fs.FileMode) string {
	switch {
	case m&fs.ModeNamedPipe != 0:
		return "a FIFO"
	case m&fs.ModeSocket != 0:
		return "a socket"
	case m&fs.ModeDevice != 0:
		return "a device"
	}
	return "no regular file"
}

func mountText(m Mount) string {
	if m.Point == "" {
		return "a file system"
	}
	return m.Point
}

// read opens the file and reads what the kernel looks at. What lies beyond the
// end counts as zeros.
func (e *explainer) read(img *image) error {
	f, err := e.w.Files.Open(img.place.path)
	if err != nil {
		return err
	}
	img.file = f
	e.opened = append(e.opened, img)
	img.header, err = readAt(f, 0, headerSizeBSD)
	return err
}

// readAt reads at most n bytes at off; less at the end of the file.
func readAt(r io.ReaderAt, off int64, n int) ([]byte, error) {
	b := make([]byte, n)
	got, err := r.ReadAt(b, off)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return b[:got], nil
}

var byteOrderMark = []byte("\xef\xbb\xbf")

// isText tells whether a shell would take the file for a script: its beginning
// has no NUL and is printable. Shells look at the first line, or at the first
// bytes; ELF files never pass.
func isText(header []byte) bool {
	line, _, _ := bytes.Cut(header, []byte("\n"))
	for _, c := range line {
		if c < ' ' && c != '\t' && c != '\r' && c != '\f' || c == 0x7f {
			return false
		}
	}
	return !bytes.Contains(header, []byte{0}) && len(header) > 0
}

// firstLine is for evidence: the line as a Go string, cut.
func firstLine(header []byte) string {
	line, _, _ := bytes.Cut(header, []byte("\n"))
	if len(line) > 80 {
		return fmt.Sprintf("%q...", line[:80])
	}
	return fmt.Sprintf("%q", line)
}

// unquoted leaves out what would disturb a terminal.
func unquoted(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0xfffd }) {
		return fmt.Sprintf("%q", s)
	}
	return s
}
