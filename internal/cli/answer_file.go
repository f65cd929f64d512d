package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"

	"golang.org/x/term"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/profile/text"
)

// answerFile is where an answer goes that --output can name a file for: the file,
// which is there when all of it is, or the standard output.
type answerFile struct {
	io.Writer
	path string
	temp *os.File // nil for the standard output
	// mode is that of the file that is replaced; 0 when there was none.
	mode fs.FileMode
}

// answerFile begins an answer. What is there already is replaced when force says
// so; bytes that are no text are not written to a terminal.
func (g *globals) answerFile(path string, force, binary bool) (*answerFile, error) {
	if path == "" || path == "-" {
		if binary && terminal(g.Stdout) != nil {
			return nil, fault.New(fault.Usage, "--output FILE", "this format is not written to a terminal")
		}
		return &answerFile{Writer: g.Stdout}, nil
	}
	info, err := os.Lstat(path)
	switch {
	case err == nil && !info.Mode().IsRegular():
		return nil, fault.New(fault.Exists, "--output names another file", "%s is there, and is no regular file", printable(path))
	case err == nil && !force:
		return nil, fault.New(fault.Exists, "--force replaces it; --output names another file", "%s is there already", printable(path))
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, writeError(path, err)
	}
	f, err := createBeside(path)
	if err != nil {
		return nil, writeError(path, err)
	}
	a := &answerFile{Writer: f, path: path, temp: f}
	if info != nil {
		a.mode = info.Mode().Perm()
	}
	return a, nil
}

// longestStem is what of a name is in that of the file beside it: names have 255
// bytes at most.
const longestStem = 200

// createBeside makes the file that becomes path, with the mode that the umask gives.
func createBeside(path string) (*os.File, error) {
	stem := filepath.Base(path)
	stem = "." + stem[:min(len(stem), longestStem)]
	for {
		f, err := os.OpenFile(filepath.Join(filepath.Dir(path), fmt.Sprintf("%s.%08x", stem, rand.Uint32())), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666) //nolint:gosec // a name, no secret
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
}

// keep puts the file there.
func (a *answerFile) keep() error {
	if a.temp == nil {
		return nil
	}
	var err error
	if a.mode != 0 {
		err = a.temp.Chmod(a.mode)
	}
	if err = errors.Join(err, a.temp.Close()); err == nil {
		err = os.Rename(a.temp.Name(), a.path)
	}
	if err != nil {
		_ = os.Remove(a.temp.Name())
	}
	a.temp = nil
	return writeError(a.path, err)
}

// discard removes what was written, unless it was kept.
func (a *answerFile) discard() {
	if a.temp != nil {
		a.temp.Close()
		_ = os.Remove(a.temp.Name())
	}
}

// Write names the file in errors.
func (a *answerFile) Write(b []byte) (int, error) {
	n, err := a.Writer.Write(b)
	if a.temp != nil {
		err = writeError(a.path, err)
	}
	return n, err
}

// style is that of the terminal, when the answer goes to one.
func (a *answerFile) style(g *globals, top int) text.Style {
	s := text.Style{Top: top}
	if terminal(g.Stdout) == nil || a.temp != nil {
		return s
	}
	s.Width = g.columns()
	s.Colour = g.Getenv("NO_COLOR") == "" && g.Getenv("TERM") != "dumb"
	return s
}

// columns are those of the terminal that the answer goes to; 0 when it goes to none.
func (g *globals) columns() int {
	if f := terminal(g.Stdout); f != nil {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil {
			return width
		}
	}
	return 0
}

// terminal is w when that is a terminal, and nil otherwise.
func terminal(w io.Writer) *os.File {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return f
	}
	return nil
}

// writeJSON writes an answer in JSON, as printJSON does.
func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
