package profile

import (
	"bufio"
	"encoding/json"
	"io"
)

// Writer writes a profile. It is not safe for several goroutines. The first error
// is kept and returned by every call after it: who collects goes on without.
type Writer struct {
	out *bufio.Writer
	enc *json.Encoder
	buf []byte // a line
	err error
}

// NewWriter writes the header to w, at once.
func NewWriter(w io.Writer, h *Header) (*Writer, error) {
	h.Format = formatVersion
	out := bufio.NewWriterSize(w, 64<<10)
	p := &Writer{out: out, enc: json.NewEncoder(out)}
	p.enc.SetEscapeHTML(false)
	_ = p.put(h) // kept, and returned by Flush
	return p, p.Flush()
}

func (w *Writer) put(v any) error {
	if w.err == nil {
		w.err = w.enc.Encode(v)
	}
	return w.err
}

// write writes a line that was appended to the empty buffer, or what it is of when
// that could not be done.
func (w *Writer) write(b []byte, ok bool, what line) error {
	w.buf = b[:0]
	if !ok {
		return w.put(what)
	}
	if w.err == nil {
		_, w.err = w.out.Write(b)
	}
	return w.err
}

// Begin writes that a run has begun.
func (w *Writer) Begin(r *Run) error {
	b, ok := appendRun(w.buf, r)
	return w.write(b, ok, line{Run: r})
}

// End writes that a run has ended.
func (w *Writer) End(e *End) error {
	b, ok := appendEnd(w.buf, e)
	return w.write(b, ok, line{End: e})
}

// Fail writes that an execve(2) failed.
func (w *Writer) Fail(f *Failure) error {
	b, ok := appendFailure(w.buf, f)
	return w.write(b, ok, line{Fail: f})
}

// Lost writes that something was not seen.
func (w *Writer) Lost(l *Lost) error { return w.put(line{Lost: l}) }

// Close writes the last line and flushes; the file stays open.
func (w *Writer) Close(c *Close) error {
	if err := w.put(line{Close: c}); err != nil {
		return err
	}
	return w.Flush()
}

// Flush hands everything to the file. A collector calls it every second, so that
// the profile can be read while the command runs.
func (w *Writer) Flush() error {
	if w.err == nil {
		w.err = w.out.Flush()
	}
	return w.err
}
